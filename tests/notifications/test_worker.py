"""The worker as a real process: killed, stopped, and left without its database for a moment."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from chroniccare import worker
from chroniccare.core.errors import Unavailable
from chroniccare.notifications.plan import LOOP
from chroniccare.settings import PREFIX, Settings, values_of, variable
from chroniccare.tenancy.actions import list_tenants
from chroniccare.tenancy.queries import Tenant
from tests.conftest import Running
from tests.notifications.support import Bench, eventually

COUNT = 5000


@asynccontextmanager
async def process(settings: Settings, **changes: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m chroniccare.worker` with the test's settings."""
    names = (
        "database_url",
        "redis_url",
        "key_pepper",
        "master_key_file",
        "tenant_key_dirs",
        "log_level",
    )
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(PREFIX)},
        **{variable(name): values_of(settings, name) for name in names},
        **changes,
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chroniccare.worker", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@pytest.fixture
def now(bench: Bench) -> Bench:
    """The bench at the time that other processes read."""
    bench.clock.at = datetime.now(UTC)
    return bench


async def settled(bench: Bench) -> None:
    """Deliver what is left once every lease is over; all were sent, each once."""
    bench.clock.at = datetime.now(UTC) + timedelta(seconds=61)
    await bench.drain()
    kept = await bench.outbox()
    assert len(kept) == len({entry.notification_id for entry in kept}) == COUNT
    assert Counter(await bench.statuses()) == {"delivered": COUNT}


async def test_kill_9_in_the_middle_of_delivery_loses_and_doubles_nothing(
    now: Bench, settings: Settings
) -> None:
    patient_id = await now.patient()
    # Too soon for reminders: one message each.
    visits = await now.visits([patient_id] * COUNT, now.clock.at + timedelta(hours=1))
    assert await now.plan(visits) == COUNT
    for wanted in (1, 500, 900):
        async with process(settings) as running:

            async def begun(wanted: int = wanted) -> bool:
                return len(await now.outbox()) >= wanted

            await eventually(begun)
            running.send_signal(signal.SIGKILL)
            await running.wait()
        assert len(await now.outbox()) < COUNT
    await settled(now)


async def test_a_ring_wakes_the_worker_and_sigterm_lets_it_finish(
    now: Bench, settings: Settings
) -> None:
    async with process(settings) as running:
        await now.planned()
        await eventually(now.outbox)
        loop = asyncio.get_running_loop()
        before = loop.time()
        await now.planned()

        async def both() -> bool:
            return len(await now.outbox()) == 2

        await eventually(both)
        assert loop.time() - before < 2.5  # the bell, not the poll
        running.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(running.communicate(), 10)
        assert (running.returncode, errors) == (0, b"")


async def test_settings_that_cannot_be_used_end_it_at_once(settings: Settings) -> None:
    async with process(settings, CHRONICCARE_QUIET_HOURS="night") as running:
        _, errors = await asyncio.wait_for(running.communicate(), 20)
        assert running.returncode != 0
        assert b"CHRONICCARE_QUIET_HOURS" in errors


async def test_a_loop_that_fails_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_RESTART_S", 0.01)
    stop, failures = asyncio.Event(), [ValueError("secret"), Unavailable()]
    runs = []

    async def loop() -> None:
        runs.append(len(failures))
        if failures:
            raise failures.pop()
        stop.set()

    await asyncio.wait_for(worker.keep({"loop": loop}, stop), 5)
    assert runs == [2, 1, 0]


def among(monkeypatch: pytest.MonkeyPatch, *tenants: UUID) -> None:
    """Let rounds go over these tenants alone, not over those of all other tests."""
    every = list_tenants

    async def these() -> list[Tenant]:
        found = {tenant.id: tenant for tenant in await every()}
        return [found[tenant] for tenant in tenants]

    monkeypatch.setattr(worker, "list_tenants", these)


async def test_housekeeping_forgets_old_replies(
    bench: Bench, settings: Settings, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    del running
    among(monkeypatch, bench.clinic.tenant_id)
    body = bench.clinic.patient_body()
    headers = {"Idempotency-Key": "once"}
    await bench.clinic.post("/patients", body, headers=headers)
    bench.clock.forward(days=3)
    stop = asyncio.Event()
    loops = worker.loops(settings, bench.channels, {LOOP: asyncio.Event()}, stop)
    task = asyncio.create_task(worker.keep({"housekeeping": loops["housekeeping"]}, stop))

    async def forgotten() -> bool:
        again = await bench.clinic.post("/patients", body, headers=headers)
        return again.status_code == 409  # not replayed: the MRN is taken

    await eventually(forgotten)
    stop.set()
    await task


async def test_a_tenant_whose_round_fails_holds_up_no_other(
    bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = UUID(int=1), bench.clinic.tenant_id, UUID(int=3)
    stop, seen = asyncio.Event(), []

    async def work(tenant_id: UUID) -> None:
        seen.append(tenant_id)
        if tenant_id == third:
            stop.set()
        elif tenant_id == first:
            raise ValueError("secret")
        elif len(seen) < 4:
            raise Unavailable

    async def these() -> list[SimpleNamespace]:
        return [SimpleNamespace(id=tenant) for tenant in (first, second, third)]

    monkeypatch.setattr(worker, "list_tenants", these)
    monkeypatch.setattr(worker, "_RESTART_S", 0.01)
    monkeypatch.setitem(worker._BY_TENANT, "refills", (work, 900.0, None))
    loops = worker.loops(settings, bench.channels, {}, stop)
    await asyncio.wait_for(worker.keep({"refills": loops["refills"]}, stop), 5)
    # PostgreSQL that is away is waited out; what fails for one clinic is that clinic's alone.
    assert seen == [first, second, first, second, third]


async def test_messages_planned_for_later_go_out_to_the_second(
    bench: Bench, settings: Settings
) -> None:
    bench.clock.at = datetime.now(UTC)
    await bench.planned(bench.clock.at + timedelta(hours=1))
    due = bench.clock.at + timedelta(seconds=1.5)
    await bench.sql("UPDATE notifications SET next_attempt_at = $1", due)
    stop, bell = asyncio.Event(), asyncio.Event()
    loops = worker.loops(settings, bench.channels, {LOOP: bell}, stop)
    task = asyncio.create_task(worker.keep({"dispatch": loops["dispatch"]}, stop))

    async def ticking() -> list[object]:
        bench.clock.at = datetime.now(UTC)
        return list(await bench.outbox())

    await eventually(ticking)
    assert timedelta(0) <= datetime.now(UTC) - due < timedelta(seconds=1)
    stop.set()
    await task
