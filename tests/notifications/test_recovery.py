"""A worker may die, freeze or be slow at any point: nothing is lost, nothing is sent twice."""

import asyncio
from datetime import timedelta

import pytest

from chroniccare.notifications import delivery, dispatch
from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Keeps, Message, Outcome
from chroniccare.platform.postgres import Command, begin
from tests.notifications.provider import Provider, by, by_sms, claimed
from tests.notifications.support import Bench, eventually


class DiedError(Exception):
    """Stands for kill -9: nothing after this point happens."""


async def test_dying_after_the_claim_loses_nothing(bench: Bench) -> None:
    await bench.planned()
    await claimed(bench)
    assert await bench.drain() == 0
    assert (await bench.statuses())[-1] == "queued"
    bench.clock.forward(seconds=61)
    await bench.drain()
    assert (await bench.statuses())[-1] == "delivered"
    assert len(await bench.outbox()) == 1


async def test_dying_before_the_outbox_has_it_sends_it_later_under_the_same_id(
    bench: Bench,
) -> None:
    async def die(_messages: list[Message]) -> list[Outcome]:
        raise DiedError

    await bench.planned()
    await _dies(bench, Keeps("outbox", die))
    assert (await bench.statuses())[-1] == "sending"
    [attempt] = await bench.attempts()
    assert attempt.status == "in_flight"
    bench.clock.forward(seconds=61)
    await bench.drain()
    assert len(await bench.outbox()) == 1
    [attempt] = await bench.attempts()
    assert (attempt.number, attempt.status) == (1, "accepted")


async def test_dying_after_the_outbox_has_it_sends_nothing_twice(bench: Bench) -> None:
    keep = LOCAL["outbox"].hand_over

    async def keep_and_die(messages: list[Message]) -> list[Outcome]:
        await keep(messages)
        raise DiedError

    visit = await bench.planned()
    await _dies(bench, Keeps("outbox", keep_and_die))
    assert len(await bench.outbox()) == 1
    await bench.cancel(visit)  # too late for this one, and it is not shown as cancelled
    bench.clock.forward(seconds=61)
    await bench.drain()
    assert len(await bench.outbox()) == 1
    assert (await bench.statuses())[-1] == "delivered"


async def _dies(bench: Bench, driver: Keeps) -> None:
    batch = await claimed(bench)
    with pytest.raises(DiedError):
        await dispatch.handle(batch, by_sms(bench, driver))


async def test_a_call_in_doubt_is_not_repeated(bench: Bench) -> None:
    provider = Provider([Outcome("unknown", "timeout")])
    await bench.planned()
    await dispatch.drain(by_sms(bench, provider.calls()))
    last = (await bench.rows())[-1]
    assert (last.delivery_status, last.details["reason"]) == ("unknown", "timeout")
    bench.clock.forward(hours=1)
    await dispatch.drain(by_sms(bench, provider.calls()))
    assert len(provider.got) == 1


async def test_dying_in_a_call_leaves_doubt_and_before_it_none(bench: Bench) -> None:
    provider = Provider(slow=asyncio.Event())
    await bench.planned()
    await bench.planned()
    channels = by_sms(bench, provider.calls())
    working = asyncio.create_task(dispatch.handle(await claimed(bench), channels))
    await provider.called.wait()
    working.cancel()
    await asyncio.wait([working])
    assert sorted(attempt.status for attempt in await bench.attempts()) == ["in_flight", "prepared"]
    bench.clock.forward(seconds=61)
    provider.slow = None
    await dispatch.drain(channels)
    assert sorted((await bench.statuses())[-2:]) == ["accepted", "unknown"]
    assert len(provider.got) == 2
    assert {attempt.number for attempt in await bench.attempts()} == {1}


async def test_an_answer_after_the_lease_settles_what_was_given_up(bench: Bench) -> None:
    provider = Provider(slow=asyncio.Event())
    await bench.planned()
    channels = by_sms(bench, provider.calls())
    working = asyncio.create_task(dispatch.handle(await claimed(bench), channels))
    await provider.called.wait()
    bench.clock.forward(seconds=61)
    await dispatch.drain(channels)
    assert (await bench.statuses())[-1] == "unknown"
    assert provider.slow is not None
    provider.slow.set()
    await working
    assert (await bench.statuses())[-1] == "accepted"
    assert [attempt.status for attempt in await bench.attempts()] == ["accepted"]


async def test_a_worker_that_slept_past_its_lease_does_not_call(bench: Bench) -> None:
    provider = Provider()
    channels = by_sms(bench, provider.calls())
    slots = channels.drivers["sms"][0].driver.slots  # type: ignore[union-attr]
    await bench.planned()
    await slots.acquire()
    working = asyncio.create_task(dispatch.handle(await claimed(bench), channels))
    await eventually(bench.attempts)
    bench.clock.forward(seconds=50)  # ten seconds are left, the call may take sixteen
    slots.release()
    await working
    assert provider.got == []
    assert (await bench.statuses())[-1] == "pending"
    await dispatch.drain(channels)
    assert len(provider.got) == 1
    assert [attempt.number for attempt in await bench.attempts()] == [1]


async def test_a_refusal_goes_to_the_next_channel_at_once_and_ends_there(bench: Bench) -> None:
    sms, email = Provider([Outcome("rejected", "no_such_number")]), Provider()
    email.outcomes = [Outcome("rejected", "smtp_550")]
    channels = by(bench, sms=sms.calls(), email=email.calls())
    await bench.planned()
    await dispatch.drain(channels)
    row = (await bench.rows())[-1]
    assert (row.delivery_status, row.details["reason"]) == ("failed", "smtp_550")
    assert [tried.error_code for tried in await bench.attempts()] == ["no_such_number", "smtp_550"]


async def test_a_fault_of_a_driver_is_a_doubt_and_stops_no_other_message(bench: Bench) -> None:
    provider = Provider([ValueError("a fault of ours")])
    await bench.planned()
    await bench.planned()
    await dispatch.drain(by_sms(bench, provider.calls()))
    assert sorted((await bench.statuses())[-2:]) == ["accepted", "unknown"]


async def test_a_call_that_hangs_is_given_up(bench: Bench) -> None:
    provider = Provider(slow=asyncio.Event())
    await bench.planned()
    await dispatch.drain(by_sms(bench, provider.calls(timedelta(milliseconds=50))))
    assert (await bench.rows())[-1].details["reason"] == "timeout"


async def test_delivery_of_rows_that_others_have_taken_does_nothing(bench: Bench) -> None:
    await bench.planned()
    tenant_id, claims = await claimed(bench)
    ids = [claim.id for claim in claims]
    counts = await asyncio.gather(
        *(delivery.deliver(tenant_id, ids, bench.channels) for _ in range(4))
    )
    assert sorted(counts) == [0, 0, 0, 1]
    assert len(await bench.outbox()) == 1


async def test_an_accepted_attempt_is_never_followed_by_another(bench: Bench) -> None:
    await bench.planned()
    await bench.drain()
    # As a worker leaves it that slept over its lease between the outbox and its record.
    await bench.forge(
        "UPDATE notifications SET delivery_status = 'pending', next_attempt_at = $1, sent_at = NULL"
        " WHERE delivery_status = 'delivered'",
        bench.clock.at,
    )
    await bench.drain()
    assert (await bench.statuses())[-1] == "accepted"
    assert len(await bench.outbox()) == len(await bench.attempts()) == 1


async def test_an_answer_is_not_lost_to_a_lock(bench: Bench) -> None:
    provider = Provider(slow=asyncio.Event())
    await bench.planned()
    batch = await claimed(bench)
    working = asyncio.create_task(dispatch.handle(batch, by_sms(bench, provider.calls())))
    await provider.called.wait()
    async with begin(bench.clinic.caller) as tx:
        await tx.run(Command("SELECT FROM notifications FOR UPDATE"))
        assert provider.slow is not None
        provider.slow.set()
        await asyncio.sleep(2.3)  # longer than a lock is waited for
    await working
    assert (await bench.statuses())[-1] == "accepted"


async def test_a_batch_that_fails_in_the_worker_is_delivered_after_its_lease(bench: Bench) -> None:
    keep, failures = LOCAL["outbox"].hand_over, [DiedError()]

    async def fail_once(messages: list[Message]) -> list[Outcome]:
        if failures:
            raise failures.pop()
        return await keep(messages)

    await bench.planned()
    stop, bell = asyncio.Event(), asyncio.Event()
    channels = by_sms(bench, Keeps("outbox", fail_once))
    task = asyncio.create_task(dispatch.run_here(channels, bell=bell, stop=stop))

    async def failed() -> bool:
        return not failures

    await eventually(failed)
    assert await bench.outbox() == []
    bench.clock.forward(seconds=61)
    bell.set()
    await eventually(bench.outbox)
    stop.set()
    await task
    assert len(await bench.outbox()) == 1
