"""What happens to supplies by themselves: who is told as they come to their end."""

from datetime import timedelta
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.medications.fills import actions, queries, rules
from chroniccare.platform.postgres import begin

_BATCH = 200
_NONE = UUID(int=0)
_AHEAD = timedelta(days=rules.AHEAD_DAYS + 1)
_BACK = timedelta(days=4)
"""Days on the calendar differ by one from zone to zone; the last message is of use for two."""


async def run(tenant_id: UUID) -> int:
    """Plan the messages and open the tasks about supplies that end soon; return how many end.

    Any number of processes may do it at once.
    """
    count, last = 0, _NONE
    while True:
        async with begin(system(tenant_id, job="refills")) as tx:
            today = tx.now.date()
            ending = await tx.values(queries.ENDING, today - _BACK, today + _AHEAD, last, _BATCH)
            count += await actions.refresh(tx, ending)
        if len(ending) < _BATCH:
            return count
        last = ending[-1]
