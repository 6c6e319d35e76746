"""What staff see of drivers, and weights that follow what arrives."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chroniccare.core.ids import new_id
from chroniccare.notifications.mesh import loop, rules
from chroniccare.notifications.mesh.switchboard import Line, Lines
from chroniccare.platform.postgres import Command, begin, begin_system
from tests.notifications.provider import Provider
from tests.notifications.support import Bench, eventually

_CLEAR = Command("DELETE FROM driver_states")
_ATTEMPTS = Command(
    "INSERT INTO notification_attempts (id, tenant_id, notification_id, number, channel, driver,"
    " status, started_at) SELECT gen_random_uuid(), $1, $2, 1000 + (random() * 30000)::int,"
    " 'sms', $3, $4, $5 FROM generate_series(1, $6) ON CONFLICT DO NOTHING"
)


def lines(*names: str) -> Lines:
    return tuple(
        Line("sms", replace(Provider().calls(), name=name), weight)
        for name, weight in zip(names, (80, 20), strict=False)
    )


@pytest.fixture
async def quick(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    del bench
    monkeypatch.setattr(loop, "_LOOK_S", 0.02)
    async with begin_system("test") as tx:
        await tx.run(_CLEAR)


@asynccontextmanager
async def running(drivers: Mapping[str, Lines]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(drivers, process=new_id(), stop=stop))
    try:
        yield
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await task


async def shown(bench: Bench) -> list[dict[str, Any]]:
    answer = await bench.clinic.get("/notifications/drivers")
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["data"]["drivers"]
    return items


@pytest.mark.usefixtures("quick")
async def test_staff_see_each_driver_and_within_moments_that_one_is_left_alone(
    bench: Bench,
) -> None:
    two = lines("aws", "http")
    async with running({"sms": two, "push": ()}):

        async def both() -> bool:
            return len(await shown(bench)) == 2

        await eventually(both)
        found = [(one["driver"], one["state"], one["weight"]) for one in await shown(bench)]
        assert found == [("aws", "closed", 80), ("http", "closed", 20)]
        two[0].breaker = rules.ended(
            rules.CLOSED, bench.clock.at, new_id(), "grave", code="quota", jitter=0.5
        )

        async def told() -> bool:
            return bool((await shown(bench))[0]["state"] == "open")

        await eventually(told)
        first = (await shown(bench))[0]
        assert first["reason"] == "quota"
        assert first["until"] == "2031-03-04T17:01:00Z"
    assert await shown(bench) == []  # a worker that has stopped takes back what it wrote


@pytest.mark.usefixtures("quick")
async def test_a_worker_that_died_is_forgotten(bench: Bench) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run({"sms": lines("aws")}, process=new_id(), stop=stop))

    async def some() -> bool:
        return bool(await shown(bench))

    await eventually(some)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    bench.clock.forward(minutes=4)
    assert len(await shown(bench)) == 1
    bench.clock.forward(minutes=2)
    assert await shown(bench) == []


async def told_of(bench: Bench, driver: str, status: str, count: int, **ago: float) -> None:
    row = (await bench.rows())[0]
    async with begin(bench.clinic.caller) as tx:
        await tx.run(
            _ATTEMPTS, bench.clinic.tenant_id, row.id, driver, status,
            tx.now - timedelta(**ago), count,
        )  # fmt: skip


async def test_a_driver_whose_messages_do_not_arrive_gives_way_step_by_step(bench: Bench) -> None:
    await bench.planned(bench.clock.at + timedelta(minutes=90))
    await told_of(bench, "aws", "accepted", 60, minutes=8)
    await told_of(bench, "aws", "delivered", 60, minutes=8)
    await told_of(bench, "http", "delivered", 60, minutes=8)
    await told_of(bench, "http", "accepted", 60, minutes=2)  # too early to say
    await told_of(bench, "http", "accepted", 60, minutes=20)  # too long ago
    two = lines("aws", "http")
    for expected in (70, 60, 50):
        await loop.ease({"sms": two})
        assert [line.eased for line in two] == [expected, 20]
    bench.clock.forward(minutes=15)
    for expected in (60, 70, 80, 80):
        await loop.ease({"sms": two})
        assert [line.eased for line in two] == [expected, 20]


@pytest.mark.usefixtures("quick")
async def test_the_loop_eases_and_shows_it(bench: Bench) -> None:
    await bench.planned(bench.clock.at + timedelta(minutes=90))
    await told_of(bench, "aws", "accepted", 30, minutes=8)
    async with running({"sms": lines("aws", "http")}):

        async def eased() -> bool:
            return [(one["weight"], one["eased"]) for one in await shown(bench)] == [
                (80, 70), (20, 20),
            ]  # fmt: skip

        await eventually(eased)


async def test_nothing_is_counted_where_there_is_no_choice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    del bench

    def never(*_args: object) -> None:
        raise AssertionError("nobody asked for this")

    monkeypatch.setattr(loop, "begin_system", never)
    await loop.ease({"sms": lines("aws"), "email": lines("smtp", "outbox")})
