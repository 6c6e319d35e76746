"""RabbitMQ: a doorbell with a queue. PostgreSQL stays the truth, so whatever is lost here heals.

Quorum queues, publisher confirms, manual acknowledgements. A connection is not mended but opened
again by whoever needs it, so that its state is always known.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import cast

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.connection import make_url
from aiormq.channel import Channel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError
from pamqp.commands import Basic
from pamqp.common import FieldTable

DELIVERY_LIMIT = 5
DEAD_EXCHANGE = "dlx"
_CONNECT_S = 5.0
_CALL_S = 5.0
_PERSISTENT = 2
_AWAY = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, asyncio.InvalidStateError)


class BrokerAway(Exception):  # noqa: N818  a state, not a fault
    """RabbitMQ cannot be reached, or did not confirm."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise BrokerAway(type(error).__name__) from None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message from a queue; it is acknowledged or given back by whoever took it."""

    body: bytes
    message: AbstractIncomingMessage

    async def done(self, *, with_earlier: bool = False) -> None:
        """Acknowledge: never again; `with_earlier`: and whatever is unanswered that came before."""
        with _translated():
            await self.message.ack(multiple=with_earlier)

    async def again(self) -> None:
        """Give back; after DELIVERY_LIMIT times the broker moves it to the dead letters."""
        with _translated():
            await self.message.nack(requeue=True)

    async def dead(self) -> None:
        """Move to the dead letters: no retry can help."""
        with _translated():
            await self.message.reject(requeue=False)


@dataclass(slots=True)
class Broker:
    """An open connection with one channel."""

    connection: AbstractConnection
    channel: AbstractChannel

    async def declare(self, queue: str, dead: str) -> None:
        """Make the durable quorum queue `queue`, whose dead letters go to `dead` and stay there."""
        with _translated():
            exchange = await self.channel.declare_exchange(
                DEAD_EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True, timeout=_CALL_S
            )
            grave = await self.channel.declare_queue(
                dead, durable=True, arguments={"x-queue-type": "quorum"}, timeout=_CALL_S
            )
            await grave.bind(exchange, routing_key=dead, timeout=_CALL_S)
            await self.channel.declare_queue(
                queue, durable=True, arguments=_arguments(dead), timeout=_CALL_S
            )

    async def publish(self, queue: str, messages: list[tuple[str, bytes]]) -> None:
        """Publish (id, body) pairs; returns once a majority of the broker's nodes has them all.

        Raises:
            BrokerAway: one or more were not confirmed, or no such queue exists.
        """
        if not messages:
            return
        with _translated():
            channel = cast("Channel", await self.channel.get_underlay_channel())
        # aio_pika would wait for each to be written before it writes the next.
        sending = [
            channel.basic_publish(
                body,
                routing_key=queue,
                properties=Basic.Properties(
                    content_type="application/json",
                    delivery_mode=_PERSISTENT,
                    message_id=message_id,
                ),
                mandatory=True,
                timeout=_CALL_S,
                wait=False,
            )
            for message_id, body in messages
        ]
        for result in await asyncio.gather(*sending, return_exceptions=True):
            if isinstance(result, (DeliveryError, *_AWAY)):
                raise BrokerAway(type(result).__name__)
            if isinstance(result, BaseException):
                raise result

    async def waiting(self, queue: str) -> int:
        """Return how many messages wait in `queue`.

        Raises:
            BrokerAway: it cannot be asked, or the queue does not exist.
        """
        with _translated():
            found = await self.channel.declare_queue(queue, passive=True, timeout=_CALL_S)
        return found.declaration_result.message_count or 0

    @asynccontextmanager
    async def consume(self, queue: str, *, prefetch: int) -> AsyncIterator[asyncio.Queue[Delivery]]:
        """Yield a local queue that fills with messages, at most `prefetch` of them unanswered.

        Leaving the block gives back what was not answered.

        Raises:
            BrokerAway: the connection is lost.
        """
        arrived: asyncio.Queue[Delivery] = asyncio.Queue()

        async def take(message: AbstractIncomingMessage) -> None:
            arrived.put_nowait(Delivery(message.body, message))

        with _translated():
            await self.channel.set_qos(prefetch_count=prefetch, timeout=_CALL_S)
            source = await self.channel.get_queue(queue, ensure=False)
            tag = await source.consume(take, no_ack=False, timeout=_CALL_S)
        yield arrived
        with _translated():
            await source.cancel(tag, timeout=_CALL_S)

    def lost(self) -> bool:
        """Return whether connection or channel is gone."""
        return self.connection.is_closed or self.channel.is_closed


def _arguments(dead: str) -> FieldTable:
    # Understood by 3.10 to 4.x. At-least-once dead lettering needs the overflow strategy
    # reject-publish; without a length limit nothing is ever rejected for it.
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


async def connect(url: str) -> AbstractConnection:
    """Open one connection, and leave nothing behind when that fails.

    aio_pika.connect would leave an object that closes itself when it is collected, which may be
    after the event loop has ended.
    """
    connection = aio_pika.Connection(make_url(url))
    try:
        await connection.connect(timeout=_CONNECT_S)
    except BaseException:
        await connection.close()
        raise
    return connection


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Broker]:
    """Open a connection to the broker and close it again.

    Raises:
        BrokerAway: nothing answers at the address.
    """
    with _translated():
        connection = await connect(url)
    try:
        with _translated():
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        yield Broker(connection, channel)
    finally:
        with suppress(*_AWAY):
            await asyncio.wait_for(connection.close(), _CALL_S)
