"""Doses in the database: written, moved and given up as regimens and patients change."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from chroniccare.core.time import LATEST
from chroniccare.medications.doses import rounds
from chroniccare.medications.doses.planner import replan
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.medications.doses.support import (
    CLOSE,
    EVERY_8_H,
    REGIMEN,
    SETTLE,
    STATUS,
    TWICE,
    add_medication,
    prescribe,
    rows,
    timing,
)
from tests.notifications.support import Clock

pytestmark = pytest.mark.usefixtures("clock")
TODAY = date(2031, 3, 4)
BOOKMARK = Command("SELECT planned_until FROM medications WHERE id = $1")
QUEUED = Command("SELECT patient_id FROM dose_replans")


async def planned(clinic: Clinic, medication_id: UUID) -> int:
    async with begin(clinic.caller) as tx:
        return await replan(tx, [medication_id])


async def set_status(clinic: Clinic, medication_id: UUID, status: str, until: date | None) -> None:
    async with begin(clinic.caller) as tx:
        await tx.run(STATUS, medication_id, status, until)
        await replan(tx, [medication_id])


async def change_regimen(clinic: Clinic, medication_id: UUID, dosage: object) -> None:
    async with begin(clinic.caller) as tx:
        await tx.run(CLOSE, medication_id, tx.now)
        await tx.run(
            REGIMEN, clinic.tenant_id, medication_id, 2, dosage, tx.now.date(), None, tx.now
        )
        await replan(tx, [medication_id])


async def test_fourteen_days_are_planned_once(
    clinic: Clinic, clock: Clock, told: list[UUID]
) -> None:
    patient, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    assert await planned(clinic, medication) == 28  # this evening to the morning in 14 days
    found = await rows(clinic, medication)
    assert [row.due_at for row in found[:3]] == [
        datetime(2031, 3, 4, 23, tzinfo=UTC),  # 18:00 in New York
        datetime(2031, 3, 5, 13, tzinfo=UTC),
        datetime(2031, 3, 5, 23, tzinfo=UTC),
    ]
    assert found[-1].due_at == datetime(2031, 3, 18, 12, tzinfo=UTC)  # the clocks have changed
    assert {(row.version, row.state, row.unit) for row in found} == {(1, "planned", "tablet")}
    assert {row.quantity for row in found} == {1}
    assert told == [patient]
    clock.forward(minutes=1)
    assert await planned(clinic, medication) == 0
    assert await rows(clinic, medication) == found
    assert told == [patient]


async def test_the_loop_plans_what_nobody_has_planned_and_then_day_by_day(
    clinic: Clinic, clock: Clock
) -> None:
    _, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    assert await rounds.run(clinic.tenant_id) == rounds.Round(0, 1)
    first = await rows(clinic, medication)
    assert len(first) == 28
    assert await rounds.run(clinic.tenant_id) == rounds.Round(0, 0)
    clock.forward(days=1, minutes=1)
    assert await rounds.run(clinic.tenant_id) == rounds.Round(0, 1)
    second = await rows(clinic, medication)
    assert second[:28] == first
    assert len(second) == 30


async def test_a_regimen_that_has_ended_is_left_alone(clinic: Clinic, clock: Clock) -> None:
    _, medication = await prescribe(
        clinic, TWICE, starts_on=TODAY, ends_on=TODAY + timedelta(days=2)
    )
    assert await planned(clinic, medication) == 5
    async with begin(clinic.caller) as tx:
        assert await tx.value(BOOKMARK, medication) == LATEST
    clock.forward(days=5)
    assert await rounds.run(clinic.tenant_id) == rounds.Round(0, 0)


async def test_what_is_taken_as_needed_is_never_planned(clinic: Clinic) -> None:
    dosage = [{**timing(frequency=1, period=6, periodUnit="h")[0], "asNeededBoolean": True}]
    _, medication = await prescribe(clinic, dosage, starts_on=TODAY)
    assert await planned(clinic, medication) == 0
    assert await rows(clinic, medication) == []


async def test_a_change_gives_up_what_is_to_come_and_keeps_what_was(
    clinic: Clinic, clock: Clock
) -> None:
    _, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await planned(clinic, medication)
    clock.forward(days=1)
    before = await rows(clinic, medication)
    past = [row for row in before if row.due_at <= clock.at]
    assert len(past) == 2
    await change_regimen(clinic, medication, timing(frequency=3, period=1, periodUnit="d"))
    after = await rows(clinic, medication)
    old, new = ([row for row in after if row.version == number] for number in (1, 2))
    assert [row for row in old if row.state == "planned"] == past
    assert {row.reason for row in old if row.state == "cancelled"} == {"replanned"}
    # Noon, when it was changed, is the last instant of the old regimen and the first of the new.
    assert [row.due_at.hour for row in new[:3]] == [23, 13, 17]
    assert all(row.state == "planned" for row in new)


@pytest.mark.parametrize(
    ("status", "reason"),
    [("stopped", "stopped"), ("completed", "completed"), ("on_hold", "on_hold")],
)
async def test_a_medication_that_is_not_taken_has_no_doses_to_come(
    clinic: Clinic, clock: Clock, status: str, reason: str
) -> None:
    _, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await planned(clinic, medication)
    clock.forward(days=1)
    await set_status(clinic, medication, status, None)
    found = await rows(clinic, medication)
    assert [row.state for row in found[:2]] == ["planned", "planned"]
    assert {(row.state, row.reason) for row in found[2:]} == {("cancelled", reason)}
    await set_status(clinic, medication, "active", None)
    again = await rows(clinic, medication)
    assert {(row.state, row.reason) for row in again} == {("planned", None)}
    assert [row.id for row in again[:28]] == [row.id for row in found]


async def test_a_pause_with_an_end_is_planned_behind_it(clinic: Clinic) -> None:
    _, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await planned(clinic, medication)
    before = await rows(clinic, medication)
    until = TODAY + timedelta(days=4)
    await set_status(clinic, medication, "on_hold", until)
    held = await rows(clinic, medication)
    assert {row.state for row in held if row.local_date < until} == {"cancelled"}
    assert [row for row in held if row.local_date >= until] == [
        row for row in before if row.local_date >= until
    ]  # there already when it is resumed, so that no reminder is late
    await set_status(clinic, medication, "active", None)
    assert {row.state for row in await rows(clinic, medication)} == {"planned"}


async def move(clinic: Clinic, patient_id: UUID, **fields: object) -> None:
    path = f"/patients/{patient_id}"
    held = (await clinic.get(path)).json()["data"]
    body = clinic.patient_body(mrn=held["mrn"], **fields)
    answer = await clinic.put(path, body)
    assert answer.status_code == 200, answer.text


async def test_a_patient_who_moves_keeps_the_time_on_the_wall(clinic: Clinic, clock: Clock) -> None:
    patient, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await planned(clinic, medication)
    before = {row.id: row for row in await rows(clinic, medication)}
    clock.at = datetime(2031, 3, 5, 14, tzinfo=UTC)  # 09:00: the morning's is past
    await move(clinic, patient, time_zone="America/Los_Angeles")
    async with begin(clinic.caller) as tx:
        assert await tx.values(QUEUED) == [patient]
    assert (await rounds.run(clinic.tenant_id)).replanned == 1
    after = {row.id: row for row in await rows(clinic, medication)}
    assert set(before) <= set(after)
    for key, row in before.items():
        if row.due_at <= clock.at:
            assert after[key] == row
        elif after[key].state == "planned":
            assert after[key].due_at - row.due_at == timedelta(hours=3)
    assert (await rounds.run(clinic.tenant_id)).replanned == 0


async def test_interval_doses_stay_where_they_are_when_a_patient_moves(clinic: Clinic) -> None:
    patient, medication = await prescribe(clinic, EVERY_8_H, starts_on=TODAY)
    await planned(clinic, medication)
    before = await rows(clinic, medication)
    await move(clinic, patient, time_zone="Asia/Tokyo")
    await rounds.run(clinic.tenant_id)
    after = await rows(clinic, medication)
    assert [(row.id, row.due_at) for row in after] == [(row.id, row.due_at) for row in before]
    assert [row.local_date for row in after] != [row.local_date for row in before]


@pytest.mark.parametrize("fields", [{"is_active": False}, {"treatment_status": "deceased"}, None])
async def test_who_is_gone_has_no_doses_to_come(
    clinic: Clinic, fields: dict[str, object] | None
) -> None:
    patient, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await planned(clinic, medication)
    if fields is None:
        assert (await clinic.delete(f"/patients/{patient}")).status_code == 200
    else:
        await move(clinic, patient, **fields)
    assert (await rounds.run(clinic.tenant_id)).replanned == 1
    assert {(row.state, row.reason) for row in await rows(clinic, medication)} == {
        ("cancelled", "patient_gone")
    }


async def test_a_patient_without_medications_is_not_queued(clinic: Clinic) -> None:
    patient = UUID((await clinic.patient())["id"])
    await move(clinic, patient, time_zone="Asia/Tokyo")
    async with begin(clinic.caller) as tx:
        assert await tx.values(QUEUED) == []


@pytest.mark.parametrize("state", ["taken", "skipped", "missed", "reminded", "not_applicable"])
async def test_what_is_settled_or_told_stays(clinic: Clinic, clock: Clock, state: str) -> None:
    patient, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await planned(clinic, medication)
    first = (await rows(clinic, medication))[0]
    clock.forward(hours=5)  # 17:00: the evening's dose is to come
    async with begin(clinic.caller) as tx:
        await tx.run(SETTLE, first.id, state, clock.at if state == "taken" else None)
    held = (await rows(clinic, medication))[0]
    await move(clinic, patient, time_zone="America/Chicago")
    await rounds.run(clinic.tenant_id)
    assert (await rows(clinic, medication))[0] == held
    await set_status(clinic, medication, "stopped", None)
    last = (await rows(clinic, medication))[0]
    assert last.state == ("cancelled" if state == "reminded" else state)


async def test_an_admission_sets_doses_aside_for_good(clinic: Clinic, told: list[UUID]) -> None:
    patient, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await planned(clinic, medication)
    told.clear()
    async with begin(clinic.caller) as tx:
        start, end = tx.now + timedelta(days=1), tx.now + timedelta(days=3)
        late = tx.now + timedelta(days=15)
    path, body = f"/patients/{patient}/doses/set-aside", {"start": str(start), "end": str(end)}
    for wrong in ({"end": str(start)}, {"end": str(late)}):
        refused = await clinic.post(path, {**body, **wrong})
        assert refused.json()["error"]["details"][0]["field"] == "end"
    assert [(await clinic.post(path, body)).json()["data"]["count"] for _ in range(2)] == [4, 0]
    assert told == [patient]
    await planned(clinic, medication)
    found = await rows(clinic, medication, "not_applicable")
    assert [(row.reason, start <= row.due_at < end) for row in found] == [("hospital", True)] * 4


async def test_another_tenant_plans_nothing_of_ours(clinic: Clinic, other_clinic: Clinic) -> None:
    _, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    assert await planned(other_clinic, medication) == 0
    assert await rounds.run(other_clinic.tenant_id) == rounds.Round(0, 0)
    assert await rows(clinic, medication) == []


async def test_many_medications_are_planned_in_batches(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_MEDICATIONS", 2)
    patient, _ = await prescribe(clinic, TWICE, starts_on=TODAY)
    provider = UUID((await clinic.provider())["id"])
    async with begin(clinic.caller) as tx:
        for _ in range(4):
            await add_medication(tx, patient, provider, TWICE, starts_on=TODAY)
    assert await rounds.run(clinic.tenant_id) == rounds.Round(0, 5)
