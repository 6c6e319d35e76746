"""What a dose taken as needed comes to, against the limits of its regimen."""

from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.medications.doses import queries
from chroniccare.medications.doses.planner import steps_of
from chroniccare.medications.doses.rules import Verdict, as_needed_verdict
from chroniccare.platform.postgres import Tx

_LOOKED_BACK = timedelta(days=31)
"""No limit looks farther back than a month."""


async def prn_verdict(
    tx: Tx, *, medication_id: UUID, taken_at: datetime, without: UUID | None = None
) -> Verdict:
    """Return what a dose taken at `taken_at` comes to; `without` is a report not to be counted.

    Its `warnings` are for the answer: what happened is written down, and never refused. A report
    that was corrected does not count. Call it before the report itself is written.
    """
    dosage = await tx.value(queries.DOSAGE_AT, medication_id, taken_at)
    steps = () if dosage is None else steps_of(dosage)
    low, high = taken_at - _LOOKED_BACK, taken_at + _LOOKED_BACK
    taken = await tx.values(queries.TAKEN, medication_id, low, high, without)
    return as_needed_verdict(steps, taken, taken_at)
