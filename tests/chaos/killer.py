"""What goes wrong while clients fight: clients, backends and an API worker are killed.

Only processes that this run started. A kill -9 of one backend makes PostgreSQL end all the others
and recover, so it is done seldom; pg_terminate_backend often.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from chroniccare.core.errors import Unavailable
from chroniccare.platform.owner import owner_connection
from tests.chaos import checker
from tests.chaos.checker import Violation
from tests.chaos.journal import now
from tests.chaos.servers import Servers, kill
from tests.chaos.world import World
from tests.e2e.process import clean_environment

_AFTER_TERMINATE_S, _AFTER_CRASH_S, _AFTER_WORKER_S = 1.5, 4.0, 3.0
_BUSY = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'chroniccare'"
    " AND state <> 'idle' ORDER BY random() LIMIT 1"
)
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
# Time passes quicker for two holds in three: nobody waits a minute for it to lapse.
_AGE = (
    "WITH due AS (SELECT id FROM appointments WHERE tenant_id = $1 AND status = 'held'"
    " AND held_until > clock_timestamp() AND get_byte(uuid_send(id), 15) % 3 > 0"
    " AND created_at < clock_timestamp() - interval '0.4 s' ORDER BY id FOR UPDATE SKIP LOCKED),"
    " aged AS (UPDATE appointments a SET held_until = clock_timestamp() - $2::interval"
    " FROM due WHERE a.id = due.id RETURNING a.id, a.held_until)"
    " UPDATE occupancy o SET held_until = aged.held_until FROM aged"
    " WHERE o.appointment_id = aged.id"
)


@dataclass(slots=True)
class Window:
    """A time in which an answer may be 503 or none at all, and why."""

    start: float
    end: float


@dataclass(slots=True)
class Killer:
    """Clients and servers, and what was done to them.

    Attributes:
        windows: when 503 and lost connections are to be expected.
        seen: violations that were there at some moment of the run.
        deadlocks: as PostgreSQL counts them; a crash resets its count, so the sum of what was seen.
    """

    servers: Servers
    world: World
    clients: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    seen: list[Violation] = field(default_factory=list)
    looks: int = 0
    lapsed: int = 0
    deadlocks: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def start_client(self, number: int) -> None:
        """Start a client, in place of a killed one or as a new one."""
        made = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.client", str(self._plan()), str(number)],
            env=clean_environment(), stdin=subprocess.DEVNULL, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        self.clients[number : number + 1] = [made]

    def _plan(self) -> Path:
        return Path(self.world.folder) / "world.json"

    async def client(self) -> None:
        """Kill a client; its successor repeats what it left unanswered."""
        number = self.dice.randrange(len(self.clients))
        kill(self.clients[number].pid)
        self.clients[number].wait()
        self.kills["client, kill -9"] += 1
        self.start_client(number)

    async def terminate(self) -> None:
        """End a backend at work, as an administrator does."""
        async with owner_connection(self.servers.database_url) as owner:
            started = now()
            pid = await owner.fetchval(_BUSY)
            if pid is not None and await owner.fetchval("SELECT pg_terminate_backend($1)", pid):
                self.windows.append(Window(started, now() + _AFTER_TERMINATE_S))
                self.kills["backend, pg_terminate_backend"] += 1

    async def crash(self) -> None:
        """Kill a backend at work, on which PostgreSQL ends all of them and recovers."""
        async with owner_connection(self.servers.database_url) as owner:
            pid = None
            while pid is None:
                pid = await owner.fetchval(_BUSY)
            self.deadlocks += await owner.fetchval(DEADLOCKS)
        started = now()
        kill(pid)
        self.kills["backend, kill -9"] += 1
        await self._until(self._postgres_answers)
        self.windows.append(Window(started, now() + _AFTER_CRASH_S))

    async def worker(self) -> None:
        """Kill one of the API's workers; the server starts another."""
        workers = self.servers.workers()
        started = now()
        self.dice.choice(workers).kill()
        self.kills["API worker, kill -9"] += 1
        await self._until(self._all_workers)
        self.windows.append(Window(started, now() + _AFTER_WORKER_S))

    async def loops(self) -> None:
        """Kill the process of the background loops, and start it again."""
        assert self.servers.loops is not None
        self.servers.loops.kill()
        self.servers.loops.wait()
        self.kills["loops, kill -9"] += 1
        self.servers.loops = self.servers.start("work")

    async def look(self) -> None:
        """Let holds lapse, and judge the tables as they are at this moment."""
        try:
            async with owner_connection(self.servers.database_url) as owner:
                await self.judge(owner)
                lapsed = await owner.execute(
                    _AGE, self._tenant(), timedelta(milliseconds=self.dice.randrange(5))
                )
        except (asyncpg.PostgresError, OSError, Unavailable):
            return  # a backend of ours went down with a crash
        self.lapsed += int(lapsed.rpartition(" ")[2])

    async def judge(self, owner: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Note whatever is wrong at this moment."""
        self.seen += await checker.violations(owner, self._tenant())
        self.looks += 1

    def _tenant(self) -> UUID:
        return UUID(self.world.tenant)

    async def _postgres_answers(self) -> bool:
        try:
            async with owner_connection(self.servers.database_url) as owner:
                return bool(await owner.fetchval("SELECT true"))
        except (asyncpg.PostgresError, OSError, Unavailable):
            return False

    async def _all_workers(self) -> bool:
        return len(self.servers.workers()) > 1 and self.servers.answers()

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + 60
        while not await condition():
            assert time.monotonic() < deadline, "it did not come back"
            await asyncio.sleep(0.1)
