"""The route that is looked up is the one that asking each finds, for every path there is."""

import re

import pytest
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from chroniccare.app import application
from chroniccare.ways import Ways

_MARK = "0196f0e0-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def routes() -> list[BaseRoute]:
    return list(application().router.routes)


def asked(method: str, path: str, root: str = "") -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": root, "headers": []}


def test_the_first_route_that_has_a_request_is_found(routes: list[BaseRoute]) -> None:
    ways, rest = routes[0], [one for one in routes[1:] if isinstance(one, Route)]
    assert isinstance(ways, Ways)
    paths = {re.sub(r"{[^}]*}", filled, one.path) for one in rest for filled in (_MARK, "Patient")}
    for path in sorted(paths | {f"{one}/" for one in paths} | {"/", "", "//", "/fhir//x"}):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
            scope = asked(method, path)
            one_by_one = [one for one in rest if one.matches(scope)[0] == Match.FULL]
            if one_by_one and ":path}" in one_by_one[0].path:
                one_by_one = []  # of any number of parts: left to the list, as what is nowhere
            match, found = ways.matches(scope)
            if not one_by_one:
                assert match == Match.NONE, (method, path)
                continue
            assert match == Match.FULL, (method, path)
            assert found["route"] is one_by_one[0], (method, path)
            assert found["path_params"] == one_by_one[0].matches(scope)[1]["path_params"]


def test_what_stands_behind_a_prefix_is_left_to_the_list(routes: list[BaseRoute]) -> None:
    assert routes[0].matches(asked("GET", "/fhir/Patient", root="/fhir"))[0] == Match.NONE
    assert routes[0].matches({**asked("GET", "/healthz"), "type": "websocket"})[0] == Match.NONE
