"""Builds the ASGI application: the only list of routers, middleware and error mapping."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.routing import Route

from chroniccare import __version__
from chroniccare.audit import api as audit
from chroniccare.audit.reads import note_seen
from chroniccare.audit.refusals import note_refused
from chroniccare.codes import api as codes
from chroniccare.console import ROUTERS as CONSOLE
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import failure_schemas
from chroniccare.core.errors import FieldError, Forbidden, Invalid, NotFound, Problem
from chroniccare.facilities import api as facilities
from chroniccare.fhir import api as fhir
from chroniccare.fhir import capability, outcome
from chroniccare.fhir import operations_routes_api as fhir_operations
from chroniccare.fhir import slots_api as fhir_slots
from chroniccare.fhir.exports import api as exports
from chroniccare.fhir.subscriptions import api as subscriptions
from chroniccare.front import Front, Traced
from chroniccare.medications import api as medications
from chroniccare.medications.adherence import api as adherence
from chroniccare.medications.allergies import api as allergies
from chroniccare.medications.doses import api as doses
from chroniccare.medications.dosing import api as dosing
from chroniccare.medications.fills import api as fills
from chroniccare.medications.interactions import api as interactions
from chroniccare.medications.reminders import link_api as dose_links
from chroniccare.notifications import api as notifications
from chroniccare.notifications.birth_date import Doorkeeper
from chroniccare.notifications.devices import api as devices
from chroniccare.notifications.doubts import api as doubts
from chroniccare.notifications.inbound import api as inbound
from chroniccare.notifications.mesh import api as mesh
from chroniccare.notifications.plans import api as plans
from chroniccare.notifications.preferences import api as preferences
from chroniccare.notifications.proxies import api as proxies
from chroniccare.notifications.receipts import api as receipts
from chroniccare.notifications.replay import api as replay
from chroniccare.notifications.single import api as single
from chroniccare.notifications.spend import api as spend
from chroniccare.notifications.templates import api as templates
from chroniccare.notifications.unsubscribing import api as unsubscribing
from chroniccare.notifications.why import api as why
from chroniccare.patients import api as patients
from chroniccare.platform import wiring
from chroniccare.platform.cache import cache
from chroniccare.platform.telemetry import configure_logging, telling
from chroniccare.privacy import api as privacy
from chroniccare.providers import api as providers
from chroniccare.scheduling import api as appointments
from chroniccare.scheduling import lifecycle_api as lifecycle
from chroniccare.scheduling import link_api as visit_links
from chroniccare.scheduling.availability import api as availability
from chroniccare.scheduling.availability import facilities_api as opening
from chroniccare.scheduling.calendars import api as calendars
from chroniccare.scheduling.catalogue import api as catalogue
from chroniccare.scheduling.groups import api as groups
from chroniccare.scheduling.recall import api as recalls
from chroniccare.scheduling.series import api as series
from chroniccare.scheduling.slots import api as slots
from chroniccare.scheduling.waitlist import api as waitlist
from chroniccare.scheduling.waitlist import link_api as waitlist_links
from chroniccare.settings import Settings, address, load
from chroniccare.settings_identity import issuers
from chroniccare.smart import api as smart_clients
from chroniccare.smart import token_api
from chroniccare.smart.tokens import Desk
from chroniccare.staff import api as staff
from chroniccare.staff.accounts import api as accounts
from chroniccare.staff.accounts.signing_in import Reception
from chroniccare.staff.emergency import api as emergency
from chroniccare.staff.sessions import actions as sessions
from chroniccare.tasks import api as tasks
from chroniccare.tenancy import masks
from chroniccare.tenancy.caller import Authority, NotAccepted, with_request
from chroniccare.tenancy.guesses import Guesses
from chroniccare.tenancy.people import People
from chroniccare.tenancy.turns import Turns
from chroniccare.ways import Ways
from chroniccare.webhooks import api as webhooks

log = logging.getLogger(__name__)

# Hot paths first: routes are tried in order.
ROUTERS = (
    patients.router,
    slots.router,  # before appointments, whose /{appointment_id} would take its path
    series.router,  # likewise
    appointments.router,
    token_api.public,  # before the router of fhir, whose /{kind} would take its paths
    fhir.public,  # likewise
    fhir_slots.router,  # likewise
    fhir_operations.router,  # likewise
    subscriptions.router,  # likewise
    exports.router,  # likewise
    fhir.router,
    lifecycle.router,
    providers.router,
    availability.router,
    facilities.router,
    opening.router,
    groups.router,
    catalogue.router,
    recalls.router,
    doses.router,
    adherence.router,
    fills.router,
    waitlist.router,
    medications.router,
    dosing.router,
    replay.router,  # before notifications, whose /{notification_id} would take its paths
    doubts.router,
    why.router,
    single.router,
    mesh.router,
    notifications.router,
    preferences.router,
    devices.router,
    proxies.router,
    spend.router,
    templates.router,
    plans.router,
    receipts.public,
    inbound.router,
    inbound.public,
    calendars.router,
    calendars.public,
    waitlist_links.public,
    visit_links.public,
    dose_links.public,
    unsubscribing.public,
    tasks.router,
    allergies.router,
    interactions.router,
    codes.router,
    audit.router,
    webhooks.router,
    privacy.router,
    staff.router,
    accounts.router,
    emergency.router,
    smart_clients.router,
    *CONSOLE,
)

_DESCRIPTION = """
Every answer is `{success, data | error, meta}`. Lists are `{items, next_cursor}`; send
`next_cursor` back as `cursor`. Instants are UTC. `Idempotency-Key` makes any POST safe to repeat;
`If-Match` makes a PUT safe against a change in between. Each operation names the scope its key
needs.
"""


def build(settings: Settings) -> FastAPI:
    """Return the application; its lifespan opens and closes what `settings` name."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with telling(settings, "chroniccare-api"):
            async with wiring.opened_soon(settings) as platform:
                app.state.platform = platform
                wiring.keep_what_stands()
                yield

    app = FastAPIOffline(
        title="Chronic Care",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/openapi.json",
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's own would put paths, and so ids, into spans.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.authority = Authority(
        pepper=settings.key_pepper.get_secret_value(),
        per_second=settings.rate_limit_per_minute / 60,
        burst=settings.rate_limit_burst,
        people=People(issuers(settings.oidc_issuers)),
        guesses=Guesses(settings.wrong_keys_per_minute),
        turns=Turns(settings.requests_at_once),
    )
    app.state.sessions = sessions
    app.state.reception = Reception(Guesses(settings.wrong_passwords_per_minute, of="signin:"))
    births = Guesses(settings.wrong_passwords_per_minute, of="births:")
    app.state.doorkeeper = Doorkeeper(births)
    app.state.smart = Desk(
        app.state.authority,
        address(settings) + token_api.TOKEN_PATH,
        anywhere=settings.webhook_targets == "any",
    )
    for router in ROUTERS:
        # Not include_router: that tries every route twice, 5 us each (docs/benchmarks.md).
        app.router.routes.extend(router.routes)
    for alive in ("/healthz", "/livez"):
        app.add_api_route(alive, _alive, include_in_schema=False)
    app.add_api_route("/readyz", _ready, include_in_schema=False)
    app.router.routes.insert(0, Ways(app.router.routes))
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.openapi = _without_claims(app.openapi)  # type: ignore[method-assign]  # FastAPI's own way
    app.add_middleware(Front, max_body_bytes=settings.max_body_bytes)
    if settings.otlp_url:
        app.add_middleware(Traced)  # outermost: it sees what Front answers
    return app


def _without_claims(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Return `openapi` without the 422 that FastAPI claims where `_invalid` answers 400."""

    @lru_cache
    def document() -> dict[str, Any]:
        made = openapi()
        for operations in made["paths"].values():
            for operation in operations.values():
                _describe_headers(operation["responses"])
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            made["components"]["schemas"].pop(name, None)
        made["components"]["schemas"] |= failure_schemas()
        masks.describe(made)
        return made

    return document


def _describe_headers(responses: dict[str, Any]) -> None:
    """Add the headers that answers carry; they are written in `front` and `tenancy.api`."""
    for status, response in responses.items():
        names = ["X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
        if status in {"429", "503"}:
            names.append("Retry-After")
        if status in {"200", "304"} and ({"304", "412"} & set(responses)):
            names.append("ETag")
        if status == "201":
            names += ["ETag", "Location", "Idempotent-Replayed"]
        response["headers"] = {
            name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names
        }


_HEADERS = {
    "X-Request-Id": "Id to quote when you ask for help.",
    "RateLimit-Limit": "Requests the key may make at once.",
    "RateLimit-Remaining": "Requests left just now.",
    "RateLimit-Reset": "Seconds until the bucket is full again.",
    "Retry-After": "Seconds to wait before trying again.",
    "ETag": "The record's version, for If-Match and If-None-Match.",
    "Location": "Address of the record.",
    "Idempotent-Replayed": "`true` when this is the kept answer of an earlier request.",
}


def application() -> FastAPI:
    """Return the application for the environment's settings; what the server's workers call."""
    settings = load()
    configure_logging(settings.log_level)
    return build(settings)


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
    of_fhir = capability.allowed(path[len(outcome.BASE) :]) if outcome.is_fhir(path) else None
    if of_fhir is not None:
        return of_fhir
    for route in request.app.router.routes:
        if isinstance(route, Route) and route.path_regex.match(path):
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
