"""Rings of a process that does nothing in the background: they go through its pool."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from chroniccare.platform import wake
from chroniccare.settings import Settings
from tests.conftest import Running


@pytest.fixture
async def heard(settings: Settings) -> AsyncIterator["asyncio.Queue[str]"]:
    """What is rung for, as a connection of the test's hears it."""
    found: asyncio.Queue[str] = asyncio.Queue()

    def hear(*given: Any) -> None:
        found.put_nowait(str(given[3]))

    connection = await asyncpg.connect(settings.database_url)
    await connection.add_listener("chroniccare_work", hear)
    yield found
    await connection.close()


async def test_each_loop_is_rung_for_once(running: Running, heard: "asyncio.Queue[str]") -> None:
    await wake.ring_through(running.platform.database, {"a test's loop", "another of it"})
    found: set[str] = set()
    async with asyncio.timeout(10):
        while len(found) < 2:
            one = await heard.get()
            found |= {one} & {"a test's loop", "another of it"}


async def test_a_ring_that_fails_is_lost_and_no_error(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away() -> None:
        raise asyncpg.CannotConnectNowError

    monkeypatch.setattr(type(running.platform.database), "acquire", lambda _: away())
    await wake.ring_through(running.platform.database, {"dispatch"})
    assert "ring was lost" in caplog.text
