"""Doses as they are read, the times of a day that they are anchored to, and doses set aside."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record, record_many
from chroniccare.core import paging
from chroniccare.core.errors import NotFound, Unprocessable
from chroniccare.core.time import to_local, zone
from chroniccare.medications.doses import queries, queries_plan
from chroniccare.medications.doses.planner import replan_patients
from chroniccare.medications.doses.rules import DEFAULTS, Anchors
from chroniccare.medications.doses.schemas import DosingTimesWrite, SetAside
from chroniccare.medications.reminders.actions import doses_changed
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Query, Tx
from chroniccare.webhooks.actions import emit

MOST_DAYS = 366
_SHOWN_DAYS = 13
_EARLIEST = {"wake": 0, "breakfast": 0, "lunch": 1, "dinner": 1, "bed": 1}
"""Minutes that each event must lie behind the one before; breakfast may be when one wakes up."""


async def of_patient(
    tx: Tx, patient_id: UUID, *, first: date | None, last: date | None, state: str | None,
    cursor: str | None, limit: int,
) -> paging.Page[queries.Dose]:  # fmt: skip
    """Return one page of a patient's doses, the earliest first; see `_listed`.

    Raises:
        NotFound: no such patient.
    """
    patient = await patients.get(tx, patient_id)
    return await _listed(
        tx, queries.OF_PATIENT, patient_id, patient.time_zone, first=first, last=last, state=state,
        cursor=cursor, limit=limit,
    )  # fmt: skip


async def of_medication(
    tx: Tx, medication_id: UUID, *, first: date | None, last: date | None, state: str | None,
    cursor: str | None, limit: int,
) -> paging.Page[queries.Dose]:  # fmt: skip
    """Return one page of a medication's doses, the earliest first; see `_listed`.

    Raises:
        NotFound: no such medication.
    """
    time_zone = await tx.value(queries.MEDICATION_ZONE, medication_id)
    if time_zone is None:
        raise NotFound("No such medication.")
    return await _listed(
        tx, queries.OF_MEDICATION, medication_id, time_zone, first=first, last=last, state=state,
        cursor=cursor, limit=limit,
    )  # fmt: skip


async def _listed(
    tx: Tx, query: Query[queries.Dose], whose: UUID, time_zone: str, *, first: date | None,
    last: date | None, state: str | None, cursor: str | None, limit: int,
) -> paging.Page[queries.Dose]:  # fmt: skip
    """Return one page of the doses of local days; without days, of today and the 13 that follow.

    Cancelled doses are listed only when asked for.

    Raises:
        Unprocessable: the last day lies before the first, or too far behind it.
    """
    today = to_local(tx.now, zone(time_zone)).date()
    low = first or (today if last is None else last - timedelta(days=_SHOWN_DAYS))
    high = last or low + timedelta(days=_SHOWN_DAYS)
    if not low <= high <= low + timedelta(days=MOST_DAYS - 1):
        reason = f"must be from_date or later, {MOST_DAYS} days in all at most"
        raise Unprocessable.field("to_date", reason, "range")
    filters = [whose, low, high, state]
    after = paging.decode(cursor, "doses", filters, [datetime.fromisoformat, UUID])
    await tx.plan_afresh()
    rows = await tx.all(query, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing="doses", filters=filters, key=lambda row: [row.due_at, row.id]
    )


async def clinic_times(tx: Tx) -> dict[str, Any]:
    """Return when the events of a day are at this clinic."""
    own = await tx.one(queries.CLINIC_TIMES)
    return _shown(own)


async def patient_times(tx: Tx, patient_id: UUID) -> dict[str, Any]:
    """Return when the events of a patient's day are.

    Raises:
        NotFound: no such patient.
    """
    await patients.get(tx, patient_id)
    clinic = await tx.one(queries.CLINIC_TIMES)
    own = await tx.one(queries.PATIENT_TIMES, patient_id)
    return _shown(own, clinic)


async def clinic_times_locked(tx: Tx) -> dict[str, Any]:
    """Return the clinic's times and let nobody else change them until the end."""
    await tx.value(queries.LOCK_TIMES, f"dosing_times:{tx.caller.tenant_id}")
    return await clinic_times(tx)


async def patient_times_locked(tx: Tx, patient_id: UUID) -> dict[str, Any]:
    """Return a patient's times and lock the patient; see `patient_times`."""
    await patients.get_locked(tx, patient_id)
    return await patient_times(tx, patient_id)


async def put_clinic_times(
    tx: Tx, before: dict[str, Any], body: DosingTimesWrite
) -> dict[str, Any]:
    """Replace the clinic's times, which this transaction has locked; the loop plans anew.

    Raises:
        Unprocessable: the events would not follow each other.
    """
    _check_order(body, {})
    await _put(tx, None, body)
    await tx.run(queries_plan.NOTE_ALL, tx.caller.tenant_id)
    tx.wake("doses")
    after = await clinic_times(tx)
    await _tell(tx, "tenant", tx.caller.tenant_id, before, after)
    return after


async def put_patient_times(
    tx: Tx, patient_id: UUID, before: dict[str, Any], body: DosingTimesWrite
) -> dict[str, Any]:
    """Replace a patient's times, which this transaction has locked, and plan anew.

    Raises:
        Unprocessable: the events would not follow each other.
    """
    clinic = await tx.one(queries.CLINIC_TIMES)
    _check_order(body, {} if clinic is None else asdict(clinic))
    await _put(tx, patient_id, body)
    after = await patient_times(tx, patient_id)
    await _tell(tx, "patient", patient_id, before, after)
    await replan_patients(tx, [patient_id])
    return after


async def set_aside(tx: Tx, patient_id: UUID, body: SetAside) -> int:
    """Set aside the planned doses of a patient from `start` to before `end`; return how many.

    For an admission: somebody else gives what the patient takes. They are `not_applicable` from
    then on, no plan brings them back, and they count as nothing.

    Raises:
        NotFound: no such patient.
        Unprocessable: it ends before it begins, or later than doses are planned ahead.
    """
    await patients.get_locked(tx, patient_id)
    if body.end <= body.start:
        raise Unprocessable.field("end", "must be after start", "order")
    if body.end > tx.now + timedelta(days=tx.settings.dose_plan_days):
        raise Unprocessable.field("end", "is later than doses are planned ahead", "range")
    changed = await tx.all(queries.SET_ASIDE, patient_id, body.start, body.end, body.reason, tx.now)
    if changed:
        after = {"state": "not_applicable", "reason": body.reason}
        rows = {one.id: ({"state": one.state, "reason": None}, after) for one in changed}
        await record_many(tx, action="set_aside", entity_type="dose", changed=rows)
        await doses_changed(tx, [patient_id])
    return len(changed)


def _check_order(body: DosingTimesWrite, clinic: dict[str, Any]) -> None:
    own = body.model_dump()
    anchors = Anchors.of(*(own[name] or clinic.get(name) or DEFAULTS[name] for name in DEFAULTS))
    before = anchors.wake
    for name, least in _EARLIEST.items():
        at = getattr(anchors, name)
        if at < before + least:
            reason = "must come after the event before it: wake, breakfast, lunch, dinner, bed"
            raise Unprocessable.field(name, reason, "order")
        before = at


async def _put(tx: Tx, patient_id: UUID | None, body: DosingTimesWrite) -> None:
    own = body.model_dump()
    await tx.run(
        queries.PUT_TIMES, tx.caller.tenant_id, patient_id, *(own[name] for name in DEFAULTS),
        tx.now,
    )  # fmt: skip


async def _tell(
    tx: Tx, entity_type: str, entity_id: UUID, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await record(
        tx, action="update_dosing_times", entity_type=entity_type, entity_id=entity_id,
        before=before, after=after,
    )  # fmt: skip
    await emit(
        tx, "dosing_times.updated", entity_type=entity_type, entity_id=entity_id,
        payload={"version": after["version"]},
    )  # fmt: skip


def _shown(own: queries.Times | None, clinic: queries.Times | None = None) -> dict[str, Any]:
    """Return what was set, what holds, and the version: 0 where nothing was ever set."""
    set_ = dict.fromkeys(DEFAULTS) if own is None else asdict(own)
    below = {} if clinic is None else asdict(clinic)
    return {
        "version": set_.pop("version", 0),
        "own": set_,
        "effective": {name: set_[name] or below.get(name) or DEFAULTS[name] for name in DEFAULTS},
    }
