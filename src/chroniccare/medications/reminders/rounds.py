"""What happens to reminders by themselves: planned as their time comes near, noted once sent.

Messages stand in the table for the next hours alone; what changes a dose brings them in line in its
own transaction. An idle round reads the doses of these hours.
"""

from datetime import timedelta
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.medications.reminders import queries
from chroniccare.medications.reminders.actions import doses_changed
from chroniccare.platform.postgres import begin

_PATIENTS = 200
_DOSES = 2000
_NOBODY = UUID(int=0)


async def run(tenant_id: UUID) -> int:
    """Plan what comes near and note what was sent; return the patients who were planned for.

    Any number of processes may do it at once.
    """
    await note_reminded(tenant_id)
    count, last = 0, _NOBODY
    while True:
        async with begin(system(tenant_id, job="reminders")) as tx:
            await tx.plan_afresh()
            until = tx.now + timedelta(hours=tx.settings.dose_reminder_hours)
            behind = await tx.values(queries.BEHIND, tx.now, until, last, _PATIENTS)
            await doses_changed(tx, behind)
        count += len(behind)
        if len(behind) < _PATIENTS:
            return count
        last = behind[-1]


async def note_reminded(tenant_id: UUID) -> int:
    """Call the doses `reminded` that a message told of which was sent; return how many."""
    count, noted = 0, _DOSES
    while noted == _DOSES:
        async with begin(system(tenant_id, job="reminders")) as tx:
            await tx.plan_afresh()
            noted = await tx.run(queries.NOTE_REMINDED, tx.now, _DOSES)
        count += noted
    return count
