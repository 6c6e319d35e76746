"""Message parts a second: never faster, over all processes, with the cache and without it."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroniccare.core.ids import new_id
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.notifications.mesh import rules, throttle
from chroniccare.notifications.mesh.switchboard import Line
from chroniccare.platform.cache import Cache, cache
from tests.conftest import Running
from tests.notifications.support import Bench, eventually


@dataclass(slots=True)
class Sender:
    """A provider that notes when it was called."""

    at: list[float] = field(default_factory=list)
    made: float = field(default_factory=time.monotonic)

    async def send(self, _message: Message) -> Outcome:
        self.at.append(time.monotonic())
        return Outcome("accepted")

    def line(self, per_second: int, name: str | None = None) -> Line:
        calls = Calls(
            name or f"sender-{new_id()}", self.send, timedelta(seconds=16), asyncio.Semaphore(50)
        )
        return Line("sms", calls, 100, per_second)

    def took(self) -> float:
        """Return the seconds from the making of this to the last call."""
        return max(self.at) - self.made


def by(bench: Bench, line: Line, *, processes: int = 1) -> Channels:
    drivers = {**bench.channels.drivers, "sms": (line,)}
    return replace(bench.channels, drivers=drivers, processes=processes)


async def many(bench: Bench, count: int) -> None:
    patient = await bench.patient()
    await bench.plan(await bench.visits([patient] * count, bench.clock.at + timedelta(days=4)))


async def statuses(bench: Bench) -> Counter[str]:
    rows = await bench.rows()
    return Counter(one.delivery_status for one in rows if one.notification_type.endswith("ation"))


async def test_calls_keep_to_the_rate_and_the_rest_is_put_back_without_an_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "HORIZON_S", 0.5)
    sender = Sender()
    await many(bench, 30)
    await dispatch.drain(by(bench, sender.line(20)))
    assert await statuses(bench) == {"accepted": 11, "held": 19}
    assert sender.took() >= 0.49  # the eleventh part at 20 a second
    assert len(await bench.attempts()) == 11
    held = [row for row in await bench.rows() if row.delivery_status == "held"]
    assert {row.details["reason"] for row in held} == {"sender_rate"}
    waits = sorted((row.next_attempt_at - bench.clock.at).total_seconds() for row in held)
    assert waits[0] == pytest.approx(0.55, abs=0.02)
    assert waits[-1] == pytest.approx(0.55 + 18 / 20, abs=0.02)  # each has a time of its own
    assert {row.retry_count for row in held} == {0}


async def test_two_processes_share_one_sender(bench: Bench) -> None:
    """Two lines of one name are two processes of one sender."""
    sender, name = Sender(), f"sender-{new_id()}"
    await many(bench, 30)
    [batch] = dispatch.batches(await dispatch.claim())
    half = len(batch[1]) // 2
    await asyncio.gather(
        dispatch.handle((batch[0], batch[1][:half]), by(bench, sender.line(20, name))),
        dispatch.handle((batch[0], batch[1][half:]), by(bench, sender.line(20, name))),
    )
    assert len(sender.at) == 30
    assert sender.took() >= 29 / 20 - 0.01


async def test_without_the_cache_each_process_keeps_to_its_part(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "cache", lambda: Cache(""))
    sender = Sender()
    await many(bench, 12)
    channels = by(bench, sender.line(20), processes=2)
    await dispatch.drain(channels)
    assert len(sender.at) == 12
    assert sender.took() >= 11 / 10 - 0.01  # half the rate
    # What is asked for right afterwards waits behind it, whoever asks.
    count, waits = await throttle.turns(channels.drivers["sms"][0], ["x"], processes=2)
    assert count == 1
    assert waits[0] > 0


async def test_a_cache_that_comes_back_empty_lifts_nothing(bench: Bench) -> None:
    line, text = Sender().line(2), "a" * 3000  # 20 parts: ten seconds
    count, waits = await throttle.turns(line, [text] * 3, processes=1)
    assert count == 1
    assert waits == pytest.approx([0.0, 10.0, 20.0])
    assert (await throttle.turns(line, [text], processes=1))[0] == 0
    del bench
    assert await cache()._ask("SCRIPT", "FLUSH") in {b"OK", "OK"}
    assert (await throttle.turns(line, [text], processes=1))[0] == 0  # loaded again, and knows


@settings(max_examples=25)
@given(
    asked=st.lists(st.integers(1, 6), min_size=1, max_size=40),
    per_second=st.integers(1, 1000),
)
async def test_the_cache_reckons_as_the_rules_do(
    running: Running, asked: list[int], per_second: int
) -> None:
    del running
    key = f"sender:test:{new_id()}"

    async def reserved() -> tuple[int, float]:
        return await cache().reserve(
            key, asked, per_second=float(per_second), horizon_s=rules.HORIZON_S
        )

    grant, free = rules.admit(0.0, 0.0, asked, per_second=per_second)
    assert await reserved() == (grant.count, grant.wait_s)
    _, wait = await reserved()  # a moment later
    assert max(0.0, free - 3) <= wait <= free + 0.01


async def test_a_long_text_takes_the_turns_of_its_parts(bench: Bench) -> None:
    del bench
    line = Sender().line(10)
    texts = ["a" * 400, "short", "я" * 100, "short"]  # 3, 1, 2 and 1 parts
    count, waits = await throttle.turns(line, texts, processes=1)
    assert count == 4
    assert waits == pytest.approx([0.0, 0.3, 0.4, 0.6], abs=0.01)


async def test_what_loses_its_point_soonest_goes_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "HORIZON_S", 0.0)
    later = await bench.planned(bench.clock.at + timedelta(days=9))
    sooner = await bench.planned(bench.clock.at + timedelta(days=1))
    latest = await bench.planned(bench.clock.at + timedelta(days=20))
    sender = Sender()
    await dispatch.drain(by(bench, sender.line(1)))
    sent = [row.appointment_id for row in await bench.rows() if row.delivery_status == "accepted"]
    assert sent == [sooner.appointment_id]
    waiting = [row for row in await bench.rows() if row.delivery_status == "held"]
    waiting.sort(key=lambda row: row.next_attempt_at)
    assert [row.appointment_id for row in waiting] == [later.appointment_id, latest.appointment_id]


async def test_a_stopping_worker_waits_for_nobodys_turn(bench: Bench) -> None:
    sender, stop = Sender(), asyncio.Event()
    await many(bench, 4)
    [batch] = dispatch.batches(await dispatch.claim())
    task = asyncio.create_task(dispatch.handle(batch, by(bench, sender.line(1)), stop=stop))

    async def began() -> bool:
        return bool(sender.at)

    await eventually(began)
    stop.set()
    await asyncio.wait_for(task, 2)
    assert len(sender.at) == 1
    assert await statuses(bench) == {"accepted": 1, "pending": 3}
