"""Two who plan at once, over two connections each."""

import asyncio
from datetime import date, timedelta
from uuid import UUID

import pytest

from chroniccare.medications.doses import rounds
from chroniccare.medications.doses.planner import replan
from chroniccare.medications.doses.rules import DEFAULTS
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.medications.doses.support import (
    SETTLE,
    STATUS,
    TWICE,
    add_medication,
    prescribe,
    rows,
)
from tests.notifications.support import Clock

pytestmark = pytest.mark.usefixtures("clock")
TODAY = date(2031, 3, 4)
SOON_S = 0.2
MOVE = Command("UPDATE patients SET time_zone = $2 WHERE id = $1")


async def plan_in_a_transaction(clinic: Clinic, ids: list[UUID]) -> int:
    async with begin(clinic.caller) as tx:
        return await replan(tx, ids)


async def test_who_plans_the_same_medication_waits_and_finds_nothing_to_do(clinic: Clinic) -> None:
    _, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    async with begin(clinic.caller) as first:
        assert await replan(first, [medication]) == 28
        second = asyncio.create_task(plan_in_a_transaction(clinic, [medication]))
        await asyncio.sleep(SOON_S)
        assert not second.done()
    assert await second == 0
    assert len(await rows(clinic, medication)) == 28


async def test_batches_in_opposite_order_do_not_deadlock(clinic: Clinic) -> None:
    patient, first = await prescribe(clinic, TWICE, starts_on=TODAY)
    provider = UUID((await clinic.provider())["id"])
    async with begin(clinic.caller) as tx:
        ids = [first] + [
            await add_medication(tx, patient, provider, TWICE, starts_on=TODAY) for _ in range(5)
        ]
    orders = [ids, ids[::-1]] * 3
    changed = await asyncio.gather(*(plan_in_a_transaction(clinic, order) for order in orders))
    assert sorted(changed) == [0] * 5 + [6 * 28]


async def test_a_report_that_is_faster_than_the_plan_stands(clinic: Clinic, clock: Clock) -> None:
    _, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await plan_in_a_transaction(clinic, [medication])
    first = (await rows(clinic, medication))[0]
    async with begin(clinic.caller) as tx:
        await tx.run(STATUS, medication, "stopped", None)
    async with begin(clinic.caller) as tx:
        await tx.run(SETTLE, first.id, "taken", clock.at)
        stopping = asyncio.create_task(plan_in_a_transaction(clinic, [medication]))
        await asyncio.sleep(SOON_S)
        assert not stopping.done()
    assert await stopping == 27
    found = await rows(clinic, medication)
    assert [row.state for row in found] == ["taken", *["cancelled"] * 27]


async def test_several_workers_plan_each_medication_once(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_MEDICATIONS", 1)
    patient, first = await prescribe(clinic, TWICE, starts_on=TODAY)
    provider = UUID((await clinic.provider())["id"])
    async with begin(clinic.caller) as tx:
        ids = [first] + [
            await add_medication(tx, patient, provider, TWICE, starts_on=TODAY) for _ in range(7)
        ]
    seen = await asyncio.gather(*(rounds.run(clinic.tenant_id) for _ in range(3)))
    assert sum(one.extended for one in seen) == len(ids)
    for key in ids:
        assert len(await rows(clinic, key)) == 28


async def test_a_dose_that_is_settled_while_it_is_moved_stays_settled(
    clinic: Clinic, clock: Clock
) -> None:
    patient, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await plan_in_a_transaction(clinic, [medication])
    first, *others = await rows(clinic, medication)
    day = {**dict.fromkeys(DEFAULTS), "dinner": "19:30"}
    async with begin(clinic.caller) as tx:
        await tx.run(SETTLE, first.id, "taken", clock.at)
        moving = asyncio.create_task(clinic.put(f"/patients/{patient}/dosing-times", day))
        await asyncio.sleep(SOON_S)  # by now the plan has read it as it was
        assert not moving.done()
    assert (await moving).status_code == 200
    after = await rows(clinic, medication)
    assert (after[0].id, after[0].state, after[0].due_at) == (first.id, "taken", first.due_at)
    assert sum(one.due_at != two.due_at for one, two in zip(after[1:], others, strict=True)) == 13


async def test_the_loop_leaves_a_patient_who_is_being_changed_to_its_next_round(
    clinic: Clinic,
) -> None:
    patient, medication = await prescribe(clinic, TWICE, starts_on=TODAY)
    await plan_in_a_transaction(clinic, [medication])
    before = await rows(clinic, medication)
    async with begin(clinic.caller) as tx:
        await tx.run(MOVE, patient, "America/Chicago")
    async with begin(clinic.caller) as tx:
        await patients.get_locked(tx, patient)
        assert (await rounds.run(clinic.tenant_id)).replanned == 0
        await tx.run(MOVE, patient, "America/Denver")  # the note is there already
    assert (await rounds.run(clinic.tenant_id)).replanned == 1
    after = await rows(clinic, medication, "planned")
    assert after[0].due_at - before[0].due_at == timedelta(hours=2)
