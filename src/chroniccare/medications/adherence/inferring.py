"""Doses about which nobody said anything in time are inferred to be missed."""

from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.medications.adherence import queries
from chroniccare.medications.adherence.settling import settle
from chroniccare.platform.postgres import begin

_BATCH = 500


async def infer_missed(tenant_id: UUID) -> int:
    """Mark a tenant's open doses whose time is over as missed; return how many.

    Any number of processes may do it at once: medications that another one holds are left to it.
    A report that comes later corrects the inference.
    """
    count, marked = 0, _BATCH
    while marked == _BATCH:
        async with begin(system(tenant_id, job="adherence")) as tx:
            await tx.plan_afresh()
            medications = await tx.values(queries.OVERDUE_MEDICATIONS, tx.now, _BATCH)
            if not medications:
                return count
            doses = await tx.values(queries.OVERDUE, medications, tx.now, _BATCH)
            settled = await settle(tx, doses, "missed", source="inference", taken_at=None)
            marked = len(settled)
        count += marked
    return count
