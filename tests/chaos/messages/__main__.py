"""`python -m tests.chaos.messages`: 100,000 messages while everything is killed; `--small` for one.

Prints what came of it, and ends with 1 when anything was lost, sent twice without need, or wrong.
"""

import argparse
import asyncio
import json
import logging
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from chroniccare.core.errors import Unavailable
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.settings import load
from tests.chaos.messages import clinic
from tests.chaos.messages.judge import Verdict, judge
from tests.chaos.messages.storm import ROOT, Storm
from tests.chaos.servers import Servers, running
from tests.e2e.process import clean_environment
from tests.rabbitmq import Node, NoRabbitError, private_node

SECRET = "a secret of receipts that only chaos knows"
# In a transaction's commit the record of it reaches the kernel: what only the processes lose, it
# keeps. Without fsync: the machine itself stays up.
_SURVIVE = ("ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")
_OPEN = (
    "SELECT count(*) FROM notifications WHERE notification_type = $1 AND delivery_status"
    " IN ('pending', 'held', 'queued', 'sending', 'unknown')"
)
# Where nothing of ours is echoed, receipts of calls that nobody answered are never anybody's.
_INBOX = "SELECT count(*) FROM receipt_inbox WHERE looks < 3"
_FAULTS = (
    "slow=0.01,hang=0.004,hang_after=0.006,reset_before=0.01,reset_after=0.02,close_after=0.01,"
    "error=0.02,unavailable=0.01,timeout=0.01,throttle=0.02,garble=0.01,duplicate=0.005"
)
_ORDERS = {"early": 0.2, "reversed": 0.15, "duplicate": 0.15}


@dataclass(frozen=True, slots=True)
class Arm:
    """One run: how messages travel, who carries them, and how many receipts are lost."""

    name: str
    rabbitmq: bool
    echo: bool
    messages: int
    seconds: float
    lost_receipts: float = 0.0
    outages: int = 1
    pace: int = 3
    doubt_s: float = 10.0
    api_dies: bool = True


SMALL = (
    Arm(
        "PostgreSQL, echo",
        rabbitmq=False,
        echo=True,
        messages=400,
        seconds=8,
        pace=1,
        doubt_s=4.0,
        api_dies=False,
    ),
    Arm(
        "RabbitMQ, no echo",
        rabbitmq=True,
        echo=False,
        messages=400,
        seconds=8,
        pace=1,
        doubt_s=4.0,
        api_dies=False,
    ),
)
FULL = (
    Arm("PostgreSQL, echo", False, True, 30_000, 240, outages=6),
    Arm("RabbitMQ, echo", True, True, 30_000, 240, outages=4),
    Arm("PostgreSQL, no echo", False, False, 20_000, 180, outages=4),
    Arm("RabbitMQ, 5 % of receipts lost", True, True, 20_000, 180, 0.05, outages=3),
)


@dataclass(slots=True)
class Outcome:
    """What came of one arm."""

    arm: Arm
    verdict: Verdict
    deaths: dict[str, int]
    freezes: dict[str, int]
    outages: dict[str, int]
    births: int
    receipts: int
    seconds: float
    quiet_seconds: float


async def run(arm: Arm, servers: Servers, node: Node | None, seed: int) -> Outcome:
    """Send the messages of one arm through the storm, wait for the end of it, and judge."""
    dice = random.Random(seed)  # noqa: S311  a storm that can be repeated
    started = time.monotonic()
    path = servers.directory / "ledger.jsonl"
    async with owner_connection(servers.database_url) as owner:
        for sql in _SURVIVE:
            await owner.execute(sql)
    with _provider(arm, servers, path, seed) as (provider, where):
        storm = Storm(
            servers, _environment(arm, servers, where, node), node, dice, arm.pace, arm.doubt_s
        )
        try:
            calm = await _through(storm, arm)
            told = await asyncio.to_thread(_ended, provider)
            verdict = await _judged(arm, servers, path, told)
        finally:
            await storm.stop_engine()
        storm.count()
    verdict.violations += [*storm.failures, *told["violations"]]
    return Outcome(
        arm, verdict, dict(storm.deaths), dict(storm.freezes), dict(storm.outages), storm.births,
        told["receipts"], calm - started, time.monotonic() - calm,
    )  # fmt: skip


async def _through(storm: Storm, arm: Arm) -> float:
    """Plan and send while things break, then until all is settled; return when the calm began."""
    async with wiring.opened(load(storm.servers.settings)):
        clinics = await clinic.found()
        await storm.begin()
        try:
            planning = asyncio.create_task(clinics.plan(arm.messages))
            await _rage(storm, arm, planning)
            await planning
            storm.settle()
            calm = time.monotonic()
            await _settled(storm, calm + 60 + arm.messages / 50)
        finally:
            await storm.end()
    return calm


async def _judged(arm: Arm, servers: Servers, path: Path, told: dict[str, Any]) -> Verdict:
    async with owner_connection(servers.database_url) as owner:
        return await judge(owner, path, told=set(told["told"]), echo=arm.echo)


async def _rage(storm: Storm, arm: Arm, planning: "asyncio.Task[None]") -> None:
    """Break things until everything was planned and most of it was sent, or time is up."""
    acts: list[Callable[[], Awaitable[None]]] = [
        storm.terminate, storm.backend, storm.valkey, storm.postgres,
        *([storm.rabbitmq] if storm.node else []), *([storm.api] if arm.api_dies else []),
    ]  # fmt: skip
    share = [
        (number + 0.5) / (arm.outages * len(acts)) for number in range(arm.outages * len(acts))
    ]
    ahead = list(zip(share, acts * arm.outages, strict=True))
    began = time.monotonic()
    breaking: asyncio.Task[None] | None = None
    while (passed := (time.monotonic() - began) / arm.seconds) < 1:
        storm.tend()
        left = await _left(storm.servers)
        done = (
            passed if left is None or not planning.done() else max(passed, 1 - left / arm.messages)
        )
        if ahead and done >= ahead[0][0] and (breaking is None or breaking.done()):
            breaking = asyncio.create_task(_run(ahead.pop(0)[1]))
        if not ahead and done > 0.97:
            break
        await asyncio.sleep(0.4)
    if breaking is not None:
        await breaking


async def _run(act: Callable[[], Awaitable[None]]) -> None:
    await act()


async def _left(servers: Servers) -> int | None:
    """Return how many messages are on their way; None while PostgreSQL is away."""
    with suppress(asyncpg.PostgresError, OSError, Unavailable):
        async with owner_connection(servers.database_url) as owner:
            return int(await owner.fetchval(_OPEN, clinic.KIND))
    return None


async def _settled(storm: Storm, deadline: float) -> None:
    """Wait until nothing is on its way, the last doubt is over and every receipt is applied."""
    while time.monotonic() < deadline:
        storm.tend()
        if await _left(storm.servers) == 0 and not storm.frozen:
            async with owner_connection(storm.servers.database_url) as owner:
                if await owner.fetchval(_INBOX) == 0:
                    return
        await asyncio.sleep(0.2)


@contextmanager
def _provider(
    arm: Arm, servers: Servers, path: Path, seed: int
) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, str]]]:
    order = {
        "receipts_url": f"http://127.0.0.1:{servers.port}/receipts/http", "secret": SECRET,
        "faults": _FAULTS, "seed": seed, "delay_ms": 15, "slow_ms": 1500, "ledger": str(path),
        "orders": {**_ORDERS, "lost": arm.lost_receipts},
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.messages.provider", json.dumps(order)],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=clean_environment(), cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, orjson.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def _ended(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """Have the provider post what it still has, and return what it says at its end."""
    process.terminate()
    assert process.stdout is not None
    said: dict[str, Any] = orjson.loads(process.stdout.readline())
    return said


def _environment(
    arm: Arm, servers: Servers, where: dict[str, str], node: Node | None
) -> dict[str, str]:
    drivers = ("aws", "ses") if arm.echo else ("sns", "smtp")
    return {
        **servers.settings,
        "CHRONICCARE_SMS_DRIVER": drivers[0], "CHRONICCARE_EMAIL_DRIVER": drivers[1],
        "CHRONICCARE_AWS_REGION": "us-east-1", "CHRONICCARE_AWS_ENDPOINT_URL": where["url"],
        "CHRONICCARE_SMTP_URL": where["smtp_url"],
        "CHRONICCARE_SMS_ORIGINATION": "+12065550100",
        "CHRONICCARE_SMS_CONFIGURATION_SET": "chroniccare",
        "CHRONICCARE_SES_CONFIGURATION_SET": "chroniccare",
        "AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_EC2_METADATA_DISABLED": "true",
        **({"RABBITMQ_URL": node.url} if node else {}),
    }  # fmt: skip


def _print(outcome: Outcome) -> None:
    arm, found = outcome.arm, outcome.verdict
    print(f"\n{arm.name}: {found.messages:,} messages, {outcome.seconds:.0f} s of storm,"
          f" {outcome.quiet_seconds:.0f} s until all was settled")  # fmt: skip
    for name, some in (
        ("states", found.states), ("calls", found.faults), ("died", outcome.deaths),
        ("froze", outcome.freezes), ("outages", outcome.outages), ("duplicates", found.duplicates),
    ):  # fmt: skip
        print(f"  {name}: " + ", ".join(f"{key}: {n}" for key, n in sorted(some.items())))
    print(f"  {outcome.births} workers born, {outcome.receipts:,} receipts,"
          f" {found.ambiguous} calls that nobody answered")  # fmt: skip
    print(f"  lost {found.lost}, given up and said so {found.given_up},"
          f" duplicates {sum(found.duplicates.values())}")  # fmt: skip
    print(f"  violations: {len(found.violations)}")
    for line in found.violations[:20]:
        print(f"    {line}")


def main() -> int:
    """Run the arms; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.messages")
    parser.add_argument("--small", action="store_true", help="what the suite runs")
    parser.add_argument("--full", action="store_true", help="100,000 messages: the default")
    parser.add_argument("--arm", type=int, help="one of the arms alone, from 0")
    parser.add_argument("--messages", type=int, help="another number of messages")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    for name in ("chroniccare", "asyncpg"):  # outages are of our own making
        logging.getLogger(name).setLevel(logging.CRITICAL)
    arms = SMALL if given.small else FULL
    bad = 0
    if not given.json:
        print(f"seed {given.seed}")
    for number, planned in enumerate(arms):
        if given.arm in {None, number}:
            arm = replace(planned, messages=given.messages or planned.messages)
            try:
                outcome = _alone(arm, given.seed + number)
            except NoRabbitError as error:
                print(json.dumps({"skipped": str(error)}) if given.json else error)
                continue
            print(orjson.dumps(outcome).decode()) if given.json else _print(outcome)
            bad += len(outcome.verdict.violations)
    return int(bool(bad))


def _alone(arm: Arm, seed: int) -> Outcome:
    """Run one arm on engines of its own."""
    more = {"CHRONICCARE_RECEIPTS_SECRET": SECRET}
    with ExitStack() as stack:
        node = stack.enter_context(private_node()) if arm.rabbitmq else None
        servers = stack.enter_context(running(workers=1, loops=False, durable=False, more=more))
        return asyncio.run(run(arm, servers, node, seed))


if __name__ == "__main__":
    sys.exit(main())
