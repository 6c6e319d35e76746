"""RabbitMQ as we use it, on a real node."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from uuid import uuid4

import pytest

from chroniccare.platform.broker import DELIVERY_LIMIT, Broker, BrokerAway, Delivery, connected
from tests.conftest import Rabbit


@pytest.fixture
async def broker(rabbitmq: Rabbit) -> AsyncIterator[Broker]:
    async with connected(rabbitmq.url) as opened:
        yield opened


@pytest.fixture
async def names(broker: Broker) -> AsyncIterator[tuple[str, str]]:
    """A queue and its dead letters, declared; both are removed after the test."""
    queue, dead = f"test.{uuid4()}", f"test.{uuid4()}.dead"
    await broker.declare(queue, dead)
    yield queue, dead
    if not broker.lost():
        await broker.channel.queue_delete(queue)
        await broker.channel.queue_delete(dead)


async def take(arrived: "asyncio.Queue[Delivery]") -> Delivery:
    return await asyncio.wait_for(arrived.get(), 10)


async def test_what_is_published_arrives_and_is_gone_when_answered(
    broker: Broker, names: tuple[str, str]
) -> None:
    queue, _ = names
    await broker.declare(*names)  # declaring again is no error
    await broker.publish(queue, [(f"m{n}", b"%d" % n) for n in range(50)])
    async with broker.consume(queue, prefetch=20) as arrived:
        got = [await take(arrived) for _ in range(20)]
        assert arrived.empty()  # no more than the prefetch until some are answered
        for delivery in got:
            await delivery.done()
        for _ in range(30):
            got.append(await take(arrived))
            await got[-1].done()
    assert [delivery.body for delivery in got] == [b"%d" % n for n in range(50)]
    assert got[7].message.message_id == "m7"
    assert await broker.waiting(queue) == 0


async def test_what_was_not_answered_returns(rabbitmq: Rabbit, names: tuple[str, str]) -> None:
    queue, _ = names
    async with connected(rabbitmq.url) as first:
        await first.publish(queue, [("m", b"x")])
        async with first.consume(queue, prefetch=1) as arrived:
            await take(arrived)
    async with (
        connected(rabbitmq.url) as second,
        second.consume(queue, prefetch=1) as arrived,
    ):
        delivery = await take(arrived)
        assert delivery.message.redelivered
        await delivery.done()


async def test_a_message_given_back_too_often_is_a_dead_letter(
    broker: Broker, names: tuple[str, str], rabbitmq: Rabbit
) -> None:
    queue, dead = names
    await broker.publish(queue, [("m", b"poison")])
    async with broker.consume(queue, prefetch=1) as arrived:
        for _ in range(DELIVERY_LIMIT + 1):
            await (await take(arrived)).again()
    async with connected(rabbitmq.url) as other, other.consume(dead, prefetch=1) as arrived:
        delivery = await take(arrived)
        assert delivery.body == b"poison"
        await delivery.done()


async def test_a_hopeless_message_is_a_dead_letter_at_once(
    broker: Broker, names: tuple[str, str], rabbitmq: Rabbit
) -> None:
    queue, dead = names
    await broker.publish(queue, [("m", b"hopeless")])
    async with broker.consume(queue, prefetch=1) as arrived:
        await (await take(arrived)).dead()
    async with connected(rabbitmq.url) as other, other.consume(dead, prefetch=1) as arrived:
        await (await take(arrived)).done()


async def test_publishing_to_a_queue_that_is_not_there_is_told(broker: Broker) -> None:
    with pytest.raises(BrokerAway):
        await broker.publish("nowhere", [("m", b"x")])
    with pytest.raises(BrokerAway):
        await broker.waiting("nowhere")
    assert broker.lost()  # the broker closes a channel that asked for nonsense


async def test_nobody_at_the_address_is_told() -> None:
    with pytest.raises(BrokerAway):
        async with connected("amqp://guest:guest@127.0.0.1:1/"):
            pass


async def test_wrong_credentials_are_told(rabbitmq: Rabbit) -> None:
    with pytest.raises(BrokerAway):
        async with connected(rabbitmq.url.replace("guest:guest", "guest:wrong")):
            pass


async def test_after_the_connection_is_lost_every_call_says_so(
    rabbitmq: Rabbit, names: tuple[str, str]
) -> None:
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(connected(rabbitmq.url))
        consuming = broker.consume(names[0], prefetch=1)
        arrived = await consuming.__aenter__()
        await broker.publish(names[0], [("m", b"x")])
        delivery = await take(arrived)
        await broker.connection.close()
        assert broker.lost()
        for call in (
            delivery.done,
            delivery.again,
            delivery.dead,
            partial(broker.publish, names[0], [("m", b"x")]),
            partial(broker.declare, *names),
            partial(broker.waiting, names[0]),
            partial(consuming.__aexit__, None, None, None),
        ):
            with pytest.raises(BrokerAway):
                await call()


async def test_an_answer_for_all_that_came_before_leaves_other_answers_alone(
    names: tuple[str, str], rabbitmq: Rabbit
) -> None:
    queue, dead = names
    async with connected(rabbitmq.url) as first:
        await first.publish(queue, [(f"m{n}", b"%d" % n) for n in range(5)])
        async with first.consume(queue, prefetch=5) as arrived:
            got = [await take(arrived) for _ in range(5)]
            await got[0].dead()
            await got[2].again()
            await got[3].done(with_earlier=True)
            assert (await take(arrived)).body == b"2"
    async with connected(rabbitmq.url) as other:
        async with other.consume(queue, prefetch=5) as arrived:
            assert {(await take(arrived)).body for _ in range(2)} == {b"2", b"4"}
            assert arrived.empty()
        async with other.consume(dead, prefetch=1) as arrived:
            assert (await take(arrived)).body == b"0"
