"""Appointments through the public API."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import queries, rules
from tests.client import Clinic

TOMORROW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=9)


def at(hours: float) -> str:
    """Return an instant `hours` after the tests' first visit."""
    return (TOMORROW + timedelta(hours=hours)).isoformat()


async def visit_body(clinic: Clinic, **fields: Any) -> dict[str, Any]:
    """Return a booking for a new patient with a new provider, unless told which."""
    if "provider_id" not in fields:
        provider = await clinic.provider()
        fields["provider_id"] = provider["id"]
        fields["facility_id"] = provider["facilities"][0]["facility_id"]
    if "patient_id" not in fields:
        fields["patient_id"] = (await clinic.patient())["id"]
    return {"appointment_type": "follow_up", "scheduled_start": at(0), **fields}


def other(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**body, **fields}


async def test_a_visit_is_booked_and_read_back(clinic: Clinic) -> None:
    body = await visit_body(clinic, duration_minutes=45, reason="Quarterly check")
    response = await clinic.post("/appointments", body)
    made = response.json()["data"]
    assert response.status_code == 201
    assert made["status"] == "scheduled"
    assert made["duration_minutes"] == 45
    for _ in range(2):
        read = await clinic.get(f"/appointments/{made['id']}")
        assert read.json()["data"] == made
    assert read.headers["etag"] == '"1"'


@pytest.mark.parametrize("shift_minutes", [0, 5, -5, 29, -29])
async def test_no_provider_is_booked_twice(clinic: Clinic, shift_minutes: int) -> None:
    body = await visit_body(clinic)
    await clinic.make("/appointments", body)
    rival = other(
        body,
        patient_id=(await clinic.patient())["id"],
        scheduled_start=at(shift_minutes / 60),
    )
    refused = await clinic.post("/appointments", rival)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "SLOT_TAKEN"
    assert [d["field"] for d in refused.json()["error"]["details"]] == ["provider_id"]


async def test_no_patient_is_booked_twice(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    await clinic.make("/appointments", body)
    refused = await clinic.post(
        "/appointments", await visit_body(clinic, patient_id=body["patient_id"])
    )
    assert [d["field"] for d in refused.json()["error"]["details"]] == ["patient_id"]


async def test_back_to_back_visits_are_fine(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    await clinic.make("/appointments", body)
    await clinic.make("/appointments", other(body, scheduled_start=at(0.5)))


async def test_one_of_many_rivals_wins(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    rivals = [other(body, patient_id=(await clinic.patient())["id"]) for _ in range(12)]
    answers = await asyncio.gather(*(clinic.post("/appointments", rival) for rival in rivals))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    async with begin(clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM appointments")) == 1
        assert await tx.value(Command("SELECT count(*) FROM occupancy")) == 2


async def test_rivals_who_all_saw_the_time_free_are_told_apart(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    rivals = [other(body, patient_id=(await clinic.patient())["id"]) for _ in range(4)]
    keys = rules.lock_keys(clinic.tenant_id, [UUID(body["provider_id"])])
    waiting = Command("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with begin(clinic.caller) as tx:
        await tx.values(queries.LOCK, keys)
        racing = [asyncio.create_task(clinic.post("/appointments", rival)) for rival in rivals]
        async with asyncio.timeout(1.5):  # within the lock's own limit
            while await tx.value(waiting) < len(rivals):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
    answers = await asyncio.gather(*racing)
    codes = [answer.json().get("error", {}).get("code", "booked") for answer in answers]
    assert sorted(codes) == ["SLOT_TAKEN"] * 3 + ["booked"]
    async with begin(clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM appointments")) == 1


async def test_a_cancelled_visit_frees_its_time_and_stops_its_messages(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    made = await clinic.make("/appointments", body)
    path = f"/appointments/{made['id']}"
    reason = {"cancellation_reason": "Patient asked for it"}
    cancelled = (await clinic.delete(path, json=reason)).json()["data"]
    assert cancelled["status"] == "cancelled"
    assert cancelled["cancellation_reason"] == "Patient asked for it"
    again = await clinic.delete(path, json=reason)
    assert again.json()["data"] == cancelled
    await clinic.make("/appointments", body)
    messages = await clinic.get(f"/patients/{body['patient_id']}/notifications")
    of_first = [m for m in messages.json()["data"]["items"] if m["appointment_id"] == made["id"]]
    [notice] = [m for m in of_first if m["delivery_status"] == "pending"]
    assert notice["notification_type"] == "appointment_cancelled"
    assert {m["delivery_status"] for m in of_first if m is not notice} == {"cancelled"}
    assert (await clinic.put(path, body)).json()["error"]["code"] == "APPOINTMENT_NOT_OPEN"


async def test_cancelling_needs_a_reason(clinic: Clinic) -> None:
    made = await clinic.make("/appointments", await visit_body(clinic))
    refused = await clinic.delete(f"/appointments/{made['id']}", json={"cancellation_reason": ""})
    assert refused.json()["error"]["details"][0]["field"] == "cancellation_reason"


async def test_a_moved_visit_frees_the_old_time_and_plans_new_messages(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    made = await clinic.make("/appointments", body)
    moved = other(body, scheduled_start=at(3))
    changed = await clinic.put(f"/appointments/{made['id']}", moved, headers={"If-Match": '"1"'})
    assert changed.status_code == 200
    assert datetime.fromisoformat(changed.json()["data"]["scheduled_start"]) == (
        TOMORROW + timedelta(hours=3)
    )
    await clinic.make("/appointments", body)  # the old time is free
    messages = (await clinic.get(f"/patients/{body['patient_id']}/notifications")).json()
    mine = [m for m in messages["data"]["items"] if m["appointment_id"] == made["id"]]
    by_status = {m["delivery_status"] for m in mine}
    assert by_status == {"superseded", "pending"}


async def test_a_visit_moved_within_its_own_time_does_not_block_itself(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    made = await clinic.make("/appointments", body)
    moved = other(body, scheduled_start=at(0.25))
    assert (await clinic.put(f"/appointments/{made['id']}", moved)).status_code == 200


async def test_a_visit_cannot_be_moved_onto_another(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    made = await clinic.make("/appointments", body)
    late = other(body, scheduled_start=at(2), patient_id=(await clinic.patient())["id"])
    await clinic.make("/appointments", late)
    refused = await clinic.put(f"/appointments/{made['id']}", other(body, scheduled_start=at(2)))
    assert refused.status_code == 409
    unchanged = (await clinic.get(f"/appointments/{made['id']}")).json()["data"]
    assert unchanged == made


async def test_messages_are_planned_with_the_visit(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    made = await clinic.make("/appointments", body)
    items = (await clinic.get(f"/patients/{body['patient_id']}/notifications")).json()["data"]
    planned = sorted(
        round((TOMORROW - datetime.fromisoformat(m["scheduled_send_time"])).total_seconds() / 3600)
        for m in items["items"]
        if m["notification_type"] == "appointment_reminder"
    )
    assert planned == [2, 24, 72]
    kinds = [m["notification_type"] for m in items["items"]]
    assert kinds.count("appointment_confirmation") == 1
    assert {m["appointment_id"] for m in items["items"]} == {made["id"]}


async def test_the_same_key_books_once(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    header = {"Idempotency-Key": "visit-1"}
    answers = await asyncio.gather(
        *(clinic.post("/appointments", body, headers=header) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert replayed.count("true") == 7


async def test_lists_are_by_patient_provider_time_and_status(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    first = await clinic.make("/appointments", body)
    second = await clinic.make("/appointments", other(body, scheduled_start=at(24)))
    strange = await clinic.make("/appointments", await visit_body(clinic))
    reason = {"cancellation_reason": "x"}
    await clinic.delete(f"/appointments/{second['id']}", json=reason)

    async def ids(path: str, **params: Any) -> list[str]:
        response = await clinic.get(path, params=params)
        return [row["id"] for row in response.json()["data"]["items"]]

    patient, provider = body["patient_id"], body["provider_id"]
    assert await ids(f"/patients/{patient}/appointments") == [first["id"], second["id"]]
    assert await ids(f"/providers/{provider}/appointments", status="scheduled") == [first["id"]]
    assert await ids("/appointments", **{"from": at(1)}) == [second["id"]]
    assert set(await ids("/appointments", to=at(1))) == {first["id"], strange["id"]}
    assert await ids("/appointments", facility_id=body["facility_id"], status="cancelled") == [
        second["id"]
    ]
    page = await clinic.get("/appointments", params={"limit": 1, "provider_id": provider})
    cursor = page.json()["data"]["next_cursor"]
    assert await ids("/appointments", provider_id=provider, cursor=cursor) == [second["id"]]


BAD: list[tuple[dict[str, Any], str, int]] = [
    ({"scheduled_end": at(0)}, "scheduled_end", 422),
    ({"scheduled_end": at(-1)}, "scheduled_end", 422),
    ({"scheduled_end": at(24 * 30)}, "scheduled_end", 422),
    ({"scheduled_end": at(1), "duration_minutes": 30}, "duration_minutes", 422),
    ({"duration_minutes": 0}, "duration_minutes", 400),
    ({"duration_minutes": 50_000}, "duration_minutes", 400),
    ({"scheduled_start": "2020-01-01T09:00:00Z"}, "scheduled_start", 422),
    ({"scheduled_start": "2199-01-01T09:00:00Z"}, "scheduled_start", 422),
    ({"scheduled_start": "0001-01-01T00:00:00+14:00"}, "scheduled_start", 400),
    ({"scheduled_start": "9999-12-31T23:59:59-14:00"}, "scheduled_start", 400),
    ({"scheduled_start": "2026-12-01T09:00:00"}, "scheduled_start", 400),
    ({"scheduled_start": 5e18}, "scheduled_start", 400),
    ({"provider_id": "01900000-0000-7000-8000-000000000000"}, "provider_id", 422),
    ({"patient_id": "01900000-0000-7000-8000-000000000000"}, "patient_id", 422),
    ({"facility_id": "01900000-0000-7000-8000-000000000000"}, "facility_id", 422),
    ({"priority": "asap"}, "priority", 400),
    ({"status": "completed"}, "status", 400),
]


@pytest.mark.parametrize(("fields", "named", "status"), BAD, ids=lambda value: str(value)[:50])
async def test_bad_bookings_name_the_field_and_write_nothing(
    clinic: Clinic, fields: dict[str, Any], named: str, status: int
) -> None:
    refused = await clinic.post("/appointments", {**await visit_body(clinic), **fields})
    assert refused.status_code == status
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == [named]
    async with begin(clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM appointments")) == 0
        assert await tx.value(Command("SELECT count(*) FROM occupancy")) == 0
        assert await tx.value(Command("SELECT count(*) FROM notifications")) == 0


async def test_a_provider_is_booked_only_where_they_work(clinic: Clinic) -> None:
    elsewhere = await clinic.facility()
    body = other(await visit_body(clinic), facility_id=elsewhere["id"])
    refused = await clinic.post("/appointments", body)
    assert refused.json()["error"]["details"][0]["code"] == "affiliation"


async def test_another_clinics_parties_are_unknown(clinic: Clinic, other_clinic: Clinic) -> None:
    theirs = await visit_body(other_clinic)
    refused = await clinic.post("/appointments", theirs)
    fields = {detail["field"] for detail in refused.json()["error"]["details"]}
    assert fields == {"patient_id", "provider_id", "facility_id"}


async def test_the_providers_length_for_the_type_is_the_default(clinic: Clinic) -> None:
    provider = await clinic.provider(default_appointment_durations={"infusion": 180})
    body = await visit_body(
        clinic,
        provider_id=provider["id"],
        facility_id=provider["facilities"][0]["facility_id"],
        appointment_type="infusion",
    )
    made = await clinic.make("/appointments", body)
    assert made["duration_minutes"] == 180
    other_type = other(body, appointment_type="check", scheduled_start=at(5))
    assert (await clinic.make("/appointments", other_type))["duration_minutes"] == 30


async def test_every_change_is_audited_and_emitted(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    made = await clinic.make("/appointments", body)
    await clinic.put(f"/appointments/{made['id']}", other(body, reason="Changed"))
    await clinic.delete(f"/appointments/{made['id']}", json={"cancellation_reason": "x"})
    entries = (await clinic.get("/audit", params={"entity_id": made["id"]})).json()["data"]["items"]
    assert [entry["action"] for entry in entries] == ["cancel", "update", "create"]
    assert entries[1]["changes"]["after"]["reason"] == "Changed"
    async with begin(clinic.caller) as tx:
        events = await tx.values(
            Command("SELECT event_type FROM outbox WHERE entity_type = 'appointment' ORDER BY id")
        )
    assert events == ["appointment.created", "appointment.updated", "appointment.cancelled"]
