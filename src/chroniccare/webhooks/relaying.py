"""From events to deliveries: each event is looked at once, after its transaction committed."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.platform.wake import either
from chroniccare.webhooks import disabling, rules, shapes
from chroniccare.webhooks import queries_deliveries as queries

LOOP = "webhooks"
"""Whose ring means that there is something to deliver."""
BATCH = 100
"""Events of a tenant in one turn: few, so that another tenant's turn comes soon."""
_POLL_S = 0.5
_BEFORE = timedelta(minutes=1)
"""Events from so long before a webhook was made may go to it: clocks differ. Older ones do not."""


async def run(
    *, bell: asyncio.Event, stop: asyncio.Event, told: shapes.Shapes = shapes.NONE
) -> None:
    """Hand events on until `stop`; they are looked for twice a second."""
    while not stop.is_set():
        bell.clear()
        await sweep(stop, told)
        await either(bell, stop, timeout=_POLL_S)


async def sweep(stop: asyncio.Event | None = None, told: shapes.Shapes = shapes.NONE) -> int:
    """Hand on what waits, a batch of each tenant in turn, and park what nobody waits for.

    Returns how many events and deliveries that were.
    """
    count = 0
    while stop is None or not stop.is_set():
        async with begin_system("webhooks") as tx:
            tenants = await tx.values(queries.WAITING)
        found = sum([await relay(tenant_id, told) for tenant_id in tenants])
        found += await disabling.park_rest()
        count += found
        if not found:
            break
    return count


async def relay(tenant_id: UUID, told: shapes.Shapes = shapes.NONE) -> int:
    """Make deliveries of a tenant's next events for the endpoints that want them."""
    async with begin(system(tenant_id, job="webhooks")) as tx:
        if not await tx.value(queries.LOCK, str(tenant_id)):
            return 0  # another process is at it
        # The lock first: what is read now was not handed on by whoever held it before.
        events = await tx.all(queries.UNRELAYED, BATCH)
        wishes = await tx.all(queries.WISHES)
        rows = [
            row(wish.id, event)
            for wish in wishes
            for event in await _wanted(tx, wish, events, told)
        ]
        if rows:
            await add(tx, rows)
        await tx.run(queries.RELAYED, [event.id for event in events], tx.now)
    return len(events)


async def _wanted(
    tx: Tx, wish: queries.Wish, events: Sequence[queries.Event], told: shapes.Shapes
) -> Iterable[queries.Event]:
    """Return which of the events an endpoint wants."""
    found = [
        event
        for event in events
        if rules.wants(wish.events, event.event_type)
        and event.created_at >= wish.created_at - _BEFORE
    ]
    if wish.shape == shapes.EVENT or not found:
        return found
    picked = await told[wish.shape].picks(tx, wish.id, found)
    return [event for event in found if event.id in picked]


def row(endpoint_id: UUID, event: Any) -> dict[str, Any]:
    """Return the delivery of an event to an endpoint, to be added."""
    return {
        "id": new_id(), "endpoint_id": endpoint_id, "event_id": event.id,
        "entity_type": event.entity_type, "entity_id": event.entity_id, "seq": event.seq,
    }  # fmt: skip


async def add(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Add deliveries to endpoints that this transaction has locked, and line them up."""
    await tx.plan_afresh()
    await tx.run(queries.INSERT, rows, tx.caller.tenant_id, tx.now)
    await tx.run(queries.NUMBER, [one["id"] for one in rows])
    await line_up(tx, {one["endpoint_id"] for one in rows}, {one["entity_id"] for one in rows})


async def line_up(tx: Tx, endpoints: set[UUID], entities: set[UUID]) -> None:
    """Let the first event of each record go, at endpoints that this transaction has locked."""
    await tx.run(queries.LINE_UP, list(endpoints), tx.now, list(entities))
    tx.wake(LOOP)
