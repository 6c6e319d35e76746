"""Delivery of claimed events.

    transaction 1   is it still ours and wanted? sign, commit the attempt
    no transaction  ask the endpoint: it may take five seconds
    transaction 2   record what came of it, unless the lease was lost meanwhile

A worker may die at any point: the delivery is claimed again when its lease ends, and the event
goes out again under the same id. It is never lost; a receiver tells a repetition by `webhook-id`.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, Unavailable
from chroniccare.core.ids import new_id
from chroniccare.platform import meters
from chroniccare.platform.egress import Answer, Egress
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.platform.public_hosts import TIMEOUT_S, EgressError
from chroniccare.webhooks import disabling, relaying, rules, sealing, shapes, signing
from chroniccare.webhooks import queries_deliveries as queries

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=12)
_CALL = timedelta(seconds=TIMEOUT_S + 2)
"""An attempt begins only if this much of its lease is left."""
_jitter = SystemRandom().random


@dataclass(frozen=True, slots=True)
class Lane:
    """How many requests are open at once: of a process, of a tenant, of an endpoint."""

    ailing: bool
    slots: int
    of_tenant: int
    of_endpoint: int


WELL = Lane(ailing=False, slots=48, of_tenant=16, of_endpoint=4)
AILING = Lane(ailing=True, slots=16, of_tenant=4, of_endpoint=1)
"""Endpoints that failed or were slow the last time have slots of their own."""


@dataclass(frozen=True, slots=True)
class Job:
    """An attempt that is committed and now made; without headers it cannot be signed, nor made."""

    attempt_id: UUID
    due: queries.Due
    fence: int
    body: bytes
    headers: dict[str, str] | None

    @property
    def is_ping(self) -> bool:
        """Whether it asks if anybody listens, and tells of no record."""
        return self.due.entity_type == rules.PING


@dataclass(frozen=True, slots=True)
class Came:
    """What came of an attempt: an answer, or the code of an error."""

    answer: Answer | None
    error: str | None
    latency_ms: int

    @property
    def status(self) -> int | None:
        """The answer's status, if there was one."""
        return None if self.answer is None else self.answer.status


async def claim(lane: Lane, room: int) -> list[queries.Claim]:
    """Claim up to `room` deliveries of a lane, from all tenants, each a fair part."""
    async with begin_system("webhooks") as tx:
        await tx.plan_afresh()
        return await tx.all(
            queries.CLAIM, tx.now, tx.now + LEASE, lane.of_endpoint, lane.of_tenant, lane.ailing,
            room,
        )  # fmt: skip


async def deliver(
    claimed: queries.Claim, egress: Egress, told: shapes.Shapes = shapes.NONE, *,
    notice: disabling.Notice,
) -> None:  # fmt: skip
    """Make one attempt, if the claim still holds, and record what came of it."""
    job = await _begun(claimed, told)
    if job is None:
        return
    came = await _asked(job, egress)
    # An outcome that cannot be written is kept for a moment: losing it repeats the event.
    for pause in (0.2, 1.0, 3.0, None):
        try:
            await _record(claimed.tenant_id, job, came, notice)
        except (Conflict, Unavailable):
            if pause is None:
                raise
            await asyncio.sleep(pause)
        else:
            return


async def _asked(job: Job, egress: Egress) -> Came:
    if job.headers is None:
        return Came(None, rules.UNREADABLE, 0)
    begun = time.monotonic()
    answer, error = None, None
    with meters.measured(meters.webhooks, "webhook") as labels:
        try:
            answer = await egress.post(job.due.url, body=job.body, headers=job.headers)
        except EgressError as failure:
            error = failure.code
        labels["outcome"] = f"{answer.status // 100}xx" if answer else str(error)
    return Came(answer, error, round((time.monotonic() - begun) * 1000))


async def _begun(claimed: queries.Claim, told: shapes.Shapes) -> Job | None:
    async with begin(system(claimed.tenant_id, job="webhooks")) as tx:
        due = await tx.one(queries.BEGIN, claimed.id, claimed.fence, tx.now, tx.now + _CALL)
        if due is None:
            return None
        live = await sealing.live(tx, due.secret, due.previous_secret, endpoint_id=due.endpoint_id)
        said = await _said(tx, due, told)
        headers = None
        if live is not None and said is not None:
            headers = {"Content-Type": said.media_type} | signing.headers(
                event_id=due.event_id, event_type=due.event_type, at=tx.now, body=said.body,
                live=live,
            )  # fmt: skip
        kept = {k: v for k, v in (headers or {}).items() if k.lower() not in signing.SIGNATURES}
        attempt_id = new_id()
        await tx.run(
            queries.BEGIN_ATTEMPT, attempt_id, tx.caller.tenant_id, due.id, due.attempt, tx.now,
            kept,
        )  # fmt: skip
    if said is None or headers is None:
        return Job(attempt_id, due, claimed.fence, b"", None)
    return Job(attempt_id, due, claimed.fence, said.body, {**said.headers, **headers})


async def _said(tx: Tx, due: queries.Due, told: shapes.Shapes) -> shapes.Told | None:
    """Return what is sent of an event, in the shape of its endpoint."""
    if due.shape != shapes.EVENT:
        return await told[due.shape].told(tx, due)
    body = rules.body(
        event_type=due.event_type, entity_type=due.entity_type, entity_id=due.entity_id,
        payload=due.payload, at=due.created_at,
    )  # fmt: skip
    return shapes.Told(body, "application/json", {})


async def _record(tenant_id: UUID, job: Job, came: Came, notice: disabling.Notice) -> None:
    async with begin(system(tenant_id, job="webhooks")) as tx:
        # The endpoint's row comes first, as for everybody who changes its line.
        await tx.value(queries.LOCK_ENDPOINT, job.due.endpoint_id)
        answer = came.answer
        await tx.run(
            queries.END_ATTEMPT, job.attempt_id, tx.now, came.status,
            None if answer is None else rules.shown(answer.body), came.latency_ms, came.error,
        )  # fmt: skip
        state = await tx.one(queries.STATE, job.due.id, job.fence, tx.now)
        if state is None or not state.ours:
            return
        if rules.succeeded(came.status):
            await _finish(tx, job, came, "delivered")
            slow, asked = came.latency_ms > rules.SLOW_MS, job.due.url if job.is_ping else None
            await tx.run(queries.WELL, job.due.endpoint_id, slow, tx.now, asked)
        else:
            await _failed(tx, job, came, state, notice)


async def _failed(
    tx: Tx, job: Job, came: Came, state: queries.State, notice: disabling.Notice
) -> None:
    """Write down a failure: tried again, given up, or the endpoint disabled."""
    endpoint_id, answer = job.due.endpoint_id, came.answer
    asked = rules.retry_after(None if answer is None else answer.retry_after, tx.now)
    failures = state.failures + 1
    rest = rules.pause(failures=failures, jitter=_jitter(), asked=asked)
    await tx.run(queries.ILL, endpoint_id, tx.now, failures, tx.now + rest)
    again = rules.next_attempt(
        number=job.due.attempt, first=state.first_attempt_at, now=tx.now, jitter=_jitter(),
        asked=asked,
    )  # fmt: skip
    if again is None:
        await _finish(tx, job, came, "failed")
    else:
        await tx.run(queries.RETRY, job.due.id, came.status, came.latency_ms, again, tx.now)
    unverified = again is None and job.due.shape != shapes.EVENT and job.is_ping
    if came.status == rules.GONE:
        await disabling.disable(tx, endpoint_id, "gone", notice=notice)
    elif unverified or rules.is_given_up(failing_since=state.failing_since or tx.now, now=tx.now):
        reason: disabling.Reason = "unreadable" if came.error == rules.UNREADABLE else "failing"
        await disabling.disable(tx, endpoint_id, reason, notice=notice)


async def _finish(tx: Tx, job: Job, came: Came, status: str) -> None:
    await tx.run(queries.FINISH, job.due.id, status, came.status, came.latency_ms, tx.now)
    await relaying.line_up(tx, {job.due.endpoint_id}, {job.due.entity_id})
