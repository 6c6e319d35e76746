"""Which route has a request, without asking each: there are nearly three hundred, of 1 us each.

Routes are looked up by method, first part of the path and number of parts; those few are asked in
their order. Where none answers, the application's own list does, with 404, 405 and redirections.
"""

from collections import defaultdict
from collections.abc import Sequence

from starlette.convertors import PathConvertor
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

_Key = tuple[str, str, int]


def _key(method: str, path: str) -> _Key:
    return method, path[1:].partition("/")[0], path.count("/")


class Ways(BaseRoute):
    """Stands before all other routes, and answers with that of them which has the request."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        """Remember the routes of which a parameter is one part of the path, never the first."""
        self.routes: defaultdict[_Key, list[Route]] = defaultdict(list)
        for route in routes:
            if not isinstance(route, Route) or "{" in route.path.split("/")[1]:
                continue
            if any(isinstance(one, PathConvertor) for one in route.param_convertors.values()):
                continue
            for method in route.methods or ():
                self.routes[_key(method, route.path)].append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return the scope of the first route that has the whole request."""
        if scope["type"] == "http" and not scope.get("root_path"):
            for route in self.routes.get(_key(scope["method"], scope["path"]), ()):
                match, found = route.matches(scope)
                if match == Match.FULL:
                    return match, {**found, "route": route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the route that was found handle the request."""
        await scope["route"].handle(scope, receive, send)
