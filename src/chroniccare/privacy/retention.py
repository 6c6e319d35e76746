"""What has been kept long enough goes, clinic by clinic, once a day; a job says how much of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller, system
from chroniccare.platform.postgres import Command, begin
from chroniccare.privacy import actions
from chroniccare.privacy.queries_retention import GOES_WHOLE, HOLD_LIFTED, LAST, STEPS, Kept, Last
from chroniccare.settings import Settings

_BATCH = 5000
_DAY = timedelta(days=1)
_AGAIN = timedelta(days=30)
"""How much of what was looked at before is looked at again, for what was settled late."""
_EVER = datetime(1900, 1, 1, tzinfo=UTC)


async def run(tenant_id: UUID) -> int:
    """Remove what is past its time, each class by its own; return from how many rows."""
    caller = system(tenant_id, job="retention")
    anew = False  # what a hold kept is older than what is looked at again
    async with begin(caller) as tx:
        kept, last, now = days_kept(tx.settings), await tx.one(LAST), tx.now
        if last is not None and now >= last.created_at + _DAY:
            anew = await tx.value(HOLD_LIFTED, last.created_at)
    if not kept or (last is not None and now < last.created_at + _DAY):
        return 0
    until = {name: now - timedelta(days=days) for name, days in kept.items()}
    rows = {}
    for table, name, step in STEPS:
        if name in until:
            fresh = last is None or anew or table in GOES_WHOLE
            since = _EVER if fresh else _since(last, name, until[name])
            rows[table] = await _removed(caller, step, since, until[name])
    await _report(caller, kept, until, rows)
    return sum(rows.values())


def days_kept(settings: Settings) -> dict[Kept, int]:
    """Return for how many days each class is kept; what is kept for ever is not named."""
    days: dict[Kept, int] = {
        "messages": settings.retain_messages_days,
        "delivery_log": settings.retain_delivery_log_days,
        "events": settings.retain_events_days,
    }
    return {name: count for name, count in days.items() if count}


def _since(last: Last | None, name: Kept, until: datetime) -> datetime:
    """Return from when on a class is looked at, if what was looked at before left rows behind."""
    before = None
    if last is not None:
        before = last.messages if name == "messages" else last.delivery_log
    return _EVER if before is None else min(before, until) - _AGAIN


async def _report(
    caller: Caller, kept: Mapping[Kept, int], until: Mapping[Kept, datetime], rows: dict[str, int]
) -> None:
    """Keep what was removed as a job; `until` is that of messages, as it always was."""
    times: dict[str, datetime | None] = {
        "until" if name == "messages" else f"{name}_until": at for name, at in until.items()
    }
    # Its name tells this report from those of before, also while nothing of the log is to go.
    times.setdefault("delivery_log_until", None)
    report = {**times, "rows": {table: count for table, count in rows.items() if count}}
    days = ", ".join(f"{name.replace('_', ' ')} {count} days" for name, count in kept.items())
    async with begin(caller) as tx:
        job = await actions.write(tx, "retention", None, reason=f"kept: {days}", report=report)
        await record(
            tx, action="retention", entity_type=actions.ENTITY, entity_id=job.id, after=report
        )


async def _removed(caller: Caller, step: Command, since: datetime, until: datetime) -> int:
    """Do one step, each batch by itself: a clinic's years of messages are no transaction."""
    total, count = 0, _BATCH
    while count == _BATCH:
        async with begin(caller) as tx:
            await tx.plan_afresh()
            count = await tx.run(step, since, until, _BATCH)
        total += count
    return total
