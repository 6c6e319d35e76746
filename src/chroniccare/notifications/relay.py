"""Through RabbitMQ: claims become messages that carry ids alone, consumers deliver them.

The queue is a wake-up, the row is the truth: a message whose row is not `queued` any more is
forgotten, and a row whose message was lost is claimed again when its lease ends. Retries are rows,
not redeliveries.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from chroniccare.core.errors import Unavailable
from chroniccare.core.ids import new_id
from chroniccare.core.wire import dumps
from chroniccare.notifications import delivery, dispatch, queries_due, rules
from chroniccare.notifications.channels.choice import Channels
from chroniccare.platform.broker import Broker, BrokerAway, Delivery, connected
from chroniccare.platform.postgres import begin_system, utc_now

log = logging.getLogger(__name__)

DEAD = "notifications.dlq"
QUEUES = {name: f"notifications.{name}" for name in rules.PRIORITIES}
_PRIORITY = {"urgent": 9, "normal": 5, "bulk": 1}
_MOST_WAITING = 2000
"""Messages in a queue beyond which nothing more is claimed: they wait better as rows."""
_COUNTED_S = 0.5
_LISTEN_S = 0.5
_PAUSE_S = 1.0


@dataclass(slots=True)
class Publisher:
    """Hands claims to the broker; a `dispatch.Taker`.

    Attributes:
        left: what each queue took when it was counted last, less what was published since.
        counted_at: when that was, by the loop's clock.
    """

    broker: Broker
    left: dict[str, int] = field(default_factory=dict)
    counted_at: float = 0.0

    async def room(self) -> dict[str, int]:
        """Return how many messages each queue still takes: a full one does not stop the others.

        Counting takes a round trip for each, so while there is ample room it is done now and then.
        """
        now = asyncio.get_running_loop().time()
        ample = self.left and min(self.left.values()) >= delivery.BATCH
        if not ample or now - self.counted_at > _COUNTED_S:
            self.left = {
                name: _MOST_WAITING - await self.broker.waiting(queue)
                for name, queue in QUEUES.items()
            }
            self.counted_at = now
        return dict(self.left)

    async def take(self, claims: Sequence[queries_due.Claim]) -> None:
        """Publish the claims; what the broker does not confirm is due again.

        Raises:
            BrokerAway: it did not confirm.
        """
        for tenant_id, rows in dispatch.batches([c for c in claims if c.was == "sending"]):
            await delivery.recover(tenant_id, rows)
        fresh = [claim for claim in claims if claim.was != "sending"]
        try:
            for name, queue in QUEUES.items():
                rows = [claim for claim in fresh if claim.priority == name]
                await self.broker.publish(queue, [_message(claim) for claim in rows])
                self.left[name] = self.left.get(name, 0) - len(rows)
        except BrokerAway:
            # A message that arrived in spite of this finds its row not `queued`, or finds it so
            # because it was claimed again: delivered once either way.
            await _release(fresh)
            raise


def _message(claim: queries_due.Claim) -> tuple[str, bytes]:
    message_id = str(new_id())
    body = {
        "messageId": message_id,
        "type": "notification",
        "priority": _PRIORITY[claim.priority],
        "payload": {"notificationId": claim.id, "tenantId": claim.tenant_id},
        "metadata": {
            "createdAt": utc_now(),
            "attempts": claim.fence,
            "maxAttempts": rules.MAX_TRIES,
        },
    }
    return message_id, dumps(body)


async def _release(claims: Sequence[queries_due.Claim]) -> None:
    async with begin_system("dispatch") as tx:
        await tx.run(
            queries_due.RELEASE, [claim.id for claim in claims], tx.now,
            [claim.fence for claim in claims],
        )  # fmt: skip


async def publish(url: str, *, bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Dispatch to the broker until `stop`.

    Raises:
        BrokerAway: it cannot be reached; the rows stay due.
    """
    async with connected(url) as broker:
        for queue in QUEUES.values():
            await broker.declare(queue, DEAD)
        await dispatch.run(Publisher(broker), bell=bell, stop=stop)


async def publish_due(url: str, has_time: Callable[[], bool]) -> int:
    """Dispatch to the broker what is due now, until time is up; return how many claims.

    Raises:
        BrokerAway: it cannot be reached; the rows stay due.
    """
    count = 0
    async with connected(url) as broker:
        for queue in QUEUES.values():
            await broker.declare(queue, DEAD)
        publisher = Publisher(broker)
        while has_time():
            room = [name for name, left in (await publisher.room()).items() if left > 0]
            claims = await dispatch.claim(classes=room) if room else []
            if not claims:
                break
            await publisher.take(claims)
            count += len(claims)
    return count


async def consume(url: str, name: str, channels: Channels, *, stop: asyncio.Event) -> None:
    """Deliver what the queue of class `name` brings until `stop`; calls on the wire are finished.

    Raises:
        BrokerAway: the connection is lost; unanswered messages return to the queue.
    """
    async with connected(url) as broker:
        await broker.declare(QUEUES[name], DEAD)
        async with broker.consume(QUEUES[name], prefetch=2 * delivery.BATCH) as arrived:
            while not stop.is_set():
                got = await _gather(arrived)
                if got:
                    await _deliver(got, channels, stop)
                elif broker.lost():
                    raise BrokerAway("lost")


async def _gather(arrived: "asyncio.Queue[Delivery]") -> list[Delivery]:
    """Return what is there, at most a batch; wait a moment for the first."""
    got: list[Delivery] = []
    with suppress(TimeoutError):
        # Not wait_for: in Python 3.11 it can lose what arrives at the moment of the time-out.
        async with asyncio.timeout(_LISTEN_S):
            got.append(await arrived.get())
    while got and len(got) < delivery.BATCH and not arrived.empty():
        got.append(arrived.get_nowait())
    return got


async def _deliver(got: list[Delivery], channels: Channels, stop: asyncio.Event) -> None:
    by_tenant: dict[UUID, list[tuple[UUID, Delivery]]] = {}
    for entry in got:
        found = ids(entry.body)
        if found is None:
            log.error("message is not ours", extra={"queue": DEAD})
            await entry.dead()
        else:
            by_tenant.setdefault(found[0], []).append((found[1], entry))
    last: Delivery | None = None
    for tenant_id, entries in by_tenant.items():
        if await _delivered(tenant_id, [row for row, _ in entries], channels, stop):
            last = entries[-1][1] if last is None else max(last, entries[-1][1], key=_place)
        else:
            for _, entry in entries:
                await entry.again()
    if last is not None:
        # Whatever came before it has its answer, or gets it by this one.
        await last.done(with_earlier=True)


def _place(entry: Delivery) -> int:
    """Return where a message stands in the order in which they came."""
    return entry.message.delivery_tag or 0


async def _delivered(
    tenant_id: UUID, ids: list[UUID], channels: Channels, stop: asyncio.Event
) -> bool:
    """Deliver; on a failure wait a moment, so that a broken database is not hammered.

    The messages are given back then, a few times; the rows heal without them.
    """
    try:
        await delivery.deliver(tenant_id, ids, channels, stop=stop)
    except Unavailable:
        log.warning("delivery waits for the database")
    except Exception as error:
        log.exception("batch failed", extra={"kind": type(error).__name__})
    else:
        return True
    await asyncio.sleep(_PAUSE_S)
    return False


def ids(body: bytes) -> tuple[UUID, UUID] | None:
    """Return tenant and notification that a message names; None: it is none of ours."""
    try:
        payload: dict[str, Any] = orjson.loads(body)["payload"]
        return UUID(payload["tenantId"]), UUID(payload["notificationId"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
