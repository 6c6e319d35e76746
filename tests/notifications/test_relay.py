"""Through a real RabbitMQ: ids alone on the wire, and whatever is lost there heals."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from chroniccare import worker
from chroniccare.core.errors import Unavailable
from chroniccare.core.ids import new_id
from chroniccare.notifications import dispatch, relay
from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Keeps, Message, Outcome
from chroniccare.notifications.plan import LOOP
from chroniccare.platform.broker import Broker, BrokerAway, connected
from chroniccare.settings import Settings
from tests.conftest import Rabbit
from tests.notifications.provider import by_sms
from tests.notifications.support import Bench, eventually


@pytest.fixture
async def broker(rabbitmq: Rabbit, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    """Queues of this test alone, declared."""
    run = uuid4()
    queues = {name: f"{queue}.{run}" for name, queue in relay.QUEUES.items()}
    monkeypatch.setattr(relay, "QUEUES", queues)
    monkeypatch.setattr(relay, "DEAD", f"{relay.DEAD}.{run}")
    async with connected(rabbitmq.url) as opened:
        for queue in queues.values():
            await opened.declare(queue, relay.DEAD)
        yield opened
    async with connected(rabbitmq.url) as again:
        for queue in (*queues.values(), relay.DEAD):
            await again.channel.queue_delete(queue)


@asynccontextmanager
async def working(bench: Bench, settings: Settings, url: str) -> AsyncIterator[asyncio.Event]:
    """Run the worker's loops on this test's database."""
    stop, bell = asyncio.Event(), asyncio.Event()
    settings = settings.model_copy(update={"rabbitmq_url": url})
    loops = worker.loops(settings, bench.channels, {LOOP: bell}, stop)
    task = asyncio.create_task(worker.keep(loops, stop))
    try:
        yield bell
    finally:
        stop.set()
        bell.set()
        await asyncio.wait_for(task, 30)


def delivered(bench: Bench, count: int) -> Callable[[], Awaitable[bool]]:
    async def true() -> bool:
        return len(await bench.outbox()) >= count

    return true


async def publish_due(broker: Broker) -> int:
    claims = await dispatch.claim()
    await relay.Publisher(broker).take(claims)
    return len(claims)


async def test_messages_go_through_the_broker_and_arrive_once(
    bench: Bench, settings: Settings, rabbitmq: Rabbit, broker: Broker
) -> None:
    await bench.many(300)
    async with working(bench, settings, rabbitmq.url):
        await eventually(delivered(bench, 300))
        await eventually(_empty(broker, "normal"))
    kept = await bench.outbox()
    assert len(kept) == len({entry.notification_id for entry in kept}) == 300


def _empty(broker: Broker, name: str) -> Callable[[], Awaitable[bool]]:
    async def true() -> bool:
        return await broker.waiting(relay.QUEUES[name]) == 0

    return true


async def test_a_message_carries_ids_and_nothing_of_the_patient(
    bench: Bench, broker: Broker
) -> None:
    await bench.planned()
    await publish_due(broker)
    async with broker.consume(relay.QUEUES["normal"], prefetch=1) as arrived:
        delivery = await asyncio.wait_for(arrived.get(), 10)
        await delivery.done()
    message = json.loads(delivery.body)
    row = (await bench.rows())[-1]
    assert message.keys() == {"messageId", "type", "priority", "payload", "metadata"}
    assert message["payload"] == {
        "notificationId": str(row.id),
        "tenantId": str(bench.clinic.tenant_id),
    }
    assert message["priority"] == 5
    assert message["messageId"] == delivery.message.message_id
    assert message["metadata"].keys() == {"createdAt", "attempts", "maxAttempts"}
    assert (message["metadata"]["attempts"], message["metadata"]["maxAttempts"]) == (1, 3)


async def test_a_tick_publishes_all_that_is_due_while_there_is_time(
    bench: Bench, rabbitmq: Rabbit, broker: Broker
) -> None:
    await bench.many(250)  # more than a batch
    assert await relay.publish_due(rabbitmq.url, lambda: False) == 0
    assert await relay.publish_due(rabbitmq.url, lambda: True) == 250
    assert await broker.waiting(relay.QUEUES["normal"]) == 250
    assert await relay.publish_due(rabbitmq.url, lambda: True) == 0


async def test_the_last_reminder_takes_the_urgent_queue(bench: Bench, broker: Broker) -> None:
    visit = await bench.planned()
    await bench.drain()
    bench.clock.at = visit.starts_at.replace(hour=visit.starts_at.hour - 2)
    await publish_due(broker)
    waiting = {name: await broker.waiting(queue) for name, queue in relay.QUEUES.items()}
    assert waiting == {"urgent": 1, "normal": 2, "bulk": 0}


async def test_an_emptied_queue_heals_when_the_lease_is_over(
    bench: Bench, settings: Settings, rabbitmq: Rabbit, broker: Broker
) -> None:
    await bench.many(20)
    assert await publish_due(broker) == 20
    queue = await broker.channel.get_queue(relay.QUEUES["normal"])
    await queue.purge()
    async with working(bench, settings, rabbitmq.url) as bell:
        await asyncio.sleep(0.5)
        assert await bench.outbox() == []
        bench.clock.forward(seconds=61)
        bell.set()
        await eventually(delivered(bench, 20))


async def test_doubled_late_and_foreign_messages_change_nothing(
    bench: Bench, settings: Settings, rabbitmq: Rabbit, broker: Broker
) -> None:
    visit = await bench.planned()
    await bench.planned()
    claims = await dispatch.claim()
    for _ in range(3):
        await relay.Publisher(broker).take(claims)
    await bench.cancel(visit)
    unknown = {
        "payload": {"tenantId": str(bench.clinic.tenant_id), "notificationId": str(new_id())}
    }
    odd = [b"", b"{}", b"[]", b"5", b'{"payload": {"tenantId": 5, "notificationId": 6}}']
    bodies = [*odd, json.dumps(unknown).encode()]
    await broker.publish(relay.QUEUES["normal"], [(str(n), b) for n, b in enumerate(bodies)])
    async with working(bench, settings, rabbitmq.url):
        await eventually(delivered(bench, 1))
        await eventually(_empty(broker, "normal"))
        await eventually(_dead(broker, len(odd)))
    assert len(await bench.outbox()) == 1
    assert sorted((await bench.statuses())[-2:]) == ["cancelled", "delivered"]


_POISON = (
    b"\xff\xfe", b"{" * 5000, b"x" * 1_000_000, b"null", b'{"payload": null}', b'{"payload": []}',
    b'{"payload": {"tenantId": "x", "notificationId": "y"}}',
    b'{"payload": {"tenantId": {}, "notificationId": []}}',
)  # fmt: skip


async def test_a_poisoned_queue_goes_on_and_keeps_the_poison(
    bench: Bench, settings: Settings, rabbitmq: Rabbit, broker: Broker
) -> None:
    queue = relay.QUEUES["normal"]
    for half in (_POISON[:4], _POISON[4:]):
        await broker.publish(queue, [(str(number), body) for number, body in enumerate(half)])
        await bench.planned()
        await publish_due(broker)
    async with working(bench, settings, rabbitmq.url):
        await eventually(delivered(bench, 2))
        await eventually(_dead(broker, len(_POISON)))
        await eventually(_empty(broker, "normal"))
    assert len(await bench.outbox()) == 2


def _dead(broker: Broker, count: int) -> Callable[[], Awaitable[bool]]:
    async def true() -> bool:
        return await broker.waiting(relay.DEAD) == count

    return true


async def test_what_the_broker_does_not_confirm_is_due_again(bench: Bench, broker: Broker) -> None:
    await bench.planned()
    claims = await dispatch.claim()
    await broker.connection.close()
    with pytest.raises(BrokerAway):
        await relay.Publisher(broker).take(claims)
    assert (await bench.statuses())[-1] == "pending"
    await bench.drain()
    assert len(await bench.outbox()) == 1


async def test_a_broker_that_is_away_and_comes_back_delays_but_loses_nothing(
    bench: Bench, settings: Settings, rabbitmq: Rabbit, broker: Broker
) -> None:
    if rabbitmq.node is None:
        pytest.skip("RABBITMQ_URL's broker cannot be restarted by a test")
    await bench.many(600)
    await publish_due(broker)
    async with working(bench, settings, rabbitmq.url):
        await eventually(delivered(bench, 1))
        await asyncio.to_thread(rabbitmq.node.stop)
        await bench.planned()
        await asyncio.to_thread(rabbitmq.node.start)
        await eventually(delivered(bench, 601), within=40)
    kept = await bench.outbox()
    assert len(kept) == len({entry.notification_id for entry in kept}) == 601
    statuses = await bench.statuses()
    assert statuses.count("delivered") == 601


async def test_a_delivery_that_fails_is_given_back_and_heals(
    bench: Bench,
    settings: Settings,
    rabbitmq: Rabbit,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "_PAUSE_S", 0.01)
    keep, failures = LOCAL["outbox"].hand_over, [Unavailable(), ValueError("secret")]

    async def fail_twice(messages: list[Message]) -> list[Outcome]:
        if failures:
            raise failures.pop()
        return await keep(messages)

    bench.channels = by_sms(bench, Keeps("outbox", fail_twice))
    await bench.planned()
    async with working(bench, settings, rabbitmq.url) as bell:
        for left in (1, 0):

            async def failed(left: int = left) -> bool:
                return len(failures) == left

            await eventually(failed)
            await eventually(_empty(broker, "normal"))
            bench.clock.forward(seconds=61)
            bell.set()
        await eventually(delivered(bench, 1))
    assert len(await bench.outbox()) == 1


async def test_nothing_more_is_claimed_than_the_queue_should_hold(
    bench: Bench, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_MOST_WAITING", 5)
    publisher = relay.Publisher(broker)
    assert await publisher.room() == {"urgent": 5, "normal": 5, "bulk": 5}
    await bench.many(5)
    await publish_due(broker)
    assert await publisher.room() == {"urgent": 5, "normal": 0, "bulk": 5}


async def test_a_full_queue_stops_its_own_class_alone(
    bench: Bench, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_MOST_WAITING", 5)
    await bench.many(5)
    await publish_due(broker)
    await bench.many(5)
    await bench.sql(
        "UPDATE notifications SET priority = 'urgent' WHERE delivery_status = 'pending'"
        " AND id = (SELECT max(id::text)::uuid FROM notifications"
        " WHERE delivery_status = 'pending' AND next_attempt_at <= $1)",
        bench.clock.at,
    )
    stop, bell = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(dispatch.run(relay.Publisher(broker), bell=bell, stop=stop))

    async def urgent() -> bool:
        return await broker.waiting(relay.QUEUES["urgent"]) == 1

    await eventually(urgent)
    stop.set()
    await running
    assert await broker.waiting(relay.QUEUES["normal"]) == 5


async def test_a_tenant_that_fails_gets_its_messages_again_and_no_other(
    bench: Bench, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, queue = new_id(), new_id(), relay.QUEUES["normal"]

    async def delivered(tenant_id: object, *_: object) -> bool:
        return tenant_id == good

    monkeypatch.setattr(relay, "_delivered", delivered)
    tenants = [bad, good, bad, good]
    bodies = [
        json.dumps({"payload": {"tenantId": str(one), "notificationId": str(new_id())}}).encode()
        for one in tenants
    ]
    await broker.publish(queue, [(f"m{n}", body) for n, body in enumerate(bodies)])
    async with broker.consume(queue, prefetch=4) as arrived:
        got = [await asyncio.wait_for(arrived.get(), 10) for _ in tenants]
        await relay._deliver(got, bench.channels, asyncio.Event())
        again = [await asyncio.wait_for(arrived.get(), 10) for _ in range(2)]
        assert {entry.body for entry in again} == {bodies[0], bodies[2]}
        for entry in again:
            await entry.done()
    assert await broker.waiting(queue) == 0
