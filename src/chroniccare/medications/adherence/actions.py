"""Reports about doses: taken in, listed, and the rate that comes of them."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core import paging, wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, Invalid, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.time import to_local, zone
from chroniccare.medications.adherence import (
    alerts,
    measures,
    queries,
    queries_report,
    rules,
    settling,
)
from chroniccare.medications.adherence.schemas import ReportWrite
from chroniccare.medications.adherence.words import Status
from chroniccare.medications.doses.prn import prn_verdict
from chroniccare.medications.queries import LOCK_PATIENTS_OF
from chroniccare.platform.cache import Rendered, cache
from chroniccare.platform.postgres import Tx, begin

_LISTING = "adherence"
_RATE_S = 3600


class DoseState(Conflict):
    """The dose was cancelled, or does not apply: nothing can be reported about it."""

    code = "DOSE_STATE"

    def __init__(self, state: str) -> None:
        what = state.replace("_", " ")
        super().__init__(
            f"The dose is {what}.", details=[FieldError("dose_id", f"is {what}", state)]
        )


class NotPrescribed(Conflict):
    """The medication is a draft: nobody takes it yet."""

    code = "MEDICATION_STATE"
    message = "The medication is not prescribed yet."


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a report: the row, and whether it is new."""

    report: queries.Report
    is_new: bool
    warnings: list[str]

    def shown(self) -> dict[str, Any]:
        """Return it as it goes over the wire."""
        return {**asdict(self.report), "warnings": self.warnings}


async def report(tx: Tx, medication_id: UUID, body: ReportWrite) -> Reported:
    """Take in what somebody says about a dose; the same again changes nothing.

    Raises:
        NotFound: no such medication.
        Invalid: the body names no dose, or says two things at once; the fields are named.
        Unprocessable: no such dose, or not at this time; the field is named.
        DoseState, NotPrescribed: there is nothing to report about.
    """
    said = _said(tx.now, body)
    await tx.values(LOCK_PATIENTS_OF, [medication_id])
    medication = await tx.one(queries.MEDICATION_FOR_UPDATE, medication_id)
    if medication is None:
        raise NotFound("No such medication.")
    if medication.status == "draft":
        raise NotPrescribed
    said = _checked(medication, said, tx.now)
    if medication.as_needed and body.dose_id is None:
        return await _as_needed(tx, medication, body, said)
    dose = await _dose(tx, medication, body)
    _check_dose(dose, said, tx.now)
    latest = await tx.one(queries.LATEST, dose.id)
    if latest is not None and _says(latest, said):
        return Reported(latest, is_new=False, warnings=[])
    [made] = await settling.write(tx, [dose], said)
    return Reported(made, is_new=True, warnings=[])


async def listed(
    tx: Tx, medication_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.Report]:
    """Return one page of the reports of a medication, the latest dose first.

    Raises:
        NotFound: no such medication.
    """
    filters = [medication_id]
    after = paging.decode(cursor, _LISTING, filters, [datetime.fromisoformat, UUID])
    if await tx.one(queries.MEDICATION, medication_id) is None:
        raise NotFound("No such medication.")
    rows = await tx.all(queries.LIST, medication_id, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.scheduled_time, row.id]
    )


async def rate(caller: Caller, medication_id: UUID) -> bytes:
    """Return the rate of the last 30 days as JSON, cached for an hour; a report drops it.

    Raises:
        NotFound: no such medication.
    """

    async def load() -> Rendered:
        async with begin(caller) as tx:
            if await tx.one(queries.MEDICATION, medication_id) is None:
                raise NotFound("No such medication.")
            since = tx.now - rules.WINDOW
            codes = await tx.value(queries_report.CODES, tx.now, medication_id, since) or ""
        found = measures.of_doses({0: codes}).doses_taken
        made = {
            "medication_id": medication_id,
            "window_days": rules.WINDOW.days,
            "as_of": tx.now,
            "rate": found,
        }
        return Rendered(1, wire.dumps(made))

    key = alerts.rate_key(caller.tenant_id, medication_id)
    return (await cache().through(key, _RATE_S, load)).data


def _said(now: datetime, body: ReportWrite) -> settling.Said:
    """Return what the body says.

    Raises:
        Invalid: nothing, or two things at once.
    """
    status, faults = body.status, list[FieldError]()
    if status is None and body.was_taken is None:
        faults.append(FieldError("status", "must be given, or was_taken", "missing"))
    elif status is None:
        untaken: Status = "skipped" if body.reason is not None else "missed"
        status = "taken" if body.was_taken else untaken
    elif body.was_taken is not None and body.was_taken != (status == "taken"):
        faults.append(FieldError("was_taken", "contradicts status", "contradiction"))
    if status == "skipped" and body.reason is None:
        faults.append(FieldError("reason", "must be given for what was skipped", "missing"))
    if status != "skipped" and body.reason is not None:
        faults.append(FieldError("reason", "goes with what was skipped alone", "contradiction"))
    if status != "taken" and body.taken_at is not None:
        faults.append(FieldError("taken_at", "goes with what was taken alone", "contradiction"))
    if faults or status is None:
        raise Invalid(details=faults)
    taken_at = (body.taken_at or now) if status == "taken" else None
    return settling.Said(status, body.source, taken_at, body.reason, body.notes)


def _checked(medication: queries.Medication, said: settling.Said, now: datetime) -> settling.Said:
    """Refuse what was taken in the future, or before it was prescribed."""
    taken_at = said.taken_at
    if taken_at is None:
        return said
    if taken_at > now + rules.SKEW:
        raise Unprocessable.field("taken_at", "lies in the future", "future")
    if to_local(taken_at, zone(medication.time_zone)).date() < medication.start_date:
        raise Unprocessable.field(
            "taken_at", "lies before the medication's first day", "before_start"
        )
    return replace(said, taken_at=min(taken_at, now))


async def _dose(tx: Tx, medication: queries.Medication, body: ReportWrite) -> queries.Dose:
    """Return the dose that the body names, its row locked."""
    if body.dose_id is not None:
        dose = await tx.one(queries.LOCK_DOSE, body.dose_id, medication.id)
        if dose is None:
            raise Unprocessable.field("dose_id", "no such dose of this medication", "unknown")
        if body.scheduled_time not in {None, dose.due_at}:
            raise Unprocessable.field("scheduled_time", "is not when the dose is due", "mismatch")
        return dose
    if body.scheduled_time is None:
        raise Invalid.field("dose_id", "must be given, or scheduled_time", "missing")
    dose = await tx.one(queries.DOSE_AT, medication.id, body.scheduled_time)
    if dose is None:
        raise Unprocessable.field("scheduled_time", "no dose is due at about that time", "unknown")
    return dose


def _check_dose(dose: queries.Dose, said: settling.Said, now: datetime) -> None:
    """Refuse what cannot be said of a dose, or not yet."""
    if not rules.may_become(dose.state, said.status, said.source):
        raise DoseState(dose.state)
    early = timedelta() if said.status == "missed" else rules.EARLY
    if dose.due_at > now + early:
        raise Unprocessable.field("status", "the dose is not due yet", "future")


async def _as_needed(
    tx: Tx, medication: queries.Medication, body: ReportWrite, said: settling.Said
) -> Reported:
    """Write a report of what is taken as needed: of no dose, so nothing can be missed."""
    if said.status == "missed":
        raise Unprocessable.field("status", "what is taken as needed is never missed", "as_needed")
    at = said.taken_at or body.scheduled_time or tx.now
    if at > tx.now + rules.SKEW:
        raise Unprocessable.field("scheduled_time", "lies in the future", "future")
    if medication.stopped_at is not None and at > medication.stopped_at:
        raise Unprocessable.field("taken_at", "the medication was stopped before", "stopped")
    same = await tx.one(
        queries.SAME_AS_NEEDED, medication.id, at, said.status, said.source, said.taken_at,
        said.reason, said.notes,
    )  # fmt: skip
    if same is not None:
        return Reported(same, is_new=False, warnings=[])
    warnings: list[str] = []
    if said.status == "taken":
        # Before the report is written, which would count as well.
        verdict = await prn_verdict(tx, medication_id=medication.id, taken_at=at)
        warnings = verdict.warnings
    row = {
        **asdict(said),
        "id": new_id(),
        "patient_id": medication.patient_id,
        "medication_id": medication.id,
        "scheduled_time": at,
    }
    made = await tx.all(queries.INSERT, [row], tx.caller.tenant_id, tx.now)
    await settling.tell(tx, made, {})
    return Reported(made[0], is_new=True, warnings=warnings)


def _says(latest: queries.Report, said: settling.Said) -> bool:
    return (latest.status, latest.source, latest.taken_at, latest.reason, latest.notes) == (
        said.status, said.source, said.taken_at, said.reason, said.notes,
    )  # fmt: skip
