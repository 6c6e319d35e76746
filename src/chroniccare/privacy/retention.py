"""What has been kept long enough goes, clinic by clinic, once a day; a job says how much of it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller, system
from chroniccare.platform.postgres import Command, begin
from chroniccare.privacy import actions
from chroniccare.privacy.queries_retention import HOLD_LIFTED, LAST, STEPS

_BATCH = 5000
_DAY = timedelta(days=1)
_AGAIN = timedelta(days=30)
"""How much of what was looked at before is looked at again, for what was settled late."""
_EVER = datetime(1900, 1, 1, tzinfo=UTC)


async def run(tenant_id: UUID) -> int:
    """Remove texts and addresses of messages past their time; return from how many rows."""
    caller = system(tenant_id, job="retention")
    anew = False  # what a hold kept is older than what is looked at again
    async with begin(caller) as tx:
        days, last, now = tx.settings.retain_messages_days, await tx.one(LAST), tx.now
        if last is not None and now >= last.created_at + _DAY:
            anew = await tx.value(HOLD_LIFTED, last.created_at)
    if not days or (last is not None and now < last.created_at + _DAY):
        return 0
    until = now - timedelta(days=days)
    since = _EVER if last is None or anew else min(last.until, until) - _AGAIN
    rows = {name: await _removed(caller, step, since, until) for name, step in STEPS}
    report = {"until": until, "rows": {name: count for name, count in rows.items() if count}}
    async with begin(caller) as tx:
        reason = f"kept for {days} days"
        job = await actions.write(tx, "retention", None, reason=reason, report=report)
        await record(
            tx, action="retention", entity_type=actions.ENTITY, entity_id=job.id, after=report
        )
    return sum(rows.values())


async def _removed(caller: Caller, step: Command, since: datetime, until: datetime) -> int:
    """Do one step, each batch by itself: a clinic's years of messages are no transaction."""
    total, count = 0, _BATCH
    while count == _BATCH:
        async with begin(caller) as tx:
            await tx.plan_afresh()
            count = await tx.run(step, since, until, _BATCH)
        total += count
    return total
