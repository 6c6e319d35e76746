"""The life of a prescription after it is written, and what ends by itself.

Which step is allowed from which state stands in `rules.STEPS`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.errors import Unprocessable
from chroniccare.medications import queries, rules
from chroniccare.medications.actions import Shown, get, shown, tell
from chroniccare.medications.adherence.alerts import reconsider
from chroniccare.medications.doses.planner import replan
from chroniccare.medications.fills.model import renew_key
from chroniccare.medications.interacting import drug_of, weighed
from chroniccare.medications.interactions.service import Advice
from chroniccare.medications.schemas import Override
from chroniccare.platform.postgres import Query, Tx, begin
from chroniccare.tasks import actions as tasks
from chroniccare.webhooks.actions import EventType

_BATCH = 100
GONE = "The patient was removed."
"""Why a prescription was stopped whose patient is not a patient any more."""
_EVENTS: dict[rules.Step, EventType] = {
    "stop": "medication.stopped",
    "complete": "medication.completed",
}


@dataclass(frozen=True, slots=True)
class _Duty:
    """What the loop does with prescriptions that are due."""

    find: Query[queries.Candidate]
    step: rules.Step
    reason: str | None = None


_DUTIES = (
    _Duty(queries.ORPHANED, "stop", GONE),
    _Duty(queries.ENDED, "complete"),
    _Duty(queries.HELD, "resume"),
)


async def activate(
    tx: Tx, medication: queries.Medication, *, override: Override | None, advice: Advice
) -> Shown:
    """Let a draft, whose row this transaction has locked, be taken from now on.

    `advice` is what the external service said of it.

    Raises:
        StepRefused: it is no draft.
        Unprocessable: its last day has passed.
        Contraindicated, Forbidden: as for `actions.create`.
    """
    rules.next_status("activate", medication.status)
    await _check_end(tx, medication)
    return await _checked(tx, medication, "activate", override, advice)


async def resume(tx: Tx, medication: queries.Medication) -> Shown:
    """Let what was on hold be taken again; what was begun meanwhile is checked against.

    Raises:
        StepRefused: it is not on hold.
        Contraindicated: something that the patient takes by now speaks against it.
    """
    rules.next_status("resume", medication.status)
    return await _checked(tx, medication, "resume", None, Advice())


async def hold(tx: Tx, medication: queries.Medication, *, until: date | None) -> Shown:
    """Put a prescription on hold until a local day, or until it is resumed.

    Raises:
        StepRefused: it is not active.
        Unprocessable: the day is not to come, or not before the end.
    """
    rules.next_status("hold", medication.status)
    if until is not None:
        today = rules.today(tx.now, await _zone(tx, medication))
        if not today < until <= today + rules.LONGEST_HOLD:
            raise Unprocessable.field("hold_until", "must be 1 to 366 days ahead", "range")
        if medication.end_date is not None and until > medication.end_date:
            raise Unprocessable.field("hold_until", "is after end_date: stop it instead", "order")
    return shown(await _step(tx, medication, "hold", hold_until=until))


async def complete(tx: Tx, medication: queries.Medication) -> Shown:
    """Note that a prescription has been taken to its end.

    Raises:
        StepRefused: it is neither active nor on hold.
    """
    return shown(await _step(tx, medication, "complete"))


async def stop(tx: Tx, medication: queries.Medication, *, reason: str) -> Shown:
    """Stop a prescription for a reason; its row and what was taken stay.

    Raises:
        StepRefused: it is stopped or completed already.
    """
    return shown(await _step(tx, medication, "stop", reason=reason))


async def sweep(tenant_id: UUID) -> int:
    """Complete what has ended, resume what was on hold until today, stop what has no patient.

    Days are those of the patient. Return how many prescriptions changed.
    """
    return sum([await _fulfil(tenant_id, duty) for duty in _DUTIES])


async def _fulfil(tenant_id: UUID, duty: _Duty) -> int:
    count = 0
    after: tuple[date | None, UUID | None] | None = (None, None)
    while after is not None:
        async with begin(system(tenant_id, job="medications")) as tx:
            found = await tx.all(duty.find, rules.latest_today(tx.now), *after, _BATCH)
            due = [
                one for one in found
                if one.is_gone or rules.today(tx.now, one.time_zone) > one.last_day
            ]  # fmt: skip
            if due:
                await tx.values(queries.LOCK_PATIENTS, sorted({one.patient_id for one in due}))
            for one in due:
                count += await _taken(tx, one, duty)
        after = (found[-1].last_day, found[-1].id) if len(found) == _BATCH else None
    return count


async def _taken(tx: Tx, candidate: queries.Candidate, duty: _Duty) -> bool:
    """Take the step of a duty, unless somebody has changed the prescription meanwhile."""
    medication = await tx.one(queries.GET_FOR_UPDATE, candidate.id)
    if medication is None or medication.status not in rules.STEPS[duty.step][0]:
        return False
    await _step(tx, medication, duty.step, reason=duty.reason)
    return True


async def _checked(
    tx: Tx, medication: queries.Medication, step: rules.Step, override: Override | None,
    advice: Advice,
) -> Shown:  # fmt: skip
    check, kept = await weighed(
        tx, medication.patient_id, drug_of(medication), advice=advice, override=override,
        without=medication, stands=medication.override,
    )  # fmt: skip
    return shown(await _step(tx, medication, step, override=kept), check=check)


async def _step(
    tx: Tx,
    medication: queries.Medication,
    step: rules.Step,
    *,
    hold_until: date | None = None,
    reason: str | None = None,
    override: dict[str, Any] | None = None,
) -> queries.Medication:
    status = rules.next_status(step, medication.status)
    stopped_at = tx.now if status == "stopped" else None
    await tx.run(
        queries.STEP, medication.id, status, hold_until, reason, stopped_at,
        override or medication.override, tx.now,
    )  # fmt: skip
    if step == "activate":
        await tx.run(queries.BEGIN_REGIMEN, medication.id, tx.now)
    elif status not in rules.OPEN_STATUSES:
        await tx.run(queries.END_REGIMENS, medication.id, tx.now)
    changed = await get(tx, medication.id)
    event = _EVENTS.get(step, "medication.updated")
    await tell(tx, step, event, before=medication, after=changed)
    await replan(tx, [medication.id])
    await reconsider(tx, [medication.id])
    if status not in rules.OPEN_STATUSES:
        await tasks.close(tx, [renew_key(medication.id)], outcome=status)
    return changed


async def _check_end(tx: Tx, medication: queries.Medication) -> None:
    today = rules.today(tx.now, await _zone(tx, medication))
    if medication.end_date is not None and medication.end_date < today:
        raise Unprocessable.field("end_date", "has passed", "past")


async def _zone(tx: Tx, medication: queries.Medication) -> str:
    return str(await tx.value(queries.ZONE, medication.patient_id))
