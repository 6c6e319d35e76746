"""What happens to doses by itself: planned ahead day by day, anew where a patient's day changed."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.medications.doses import queries_plan as queries
from chroniccare.medications.doses.planner import extend, replan_patients
from chroniccare.platform.postgres import begin

LOOP = "doses"
_MEDICATIONS = 200
"""In one transaction: some 6,000 doses, well within the time that a statement may take."""
_AT_ONCE = 2
_PATIENTS = 50
_AHEAD = timedelta(days=1)
"""The bookmark of each medication is moved once a day."""


@dataclass(frozen=True, slots=True)
class Round:
    """How many patients were planned anew and medications planned ahead."""

    replanned: int
    extended: int


async def run(tenant_id: UUID) -> Round:
    """Keep a tenant's doses planned; any number of processes may do it at once."""
    return Round(await _replan(tenant_id), await _extend(tenant_id))


async def _replan(tenant_id: UUID) -> int:
    """Plan anew for the patients whose zone, state or times have changed."""
    count, taken = 0, _PATIENTS
    while taken == _PATIENTS:
        async with begin(system(tenant_id, job=LOOP)) as tx:
            await tx.plan_afresh()
            patients = await tx.values(queries.NOTED, _PATIENTS)
            taken = len(patients)
            count += taken
            if patients:
                await tx.run(queries.FORGET, patients)
                await replan_patients(tx, patients)
    return count


async def _extend(tenant_id: UUID) -> int:
    """Plan ahead what is planned for less than the days ahead, but for one.

    Two at a time: while PostgreSQL writes the doses of one batch, the next is worked out.
    """
    return sum(await asyncio.gather(*(_extend_batches(tenant_id) for _ in range(_AT_ONCE))))


async def _extend_batches(tenant_id: UUID) -> int:
    count, taken = 0, _MEDICATIONS
    while taken == _MEDICATIONS:
        async with begin(system(tenant_id, job=LOOP)) as tx:
            until = tx.now + timedelta(days=tx.settings.dose_plan_days) - _AHEAD
            await tx.plan_afresh()
            ids = await tx.values(queries.SHORT, until, _MEDICATIONS)
            taken = len(ids)
            count += taken
            await extend(tx, ids)
    return count
