"""Every route at once: what reads leave in the audit, what nothing leaves in the log, poison.

The routes come from the OpenAPI document, so a new one is tried as soon as it is there.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from chroniccare.audit.refusals import asked_about
from chroniccare.platform.cache import cache
from chroniccare.platform.postgres import Query, begin
from chroniccare.platform.telemetry import JsonFormatter
from chroniccare.tenancy.actions import create_key
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.contracts.operations import (
    RECORDS,
    Operation,
    by_name,
    made_records,
    operations,
)
from tests.contracts.test_routes import body_of, weak_keys
from tests.staff.conftest import person

__all__ = ["person", "weak_keys"]

# Reads of what is no patient's, which leave no row, and why.
OF_NO_PATIENT = {
    "api-keys": "the clinic's own",
    "codes": "tables that everybody shares",
    "facilities": "the clinic's own",
    "providers": "the clinic's own",
    "scheduling": "the clinic's own",
    "smart-clients": "the clinic's own",
    "spend": "sums",
    "staff": "the clinic's own",
    "templates": "texts before anybody's name is in them",
    "webhooks": "the clinic's own; events hold ids alone",
}
LEAVES_NONE = {
    "GET /appointments/availability": "times that are free",
    "GET /break-glass": "of staff",
    "GET /break-glass/{break_glass_id}": "of staff",
    "GET /dosing-times": "the clinic's own",
    "GET /group-sessions": "what is planned; who has a seat is another list",
    "GET /group-sessions/{group_session_id}": "the same",
    "GET /interaction-sets": "tables that everybody shares",
    "GET /notification-plans": "the clinic's own",
    "GET /notification-plans/in-force": "the clinic's own",
    "GET /notification-plans/{plan_id}": "the clinic's own",
    "GET /notifications/delivery-status": "sums",
    "GET /notifications/drivers": "of no patient",
    "GET /notifications/forecast": "sums",
    "GET /notifications/queue": "sums",
    "GET /providers/{provider_id}/slots": "times that are free",
}
READS = [operation for operation in operations() if operation.method == "GET"]
CANARIES = {
    "first_name": "Zebulonia", "last_name": "Quagmirez", "mrn": "MRN-CANARY-5",
    "primary_diagnosis": "Ocelotitis",
}  # fmt: skip
NUMBER = "+14155550187"


@dataclass(frozen=True, slots=True)
class Left:
    """A row of the audit, as far as these tests look at it."""

    entity_type: str
    entity_id: UUID | None
    action: str
    metadata: dict[str, Any]


LEFT = Query(
    Left,
    "SELECT entity_type, entity_id, action, metadata FROM audit_logs"
    " WHERE metadata->>'requestId' = $1 ORDER BY created_at, id",
)


async def left(clinic: Clinic, request_id: str) -> list[Left]:
    async with begin(clinic.caller) as tx:
        return await tx.all(LEFT, request_id)


@dataclass(frozen=True, slots=True)
class Stage:
    """A clinic with a record of each kind."""

    clinic: Clinic
    ids: dict[str, str]


@pytest.fixture(scope="module")
async def stage(running: Running) -> AsyncIterator[Stage]:
    async with new_clinic(running.app, running.contract) as clinic:
        ids = await made_records(clinic, RECORDS)
        telecom = {"telecom": [{"system": "phone", "value": NUMBER}]}
        patient = await clinic.patient(**CANARIES, contact_info=telecom)
        yield Stage(clinic, {**ids, "patient_id": patient["id"]})


def leaves_a_row(operation: Operation) -> bool:
    tag = operation.document["tags"][0]
    return tag not in OF_NO_PATIENT and operation.name not in LEAVES_NONE


@pytest.mark.parametrize("operation", READS, ids=by_name)
async def test_sec_26_a_read_of_a_patients_leaves_its_purpose_and_outcome(
    stage: Stage, operation: Operation
) -> None:
    request_id = f"read-{uuid4()}"
    answer = await stage.clinic.get(operation.at(stage.ids), headers={"X-Request-Id": request_id})
    rows = await left(stage.clinic, request_id)
    if answer.status_code != 200:  # such as a list that wants a filter: nothing was shown
        assert not rows
        return
    assert bool(rows) == leaves_a_row(operation), operation.document["tags"]
    for row in rows:
        assert row.metadata["outcome"] == "success"
        assert row.metadata["purpose"] in {"treatment", "patient_request", "operations"}


def test_what_leaves_no_row_is_there() -> None:
    assert {operation.document["tags"][0] for operation in READS} >= OF_NO_PATIENT.keys()
    assert {operation.name for operation in READS} >= LEAVES_NONE.keys()


@pytest.fixture(scope="module")
async def powerless(running: Running, stage: Stage) -> dict[str, str]:
    """Keys of the clinic's that may do one thing, by what they may do."""
    pepper = running.app.state.authority.pepper
    async with begin(stage.clinic.caller) as tx:
        return {
            one: await create_key(tx, pepper=pepper, name=one, scopes=frozenset({one}))
            for one in ("spend:read", "staff:read")
        }


@pytest.mark.parametrize("operation", operations(), ids=by_name)
async def test_sec_26_whoever_is_refused_is_in_the_audit(
    stage: Stage, powerless: dict[str, str], operation: Operation
) -> None:
    request_id = f"refused-{uuid4()}"
    key = next(key for scope, key in powerless.items() if scope != operation.scope)
    headers = {"X-Request-Id": request_id, "X-API-Key": key}
    answer = await stage.clinic.send(
        operation.method, operation.at(stage.ids), headers=headers, **body_of(operation)
    )
    assert answer.status_code == 403
    (row,) = await left(stage.clinic, request_id)
    assert row.metadata["outcome"] == "refused"
    assert row.action == ("read" if operation.method == "GET" else "write")
    asked = (row.entity_type, str(row.entity_id))
    if "patient_id" in operation.ids:
        assert asked == ("patient", stage.ids["patient_id"])
    elif operation.ids:
        assert asked[1] == stage.ids[operation.ids[0]]
    else:
        assert asked == (operation.document["tags"][0], "None")


async def test_what_was_refused_and_for_a_patient_is_searched_for(
    stage: Stage, powerless: dict[str, str]
) -> None:
    clinic, patient_id = stage.clinic, stage.ids["patient_id"]
    path = f"/patients/{patient_id}"
    await clinic.get(path, headers={"X-API-Key": powerless["spend:read"]})
    await clinic.get(f"{path}/access-report")
    for filters, action in (
        ({"outcome": "refused"}, "read"),
        ({"purpose": "patient_request", "outcome": "success"}, "access_report"),
    ):
        params = {**filters, "entity_id": patient_id, "limit": 1}
        answer = await clinic.get("/audit-logs", params=params)
        (found,) = answer.json()["data"]["items"]
        assert found["action"] == action
        assert filters.items() <= found["metadata"].items()
    wrong = await clinic.get("/audit-logs", params={"outcome": "maybe"})
    assert wrong.status_code == 400


@pytest.mark.parametrize("path", [{}, {"patient_id": "x"}, {"feed_id": "Zebulonia"}])
def test_an_id_that_is_none_is_not_kept(path: dict[str, Any]) -> None:
    assert asked_about(path, "patients")[1] is None


class Lines(logging.Handler):
    """What the log says, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(("httpx", "httpcore")):  # the tests' own client
            self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    root, handler = logging.getLogger(), Lines()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("chroniccare.access").setLevel(logging.INFO)
    try:
        yield handler.lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        logging.getLogger("chroniccare.access").setLevel(logging.NOTSET)


async def test_sec_23_nothing_of_a_patient_is_logged_through_any_route(
    stage: Stage, lines: list[str]
) -> None:
    told = {**CANARIES, "number": NUMBER}
    for operation in sorted(operations(), key=lambda one: one.method != "GET"):
        if operation.method == "DELETE" or operation.path.endswith("/erase"):
            continue  # the others need what is there
        path = operation.at(stage.ids)
        await stage.clinic.send(operation.method, path, **body_of(operation))
        wrong: dict[str, Any] = {} if operation.schema is None else {"json": told}
        await stage.clinic.send(operation.method, path, params=told, **wrong)
        bad = operation.at({**stage.ids, **dict.fromkeys(operation.ids, "Zebulonia")})
        await stage.clinic.send(operation.method, bad, **body_of(operation))
    assert len([line for line in lines if '"message":"request"' in line]) > 3 * len(READS)
    words = (*told.values(), NUMBER[1:])
    assert [line for line in lines if any(word in line for word in words)] == []


KEYS = (("patient", "patient_id", ""), ("appointment", "appointment_id", ":telehealth"))
CACHED = ("/patients/{patient_id}", "/appointments/{appointment_id}", "/patients")


async def test_sec_08_a_poisoned_cache_serves_no_other_clinics_record(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    ids = [
        {"patient_id": (visit := await RECORDS["appointment_id"][1](one, {}))["patient_id"],
         "appointment_id": visit["id"]}
        for one in (clinic, other_clinic)
    ]  # fmt: skip
    for one, own in zip((clinic, other_clinic), ids, strict=True):
        for path in (*CACHED, *CACHED):  # the second time from the cache
            assert (await one.get(path.format(**own))).status_code == 200
    connection = cache().connection
    assert connection is not None
    for kind, name, more in KEYS:
        mine, theirs = [
            f"{kind}:{one.tenant_id}:{own[name]}{more}"
            for one, own in zip((clinic, other_clinic), ids, strict=True)
        ]
        held = await connection.send("GET", theirs)
        assert isinstance(held, bytes)
        assert held
        await connection.send("SET", mine, held)
    pages = [f"patients:{one.tenant_id}:list" for one in (clinic, other_clinic)]
    generations = [await connection.send("GET", name) for name in pages]
    mine, theirs = [
        f"{name}:{generation.hex()}" if isinstance(generation, bytes) else ""
        for name, generation in zip(pages, generations, strict=True)
    ]
    listed = await connection.send("KEYS", f"{theirs}:*")
    assert isinstance(listed, list)
    assert listed
    for key in listed:
        name = key.decode() if isinstance(key, bytes) else str(key)
        held = await connection.send("GET", name)
        assert isinstance(held, bytes)
        await connection.send("SET", name.replace(theirs, mine), held)
    for path in CACHED:
        answer = await clinic.get(path.format(**ids[0]))
        assert answer.status_code == 200
        assert ids[0]["patient_id"] in answer.text
        assert ids[1]["patient_id"] not in answer.text
