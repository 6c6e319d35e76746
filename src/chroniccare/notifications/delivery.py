"""Delivery of claimed messages, in batches of one tenant.

    transaction 1   re-read everything that may have changed, decide, render, commit the attempts
    no transaction  call the provider: it may take seconds, and a connection is not held for that
    transaction 2   record what became of it, unless the lease was lost meanwhile

A worker may die at any point. Before transaction 1 commits, the row is `queued` and is claimed
again when its lease ends. After it, the attempt says how far it got: `prepared` is made again
under the same id; `in_flight` without an outcome is `unknown` and is not repeated here, except
towards the outbox, where a repetition under the same id changes nothing: see `recover`. What
becomes of a doubt is decided in `receipts`.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from random import SystemRandom
from typing import Any
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, Unavailable
from chroniccare.notifications import (
    decide,
    queries_due,
)
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.channels.message import REPEATABLE, Calls, Message, Outcome
from chroniccare.notifications.mesh import switchboard
from chroniccare.notifications.preferences import recipients
from chroniccare.notifications.preparing import Job, prepare
from chroniccare.platform.postgres import begin, database

log = logging.getLogger(__name__)

BATCH = 200
"""Most messages of one tenant in one pair of transactions."""
HANDED_OVER = "handed over"
"""What the log says of each attempt that has an outcome; `up` shows these lines."""
_LAST_CALL_S = 8.0
"""Longest that a call goes on once the worker is to stop; supervisors kill it soon after."""
_jitter = SystemRandom().random


async def deliver(
    tenant_id: UUID, ids: Sequence[UUID], channels: Channels, *, stop: asyncio.Event | None = None
) -> int:
    """Deliver the claimed messages with these ids; return how many were handed to a channel.

    Rows that somebody else has taken, or that are no longer to be sent, are passed over. Once
    `stop` is set no provider is called any more: what waits for that is due again.
    """
    jobs = await prepare(tenant_id, ids, channels)
    keeping: dict[str, list[Job]] = {}
    calling: list[tuple[Calls, Job]] = []
    for job in jobs:
        if isinstance(job.driver, Calls):
            calling.append((job.driver, job))
        else:
            keeping.setdefault(job.driver.name, []).append(job)
    # Not a TaskGroup: that would break off calls in progress when one record cannot be written.
    results = await asyncio.gather(
        *(_hand_over(tenant_id, batch) for batch in keeping.values()),
        *(_call(tenant_id, driver, job, stop or asyncio.Event()) for driver, job in calling),
        return_exceptions=True,
    )
    for error in results:
        if error is not None:
            raise error
    return len(jobs)


async def recover(tenant_id: UUID, claims: Sequence[queries_due.Claim]) -> None:
    """Decide about rows that a dead worker left in `sending`; see the top of this file."""
    async with begin(system(tenant_id, job="delivery")) as tx:
        await tx.plan_afresh()
        await tx.run(
            queries_due.RECOVER, [claim.id for claim in claims], [claim.fence for claim in claims],
            tx.now, list(REPEATABLE),
        )  # fmt: skip


async def _hand_over(tenant_id: UUID, jobs: list[Job]) -> None:
    driver = jobs[0].driver
    assert not isinstance(driver, Calls)  # noqa: S101  sorted by the caller
    outcomes = await driver.hand_over([job.message for job in jobs])
    await _record(tenant_id, list(zip(jobs, outcomes, strict=True)))


async def _call(tenant_id: UUID, driver: Calls, job: Job, stop: asyncio.Event) -> None:
    """Call a provider once, if nothing forbids it: see `queries_due.START`."""
    if job.turn:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), job.turn)
    async with driver.slots:
        free = not stop.is_set() and switchboard.may_call(job.line, job.due.id)
        started = free and await _started(tenant_id, driver, job)
        # Asked again: beginning took a moment.
        outcome = await _tried(driver, job.message, stop) if started and not stop.is_set() else None
        if outcome is None:
            switchboard.dropped(job.line, job.due.id)
        else:
            switchboard.ended(job.line, job.due.id, outcome, database().clock())
        await _record(tenant_id, [(job, outcome)])


async def _started(tenant_id: UUID, driver: Calls, job: Job) -> bool:
    """Mark the attempt as in flight; when that cannot be known, it is not made.

    A COMMIT whose answer was lost may have marked it: recording that no call was made unmarks it.
    """
    try:
        async with begin(system(tenant_id, job="delivery")) as tx:
            look = recipients.last_look(job.due, job.send.channel, tx.now)
            changed = await tx.run(
                queries_due.START, job.message.attempt_id, job.fence, tx.now + driver.budget,
                tx.now, job.message.recipient, *look,
            )  # fmt: skip
    except (Conflict, Unavailable) as error:
        log.warning("call not begun", extra={"kind": type(error).__name__})
        return False
    return changed > 0


async def _tried(driver: Calls, message: Message, stop: asyncio.Event) -> Outcome:
    try:
        async with asyncio.timeout(driver.budget.total_seconds()) as limit:
            hurrying = asyncio.create_task(_hurry(limit, stop))
            try:
                return await driver.send(message)
            finally:
                hurrying.cancel()
    except TimeoutError:
        return Outcome("unknown", "timeout")
    except Exception as error:
        # A fault of ours in the middle of a call: nobody knows what the provider has.
        log.exception(
            "driver failed",
            extra={"attempt_id": str(message.attempt_id), "kind": type(error).__name__},
        )
        return Outcome("unknown", "driver_failed")


async def _hurry(limit: asyncio.Timeout, stop: asyncio.Event) -> None:
    """Shorten the call on the wire once the worker is to stop."""
    await stop.wait()
    latest = asyncio.get_running_loop().time() + _LAST_CALL_S
    limit.reschedule(min(limit.when() or latest, latest))


async def _record(tenant_id: UUID, results: Sequence[tuple[Job, Outcome | None]]) -> None:
    """Write outcomes; None means that the call was not made, so the row is due again at once.

    An answer that cannot be written is kept for a moment: losing it would leave doubt.
    """
    for pause in (0.2, 1.0, 3.0, None):
        try:
            async with begin(system(tenant_id, job="delivery")) as tx:
                rows = [_recorded(job, outcome, tx.now) for job, outcome in results]
                await tx.run(queries_due.RECORD, rows, tx.now)
                await tx.run(queries_due.RECORD_ATTEMPTS, rows, tx.now)
        except (Conflict, Unavailable):
            if pause is None:
                raise
            await asyncio.sleep(pause)
        else:
            _note(results)
            return


def _note(results: Sequence[tuple[Job, Outcome | None]]) -> None:
    for job, outcome in results:
        if outcome is not None:
            log.info(
                HANDED_OVER,
                extra={
                    "notification_id": str(job.due.id),
                    "type": job.due.notification_type,
                    "channel": job.send.channel,
                    "driver": job.driver.name,
                    "status": outcome.status,
                },
            )


def _recorded(job: Job, outcome: Outcome | None, now: datetime) -> dict[str, Any]:
    row = {"id": job.due.id, "fence": job.fence, "attempt_id": job.message.attempt_id}
    if outcome is None:
        return row | {
            "attempt_status": "prepared",
            "status": "pending",
            "channel": job.send.channel,
            "channel_plan": job.send.plan,
            "next_at": now,
            "retry_count": job.due.retry_count,
            "details": {},
        }
    status = "accepted" if outcome.status == "delivered" else outcome.status
    return row | {
        "attempt_status": status,
        "provider_message_id": outcome.provider_message_id,
        "error_code": outcome.error_code,
        **decide.settle(
            job.due,
            job.send,
            outcome,
            now=now,
            jitter=_jitter(),
            elsewhere=outcome.status == "transient"
            and switchboard.has_another(job.lines, job.line, now),
        ),
    }
