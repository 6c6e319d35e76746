"""The operations of the OpenAPI document, bodies of its examples, and a record of each kind."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI

from chroniccare.app import build
from chroniccare.core.ids import new_id
from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Message
from chroniccare.notifications.inbound.queries import Waiting
from chroniccare.notifications.inbound.receiving import receive
from chroniccare.notifications.templates.text import Text
from chroniccare.platform.postgres import begin
from chroniccare.settings import Settings
from chroniccare.staff.emergency.actions import start
from chroniccare.staff.emergency.schemas import BreakGlassWrite
from chroniccare.tasks.actions import New, open_tasks
from tests.client import Clinic


async def _visit(clinic: Clinic, **patient: Any) -> dict[str, Any]:
    """Book a visit at a time of its own, with a provider and a patient of its own."""
    provider = await clinic.provider()
    start = (datetime.now(UTC) + timedelta(days=30)).replace(second=0, microsecond=0)
    return await clinic.make(
        "/appointments",
        {
            "patient_id": (await clinic.patient(**patient))["id"],
            "provider_id": provider["id"],
            "facility_id": provider["facilities"][0]["facility_id"],
            "appointment_type": "follow_up",
            "scheduled_start": start.isoformat(),
            "duration_minutes": 30,
        },
    )


async def _job(clinic: Clinic) -> dict[str, Any]:
    """Export a patient of its own."""
    patient = await clinic.patient()
    return await clinic.make(f"/patients/{patient['id']}/export", {"reason": "Asked for."})


async def _message(clinic: Clinic) -> dict[str, Any]:
    """Book a visit and return one of its messages; the confirmation has nowhere to go."""
    visit = await _visit(clinic, contact_info={"telecom": []})
    listed = await clinic.get(f"/patients/{visit['patient_id']}/notifications")
    first: dict[str, Any] = listed.json()["data"]["items"][0]
    return first


async def _kept(clinic: Clinic) -> dict[str, Any]:
    """Put a message into the local outbox, as its channel does."""
    attempt, now = new_id(), datetime.now(UTC)
    about = UUID((await _message(clinic))["id"])
    text = Text("Hello")
    message = Message(attempt, about, clinic.tenant_id, "sms", "+14155550100", text, now)
    await LOCAL["outbox"].hand_over([message])
    return {"id": str(attempt)}


async def _time_off(clinic: Clinic, ids: dict[str, str]) -> dict[str, Any]:
    """Give a provider a day off."""
    return await clinic.make(
        f"/providers/{ids['provider_id']}/exceptions",
        {"day": (datetime.now(UTC) + timedelta(days=9)).date().isoformat()},
    )


async def _group_session(clinic: Clinic) -> dict[str, Any]:
    """Plan a group session with a provider of its own."""
    provider = await clinic.provider()
    start = (datetime.now(UTC) + timedelta(days=30)).replace(second=0, microsecond=0)
    return await clinic.make(
        "/group-sessions",
        {
            "title": "Living with diabetes",
            "provider_id": provider["id"],
            "facility_id": provider["facilities"][0]["facility_id"],
            "appointment_type": "education",
            "scheduled_start": start.isoformat(),
            "seats": 12,
        },
    )


async def _visit_type(clinic: Clinic) -> dict[str, Any]:
    """Add a visit type with a code of its own."""
    code = f"type-{clinic.number('visit type')}"
    return await clinic.make("/visit-types", {"code": code, "name": code, "duration_minutes": 30})


async def _resource(clinic: Clinic) -> dict[str, Any]:
    """Add a room at a facility of its own."""
    facility_id = (await clinic.facility())["id"]
    body = {"kind": "room", "facility_id": facility_id, "name": "Bay", "category": "infusion"}
    return await clinic.make("/resources", body)


async def _feed(clinic: Clinic) -> dict[str, Any]:
    """Make a calendar feed of a patient."""
    patient = await clinic.patient()
    return await clinic.make(f"/patients/{patient['id']}/calendar-feeds", {})


async def _recall(clinic: Clinic) -> dict[str, Any]:
    """Put a patient of its own on the worklist."""
    return await clinic.make(
        "/recalls",
        {
            "patient_id": (await clinic.patient())["id"],
            "appointment_type": "follow_up",
            "due_on": (datetime.now(UTC) - timedelta(days=9)).date().isoformat(),
        },
    )


async def _waiting(clinic: Clinic) -> dict[str, Any]:
    """Put a new patient on the waitlist."""
    body = {"patient_id": (await clinic.patient())["id"], "appointment_type": "follow_up"}
    return await clinic.make("/waitlist", body)


async def _offer(clinic: Clinic) -> dict[str, Any]:
    """Offer a time of a provider of its own to a new patient who waits."""
    entry, provider = await _waiting(clinic), await clinic.provider()
    start = (datetime.now(UTC) + timedelta(days=30)).replace(second=0, microsecond=0)
    return await clinic.make(
        f"/waitlist/{entry['id']}/offers",
        {
            "provider_id": provider["id"],
            "facility_id": provider["facilities"][0]["facility_id"],
            "scheduled_start": start.isoformat(),
            "notify_patient": False,
        },
    )


async def _staff(clinic: Clinic) -> dict[str, Any]:
    """Add a member of staff."""
    number = clinic.number("staff")
    body = {"email": f"s{number}@clinic.example", "display_name": "Dana", "role": "front_desk"}
    return await clinic.make("/staff", body)


async def _glass(clinic: Clinic) -> dict[str, Any]:
    """Break the glass as a new member of staff, who alone can."""
    staff = UUID((await _staff(clinic))["id"])
    caller = replace(clinic.caller, actor_id=staff, actor_type="staff", role="front_desk")
    async with begin(caller) as tx:
        glass = await start(tx, BreakGlassWrite(reason="A test."))
    return {"id": str(glass.id)}


_FEW = 5


async def _related_person(clinic: Clinic, ids: dict[str, str]) -> dict[str, Any]:
    """Register somebody who receives a patient's messages, or return one: a patient has few."""
    path = f"/patients/{ids['patient_id']}/related-persons"
    there: list[dict[str, Any]] = (await clinic.get(path)).json()["data"]["items"]
    if len(there) > _FEW:
        return there[0]
    body = {"name": "Lucia Gonzalez", "relationship": "daughter", "categories": ["appointments"]}
    return await clinic.make(path, body)


async def _device(clinic: Clinic, ids: dict[str, str]) -> dict[str, Any]:
    """Register a patient's device, or return one: a patient has few."""
    path = f"/patients/{ids['patient_id']}/devices"
    there: list[dict[str, Any]] = (await clinic.get(path)).json()["data"]["items"]
    if len(there) > _FEW:
        return there[0]
    return await clinic.make(path, {"platform": "fcm", "token": f"token-{uuid4()}"})


async def _allergy(clinic: Clinic, ids: dict[str, str]) -> dict[str, Any]:
    """Record an allergy of a patient."""
    body = {"substance": "penicillin", "drug_class": "penicillins"}
    return await clinic.make(f"/patients/{ids['patient_id']}/allergies", body)


async def _closed_day(clinic: Clinic, ids: dict[str, str]) -> dict[str, Any]:
    """Close a facility for a day."""
    return await clinic.make(
        f"/facilities/{ids['facility_id']}/exceptions",
        {"day": (datetime.now(UTC) + timedelta(days=9)).date().isoformat()},
    )


async def _series(clinic: Clinic) -> dict[str, Any]:
    """Book a series of two visits, with a provider and a patient of its own."""
    provider = await clinic.provider()
    made = await clinic.make(
        "/appointments/batch",
        {
            "patient_id": (await clinic.patient())["id"],
            "provider_id": provider["id"],
            "facility_id": provider["facilities"][0]["facility_id"],
            "appointment_type": "follow_up",
            "first_date": (datetime.now(UTC) + timedelta(days=30)).date().isoformat(),
            "local_time": "09:00",
            "recurrence": {"rrule": "FREQ=WEEKLY;COUNT=2"},
        },
    )
    series: dict[str, Any] = made["series"]
    return series


async def _template(clinic: Clinic) -> dict[str, Any]:
    """Write a text message in a language of its own."""
    number = clinic.number("template")
    locale = f"en-{'ABCDEFGHIJ'[number // 10 % 10]}{'ABCDEFGHIJ'[number % 10]}"
    return await clinic.make(
        "/templates",
        {
            "notification_type": "recall",
            "channel": "sms",
            "locale": locale,
            "text": "Hello, {{ clinic }} would like to see you. Please call us.",
        },
    )


async def _template_version(clinic: Clinic, ids: dict[str, str]) -> dict[str, Any]:
    """Return the first version of a template that was made before."""
    found = await clinic.get(f"/templates/{ids['template_id']}/versions")
    first: dict[str, Any] = found.json()["data"]["items"][0]
    return first


async def _reply(clinic: Clinic) -> dict[str, Any]:
    """Receive a text message from nobody in particular."""
    number = f"in-{clinic.number('reply')}"
    row = Waiting(
        new_id(), "http", number, "+14155550199", None, "When do you open?", False,
        datetime.now(UTC), 1, None,
    )  # fmt: skip
    await receive(clinic.tenant_id, row)
    newest: dict[str, Any] = (await clinic.get("/replies")).json()["data"]["items"][0]
    return newest


async def _task(clinic: Clinic) -> dict[str, Any]:
    """Open two tasks, one to be closed by a test; no client can."""
    async with begin(clinic.caller) as tx:
        news = [New("call_patient", "test", f"test:{clinic.number('task')}") for _ in range(2)]
        task, _ = await open_tasks(tx, news)
    return {"id": str(task.id)}


async def _plan(clinic: Clinic) -> dict[str, Any]:
    """Add a plan for one kind of message, or return the one there is."""
    kinds = ("recall", "waitlist_offer", "low_adherence", "refill_reminder", "appointment_reminder")
    kind = kinds[clinic.number("plan") % len(kinds)]
    listed = await clinic.get("/notification-plans", params={"notification_type": kind})
    found: list[dict[str, Any]] = listed.json()["data"]["items"]
    if found:
        return found[0]
    steps = [{"channel": "sms"}, {"channel": "email"}]
    return await clinic.make("/notification-plans", {"notification_type": kind, "steps": steps})


async def _medication(clinic: Clinic) -> dict[str, Any]:
    """Prescribe to a patient of its own, with refills for every fill that the tests record."""
    return await clinic.make(
        f"/patients/{(await clinic.patient())['id']}/medications",
        {
            "medication_name": "Metformin 500 mg tablet",
            "sig": "1 tablet by mouth twice a day",
            "start_date": (datetime.now(UTC) + timedelta(days=2)).date().isoformat(),
            "prescribing_provider_id": (await clinic.provider())["id"],
            "refills_remaining": 99,
        },
    )


async def _fill(clinic: Clinic, ids: dict[str, str]) -> dict[str, Any]:
    """Record a fill of a medication."""
    body = {"filled_on": "2026-01-01", "days_supply": 30}
    return await clinic.make(f"/medications/{ids['medication_id']}/fills", body)


async def _api_key(clinic: Clinic) -> dict[str, Any]:
    """Make a key that may read patients."""
    return await clinic.make("/api-keys", {"key_name": "Other", "scopes": ["patients:read"]})


async def _webhook(clinic: Clinic) -> dict[str, Any]:
    """Have events sent to a public address, where nobody is asked in tests."""
    return await clinic.make("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]})


async def _delivery(clinic: Clinic, ids: dict[str, str]) -> dict[str, Any]:
    """Send a test event; no worker takes it."""
    sent = await clinic.post(f"/webhooks/{ids['webhook_id']}/ping")
    made: dict[str, Any] = sent.json()["data"]
    return made


async def _smart_client(clinic: Clinic) -> dict[str, Any]:
    """Add a SMART client whose keys nobody reads in tests."""
    body = {"name": "x", "jwks_url": "https://93.184.215.14/", "scopes": ["system/*.rs"]}
    return await clinic.make("/smart-clients", body)


Make = Callable[[Clinic, dict[str, str]], Awaitable[dict[str, Any]]]

# For each name of a path parameter: where its records are read, and what makes one, given the ids
# that stand before it in the path.
RECORDS: dict[str, tuple[str, Make]] = {
    "patient_id": ("/patients", lambda clinic, _: clinic.patient()),
    "provider_id": ("/providers", lambda clinic, _: clinic.provider()),
    "facility_id": ("/facilities", lambda clinic, _: clinic.facility()),
    "appointment_id": ("/appointments", lambda clinic, _: _visit(clinic)),
    "series_id": ("/appointments/series", lambda clinic, _: _series(clinic)),
    "job_id": ("/privacy-jobs", lambda clinic, _: _job(clinic)),
    "notification_id": ("/notifications", lambda clinic, _: _message(clinic)),
    "group_session_id": ("/group-sessions", lambda clinic, _: _group_session(clinic)),
    "visit_type_id": ("/visit-types", lambda clinic, _: _visit_type(clinic)),
    "resource_id": ("/resources", lambda clinic, _: _resource(clinic)),
    "feed_id": ("/calendar-feeds", lambda clinic, _: _feed(clinic)),
    "recall_id": ("/recalls", lambda clinic, _: _recall(clinic)),
    "entry_id": ("/waitlist", lambda clinic, _: _waiting(clinic)),
    "offer_id": ("/waitlist/offers", lambda clinic, _: _offer(clinic)),
    "allergy_id": ("/patients/{patient_id}/allergies", _allergy),
    "related_person_id": ("/patients/{patient_id}/related-persons", _related_person),
    "device_id": ("/patients/{patient_id}/devices", _device),
    "reply_id": ("/replies", lambda clinic, _: _reply(clinic)),
    "staff_id": ("/staff", lambda clinic, _: _staff(clinic)),
    "api_key_id": ("/api-keys", lambda clinic, _: _api_key(clinic)),
    "break_glass_id": ("/break-glass", lambda clinic, _: _glass(clinic)),
    "task_id": ("/tasks", lambda clinic, _: _task(clinic)),
    "plan_id": ("/notification-plans", lambda clinic, _: _plan(clinic)),
    "exception_id": ("/providers/{provider_id}/exceptions", _time_off),
    "template_id": ("/templates", lambda clinic, _: _template(clinic)),
    "version_id": ("/templates/{template_id}/versions", _template_version),
    "medication_id": ("/medications", lambda clinic, _: _medication(clinic)),
    "fill_id": ("/medications/{medication_id}/fills", _fill),
    "webhook_id": ("/webhooks", lambda clinic, _: _webhook(clinic)),
    "smart_client_id": ("/smart-clients", lambda clinic, _: _smart_client(clinic)),
    "message_id": ("/outbox", lambda clinic, _: _kept(clinic)),
    "delivery_id": ("/webhooks/{webhook_id}/deliveries", _delivery),
    "facility_exception_id": ("/facilities/{facility_id}/exceptions", _closed_day),
}


# Parameters of paths that are no ids of records, but codes that everybody shares.
CODES = {"code": "E11.9", "rxcui": "6809"}


async def made_records(clinic: Clinic, names: Iterable[str]) -> dict[str, str]:
    """Make a record for each name and return their ids."""
    missing = set(names) - set(RECORDS)
    assert not missing, f"put a maker of {missing} into RECORDS in operations.py"
    ids: dict[str, str] = {}
    for name in names:
        ids[name] = (await RECORDS[name][1](clinic, ids))["id"]
    return ids


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation under /api/v1; `path` is below that."""

    method: str
    path: str
    document: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def scope(self) -> str:
        """Return the one scope it names."""
        (requirement,) = self.document["security"]
        (scopes,) = requirement.values()
        (scope,) = scopes
        return str(scope)

    @property
    def ids(self) -> list[str]:
        return re.findall(r"\{(\w+_id)\}", self.path)

    @property
    def schema(self) -> dict[str, Any] | None:
        """Return the schema of its body, if it takes one."""
        body = self.document.get("requestBody")
        return None if body is None else dict(body["content"]["application/json"]["schema"])

    def at(self, ids: dict[str, str]) -> str:
        """Return the path with these ids in place."""
        return self.path.format(**CODES, **ids)


@cache
def application() -> FastAPI:
    """Return the application, which nobody opens: for its routes and its document alone."""
    return build(Settings())


def document() -> dict[str, Any]:
    """Return the OpenAPI document, which is the same under all settings."""
    return application().openapi()


def operations() -> list[Operation]:
    """Return every operation under /api/v1."""
    return [
        Operation(method.upper(), path.removeprefix("/api/v1"), described)
        for path, methods in document()["paths"].items()
        for method, described in methods.items()
        if path.startswith("/api/v1")
    ]


def writing() -> list[Operation]:
    """Return the operations that take a body."""
    return [operation for operation in operations() if operation.schema is not None]


def by_name(operation: Operation) -> str:
    """Return what a test of this operation is called."""
    return operation.name


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema`, its reference followed; what stands beside the reference stays."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return {**document()["components"]["schemas"][name], **schema} if name else schema


def example(schema: dict[str, Any]) -> Any:
    """Return a value of this schema: its example, or an object of its properties' examples."""
    schema = resolved(schema)
    if "examples" in schema:
        return schema["examples"][0]
    if schema.get("format") == "uuid":
        return str(uuid4())
    if "anyOf" in schema:
        return example(next(one for one in schema["anyOf"] if one != {"type": "null"}))
    if "properties" in schema:
        return {name: example(value) for name, value in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example(schema["items"])]
    by_type = {"boolean": True, "integer": 1, "number": 1.5}.get(schema.get("type", ""), "text")
    return schema.get("const", schema.get("enum", [by_type])[0])


def has_example(schema: dict[str, Any]) -> bool:
    """Say whether a reader of the document sees what a value of this schema looks like."""
    schema = resolved(schema)
    if "examples" in schema or schema.get("format") == "uuid" or schema.get("type") == "boolean":
        return True
    if "properties" in schema or "const" in schema or "enum" in schema:
        return True
    if "anyOf" in schema:
        return all(has_example(one) for one in schema["anyOf"] if one != {"type": "null"})
    return schema.get("type") == "array" and has_example(schema["items"])


def reached(schema: dict[str, Any], found: dict[str, dict[str, Any]] | None = None) -> Any:
    """Return the named object schemas that a value of this schema may hold, by name."""
    found = {} if found is None else found
    name = schema.get("$ref", "").rpartition("/")[2]
    if name and name not in found:
        found[name] = resolved(schema)
        schema = found[name]
    elif name:
        return found
    below = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    below += [schema[key] for key in ("items", "additionalProperties") if schema.get(key)]
    for one in below:
        if isinstance(one, dict):
            reached(one, found)
    return found
