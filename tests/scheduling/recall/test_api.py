"""Recalls through the public API: opened, changed, listed, called."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic
from tests.notifications.support import NOON, Clock
from tests.scheduling.recall.support import (
    call,
    claim,
    code,
    day,
    listed,
    read,
    recall_body,
    recalled,
)
from tests.scheduling.test_api import visit_body

pytestmark = pytest.mark.usefixtures("clock")
NOWHERE = "5f0c1c3e-0000-7000-8000-000000000000"


async def audited(clinic: Clinic, entity_id: str) -> list[str]:
    rows = (await clinic.get("/audit", params={"entity_id": entity_id})).json()["data"]["items"]
    return sorted(row["action"] for row in rows)


async def events(clinic: Clinic) -> list[tuple[str, Any]]:
    async with begin(clinic.caller) as tx:
        rows = await tx.connection.fetch(
            "SELECT event_type, payload FROM outbox WHERE event_type LIKE 'recall.%' ORDER BY id"
        )
    return [tuple(row) for row in rows]


async def test_a_recall_is_opened_read_and_changed(clinic: Clinic) -> None:
    body = await recall_body(clinic, reason="HbA1c", high_risk=True)
    answer = await clinic.post("/recalls", body)
    made = answer.json()["data"]
    assert answer.headers["location"] == f"/api/v1/recalls/{made['id']}"
    assert {name: made[name] for name in body} == body
    assert (made["status"], made["source"], made["version"]) == ("open", "staff", 1)
    assert made["time_zone"] == "America/New_York"
    card = await read(clinic, made)
    assert {name: card[name] for name in made} == made
    assert (card["days_overdue"], card["calls"], card["last_call"]) == (9, [], None)
    assert card["patient"]["phone"] == "+14155550001"
    assert card["patient"]["age"] == 69
    path = f"/recalls/{made['id']}"
    changed = await clinic.put(path, {**body, "due_on": day(3)}, headers={"If-Match": '"1"'})
    assert (changed.json()["data"]["due_on"], changed.headers["etag"]) == (day(3), '"2"')
    assert (await clinic.put(path, body, headers={"If-Match": '"1"'})).status_code == 412
    assert await audited(clinic, made["id"]) == ["create", "update"]
    assert "read_recall" in await audited(clinic, body["patient_id"])
    assert await events(clinic) == [("recall.opened", {"version": 1})]


async def test_days_are_the_facilitys_else_the_patients(clinic: Clinic) -> None:
    place = await clinic.facility(timezone="Pacific/Kiritimati")  # 17:00 UTC is tomorrow there
    there = await recalled(clinic, due=1, facility_id=place["id"])
    patient = await clinic.patient(time_zone="Pacific/Auckland")  # and there, UTC+13
    far = await recalled(clinic, due=1, patient_id=patient["id"])
    here = await recalled(clinic, due=1)
    assert (there["time_zone"], far["time_zone"]) == ("Pacific/Kiritimati", "Pacific/Auckland")
    assert await listed(clinic) == sorted([there["id"], far["id"]])
    assert [(await read(clinic, one))["days_overdue"] for one in (there, far, here)] == [0, 0, -1]


async def test_a_day_begins_at_midnight_on_the_wall(clinic: Clinic, clock: Clock) -> None:
    patient = await clinic.patient(time_zone="Pacific/Honolulu")
    made = await recalled(clinic, due=0, patient_id=patient["id"])
    clock.at = datetime.fromisoformat("2031-03-04T09:59:59+00:00")
    assert await listed(clinic) == []
    clock.forward(seconds=1)
    assert await listed(clinic) == [made["id"]]
    assert await listed(clinic, overdue_at_least=1) == []
    clock.forward(hours=24)
    assert await listed(clinic, overdue_at_least=1) == [made["id"]]


async def test_a_patient_is_on_the_list_once_for_each_kind_of_visit(clinic: Clinic) -> None:
    body = await recall_body(clinic)
    made = await clinic.make("/recalls", body)
    again = await clinic.post("/recalls", body)
    assert code(again) == (409, "RECALL_OPEN", ["appointment_type"])
    assert again.json()["error"]["data"] == {"recall_id": made["id"]}
    other = await clinic.make("/recalls", {**body, "appointment_type": "lab"})
    moved = await clinic.put(f"/recalls/{other['id']}", body)
    assert moved.json()["error"]["data"] == {"recall_id": made["id"]}
    await call(clinic, made, "removed", removed_reason="refused")
    assert (await clinic.put(f"/recalls/{other['id']}", body)).status_code == 200
    closed = await clinic.put(f"/recalls/{made['id']}", body)
    assert code(closed) == (409, "RECALL_CLOSED", [])


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"patient_id": NOWHERE}, 422, "patient_id"),
    ({"provider_id": NOWHERE}, 422, "provider_id"),
    ({"facility_id": NOWHERE}, 422, "facility_id"),
    ({"due_on": "2021-03-02"}, 422, "due_on"),
    ({"due_on": "2036-03-06"}, 422, "due_on"),
    ({"remind_on": "2036-03-06"}, 422, "remind_on"),
    ({"due_on": "soon"}, 400, "due_on"),
    ({"due_on": None}, 400, "due_on"),
    ({"remind_on": 5}, 400, "remind_on"),
    ({"high_risk": "yes"}, 400, "high_risk"),
    ({"appointment_type": ""}, 400, "appointment_type"),
    ({"status": "closed"}, 400, "status"),
]


@pytest.mark.parametrize(("fields", "status", "field"), BAD)
async def test_bad_input_is_named_and_nothing_is_written(
    clinic: Clinic, fields: dict[str, Any], status: int, field: str
) -> None:
    refused = await clinic.post("/recalls", {**await recall_body(clinic), **fields})
    assert refused.status_code == status
    assert [d["field"] for d in refused.json()["error"]["details"]] == [field]
    assert await listed(clinic, status="open") == []
    assert await events(clinic) == []


@pytest.mark.parametrize(
    "fields",
    [{"is_active": False}, {"treatment_status": "deceased"}, {"treatment_status": "inactive"}],
)
async def test_nobody_recalls_a_patient_who_is_gone(clinic: Clinic, fields: dict[str, Any]) -> None:
    body = clinic.patient_body()
    patient = await clinic.make("/patients", body)
    made = await recalled(clinic, patient_id=patient["id"])
    await clinic.put(f"/patients/{patient['id']}", {**body, **fields})
    assert await listed(clinic) == []  # before any loop has closed it
    assert await claim(clinic) is None
    refused = await clinic.post("/recalls", await recall_body(clinic, patient_id=patient["id"]))
    assert code(refused) == (422, "UNPROCESSABLE", ["patient_id"])
    assert (await read(clinic, made))["status"] == "open"


async def test_a_recall_stays_with_its_patient(clinic: Clinic) -> None:
    made = await recalled(clinic)
    refused = await clinic.put(f"/recalls/{made['id']}", await recall_body(clinic))
    assert code(refused) == (422, "UNPROCESSABLE", ["patient_id"])


async def test_the_worklist_is_high_risk_first_then_the_longest_overdue(clinic: Clinic) -> None:
    due = [(-3, False), (-366, True), (-9, False), (0, True), (-365, False), (-20, True), (1, True)]
    made = [await recalled(clinic, due=days, high_risk=risk) for days, risk in due]
    order = [made[index]["id"] for index in (5, 3, 4, 2, 0)]
    assert await listed(clinic) == order
    pages: list[str] = []
    cursor: str | None = None
    while len(pages) < len(order):
        params = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = (await clinic.get("/recalls", params=params)).json()["data"]
        pages += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (pages, cursor) == (order, None)
    assert set(await listed(clinic, status="open")) == {one["id"] for one in made}
    assert await listed(clinic, limit=1) == order[:1]


async def test_filters(clinic: Clinic) -> None:
    provider = await clinic.provider()
    place = provider["facilities"][0]["facility_id"]
    silent = await clinic.patient(contact_info={})
    telecom = [{"system": "phone", "value": "+14155550199", "use": "old"}]
    moved = await clinic.patient(contact_info={"telecom": telecom})
    one = await recalled(clinic, due=-1, provider_id=provider["id"])
    two = await recalled(clinic, due=-10, facility_id=place, high_risk=True)
    three = await recalled(clinic, due=-100, patient_id=silent["id"])
    four = await recalled(clinic, due=-200, patient_id=moved["id"])
    await call(clinic, await recalled(clinic), "removed", removed_reason="other")

    async def found(**params: Any) -> list[int]:
        ids = [each["id"] for each in (one, two, three, four)]
        return sorted(ids.index(found) + 1 for found in await listed(clinic, **params))

    assert await found() == [1, 2, 3, 4]
    assert await found(provider_id=provider["id"]) == [1]
    assert await found(facility_id=place) == [2]
    assert await found(patient_id=silent["id"]) == [3]
    assert await found(high_risk=True) == [2]
    assert await found(high_risk=False) == [1, 3, 4]
    assert await found(has_phone=True) == [1, 2]
    assert await found(has_phone=False) == [3, 4]
    assert await found(overdue_at_least=10) == [2, 3, 4]
    assert await found(overdue_at_least=11) == [3, 4]
    assert await found(overdue_at_most=10) == [1, 2]
    assert await found(overdue_at_most=9) == [1]
    assert await found(overdue_at_least=10, overdue_at_most=100, status="open") == [2, 3]
    assert len(await listed(clinic, status="closed")) == 1


@pytest.mark.parametrize("params", [{"overdue_at_least": 366}, {"status": "gone"}, {"worker": ""}])
async def test_a_bad_filter_is_named(clinic: Clinic, params: dict[str, Any]) -> None:
    assert code(await clinic.get("/recalls", params=params)) == (
        400, "VALIDATION_ERROR", list(params),
    )  # fmt: skip


async def test_who_has_something_booked_is_not_called(clinic: Clinic, clock: Clock) -> None:
    made = await recalled(clinic)
    start = NOON + timedelta(days=3)
    body = await visit_body(
        clinic, patient_id=made["patient_id"], scheduled_start=start.isoformat()
    )
    visit = await clinic.make("/appointments", body)
    assert await listed(clinic) == []
    assert await claim(clinic) is None
    assert await listed(clinic, status="open") == [made["id"]]
    reason = {"cancellation_reason": "Rain"}
    await clinic.delete(f"/appointments/{visit['id']}", json=reason)
    assert await listed(clinic) == [made["id"]]
    await clinic.make("/appointments", body)
    clock.at = start + timedelta(minutes=30)  # over, and nobody came
    assert await listed(clinic) == [made["id"]]


async def test_who_has_just_come_is_not_called(clinic: Clinic, clock: Clock) -> None:
    made = await recalled(clinic)
    body = await visit_body(clinic, patient_id=made["patient_id"])
    start = NOON + timedelta(hours=1)
    visit = await clinic.make("/appointments", {**body, "scheduled_start": start.isoformat()})
    await clinic.post(f"/appointments/{visit['id']}/checkin")
    await clinic.post(f"/appointments/{visit['id']}/complete")
    clock.forward(hours=2)
    assert await listed(clinic) == []
    later = await recalled(clinic, patient_id=made["patient_id"], appointment_type="lab")
    assert await listed(clinic) == [later["id"]]  # opened after the patient had come


async def test_nobody_is_called_before_the_day_set(clinic: Clinic, clock: Clock) -> None:
    made = await recalled(clinic, remind_on=day(2))
    assert await listed(clinic) == []
    clock.forward(hours=35, minutes=59)
    assert await listed(clinic) == []
    clock.forward(minutes=1)
    assert await listed(clinic) == [made["id"]]


AGAIN: list[tuple[dict[str, Any], int]] = [
    ({"outcome": "agreed_to_visit"}, 30),
    ({"outcome": "remind_to_call_later"}, 7),
    ({"outcome": "remind_to_call_later", "remind_on": day(11)}, 11),
    ({"outcome": "no_answer"}, 1),
]


@pytest.mark.parametrize(("fields", "days"), AGAIN)
async def test_a_call_lists_the_patient_again(
    clinic: Clinic, clock: Clock, fields: dict[str, Any], days: int
) -> None:
    made = await recalled(clinic)
    answer = await call(clinic, made, **fields, note="Prefers Mondays")
    assert answer.json()["data"]["remind_on"] == day(days)
    assert answer.json()["data"]["claimed_until"] is None
    clock.at = datetime.fromisoformat(day(days) + "T03:59:59+00:00")  # 22:59 or 23:59 before
    assert await listed(clinic) == []
    clock.forward(hours=2)
    assert await listed(clinic) == [made["id"]]
    card = await read(clinic, made)
    assert card["last_call"] == card["calls"][0]
    noted = card["last_call"]
    assert (noted["called_by"], noted["outcome"]) == ("Ada", fields["outcome"])
    assert (noted["note"], noted["remind_on"]) == ("Prefers Mondays", day(days))
    assert await audited(clinic, made["id"]) == ["call", "claim", "create"]


async def test_who_never_answers_is_called_once_a_week(clinic: Clinic, clock: Clock) -> None:
    made = await recalled(clinic)
    waits = []
    for outcome in ["no_answer"] * 4 + ["remind_to_call_later", "no_answer"]:
        answer = await call(clinic, made, outcome)
        again = datetime.fromisoformat(answer.json()["data"]["remind_on"] + "T17:00:00+00:00")
        waits.append((again - clock.at).days)
        clock.at = again
    assert waits == [1, 1, 7, 7, 7, 1]
    assert [one["outcome"] for one in (await read(clinic, made))["calls"]][:2] == [
        "no_answer", "remind_to_call_later",
    ]  # fmt: skip


REASONS = [
    "already_visited", "not_responding", "refused", "invalid_number", "public_transfer", "private",
    "moved", "dead", "other",
]  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
async def test_who_is_removed_is_closed_and_stays_as_a_patient(clinic: Clinic, reason: str) -> None:
    made = await recalled(clinic)
    patient = (await clinic.get(f"/patients/{made['patient_id']}")).json()["data"]
    answer = await call(clinic, made, "removed", removed_reason=reason)
    closed = answer.json()["data"]
    assert (closed["status"], closed["closed_reason"]) == ("closed", reason)
    assert datetime.fromisoformat(closed["closed_at"]) == NOON
    assert await listed(clinic) == []
    assert (await read(clinic, made))["days_overdue"] is None
    assert (await clinic.get(f"/patients/{made['patient_id']}")).json()["data"] == patient
    assert await events(clinic) == [
        ("recall.opened", {"version": 1}), ("recall.closed", {"version": 3}),
    ]  # fmt: skip
    refused = await clinic.post("/recalls/claim", {"worker": "Ada", "recall_id": made["id"]})
    assert code(refused) == (409, "RECALL_CLOSED", [])
    body = {"worker": "Ada", "outcome": "no_answer"}
    again = await clinic.post(f"/recalls/{made['id']}/calls", body)
    assert code(again) == (409, "RECALL_CLOSED", [])


BAD_CALLS: list[tuple[dict[str, Any], int, str]] = [
    ({"outcome": "removed"}, 422, "removed_reason"),
    ({"outcome": "no_answer", "removed_reason": "dead"}, 422, "removed_reason"),
    ({"outcome": "no_answer", "remind_on": day(3)}, 422, "remind_on"),
    ({"outcome": "remind_to_call_later", "remind_on": day(0)}, 422, "remind_on"),
    ({"outcome": "remind_to_call_later", "remind_on": day(366)}, 422, "remind_on"),
    ({"outcome": "removed", "removed_reason": "bored"}, 400, "removed_reason"),
    ({"outcome": "shouted"}, 400, "outcome"),
    ({"outcome": "no_answer", "worker": " "}, 400, "worker"),
]


@pytest.mark.parametrize(("fields", "status", "field"), BAD_CALLS)
async def test_a_bad_call_is_named_and_not_written(
    clinic: Clinic, fields: dict[str, Any], status: int, field: str
) -> None:
    made = await recalled(clinic)
    await claim(clinic)
    refused = await clinic.post(f"/recalls/{made['id']}/calls", {"worker": "Ada", **fields})
    assert refused.status_code == status
    assert [d["field"] for d in refused.json()["error"]["details"]] == [field]
    card = await read(clinic, made)
    assert (card["calls"], card["version"]) == ([], 2)


async def test_what_was_seen_on_the_list_is_audited(clinic: Clinic) -> None:
    made = await recalled(clinic)
    await listed(clinic)
    assert await audited(clinic, made["patient_id"]) == ["create", "list_recalls"]


async def test_a_repeated_claim_answers_the_same_and_is_audited(clinic: Clinic) -> None:
    first = await recalled(clinic)
    headers = {"Idempotency-Key": "claim-1"}
    for _ in range(2):
        answer = await clinic.post("/recalls/claim", {"worker": "Ada"}, headers=headers)
        assert answer.json()["data"]["id"] == first["id"]
    assert await audited(clinic, first["id"]) == ["claim", "create", "replay"]
    none = {"Idempotency-Key": "claim-2"}
    for _ in range(2):
        answer = await clinic.post("/recalls/claim", {"worker": "Ada"}, headers=none)
        assert (answer.status_code, answer.json()["data"]) == (200, None)


async def test_calls_are_kept_as_they_were_written(clinic: Clinic) -> None:
    await call(clinic, await recalled(clinic), "no_answer")
    async with begin(clinic.caller) as tx:
        rights = Command(
            "SELECT has_table_privilege('recall_calls', 'UPDATE')"
            " OR has_table_privilege('recall_calls', 'DELETE')"
        )
        assert await tx.value(rights) is False


async def second_key(clinic: Clinic) -> str:
    """Return another key of the same clinic."""
    async with begin(clinic.caller) as tx:
        pepper = clinic.app.state.authority.pepper
        return await create_key(tx, pepper=pepper, name="another", scopes=SCOPES)
