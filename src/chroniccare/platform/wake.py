"""Waking the background loops: a doorbell over PostgreSQL's NOTIFY, never the truth.

A ring carries the name of a loop and nothing else. Rings are gathered and sent outside the
transactions that cause them, at most one a loop every few milliseconds: NOTIFY inside them would
make every commit of the server wait for one lock. A lost ring costs one polling interval.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from chroniccare.platform.postgres import Database

log = logging.getLogger(__name__)

_CHANNEL = "chroniccare_work"
_GATHER_S = 0.005
_RECONNECT_S = 1.0
_RING = "SELECT pg_notify($1, loop) FROM unnest($2::text[]) AS loop"


@dataclass(slots=True)
class Bell:
    """One connection that rings and hears; reopened in the background when it is lost."""

    url: str
    hear: Callable[[str], None] | None = None
    rung: set[str] = field(default_factory=set)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    keeper: "asyncio.Task[None] | None" = None

    def ring(self, loops: set[str]) -> None:
        """Ring for `loops` soon; returns at once."""
        self.rung |= loops
        self.wanted.set()

    def open(self) -> None:
        """Start the connection in the background."""
        self.keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop; rings not sent yet are dropped, the loops poll anyway."""
        if self.keeper is not None:
            self.keeper.cancel()
            await asyncio.gather(self.keeper, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            try:
                await self._serve()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("bell lost its connection", extra={"kind": type(error).__name__})
            await asyncio.sleep(_RECONNECT_S)

    async def _serve(self) -> None:
        connection = await asyncpg.connect(self.url, timeout=5)
        try:
            if self.hear is not None:
                await connection.add_listener(_CHANNEL, self._heard)
            while not connection.is_closed():
                # Not wait_for: before 3.12 it swallows a cancellation that comes with the ring.
                with suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await self.wanted.wait()
                self.wanted.clear()
                await asyncio.sleep(_GATHER_S)
                rung, self.rung = self.rung, set()
                # Also when nobody rang: a half-open connection is noticed by writing only.
                await connection.execute("SELECT 1", timeout=5)
                for loop in rung:
                    await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, loop, timeout=5)
        finally:
            connection.terminate()

    def _heard(self, _connection: object, _pid: int, _channel: str, loop: object) -> None:
        if self.hear is not None:
            self.hear(str(loop))


async def ring_through(database: Database, loops: set[str]) -> None:
    """Ring for `loops` over a connection of the pool; a ring that fails is lost."""
    try:
        connection = await database.acquire()
        try:
            await connection.execute(_RING, _CHANNEL, sorted(loops))
        finally:
            await database.release(connection)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        log.warning("ring was lost", extra={"kind": type(error).__name__})


async def either(bell: asyncio.Event, stop: asyncio.Event, *, timeout: float) -> None:  # noqa: ASYNC109  two events
    """Wait until one of two events, or for `timeout` seconds."""
    waits = [asyncio.create_task(event.wait()) for event in (bell, stop)]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
