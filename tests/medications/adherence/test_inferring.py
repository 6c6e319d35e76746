"""Doses that nobody reported on: inferred to be missed, apart from what was seen, and corrected."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from chroniccare.core.caller import system
from chroniccare.medications.adherence import inferring
from chroniccare.medications.adherence.inferring import infer_missed
from chroniccare.medications.adherence.settling import settle
from chroniccare.platform.postgres import begin
from tests.client import Clinic
from tests.medications.adherence.support import sql, taking
from tests.notifications.support import NOON, Clock

HOUR = timedelta(hours=1)


async def test_a_dose_whose_time_is_over_is_inferred_to_be_missed(
    clinic: Clinic, clock: Clock, told: list[UUID]
) -> None:
    made = await taking(clinic)
    await made.plan(NOON - 5 * HOUR, NOON - 4 * HOUR, NOON - 3 * HOUR, NOON)
    await made.report(0, status="taken")
    await sql(clinic, "UPDATE medication_doses SET state = 'reminded' WHERE id = $1", made.doses[1])
    told.clear()
    assert await infer_missed(clinic.tenant_id) == 1
    assert told == [made.patient_id]
    assert [one.state for one in await made.states()] == ["taken", "missed", "planned", "planned"]
    [inferred] = [one for one in await made.reports() if one["source"] == "inference"]
    assert (inferred["status"], inferred["dose_id"]) == ("missed", str(made.doses[1]))
    assert await infer_missed(clinic.tenant_id) == 0
    clock.forward(hours=1)
    assert await infer_missed(clinic.tenant_id) == 1
    kinds = await sql(
        clinic, "SELECT array_agg(payload ->> 'dose_id') FROM outbox"
        " WHERE event_type = 'medication.dose.recorded'",
    )  # fmt: skip
    assert kinds == [str(made.doses[0])]  # an inference is no news from outside
    audited = await sql(
        clinic, "SELECT count(*) FROM audit_logs WHERE entity_type = 'medication_adherence'"
        " AND action = 'create' AND user_type = 'system'",
    )  # fmt: skip
    assert audited == 2


async def test_a_later_report_corrects_an_inference_and_none_corrects_a_report(
    clinic: Clinic, clock: Clock
) -> None:
    del clock
    made = await taking(clinic)
    await made.plan(NOON - 5 * HOUR)
    await infer_missed(clinic.tenant_id)
    later = await made.report(0, status="taken", taken_at=(NOON - 5 * HOUR).isoformat())
    assert later["corrects_id"] is not None
    assert [one["source"] for one in await made.reports()] == ["patient", "inference"] or [
        one["replaced"] for one in await made.reports()
    ] == [True, False]
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        assert not await settle(tx, made.doses, "missed", source="inference", taken_at=None)
    [dose] = await made.states()
    assert (dose.state, dose.source) == ("taken", "patient")


async def test_many_are_marked_in_batches_by_several_workers_each_once(
    clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    del clock
    monkeypatch.setattr(inferring, "_BATCH", 7)
    patient, provider = (await clinic.patient())["id"], (await clinic.provider())["id"]
    for _ in range(5):
        made = await taking(clinic, patient, provider)
        await made.plan(*(NOON - (5 + n) * HOUR for n in range(12)))
    counts = await asyncio.gather(*(infer_missed(clinic.tenant_id) for _ in range(4)))
    counts.append(await infer_missed(clinic.tenant_id))
    assert sum(counts) == 60
    assert await sql(clinic, "SELECT count(*) FROM medication_adherence") == 60
    assert await sql(clinic, "SELECT count(*) FROM medication_doses WHERE state <> 'missed'") == 0


async def test_other_clinics_are_left_alone(
    clinic: Clinic, other_clinic: Clinic, clock: Clock
) -> None:
    del clock
    theirs = await taking(other_clinic)
    await theirs.plan(NOON - 5 * HOUR)
    assert await infer_missed(clinic.tenant_id) == 0
    assert (await theirs.states())[0].state == "planned"


async def test_replies_settle_several_doses_at_once(
    clinic: Clinic, clock: Clock, told: list[UUID]
) -> None:
    """As an answer to a message about doses due together does."""
    del clock
    made = await taking(clinic)
    await made.plan(NOON - HOUR, NOON, NOON + HOUR)
    await made.report(0, status="taken", taken_at=NOON.isoformat())
    await sql(
        clinic, "UPDATE medication_doses SET state = 'cancelled' WHERE id = $1", made.doses[2]
    )
    told.clear()
    async with begin(clinic.caller) as tx:
        changed = await settle(tx, made.doses, "taken", source="patient", taken_at=None)
    assert changed == [made.doses[1]]
    assert told == [made.patient_id]
    assert [one.state for one in await made.states()] == ["taken", "taken", "cancelled"]
    async with begin(clinic.caller) as tx:
        skipped = await settle(
            tx, made.doses[:2], "skipped", source="patient", taken_at=None, reason="other"
        )
    assert set(skipped) == set(made.doses[:2])
    assert (await made.states())[0].reason == "other"
