"""What was reported, or is inferred, about doses: the one way in which a dose is settled.

A report is written and stays; the dose says what the last one said. Locks are taken in one order,
patients before medications before doses and each by id, so that two at once wait and never
deadlock.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record_many
from chroniccare.core.ids import new_id
from chroniccare.medications.adherence import alerts, queries, rules
from chroniccare.medications.adherence.words import Source, Status
from chroniccare.medications.reminders.actions import doses_changed
from chroniccare.platform.postgres import Tx
from chroniccare.webhooks.actions import emit_many

ENTITY = "medication_adherence"


@dataclass(frozen=True, slots=True)
class Said:
    """What a report says; `taken_at` is UTC, and only of a dose that was taken."""

    status: Status
    source: Source
    taken_at: datetime | None = None
    reason: str | None = None
    notes: str | None = None

    def is_known(self, dose: queries.Dose) -> bool:
        """Return whether the dose says so already."""
        return self.notes is None and (dose.state, dose.source, dose.taken_at, dose.reason) == (
            self.status, self.source, self.taken_at, self.reason,
        )  # fmt: skip


async def settle(
    tx: Tx, dose_ids: Sequence[UUID], status: Status, *, source: Source, taken_at: datetime | None,
    reason: str | None = None, notes: str | None = None,
) -> list[UUID]:  # fmt: skip
    """Write a report about each dose and what it changes; return the doses that changed.

    This transaction has locked the patients.

    Left as they are: doses of which this is known, doses that were cancelled, and, if it is only
    inferred, every dose that somebody has reported on. A dose that was taken at no time told was
    taken now.
    """
    if status == "taken":
        taken_at = taken_at or tx.now
    await tx.values(queries.LOCK_MEDICATIONS_OF, list(dose_ids))
    doses = await tx.all(queries.LOCK_DOSES, list(dose_ids))
    made = await write(tx, doses, Said(status, source, taken_at, reason, notes))
    return [one.dose_id for one in made if one.dose_id is not None]


async def write(tx: Tx, doses: Sequence[queries.Dose], said: Said) -> list[queries.Report]:
    """Settle doses; their rows, medications and patients are locked already; see `settle`."""
    changing = {
        dose.id: dose
        for dose in doses
        if rules.may_become(dose.state, said.status, said.source) and not said.is_known(dose)
    }
    if not changing:
        return []
    rows = [
        {
            **asdict(said),
            "id": new_id(),
            "dose_id": dose.id,
            "patient_id": dose.patient_id,
            "medication_id": dose.medication_id,
            "scheduled_time": dose.due_at,
        }
        for dose in changing.values()
    ]
    made = await tx.all(queries.INSERT, rows, tx.caller.tenant_id, tx.now)
    await tx.run(queries.SETTLE, rows, tx.now)
    before = {one.id: _before(changing[one.dose_id]) for one in made if one.dose_id is not None}
    await tell(tx, made, before)
    await doses_changed(tx, sorted({dose.patient_id for dose in changing.values()}))
    await alerts.evaluate(tx, sorted({dose.medication_id for dose in changing.values()}))
    return made


async def tell(tx: Tx, made: Sequence[queries.Report], before: dict[UUID, dict[str, Any]]) -> None:
    """Audit reports, emit those that somebody made, and name what they make stale.

    An inference is no news from outside: it has its audit, and its event when adherence is low.
    """
    changed: dict[UUID, tuple[Any, Any]] = {one.id: (before.get(one.id), one) for one in made}
    await record_many(tx, action="create", entity_type=ENTITY, changed=changed)
    payloads = {
        one.id: {"medication_id": one.medication_id, "dose_id": one.dose_id}
        for one in made
        if one.source != "inference"
    }
    if payloads:
        await emit_many(tx, "medication.dose.recorded", entity_type=ENTITY, payloads=payloads)
    tx.drop(*{alerts.rate_key(tx.caller.tenant_id, one.medication_id) for one in made})


def _before(dose: queries.Dose) -> dict[str, Any]:
    """Return what was known of a dose, under the names that a report has for it."""
    was_open = dose.state not in rules.SETTLED
    return {
        "status": None if was_open else dose.state,
        "source": dose.source,
        "taken_at": dose.taken_at,
        "reason": dose.reason,
    }
