"""From due rows to delivery: claim across tenants, hand on, wait for the bell or the next due time.

A claim is a lease: the row is due again by itself when whoever holds it dies.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Protocol
from uuid import UUID

from chroniccare.notifications import delivery, queries_due, queries_waiting, rules
from chroniccare.notifications.channels.choice import Channels
from chroniccare.platform import meters
from chroniccare.platform.postgres import begin_system
from chroniccare.platform.wake import either

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
POLL_S = 3.0
"""Longest wait: what a lost ring costs."""
_LEAST_WAIT_S = 0.05
_GAUGE_S = 15.0
_CLAIM = 1000
_PARALLEL = 4
"""Batches in delivery at the same time in one process."""


class Taker(Protocol):
    """Whom claims are handed to: delivery in this process, or the broker."""

    async def room(self) -> dict[str, int]:
        """Return how many claims of each class may be made now."""
        ...

    async def take(self, claims: Sequence[queries_due.Claim]) -> None:
        """Take these claims; returns before they are delivered."""
        ...


async def claim(
    limit: int = _CLAIM, classes: Sequence[str] = rules.PRIORITIES
) -> list[queries_due.Claim]:
    """Claim up to `limit` due rows, of each tenant and class a batch at most: urgent first."""
    async with begin_system("dispatch") as tx:
        return await tx.all(
            queries_due.CLAIM, tx.now, tx.now + LEASE, delivery.BATCH, limit, list(classes)
        )


async def next_due_in() -> float:
    """Return the seconds until the next row is due, at most POLL_S."""
    async with begin_system("dispatch") as tx:
        due = await tx.value(queries_due.NEXT_DUE)
        wait = POLL_S if due is None else (due - tx.now).total_seconds()
    # Not zero: rows may be due but locked by another dispatcher.
    return min(max(wait, _LEAST_WAIT_S), POLL_S)


async def run(taker: Taker, *, bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Claim and hand on until `stop`; `bell` is set when something was planned."""
    while not stop.is_set():
        bell.clear()
        room = {name: count for name, count in (await taker.room()).items() if count > 0}
        # A class with little room may get more than that, so that it cannot slow the others down.
        claims = await claim(min(max(room.values()), _CLAIM), list(room)) if room else []
        if claims:
            await taker.take(claims)
        else:
            await either(bell, stop, timeout=await next_due_in())


async def gauge(stop: asyncio.Event) -> None:
    """Measure what is due until `stop`."""
    while not stop.is_set():
        async with begin_system("dispatch") as tx:
            for one in await tx.all(queries_waiting.WAITING, tx.now):
                age = 0.0 if one.oldest is None else (tx.now - one.oldest).total_seconds()
                meters.queue_age.set(age, {"class": one.priority})
                meters.queue_waiting.set(one.rows, {"class": one.priority})
            meters.queue_measured.set(tx.now.timestamp())
        await either(asyncio.Event(), stop, timeout=_GAUGE_S)


Batch = tuple[UUID, list[queries_due.Claim]]


def batches(claims: Sequence[queries_due.Claim]) -> list[Batch]:
    """Sort claims by tenant, at most a batch each."""
    by_tenant = attrgetter("tenant_id")
    found: list[Batch] = []
    for tenant_id, group in groupby(sorted(claims, key=by_tenant), key=by_tenant):
        rows = list(group)
        for start in range(0, len(rows), delivery.BATCH):
            found.append((tenant_id, rows[start : start + delivery.BATCH]))  # noqa: PERF401  clearer
    return found


async def handle(batch: Batch, channels: Channels, *, stop: asyncio.Event | None = None) -> None:
    """Deliver one batch; rows whose worker died are decided about first."""
    tenant_id, claims = batch
    left = [claim for claim in claims if claim.was == "sending"]
    if left:
        await delivery.recover(tenant_id, left)
    fresh = [claim.id for claim in claims if claim.was != "sending"]
    if fresh:
        await delivery.deliver(tenant_id, fresh, channels, stop=stop)


async def drain(channels: Channels, has_time: Callable[[], bool] = lambda: True) -> int:
    """Deliver until nothing is due or time is up; return how many claims that took."""
    count = 0
    while has_time() and (claims := await claim()):
        count += len(claims)
        for batch in batches(claims):
            await handle(batch, channels)
    return count


@dataclass(slots=True)
class Crew:
    """Delivery in this process: a few batches at a time, so that a slow provider delays few."""

    channels: Channels
    stop: asyncio.Event
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PARALLEL))
    working: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def room(self) -> dict[str, int]:
        """Wait until a batch can be taken; claims beyond that would only use up their lease."""
        async with self.slots:
            return dict.fromkeys(rules.PRIORITIES, delivery.BATCH)

    async def take(self, claims: Sequence[queries_due.Claim]) -> None:
        """Start delivering; waits while every slot is taken."""
        for batch in batches(claims):
            await self.slots.acquire()
            task = asyncio.create_task(self._work(batch))
            self.working.add(task)
            task.add_done_callback(self.working.discard)

    async def finish(self) -> None:
        """Wait for the batches in hand."""
        while self.working:
            await asyncio.wait(self.working)

    async def _work(self, batch: Batch) -> None:
        try:
            await handle(batch, self.channels, stop=self.stop)
        except Exception as error:
            # Nothing is lost: the rows are claimed again when their lease ends.
            log.exception("batch failed", extra={"kind": type(error).__name__})
        finally:
            self.slots.release()


async def run_here(channels: Channels, *, bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Dispatch to delivery in this process until `stop`; then finish the calls on the wire."""
    crew = Crew(channels, stop)
    try:
        await run(crew, bell=bell, stop=stop)
    finally:
        with suppress(asyncio.CancelledError):
            await crew.finish()
