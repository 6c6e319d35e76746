"""What happens to adherence by itself: silent doses are missed, and episodes end with their end."""

from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.medications.adherence import queries, queries_alerts
from chroniccare.medications.adherence.alerts import reconsider
from chroniccare.medications.adherence.settling import settle
from chroniccare.platform.postgres import begin

_BATCH = 500


async def run(tenant_id: UUID) -> int:
    """Infer a tenant's missed doses and end its orphaned episodes; return how many there were."""
    return await infer_missed(tenant_id) + await end_orphaned(tenant_id)


async def end_orphaned(tenant_id: UUID) -> int:
    """End the episodes of patients who have died, are inactive or were removed; return how many.

    Patients stand below medications: no dose of theirs comes any more that would end them.
    """
    async with begin(system(tenant_id, job="adherence")) as tx:
        medications = await tx.values(queries_alerts.ORPHANED, _BATCH)
        if medications:
            await reconsider(tx, medications)
    return len(medications)


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
