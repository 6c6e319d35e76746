"""Two drivers a channel: one fails, the other delivers; nothing is lost and nothing sent twice."""

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chroniccare.core.ids import new_id
from chroniccare.notifications import dispatch
from chroniccare.notifications.batch import notify
from chroniccare.notifications.channels import choice
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.channels.message import Calls, Outcome
from chroniccare.notifications.mesh import rules, throttle
from chroniccare.notifications.mesh.switchboard import Line
from chroniccare.platform.postgres import Command, begin
from chroniccare.simulator import run
from chroniccare.simulator.faults import Kind
from chroniccare.simulator.run import Simulator
from tests.notifications.provider import Provider, claimed
from tests.notifications.simulated import SECRET, chosen
from tests.notifications.support import Bench, Row, eventually

DOWN = Outcome("transient", "unavailable")
_SENT_TO = Command("SELECT notification_id FROM notification_attempts WHERE id = ANY ($1::uuid[])")


def by_two(
    bench: Bench, first: Provider, second: Provider, shares: tuple[int, int] = (100, 100)
) -> Channels:
    """Return the bench's channels with two drivers for SMS."""
    lines = tuple(
        Line("sms", replace(one.calls(), name=name), share)
        for name, one, share in zip(("first", "second"), (first, second), shares, strict=True)
    )
    return replace(bench.channels, drivers={**bench.channels.drivers, "sms": lines})


def by_one(bench: Bench, provider: Provider) -> Channels:
    """Return the bench's channels with one driver for SMS."""
    lines = (Line("sms", replace(provider.calls(), name="first")),)
    return replace(bench.channels, drivers={**bench.channels.drivers, "sms": lines})


def open_up(channels: Channels, bench: Bench, *names: str) -> None:
    """Let breakers open as ten failures do: for 15 seconds, or a little less or more."""
    for line in channels.drivers["sms"]:
        for _ in range(10 if line.name in names else 0):
            line.breaker = rules.ended(
                line.breaker, bench.clock.at, new_id(), "bad", code="unavailable", jitter=0.5
            )


async def many(bench: Bench, count: int) -> None:
    """Plan so many confirmations."""
    patient = await bench.patient()
    await bench.plan(await bench.visits([patient] * count, bench.clock.at + timedelta(days=4)))


async def confirmations(bench: Bench) -> list[Row]:
    return [row for row in await bench.rows() if row.notification_type.endswith("confirmation")]


async def last(bench: Bench) -> Row:
    return (await confirmations(bench))[0]


async def story(bench: Bench) -> list[dict[str, Any]]:
    row = await last(bench)
    shown = await bench.clinic.get(f"/notifications/{row.id}/timeline")
    events: list[dict[str, Any]] = shown.json()["data"]["events"]
    return events


async def reached(bench: Bench, *simulators: Simulator) -> Counter[UUID]:
    """Return how often each message reached a phone, by the providers' own ledgers."""
    attempts = [UUID(one.attempt) for each in simulators for one in each.ledger.reached]
    found: Counter[UUID] = Counter()
    async with begin(bench.clinic.caller) as tx:
        for attempt in attempts:
            found.update(await tx.values(_SENT_TO, [attempt]))
    return found


async def by_aws_and_gateway(
    bench: Bench, stack: AsyncExitStack, simulator: Simulator, chances: dict[Kind, float]
) -> tuple[Channels, Simulator]:
    """Open both drivers: `simulator` is AWS's and fails, the gateway is another's that works."""
    good = await stack.enter_async_context(run.running(Simulator(secret=SECRET)))
    simulator.plan.chances = chances
    settings = chosen(simulator, "aws", sms_driver="aws:50,http:50", http_sms_url=good.gateway_url)
    opened = await stack.enter_async_context(choice.opened(settings))
    drivers = {**bench.channels.drivers, "sms": opened.drivers["sms"]}
    return replace(bench.channels, drivers=drivers), good


async def test_one_is_dead_and_the_other_delivers_all_of_it_once(
    bench: Bench, simulator: Simulator
) -> None:
    async with AsyncExitStack() as stack:
        channels, good = await by_aws_and_gateway(bench, stack, simulator, {"error": 1.0})
        await many(bench, 60)
        await dispatch.drain(channels)
    rows = await confirmations(bench)
    assert Counter((row.delivery_status, row.channel) for row in rows) == {("accepted", "sms"): 60}
    assert await reached(bench, simulator, good) == dict.fromkeys((row.id for row in rows), 1)
    # Ten that failed, and those that were on the wire by then; then it was left alone.
    assert 10 <= len(simulator.ledger.calls) < 25


async def test_a_doubt_stays_with_the_driver_that_may_have_the_message(
    bench: Bench, simulator: Simulator
) -> None:
    chances: dict[Kind, float] = {"reset_after": 0.3, "error": 0.2, "reset_before": 0.1}
    async with AsyncExitStack() as stack:
        channels, good = await by_aws_and_gateway(bench, stack, simulator, chances)
        await many(bench, 60)
        await dispatch.drain(channels)
    statuses = Counter(row.delivery_status for row in await confirmations(bench))
    assert statuses["unknown"] > 0
    assert statuses["accepted"] > 0
    assert statuses.total() == statuses["unknown"] + statuses["accepted"] == 60
    assert set((await reached(bench, simulator, good)).values()) == {1}


async def test_a_failure_is_tried_on_the_other_driver_at_once(bench: Bench) -> None:
    first, second = Provider([DOWN] * 9), Provider([DOWN] * 9)
    channels = by_two(bench, first, second)
    await bench.planned()
    await dispatch.claim()  # as if another process had it
    bench.clock.forward(seconds=61)
    await dispatch.handle(await claimed(bench), channels)
    await dispatch.handle(await claimed(bench), channels)  # at once, not after a pause
    assert sorted(one.driver for one in await bench.attempts()) == ["first", "second"]
    assert await dispatch.claim() == []  # then there is a pause
    bench.clock.forward(minutes=5)
    await dispatch.handle(await claimed(bench), channels)
    drivers = [one.driver for one in await bench.attempts()]
    assert drivers[2] != drivers[1]
    row = await last(bench)
    assert (row.delivery_status, row.channel) == ("pending", "email")  # three tries in all


async def test_a_message_goes_where_its_hash_says_by_weight(bench: Bench) -> None:
    first, second = Provider(), Provider()
    await many(bench, 60)
    await dispatch.drain(by_two(bench, first, second, shares=(90, 10)))
    assert len(first.got) + len(second.got) == 60
    assert len(first.got) > 40
    weights = {"first": 90, "second": 10}
    for got, name in ((first.got, "first"), (second.got, "second")):
        assert {rules.pick(weights, one.notification_id) for one in got} <= {name}


async def test_what_was_prepared_keeps_its_driver(bench: Bench) -> None:
    first, second = Provider(), Provider()
    channels = by_two(bench, first, second)
    await bench.planned()
    stop = asyncio.Event()
    stop.set()  # prepared, and never made
    await dispatch.handle(await claimed(bench), channels, stop=stop)
    [attempt] = await bench.attempts()
    assert attempt.status == "prepared"
    for line in channels.drivers["sms"]:  # the hash would now say the other
        line.eased = 1 if line.name == attempt.driver else 10_000
    await dispatch.drain(channels)
    assert [(one.number, one.driver) for one in await bench.attempts()] == [(1, attempt.driver)]
    got = first.got if attempt.driver == "first" else second.got
    assert len(got) == 1
    assert len(first.got) + len(second.got) == 1


async def test_what_waits_behind_an_opening_breaker_goes_to_the_other_driver(bench: Bench) -> None:
    first, second = Provider([DOWN] * 99), Provider()
    channels = by_two(bench, first, second)
    await many(bench, 50)
    await dispatch.drain(channels)  # one call at a time: the others wait for it
    assert len(first.got) == rules.LEAST_FAILURES
    assert len(second.got) == 50
    assert {row.delivery_status for row in await confirmations(bench)} == {"accepted"}


async def test_while_no_driver_answers_messages_are_held_and_no_try_is_used_up(
    bench: Bench,
) -> None:
    first, second = Provider(), Provider()
    channels = by_two(bench, first, second)
    await bench.planned()
    open_up(channels, bench, "first", "second")
    await dispatch.drain(channels)
    row = await last(bench)
    assert (row.delivery_status, row.details["reason"]) == ("held", "provider_down")
    wait = row.next_attempt_at - bench.clock.at
    assert timedelta(seconds=15) <= wait <= timedelta(seconds=30)  # not all at once
    assert (row.retry_count, await bench.attempts()) == (0, [])
    shown = (await bench.clinic.get(f"/notifications/{row.id}")).json()["data"]
    assert shown["reason"] == "provider_down"
    bench.clock.at = row.next_attempt_at
    await dispatch.drain(channels)
    row = await last(bench)
    assert (row.delivery_status, row.channel) == ("accepted", "sms")
    assert not {"reason", "held"} & row.details.keys()


async def test_a_message_that_is_held_again_says_why_each_time(bench: Bench) -> None:
    channels = by_one(bench, Provider())
    await bench.planned()
    for _ in range(2):
        open_up(channels, bench, "first")
        await dispatch.drain(channels)
        bench.clock.forward(seconds=30)
        channels = by_one(bench, Provider())
    held = [one for one in await story(bench) if one["code"] == "held"]
    assert [one["reason"] for one in held] == ["provider_down"] * 2
    assert all("no driver of this channel answers" in one["text"] for one in held)


async def test_one_probe_tries_and_the_others_wait_for_it(bench: Bench) -> None:
    provider = Provider()
    channels = by_one(bench, provider)
    await many(bench, 5)
    open_up(channels, bench, "first")
    await dispatch.drain(channels)
    bench.clock.forward(seconds=30)
    batch = await claimed(bench)
    await dispatch.handle(batch, channels)
    assert len(provider.got) == 1
    statuses = Counter(row.delivery_status for row in await confirmations(bench))
    assert statuses == {"accepted": 1, "held": 4}
    bench.clock.forward(seconds=20)
    await dispatch.drain(channels)
    assert len(provider.got) == 5


async def test_a_probe_that_is_not_made_makes_room_for_another(bench: Bench) -> None:
    provider, stop = Provider(), asyncio.Event()
    channels = by_one(bench, provider)
    await many(bench, 2)
    open_up(channels, bench, "first")
    bench.clock.forward(seconds=20)
    stop.set()
    await dispatch.handle(await claimed(bench), channels, stop=stop)
    assert provider.got == []
    [line] = channels.drivers["sms"]
    assert rules.permits(line.breaker, bench.clock.at)
    bench.clock.forward(seconds=20)
    await dispatch.drain(channels)
    assert line.breaker.state == "closed"
    # Nor does one whose sender has no turn for it.
    open_up(channels, bench, "first")
    line.parts_per_second = 1
    await many(bench, 1)
    bench.clock.forward(seconds=20)
    await throttle.turns(line, ["x"] * 6, processes=1)
    await dispatch.drain(channels)
    assert "sender_rate" in {row.details.get("reason") for row in await confirmations(bench)}
    assert rules.permits(line.breaker, bench.clock.at)


async def test_a_probe_that_fails_keeps_the_others_waiting(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Provider([DOWN])
    channels = by_one(bench, provider)
    await many(bench, 3)
    open_up(channels, bench, "first")
    bench.clock.forward(seconds=20)
    await dispatch.drain(channels)
    assert len(provider.got) == 1
    [line] = channels.drivers["sms"]
    assert (line.breaker.state, line.breaker.opened) == ("open", 2)
    assert any("left alone" in one.message for one in caplog.records)


async def test_after_half_an_hour_the_next_channel_goes(bench: Bench) -> None:
    channels = by_one(bench, Provider())
    await bench.planned()
    since = bench.clock.at
    for _ in range(99):
        channels.drivers["sms"][0].breaker = rules.Breaker(
            "open", until=bench.clock.at + timedelta(minutes=1)
        )
        await dispatch.drain(channels)
        row = await last(bench)
        if row.delivery_status != "held":
            break
        bench.clock.at = row.next_attempt_at
    assert (row.delivery_status, row.channel) == ("delivered", "email")
    assert timedelta(minutes=30) <= bench.clock.at - since < timedelta(minutes=32)
    skipped = [one for one in await story(bench) if one["code"] == "channel_skipped"]
    assert [(one["channel"], one["reason"]) for one in skipped] == [("sms", "provider_down")]


async def test_a_file_waits_two_minutes_for_drivers_and_no_longer(
    bench: Bench, tmp_path: Path
) -> None:
    file = tmp_path / "visits.csv"
    file.write_text(
        "appointmentId,patientId,phoneNumber,email,appointmentTime,doctorName,location\n"
        "A1,P1,+14155550123,maria@example.com,2031-03-09T15:00:00-05:00,Rahman,Oak\n"
    )
    channels = by_one(bench, Provider())
    email = (Line("email", replace(Provider().calls(), name="smtp")),)
    channels = replace(channels, drivers={**channels.drivers, "email": email})
    for channel in ("sms", "email"):
        channels.drivers[channel][0].breaker = rules.Breaker(
            "open", until=bench.clock.at + timedelta(minutes=4)
        )
    task = asyncio.create_task(notify(file, tenant_id=bench.clinic.tenant_id, channels=channels))

    async def held() -> bool:
        return "held" in await bench.statuses()

    await eventually(held)
    bench.clock.at = (await bench.rows())[0].next_attempt_at - timedelta(seconds=20)
    assert not task.done()
    for line in (channels.drivers["sms"][0], email[0]):  # down for longer
        line.breaker = replace(line.breaker, until=bench.clock.at + timedelta(minutes=4))
    bench.clock.forward(seconds=20)
    result = await asyncio.wait_for(task, 10)
    assert (result.processed, result.failed) == (1, 1)
    assert "provider_down" in result.problems[0].reason
    assert await bench.attempts() == []


async def test_shortly_before_the_visit_nobody_waits_for_a_driver(bench: Bench) -> None:
    channels = by_one(bench, Provider())
    await bench.planned(bench.clock.at + timedelta(minutes=30))
    open_up(channels, bench, "first")
    await dispatch.drain(channels)
    assert (await last(bench)).channel == "email"


async def test_the_only_channel_waits_as_long_as_it_has_a_point(bench: Bench) -> None:
    texting = {"telecom": [{"system": "phone", "value": "+14155550177"}]}
    await bench.planned(
        bench.clock.at + timedelta(minutes=30),
        patient_id=await bench.patient(contact_info=texting),
    )
    channels = by_one(bench, Provider())
    open_up(channels, bench, "first")
    await dispatch.drain(channels)
    row = await last(bench)
    assert (row.delivery_status, row.details["reason"]) == ("held", "provider_down")
    bench.clock.forward(minutes=31)
    await dispatch.drain(channels)
    row = await last(bench)
    assert (row.delivery_status, row.details["reason"]) == ("expired", "too_late")


async def test_a_used_up_quota_stops_calls_at_once_and_tells_the_operator(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    first, second = Provider([Outcome("transient", "quota")] * 9), Provider()
    await many(bench, 30)
    await dispatch.drain(by_two(bench, first, second))
    assert len(first.got) == 1
    assert len(second.got) == 30
    [told] = [one for one in caplog.records if "left alone" in one.message]
    assert (told.driver, told.code) == ("first", "quota")  # type: ignore[attr-defined]


async def test_the_settings_make_the_lines(bench: Bench, simulator: Simulator) -> None:
    del bench
    settings = chosen(
        simulator, "aws", sms_driver="aws:80, http:20, sns:1", sms_parts_per_second="aws:7,sns:1",
        email_driver="ses:9,smtp",
    )  # fmt: skip
    async with choice.opened(settings) as channels:
        sms = [(one.name, one.weight, one.parts_per_second) for one in channels.drivers["sms"]]
        assert sms == [("aws", 80, 7), ("http", 20, 0), ("sns", 1, 1)]
        assert [(one.name, one.weight) for one in channels.drivers["email"]] == [
            ("ses", 9), ("smtp", 100),
        ]  # fmt: skip
        assert [one.name for one in channels.drivers["push"]] == ["outbox"]
        assert all(isinstance(one.driver, Calls) for one in channels.drivers["sms"])


async def test_a_slow_answer_of_before_does_not_open_what_has_closed(bench: Bench) -> None:
    """The one call that was on the wire while the breaker opened and closed changes nothing."""
    provider = Provider(slow=asyncio.Event(), outcomes=[DOWN])
    channels = by_one(bench, provider)
    await bench.planned()
    working = asyncio.create_task(dispatch.handle(await claimed(bench), channels))
    await eventually(lambda: _called(provider))
    open_up(channels, bench, "first")
    assert provider.slow is not None
    provider.slow.set()
    await working
    [line] = channels.drivers["sms"]
    assert (line.breaker.state, line.breaker.opened) == ("open", 1)


async def _called(provider: Provider) -> bool:
    return provider.called.is_set()
