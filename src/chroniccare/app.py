"""Builds the ASGI application: the only list of routers; `assembly` has what all of them share."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from chroniccare import __version__
from chroniccare.assembly import assemble
from chroniccare.audit import api as audit
from chroniccare.codes import api as codes
from chroniccare.console import ROUTERS as CONSOLE
from chroniccare.core.envelope import failure_schemas
from chroniccare.facilities import api as facilities
from chroniccare.fhir import api as fhir
from chroniccare.fhir import capability
from chroniccare.fhir import operations_routes_api as fhir_operations
from chroniccare.fhir import slots_api as fhir_slots
from chroniccare.fhir.exports import api as exports
from chroniccare.fhir.readings import api as readings
from chroniccare.fhir.subscriptions import api as subscriptions
from chroniccare.medications import api as medications
from chroniccare.medications.adherence import api as adherence
from chroniccare.medications.allergies import api as allergies
from chroniccare.medications.doses import api as doses
from chroniccare.medications.dosing import api as dosing
from chroniccare.medications.fills import api as fills
from chroniccare.medications.interactions import api as interactions
from chroniccare.medications.reminders import link_api as dose_links
from chroniccare.notifications import api as notifications
from chroniccare.notifications import birth_date
from chroniccare.notifications.devices import api as devices
from chroniccare.notifications.doubts import api as doubts
from chroniccare.notifications.inbound import api as inbound
from chroniccare.notifications.mesh import api as mesh
from chroniccare.notifications.outbox import api as outbox
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
from chroniccare.settings import Settings, load
from chroniccare.smart import api as smart_clients
from chroniccare.smart import token_api
from chroniccare.staff import api as staff
from chroniccare.staff.accounts import api as accounts
from chroniccare.staff.accounts.elsewhere import Elsewhere
from chroniccare.staff.accounts.signing_in import Reception
from chroniccare.staff.emergency import api as emergency
from chroniccare.staff.keys import api as api_keys
from chroniccare.staff.sessions import actions as sessions
from chroniccare.tasks import api as tasks
from chroniccare.tenancy import masks
from chroniccare.tenancy.guesses import Guesses
from chroniccare.webhooks import api as webhooks

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
    readings.router,
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
    outbox.router,
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
    api_keys.router,
    smart_clients.router,
    *CONSOLE,
)

_DESCRIPTION = """
Every answer is `{success, data | error, meta}`. Lists are `{items, next_cursor}`; send
`next_cursor` back as `cursor`. Instants are UTC. `Idempotency-Key` makes any POST safe to repeat;
`If-Match` makes a PUT safe against a change in between. Each operation names the scope its key
needs.
"""


def build(settings: Settings, routers: Sequence[APIRouter] = ROUTERS) -> FastAPI:
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
    assemble(app, settings, routers, allowed_of_fhir=capability.allowed)
    app.state.sessions = sessions
    app.state.reception = Reception(Guesses(settings.wrong_passwords_per_minute, of="signin:"))
    app.state.issuers = Elsewhere(app.state.authority.people)
    app.state.doorkeeper = birth_date.doorkeeper(app.state.authority, settings)
    app.state.smart = token_api.desk(app.state.authority, settings)
    app.openapi = _without_claims(app.openapi)  # type: ignore[method-assign]  # FastAPI's own way
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
