"""What breaks while messages are sent: workers die at every point, engines go and come back.

Only processes that this run started.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil

from chroniccare.core.errors import Unavailable
from chroniccare.platform.embedded_process import Host, engine_account, spawn
from chroniccare.platform.owner import owner_connection
from tests.chaos.messages import points
from tests.chaos.messages.nursery import LEASE_S
from tests.chaos.servers import Servers, kill
from tests.e2e.process import clean_environment
from tests.rabbitmq import Node

ROOT = Path(__file__).parents[3]
_FROZEN_S = LEASE_S * 1.3
_BACK_S = 60.0
_START_S = 8.0
# Points that a worker meets a few times in its life, others with every message.
_MOST = dict.fromkeys(
    (
        "call begun, not committed", "outcome, not committed", "outcome recorded", "on the wire",
        "answered", "about to begin the call", "call begun, before the socket", "before the ack",
    ), 40,
)  # fmt: skip
_LEAST_BORN = 8
"""Workers in place of dead or frozen ones, before the storm may end."""
_SELDOM = 3
_AROUND_THE_CALL = ("on the wire", "answered", "outcome, not committed", "attempts prepared")
_BUSY = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'chroniccare'"
    " AND state <> 'idle' ORDER BY random() LIMIT 1"
)


@dataclass(slots=True)
class Life:
    """One worker process; `born` in seconds of the loop's clock."""

    pid: int
    born: float
    point: str


@dataclass(slots=True)
class Storm:
    """The workers, and what was done to them and to the engines.

    Attributes:
        deaths: by point, or `kill -9` from outside.
        freezes: by point; `frozen` are those that are asleep, and since when.
        outages: of engines.
        away_until: until then a worker may find no PostgreSQL when it starts, and ends.
        pace: how many times longer than in the small run a worker lives.
    """

    servers: Servers
    environment: dict[str, str]
    node: Node | None
    dice: random.Random
    pace: int
    doubt_s: float
    workers: int = 2
    lives: dict[int, Life] = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)
    freezes: Counter[str] = field(default_factory=Counter)
    frozen: dict[int, float] = field(default_factory=dict)
    outages: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    plan: list[str | None] = field(default_factory=list)
    calm: bool = False
    started: "subprocess.Popen[bytes] | None" = None
    nursery: "asyncio.subprocess.Process | None" = None
    listening: "asyncio.Task[None] | None" = None
    births: int = 0
    away_until: float = 0.0

    @property
    def journal(self) -> Path:
        """The place where workers say where they died."""
        return self.servers.directory / "points.jsonl"

    @property
    def log(self) -> Path:
        """The log of all workers."""
        return self.servers.directory / "workers.log"

    async def begin(self) -> None:
        """Start the nursery and the first workers."""
        self.nursery = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.messages.nursery",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment(), cwd=ROOT,
        )  # fmt: skip
        assert self.nursery.stdout is not None
        await self.nursery.stdout.readline()
        self.listening = asyncio.create_task(self._listen())
        for _ in range(self.workers):
            self._order()

    async def end(self) -> None:
        """End every worker, frozen ones too."""
        for pid in self.lives:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        if self.nursery is not None:
            assert self.nursery.stdin is not None
            self.nursery.stdin.close()
            await self.nursery.wait()
        if self.listening is not None:
            await self.listening

    async def stop_engine(self) -> None:
        """End the PostgreSQL that was started here."""
        if self.started is not None:
            self.started.send_signal(signal.SIGINT)
            await asyncio.to_thread(self.started.wait, _BACK_S)

    def _order(self) -> None:
        """Have a worker born that dies at the next point of the plan."""
        assert self.nursery is not None
        assert self.nursery.stdin is not None
        self.births += 1
        point = self._next()
        freeze = bool(point) and point in points.FREEZES and self.dice.random() < 0.4
        most = _MOST.get(point or "", _SELDOM) * self.pace
        order = {
            "name": point or "", "point": point, "after": self.dice.randint(1, most),
            "freeze": freeze, "journal": str(self.journal), "log": str(self.log),
            "environment": self.environment, "doubt_s": self.doubt_s,
        }  # fmt: skip
        self.nursery.stdin.write(orjson.dumps(order) + b"\n")

    def _next(self) -> str | None:
        if self.calm:
            return None
        if not self.plan:
            known = [*points.POINTS, *(points.BROKER if self.node else ())]
            self.plan = [*known, None]
            self.dice.shuffle(self.plan)
            if self.births <= self.workers:  # however short the storm: calls first
                self.plan.sort(key=_AROUND_THE_CALL.__contains__)
        return self.plan.pop()

    async def _listen(self) -> None:
        assert self.nursery is not None
        assert self.nursery.stdout is not None
        while line := await self.nursery.stdout.readline():
            self._heard(orjson.loads(line))

    def _heard(self, news: dict[str, Any]) -> None:
        pid, now = news["pid"], time.monotonic()
        if news["event"] == "born":
            self.lives[pid] = Life(pid, now, news["name"])
        elif news["event"] == "stopped":
            self.frozen[pid] = now
            self._order()  # somebody else goes on with its work
        else:
            self.lives.pop(pid)
            was_frozen = self.frozen.pop(pid, None) is not None
            if not news["killed"] and now > self.away_until:
                self.failures.append(f"worker ended with {news['code']}")
            if not was_frozen and self.nursery is not None:
                self._order()

    def tend(self) -> None:
        """Wake whoever slept long enough, and kill who has not met its point for seconds."""
        now = time.monotonic()
        for pid, since in list(self.frozen.items()):
            if now - since > _FROZEN_S:
                # Its successor works already; it is killed when it has had time to do harm.
                os.kill(pid, signal.SIGCONT)
                self.frozen[pid] = now + 1e9
                self.deaths["frozen, woken, kill -9 a second later"] += 1
                asyncio.get_running_loop().call_later(1.0, kill_if_there, pid)
        if self.calm:
            return
        for life in list(self.lives.values()):
            patience = self.pace * (2.5 if life.point else 1.0)
            if life.pid not in self.frozen and now - life.born > patience * (
                1 + self.dice.random()
            ):
                kill_if_there(life.pid)
                self.deaths["anywhere, by kill -9 from outside"] += 1
                life.born = now + 1e9

    def has_raged(self) -> bool:
        """Return whether enough workers were born in place of others to call it a storm."""
        return self.births >= self.workers + _LEAST_BORN

    def settle(self) -> None:
        """Let nobody die any more: what is left is to be brought to an end."""
        self.calm = True
        for life in list(self.lives.values()):
            if life.pid not in self.frozen:
                kill_if_there(life.pid)

    def count(self) -> None:
        """Read where workers died and froze."""
        lines = self.journal.read_bytes().splitlines() if self.journal.exists() else []
        for line in map(orjson.loads, lines):
            (self.freezes if line["freeze"] else self.deaths)[line["point"]] += 1

    # --- engines ------------------------------------------------------------------------------

    async def postgres(self) -> None:
        """Shut PostgreSQL down, fast or at once, and start it again."""
        data = self.servers.directory / "data"
        pid = int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        command = process.cmdline()
        hard = bool(self.dice.getrandbits(1))
        self.away_until = time.monotonic() + _BACK_S
        process.send_signal(signal.SIGQUIT if hard else signal.SIGINT)
        await asyncio.to_thread(self._gone, process)
        host = Host(data, engine_account(), durable=False)
        self.started = spawn(command, host, host.log("postgres"))
        await self._until_postgres_answers()
        self.outages[f"PostgreSQL restarted ({'immediate' if hard else 'fast'})"] += 1

    def _gone(self, process: psutil.Process) -> None:
        if self.started is not None and self.started.pid == process.pid:
            self.started.wait(_BACK_S)
            return
        deadline = time.monotonic() + _BACK_S
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "PostgreSQL does not stop"
            time.sleep(0.02)

    async def backend(self) -> None:
        """Kill a backend at work, on which PostgreSQL ends all of them and recovers."""
        pid = None
        with suppress(asyncpg.PostgresError, OSError, Unavailable):
            async with owner_connection(self.servers.database_url) as owner:
                pid = await owner.fetchval(_BUSY)
        if pid is not None:
            self.away_until = time.monotonic() + _BACK_S
            kill_if_there(pid)
            await self._until_postgres_answers()
            self.outages["PostgreSQL backend, kill -9"] += 1

    async def terminate(self) -> None:
        """End a backend at work, as an administrator does."""
        with suppress(asyncpg.PostgresError, OSError, Unavailable):
            async with owner_connection(self.servers.database_url) as owner:
                pid = await owner.fetchval(_BUSY)
                if pid is not None and await owner.fetchval("SELECT pg_terminate_backend($1)", pid):
                    self.outages["PostgreSQL backend, pg_terminate_backend"] += 1

    async def valkey(self) -> None:
        """Kill Valkey; it is started again, empty."""
        own = psutil.Process().children(recursive=True)
        for process in own:
            with suppress(psutil.Error):
                if process.name().startswith("valkey"):
                    process.kill()
                    self.outages["Valkey, kill -9"] += 1

    async def rabbitmq(self) -> None:
        """Stop RabbitMQ and start it again."""
        assert self.node is not None
        await asyncio.to_thread(self.node.stop)
        await asyncio.to_thread(self.node.start)
        self.outages["RabbitMQ restarted"] += 1

    async def api(self) -> None:
        """Kill the API's worker, which takes receipts; the server starts another."""
        for process in self.servers.workers():
            process.kill()
            self.outages["API worker, kill -9"] += 1

    async def _until_postgres_answers(self) -> None:
        deadline = time.monotonic() + _BACK_S
        while True:
            with suppress(asyncpg.PostgresError, OSError, Unavailable):
                async with owner_connection(self.servers.database_url) as owner:
                    await owner.fetchval("SELECT true")
                    self.away_until = time.monotonic() + _START_S
                    return
            assert time.monotonic() < deadline, "PostgreSQL did not come back"
            await asyncio.sleep(0.05)


def kill_if_there(pid: int) -> None:
    """Kill a process of ours, unless it has ended just now."""
    with suppress(ProcessLookupError):
        kill(pid)
