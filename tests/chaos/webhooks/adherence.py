"""Low adherence as the care loops find it: prescriptions whose last doses nobody reports on.

Time has passed for the doses; that they were missed, and that adherence is low, is for the worker's
loop to find. Reports through the API end the episode.
"""

import random
from dataclasses import dataclass, field
from uuid import UUID

import httpx

from chroniccare.core.caller import Caller
from chroniccare.core.ids import new_id
from chroniccare.medications.adherence import queries
from chroniccare.medications.adherence.rules import IN_A_ROW, LEAST_OBSERVED
from chroniccare.medications.adherence.settling import settle
from chroniccare.platform.postgres import Command, begin

_MEDICATION = Command(
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id, medication_name,"
    " dosage, route, frequency, start_date, status, reminders, created_at, updated_at) VALUES"
    " ($1, $2, $3, $4, 'Metformin', '1 tablet', 'oral', 'every hour', $5::timestamptz::date,"
    " 'active', false, $5, $5)"
)
# An hour apart, up to five hours ago; the first so many were reported to be taken.
_DOSES = Command(
    "INSERT INTO medication_doses (id, tenant_id, patient_id, medication_id, regimen_version,"
    " local_date, ordinal, due_at, late_at, missed_at, state, source, taken_at, updated_at)"
    " SELECT gen_random_uuid(), $2, $3, $1, 1, at::date, n, at, at + interval '1 hour',"
    " at + interval '4 hours', CASE WHEN n <= $5 THEN 'taken' ELSE 'planned' END,"
    " CASE WHEN n <= $5 THEN 'patient' END, CASE WHEN n <= $5 THEN at END, $4::timestamptz"
    " FROM (SELECT n, $4::timestamptz - (5 + $6 - n) * interval '1 hour' AS at"
    " FROM generate_series(1, $6::int) AS n) d"
)
_MISSED = Command("SELECT id FROM medication_doses WHERE medication_id = $1 AND state = 'missed'")
_LOW = Command("SELECT medication_id FROM adherence_episodes WHERE closed_at IS NULL")
# Of this transaction: what it undoes.
_EMITTED = Command(
    "SELECT id FROM outbox WHERE event_type LIKE 'medication.adherence.%'"
    " AND xmin::text = pg_current_xact_id()::xid::text"
)


class Rolled(Exception):  # noqa: N818  what it is
    """Undoes a transaction."""


@dataclass(slots=True)
class Care:
    """The prescriptions of a run, and what was found and undone about them."""

    caller: Caller
    http: httpx.AsyncClient
    dice: random.Random
    prescribed: set[UUID] = field(default_factory=set)
    rolled: set[str] = field(default_factory=set)

    async def prescribe(self, patient_id: str, provider_id: str) -> None:
        """Write a prescription whose doses were taken until the last three, which are overdue."""
        medication = new_id()
        tenant, patient = self.caller.tenant_id, UUID(patient_id)
        async with begin(self.caller) as tx:
            await tx.run(_MEDICATION, medication, tenant, patient, UUID(provider_id), tx.now)
            count = LEAST_OBSERVED + IN_A_ROW
            await tx.run(_DOSES, medication, tenant, patient, tx.now, LEAST_OBSERVED, count)
        self.prescribed.add(medication)

    async def undo(self) -> None:
        """Find what the loop would, and roll it back."""
        try:
            async with begin(self.caller) as tx:
                medications = await tx.values(queries.OVERDUE_MEDICATIONS, tx.now, 1)
                doses = await tx.values(queries.OVERDUE, medications, tx.now, 10)
                await settle(tx, doses, "missed", source="inference", taken_at=None)
                self.rolled |= {str(one) for one in await tx.values(_EMITTED)}
                raise Rolled  # noqa: TRY301  the block undoes it
        except Rolled:
            pass

    async def recover(self) -> None:
        """Report, for one episode that is open, that what was missed was taken after all."""
        async with begin(self.caller) as tx:
            low = await tx.values(_LOW)
            if not low:
                return
            medication = self.dice.choice(sorted(low))
            doses = await tx.values(_MISSED, medication)
        for dose in doses:
            body = {"dose_id": str(dose), "status": "taken"}
            await self.http.post(f"/medications/{medication}/adherence", json=body)
