"""Fills: recorded, taken back; what they come to, and what follows when that runs out."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.time import to_instant, to_local, zone
from chroniccare.medications.actions import active
from chroniccare.medications.adherence.alerts import reconsider
from chroniccare.medications.fills import queries, rules
from chroniccare.medications.fills.model import renew_key
from chroniccare.medications.fills.schemas import FillWrite
from chroniccare.medications.rules import EARLIEST_START
from chroniccare.notifications import plan_doses
from chroniccare.platform.postgres import Tx
from chroniccare.tasks.actions import New, close, open_tasks
from chroniccare.webhooks.actions import emit

ENTITY = "medication_fill"
RENEW = "renew_prescription"
_LISTING = "fills"
_MOST_REFILLS = 99
_NOON = time(12)
_SOON_DAYS = 3


class NoRefillsLeft(Conflict):
    """The prescription has no refill left for this fill."""

    code = "NO_REFILLS_LEFT"
    message = "No refill is left. An emergency supply is recorded with kind `emergency`."


class NotPrescribed(Conflict):
    """A draft is no prescription yet: nothing can be dispensed on it."""

    code = "MEDICATION_STATE"
    message = "The medication is a draft."


class FillVoided(Conflict):
    """The fill was taken back already."""

    code = "FILL_VOIDED"
    message = "The fill was taken back already."


async def add(tx: Tx, medication_id: UUID, body: FillWrite) -> queries.Fill:
    """Record a fill: refills, supply and messages follow.

    Raises:
        NotFound: no such medication.
        NotPrescribed: it is a draft.
        NoRefillsLeft: a refill, and none is left.
        Unprocessable: the day is to come, where the patient lives, or ten years ago.
    """
    medication = await _locked(tx, medication_id)
    if medication.status == "draft":
        raise NotPrescribed
    today = _today(tx.now, medication.time_zone)
    if body.filled_on > today:
        raise Unprocessable.field("filled_on", "must not be to come", "future")
    if body.filled_on < today - EARLIEST_START:
        raise Unprocessable.field("filled_on", "must be at most ten years ago", "range")
    takes = rules.uses_refill(body.kind)
    if takes and not medication.refills_remaining:
        raise NoRefillsLeft
    row = body.model_dump() | {
        "id": new_id(),
        "patient_id": medication.patient_id,
        "medication_id": medication_id,
        "used_refill": takes,
    }
    made = await tx.one(queries.INSERT, row, tx.caller.tenant_id, tx.now)
    assert made is not None  # noqa: S101  an insert returns its row
    await record(tx, action="create", entity_type=ENTITY, entity_id=made.id, after=made)
    if takes:
        await _set_refills(tx, medication, medication.refills_remaining - 1)
    await close(tx, [renew_key(medication_id)], outcome="filled")
    await _follow(tx, medication, "medication.filled", made)
    return made


async def void(tx: Tx, medication_id: UUID, fill: queries.Fill) -> queries.Fill:
    """Take back a fill that was entered by mistake, whose medication this transaction has locked.

    The refill that went on it is there again.

    Raises:
        FillVoided: it was taken back already.
    """
    medication = await _locked(tx, medication_id)
    voided = await tx.one(queries.VOID, fill.id, tx.now)
    if voided is None:
        raise FillVoided
    await record(
        tx, action="void", entity_type=ENTITY, entity_id=fill.id, before=fill, after=voided
    )
    if fill.used_refill:
        await _set_refills(tx, medication, min(medication.refills_remaining + 1, _MOST_REFILLS))
    await _follow(tx, medication, "medication.fill_voided", voided)
    return voided


async def get(tx: Tx, medication_id: UUID, fill_id: UUID, *, lock: bool = False) -> queries.Fill:
    """Return one fill; with `lock`, once no other request changes those of its medication.

    Raises:
        NotFound: no such fill of such a medication.
    """
    if lock:
        await _locked(tx, medication_id)
    found = await tx.one(queries.GET, medication_id, fill_id)
    if found is None:
        raise NotFound("No such fill.")
    return found


async def listed(
    tx: Tx, medication_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.Fill]:
    """Return one page of a medication's fills, the latest day first, those taken back as well.

    Raises:
        NotFound: no such medication.
    """
    filters = [medication_id]
    after = paging.decode(cursor, _LISTING, filters, [date.fromisoformat, UUID])
    await _known(tx, medication_id)
    await tx.plan_afresh()
    rows = await tx.all(queries.LIST, medication_id, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.filled_on, row.id]
    )


async def supply(tx: Tx, medication_id: UUID) -> dict[str, Any]:
    """Return until when a medication lasts, as `schemas.Supply`.

    Raises:
        NotFound: no such medication.
    """
    medication = await _known(tx, medication_id)
    found = rules.supply(await tx.all(queries.COUNTING, medication_id))
    last = await tx.one(queries.LAST, medication_id)
    counted = await tx.one(queries.COUNTED, medication_id)
    dispensed, taken = (counted.dispensed, counted.taken) if counted else (None, None)
    left = None if dispensed is None or taken is None else max(dispensed - taken, 0.0)
    today = _today(tx.now, medication.time_zone)
    return {
        "medication_id": medication_id,
        "last_fill_id": last.fill_id if last else None,
        "run_out_on": found.run_out_on if found else None,
        "days_left": rules.days_left(found.run_out_on, today) if found else 0,
        "carried_days": found.carried_days if found else 0,
        "refills_remaining": medication.refills_remaining,
        "dispensed": dispensed,
        "taken": taken if dispensed is not None else None,
        "left": left,
    }


async def refresh(tx: Tx, medication_ids: Sequence[UUID]) -> int:
    """Bring messages and tasks in line with supplies; return how many were looked at.

    What another transaction is changing is passed over: it does this itself.
    """
    running = await tx.all(queries.RUNNING, list(medication_ids))
    wanted = [one for one in running if one.is_wanted]
    planned = [message for one in wanted for message in _messages(tx.now, one)]
    await plan_doses.keep_supplies(
        tx, [one.medication_id for one in running], [one.fill_id for one in wanted], planned
    )
    asked = [one for one in wanted if not one.is_asked and _needs_prescriber(tx.now, one)]
    if asked:
        await open_tasks(tx, [_renewal(tx.now, one) for one in asked])
        await tx.run(queries.ASKED, [one.medication_id for one in asked], tx.now)
    return len(running)


async def _follow(tx: Tx, medication: queries.Medication, event: Any, fill: queries.Fill) -> None:
    """Work out the supply again, and tell."""
    found = rules.supply(await tx.all(queries.COUNTING, medication.id))
    last = await tx.one(queries.LAST, medication.id)
    if found is None or last is None:
        await tx.run(queries.DROP_SUPPLY, medication.id)
        await plan_doses.keep_supplies(tx, [medication.id], [], [])
    else:
        await tx.run(
            queries.KEEP_SUPPLY, tx.caller.tenant_id, medication.id, medication.patient_id,
            last.fill_id, last.filled_at, found.run_out_on, tx.now,
        )  # fmt: skip
        await refresh(tx, [medication.id])
    await reconsider(tx, [medication.id])
    await emit(
        tx, event, entity_type="medication", entity_id=medication.id,
        payload={"fill_id": fill.id, "version": fill.version},
    )  # fmt: skip


async def _set_refills(tx: Tx, medication: queries.Medication, refills: int) -> None:
    await tx.run(queries.SET_REFILLS, medication.id, refills, tx.now)
    await record(
        tx, action="update", entity_type="medication", entity_id=medication.id,
        before={"refills_remaining": medication.refills_remaining, "version": medication.version},
        after={"refills_remaining": refills, "version": medication.version + 1},
    )  # fmt: skip
    tx.bump(active(tx.caller.tenant_id, medication.patient_id))


def _messages(now: datetime, one: queries.Running) -> list[plan_doses.Planned]:
    home = zone(one.time_zone)
    if (one.run_out_on - to_local(now, home).date()).days > rules.AHEAD_DAYS:
        return []
    found = rules.reminders(one.run_out_on, filled_at=one.filled_at, now=now, home=home)
    return [
        plan_doses.Planned(
            plan_doses.REFILL_REMINDER, one.patient_id, one.time_zone, at=reminder.at,
            about=to_instant(one.run_out_on, _NOON, home), until=reminder.until,
            key=f"refill:{one.fill_id}:{reminder.days}", data={"fill_id": one.fill_id},
            medication_id=one.medication_id,
        )
        for reminder in found
    ]  # fmt: skip


def _needs_prescriber(now: datetime, one: queries.Running) -> bool:
    left = (one.run_out_on - _today(now, one.time_zone)).days
    return one.refills_remaining == 0 and left <= rules.RENEW_DAYS


def _renewal(now: datetime, one: queries.Running) -> New:
    left = (one.run_out_on - _today(now, one.time_zone)).days
    return New(
        RENEW, "no_refills_left", renew_key(one.medication_id), patient_id=one.patient_id,
        focus_type="medication", focus_id=one.medication_id,
        priority="high" if left <= _SOON_DAYS else "normal",
        due_at=to_instant(one.run_out_on + timedelta(days=1), time(), zone(one.time_zone)),
    )  # fmt: skip


def _today(now: datetime, time_zone: str) -> date:
    return to_local(now, zone(time_zone)).date()


async def _known(tx: Tx, medication_id: UUID) -> queries.Medication:
    found = await tx.one(queries.MEDICATION, medication_id)
    return _found(found)


async def _locked(tx: Tx, medication_id: UUID) -> queries.Medication:
    found = await tx.one(queries.MEDICATION_FOR_UPDATE, medication_id)
    return _found(found)


def _found(medication: queries.Medication | None) -> queries.Medication:
    if medication is None:
        raise NotFound("No such medication.")
    return medication
