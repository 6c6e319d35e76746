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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
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
from chroniccare.notifications.together import Together
from chroniccare.platform import meters
from chroniccare.platform.postgres import begin, database
from chroniccare.platform.sealing import Keyring
from chroniccare.tenancy.addresses import either

log = logging.getLogger(__name__)

BATCH = 200
"""Most messages of one tenant in one pair of transactions."""
HANDED_OVER = "handed over"
"""What the log says of each attempt that has an outcome; `up` shows these lines."""
_LAST_CALL_S = 8.0
"""Longest that a call goes on once the worker is to stop; supervisors kill it soon after."""
_A_MOMENT = timedelta(seconds=1)
_jitter = SystemRandom().random


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the calls of one batch are begun and their outcomes written, many at a time.

    `stop` ends the batch; `limits` are those of the calls on the wire.
    """

    beginning: Together[Job, bool]
    recording: Together[tuple[Job, Outcome | None], None]
    stop: asyncio.Event
    limits: set[asyncio.Timeout] = field(default_factory=set)


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
    desk = Desk(
        Together(partial(_begun, tenant_id)), Together(partial(_record, tenant_id)),
        stop or asyncio.Event(),
    )  # fmt: skip
    hurrying = asyncio.create_task(_hurry(desk))
    try:
        # Not a TaskGroup: that would break off calls in progress when one record cannot be written.
        results = await asyncio.gather(
            *(_hand_over(tenant_id, batch) for batch in keeping.values()),
            *(_call(desk, driver, job) for driver, job in calling),
            return_exceptions=True,
        )
    finally:
        hurrying.cancel()
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


async def _call(desk: Desk, driver: Calls, job: Job) -> None:
    """Call a provider once, if nothing forbids it: see `queries_due.START`."""
    stop = desk.stop
    if job.turn:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), job.turn)
    async with driver.slots:
        await driver.ready()  # what takes long the first time comes before the last look
        free = not stop.is_set() and switchboard.may_call(job.line, job.due.id)
        started = free and await _started(desk, job)
        # Asked again: beginning took a moment.
        outcome = await _tried(desk, driver, job.message) if started and not stop.is_set() else None
        if outcome is None:
            switchboard.dropped(job.line, job.due.id)
        else:
            switchboard.ended(job.line, job.due.id, outcome, database().clock())
    # The next call need not wait until this one's outcome is written.
    await desk.recording.ask((job, outcome))


async def _started(desk: Desk, job: Job) -> bool:
    """Mark the attempt as in flight; when that cannot be known, it is not made."""
    return await desk.beginning.ask(job)


async def _begun(tenant_id: UUID, jobs: Sequence[Job]) -> list[bool]:
    """Mark the attempts of calls that are to begin now, of those that nothing forbids.

    A COMMIT whose answer was lost may have marked them: recording that no call was made unmarks
    them.
    """
    try:
        async with begin(system(tenant_id, job="delivery")) as tx:
            keys = await tx.keyring()
            rows = [_beginning(job, tx.now, keys) for job in jobs]
            attempts = [job.message.attempt_id for job in jobs]
            messages = [job.due.id for job in jobs]
            found = set(await tx.values(queries_due.START, rows, tx.now, attempts, messages))
    except (Conflict, Unavailable) as error:
        log.warning("calls not begun", extra={"kind": type(error).__name__, "count": len(jobs)})
        return [False] * len(jobs)
    return [job.message.attempt_id in found for job in jobs]


def _beginning(job: Job, now: datetime, keys: Keyring) -> dict[str, Any]:
    assert isinstance(job.driver, Calls)  # noqa: S101  nobody else is called
    category, opt_in, day = recipients.last_look(job.due, job.send.channel, now)
    return {
        "id": job.due.id,
        "attempt_id": job.message.attempt_id,
        "fence": job.fence,
        "lease": now + job.driver.budget,
        "found_by": either(keys, [job.message.recipient]),
        "category": category,
        "opt_in": opt_in,
        "day": day,
    }


async def _tried(desk: Desk, driver: Calls, message: Message) -> Outcome:
    with meters.measured(meters.calls, "send", driver=driver.name) as labels:
        outcome = await _answered(desk, driver, message)
        labels["outcome"] = outcome.status
    return outcome


async def _answered(desk: Desk, driver: Calls, message: Message) -> Outcome:
    try:
        async with asyncio.timeout(driver.budget.total_seconds()) as limit:
            desk.limits.add(limit)
            try:
                return await driver.send(message)
            finally:
                desk.limits.discard(limit)
    except TimeoutError:
        return Outcome("unknown", "timeout")
    except Exception as error:
        # A fault of ours in the middle of a call: nobody knows what the provider has.
        log.exception(
            "driver failed",
            extra={"attempt_id": str(message.attempt_id), "kind": type(error).__name__},
        )
        return Outcome("unknown", "driver_failed")


async def _hurry(desk: Desk) -> None:
    """Shorten the calls on the wire once the worker is to stop; none begins after that."""
    await desk.stop.wait()
    latest = asyncio.get_running_loop().time() + _LAST_CALL_S
    for limit in [one for one in desk.limits if not one.expired()]:
        limit.reschedule(min(limit.when() or latest, latest))


async def _record(tenant_id: UUID, results: Sequence[tuple[Job, Outcome | None]]) -> Sequence[None]:
    """Write outcomes; None means that the call was not made, so the row is due again.

    An answer that cannot be written is kept for a moment: losing it would leave doubt.
    """
    for pause in (0.2, 1.0, 3.0, None):
        try:
            async with begin(system(tenant_id, job="delivery")) as tx:
                rows = [_recorded(job, outcome, tx.now) for job, outcome in results]
                await tx.run(queries_due.RECORD, rows, tx.now)
                ids = [job.message.attempt_id for job, _ in results]
                await tx.run(queries_due.RECORD_ATTEMPTS, rows, tx.now, ids)
        except (Conflict, Unavailable):
            if pause is None:
                raise
            await asyncio.sleep(pause)
        else:
            break
    _note(results)
    return [None] * len(results)


def _note(results: Sequence[tuple[Job, Outcome | None]]) -> None:
    for job, outcome in results:
        if outcome is not None:
            labels = {"channel": job.send.channel, "driver": job.driver.name}
            meters.messages.add(1, labels | {"outcome": outcome.status})
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
            # The last look may have found a receipt of an attempt before: it takes a moment.
            "next_at": now + _A_MOMENT if job.number > 1 else now,
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
