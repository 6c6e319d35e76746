"""Dresses an ASGI application: middleware, routes and error mapping, the same wherever it runs.

What `app` builds has every router; a function on Lambda has those of its slice, and imports no
other (docs/serverless.md).
"""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from chroniccare.audit.reads import note_seen
from chroniccare.audit.refusals import note_refused
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Forbidden, Invalid, NotFound, Problem
from chroniccare.fhir import outcome
from chroniccare.front import Front, Proxied, Traced
from chroniccare.platform.cache import cache
from chroniccare.settings import Settings
from chroniccare.settings_peers import listed
from chroniccare.tenancy.authorities import authority
from chroniccare.tenancy.caller import NotAccepted, with_request
from chroniccare.ways import Ways

AllowedOfFhir = Callable[[str], str | None]
"""From a path below /fhir to the methods that it takes, None: nothing is known of it."""


def assemble(
    app: FastAPI, settings: Settings, routers: Iterable[APIRouter], *,
    allowed_of_fhir: AllowedOfFhir | None = None,
) -> None:  # fmt: skip
    """Give `app` what every request passes, and the routes of `routers`.

    Without `allowed_of_fhir` it has no routes below /fhir, and a record is never read there.
    """
    app.state.authority = authority(settings)
    app.state.allowed_of_fhir = allowed_of_fhir
    for router in routers:
        # Not include_router: that tries every route twice, 5 us each (docs/benchmarks.md).
        app.router.routes.extend(router.routes)
    for alive in ("/healthz", "/livez"):
        app.add_api_route(alive, _alive, include_in_schema=False)
    app.add_api_route("/readyz", _ready, include_in_schema=False)
    app.router.routes.insert(0, Ways(app.router.routes))
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(
        Front, max_body_bytes=settings.max_body_bytes, turns=allowed_of_fhir is not None
    )
    if settings.otlp_url:
        app.add_middleware(Traced)  # it sees what Front answers
    if settings.trusted_proxies:
        app.add_middleware(Proxied, proxies=listed(settings.trusted_proxies))  # outermost


def _answer(request: Request, problem: Problem) -> Response:
    headers = {} if problem.retry_after is None else {"retry-after": str(problem.retry_after)}
    if problem.status == 401:  # noqa: PLR2004  RFC 9110 asks for it with this status
        headers["www-authenticate"] = "Bearer"
    if isinstance(problem, outcome.NotWritable):
        headers["allow"] = _allowed(request)
    if outcome.is_fhir(request.url.path):
        body, media = outcome.body(problem), outcome.MEDIA_TYPE
    else:
        body = wire.failure(problem, request.scope.get("chroniccare.request_id", ""))
        media = wire.JSON
    return Response(body, problem.status, headers=headers, media_type=media)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  registered for this class alone
    caller: Caller | None = request.scope.get("chroniccare.caller")
    if isinstance(error, Forbidden) and caller is not None:
        tag = str(request.scope["route"].tags[0])
        await note_refused(caller, request.method, request.path_params, tag)
    if caller is not None:
        await note_seen(caller, error)
    if isinstance(error, NotAccepted) and request.app.state.authority.is_to_note(error.caller):
        known = with_request(
            error.caller, request_id=request.scope["chroniccare.request_id"],
            ip_address=request.client.host if request.client else None,
        )  # fmt: skip
        await note_refused(known, request.method, request.path_params, "credentials")
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as above
    errors = error.errors()
    if errors[0]["loc"] == ("body",) and not _is_json(request):
        return _answer(request, Invalid.field("Content-Type", "must be application/json", "type"))
    return _answer(request, Invalid(details=[_field_error(item) for item in errors]))


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == wire.JSON or kind.endswith("+json")


def _allowed(request: Request) -> str:
    """Return the methods that the address takes, of all routes that have it."""
    path, found = request.scope["path"], set[str]()
    ask: AllowedOfFhir | None = request.app.state.allowed_of_fhir
    of_fhir = ask(path[len(outcome.BASE) :]) if ask and outcome.is_fhir(path) else None
    if of_fhir is not None:
        return of_fhir
    last = path.rpartition("/")[2]
    for route in request.app.router.routes:
        # What stands in the place of an id is no operation.
        is_it = not last.startswith("$") or getattr(route, "path", "").endswith(last)
        if is_it and isinstance(route, Route) and route.path_regex.match(path):
            found |= route.methods or set()
    return ", ".join(sorted(found))


def _field_error(item: dict[str, Any]) -> FieldError:
    """Return one validation error; the offending value is left out."""
    place, *path = item["loc"]
    if item["type"] == "json_invalid":
        return FieldError("body", "is not valid JSON", "json")
    field = ".".join(str(step) for step in path) or str(place)
    reason = item["msg"].removeprefix("Value error, ")
    return FieldError(field, reason, item["type"])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  as above
    if isinstance(error.__cause__, Problem):  # a body that grew too large while FastAPI read it
        return _answer(request, error.__cause__)
    problem: Problem = NotFound("No such address.") if error.status_code == 404 else Problem()  # noqa: PLR2004
    if error.status_code == 405:  # noqa: PLR2004
        problem.message, problem.code = "This address does not take this method.", "METHOD"
    problem.status = error.status_code
    if error.status_code == 400:  # noqa: PLR2004  FastAPI: the body could not be read as text
        problem = Invalid.field("body", "is not valid JSON in UTF-8", "json")
    response = _answer(request, problem)
    response.headers.update(error.headers or {})
    if error.status_code == 405:  # noqa: PLR2004  Starlette names the first route's methods only
        response.headers["allow"] = _allowed(request)
    return response


async def _alive() -> Response:
    """Say that the process answers."""
    return Response(b'{"status":"alive"}', media_type=wire.JSON)


async def _ready(request: Request) -> Response:
    """Say whether requests can be served: PostgreSQL answers; the cache may be away."""
    await request.app.state.platform.database.ping()
    state = {"status": "ready", "cache": "ready" if await cache().ping() else "away"}
    return Response(wire.dumps(state), media_type=wire.JSON)
