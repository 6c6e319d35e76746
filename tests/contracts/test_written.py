"""Every route that writes leaves a row of what it changed in the audit, in the same transaction.

The routes come from the OpenAPI document, their bodies from its examples with ids of records that
are there, so a new route is tried as soon as it is there.
"""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.checks.code import ROOT
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.contracts.operations import (
    RECORDS,
    Operation,
    by_name,
    example,
    made_records,
    operations,
)
from tests.contracts.test_trails import left

WRITES = [operation for operation in operations() if operation.method != "GET"]
# Answers of success that change nothing, and why.
CHANGES_NOTHING = {
    "POST /medications/sig": "reads what was written",
    "POST /templates/preview": "shows a text",
    "POST /templates/{template_id}/deactivate": "one that is not in force stays so",
    "POST /notifications/failed/replay": "none has failed",
    "POST /patients/{patient_id}/doses/set-aside": "none is planned",
}
# What an example cannot do to a record that was just made, and where it is done.
BEYOND = {
    **dict.fromkeys(
        (
            "POST /appointments/{appointment_id}/book",
            "POST /appointments/{appointment_id}/checkin",
            "POST /appointments/{appointment_id}/complete",
            "POST /appointments/{appointment_id}/no-show",
            "POST /appointments/{appointment_id}/start",
            "POST /appointments/{appointment_id}/undo",
        ),
        "tests/scheduling/test_lifecycle.py",
    ),
    "POST /medications/{medication_id}/activate": "tests/medications/test_lifecycle.py",
    "POST /medications/{medication_id}/resume": "tests/medications/test_lifecycle.py",
    "POST /notifications/{notification_id}/replay": "tests/notifications/why/test_replay.py",
    "POST /notifications/{notification_id}/resolve": "tests/notifications/doubts",
    "POST /patients/{patient_id}/notification-preferences/resubscribe":
        "tests/notifications/preferences",
    "POST /patients/{patient_id}/related-persons/{related_person_id}/resubscribe":
        "tests/notifications/preferences",
    "POST /recalls/{recall_id}/calls": "tests/scheduling/recall",
    "POST /recalls/{recall_id}/release": "tests/scheduling/recall",
    "POST /tasks/{task_id}/release": "tests/tasks",
    "POST /templates/{template_id}/versions": "tests/notifications/templates",
    "POST /break-glass": "tests/staff/test_break_glass.py",
    "PUT /message-policy": "tests/notifications/inbound/test_asks.py",
    "DELETE /patients/{patient_id}/legal-hold": "tests/privacy/test_api.py",
    "DELETE /patients/{patient_id}/providers/{provider_id}": "tests/patients",
}  # fmt: skip
_NEEDS = {"POST /notifications": ["appointment_id"], "POST /recalls/claim": ["recall_id"]}
_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_OTHERS = {"prescribing_provider_id": "provider_id"}


@pytest.fixture(scope="module")
async def writer(running: Running) -> AsyncIterator[Clinic]:
    async with new_clinic(running.app, running.contract) as clinic:
        yield clinic


async def named(clinic: Clinic, operation: Operation) -> dict[str, str]:
    """Return ids for the path, and for the body those that go with the record of the path."""
    ids = await made_records(clinic, [*operation.ids, *_NEEDS.get(operation.name, ())])
    provider = await clinic.provider()
    found = {
        "patient_id": (await clinic.patient())["id"], "provider_id": provider["id"],
        "facility_id": provider["facilities"][0]["facility_id"],
    }  # fmt: skip
    if operation.ids:
        last = operation.ids[-1]
        record = await clinic.get(f"{RECORDS[last][0].format(**ids)}/{ids[last]}")
        data = record.json().get("data") or {}
        found |= {key: data[key] for key in found if data.get(key)}
        if data.get("facilities"):
            found["facility_id"] = data["facilities"][0]["facility_id"]
    return {**found, **ids}


def put_in(value: Any, ids: dict[str, str]) -> Any:
    """Return a body with ids of records that are there, and with codes that nobody has."""
    if isinstance(value, list):
        return [put_in(one, ids) for one in value]
    if not isinstance(value, dict):
        return value
    known: dict[str, Any] = {**ids, **{name: ids[of] for name, of in _OTHERS.items()}}
    known |= {"mrn": uuid4().hex, "notify_patient": False}
    if "issuer" in value:  # a member of staff
        known["email"] = f"{uuid4()}@clinic.example"
    return {
        key: known[key] if key in known else put_in(one, ids)
        for key, one in value.items()
        if key != "appointment_id" or key in known
    }


@pytest.mark.parametrize("operation", WRITES, ids=by_name)
async def test_sec_26_a_write_leaves_what_it_changed(writer: Clinic, operation: Operation) -> None:
    ids = await named(writer, operation)
    options: dict[str, Any] = {}
    request_id = f"write-{uuid4()}"
    if operation.schema is not None:
        options["json"] = put_in(example(operation.schema), ids)
        if operation.name == "POST /providers":
            options["json"]["npi"] = writer.provider_body()["npi"]
        if operation.name == "POST /visit-types":
            options["json"]["code"] = f"type-{uuid4().hex[:8]}"
    answer = await writer.send(
        operation.method, operation.at(ids), headers={"X-Request-Id": request_id}, **options
    )
    rows = await left(writer, request_id)
    written = [row for row in rows if row.action not in {"read", "list", "write"}]
    if answer.is_success:
        assert bool(written) == (operation.name not in CHANGES_NOTHING)
        assert all(row.metadata["outcome"] == "success" for row in written)
        return
    assert written == []  # nothing was done
    assert answer.status_code in {400, 403, 404, 409, 412, 422}, answer.text
    # Only the days of an example may stand in its way, as they pass.
    assert operation.name in BEYOND or _DATED.search(str(options)), answer.text


def test_what_is_left_out_is_there() -> None:
    assert all((ROOT / place).exists() for place in BEYOND.values())
    assert {operation.name for operation in WRITES} >= CHANGES_NOTHING.keys() | BEYOND.keys()
