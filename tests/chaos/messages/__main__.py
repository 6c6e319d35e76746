"""`python -m tests.chaos.messages`: 100,000 messages while everything is killed; `--small` for one.

Prints what came of it, and ends with 1 when anything was lost, sent twice without need, or wrong.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from chroniccare.core.errors import Unavailable
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.settings import load
from tests.chaos.messages import cancels, clinic, stage
from tests.chaos.messages.judge import Verdict, judge
from tests.chaos.messages.stage import Arm
from tests.chaos.messages.storm import Storm
from tests.chaos.servers import Servers, running
from tests.rabbitmq import Node, NoRabbitError, private_node

# In a transaction's commit the record of it reaches the kernel: what only the processes lose, it
# keeps. Without fsync: the machine itself stays up.
_SURVIVE = ("ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")
_OPEN = (
    "SELECT count(*) FROM notifications WHERE notification_type = $1 AND delivery_status"
    " IN ('pending', 'held', 'queued', 'sending', 'unknown')"
)
# Where nothing of ours is echoed, receipts of calls that nobody answered are never anybody's.
_INBOX = "SELECT count(*) FROM receipt_inbox WHERE looks < 3"


CANCELS_SMALL, CANCELS_FULL = 500, 10_000
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
    Arm("PostgreSQL, echo", False, True, 30_000, 150, outages=6),
    Arm("RabbitMQ, echo", True, True, 30_000, 150, outages=4),
    Arm("PostgreSQL, no echo", False, False, 20_000, 100, outages=4),
    Arm("RabbitMQ, 5 % of receipts lost", True, True, 20_000, 100, 0.05, outages=3),
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
    with stage.provider(arm, servers, path, seed) as (provider, where):
        storm = Storm(
            servers, stage.environment(arm, servers, where, node), node, dice, arm.pace, arm.doubt_s
        )
        try:
            calm = await _through(storm, arm)
            told = await asyncio.to_thread(stage.ended, provider)
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
    # However slow the machine: too few deaths prove nothing.
    while (passed := (time.monotonic() - began) / arm.seconds) < (1 if storm.has_raged() else 4):
        storm.tend()
        left = await _left(storm.servers)
        done = (
            passed if left is None or not planning.done() else max(passed, 1 - left / arm.messages)
        )
        if ahead and done >= ahead[0][0] and (breaking is None or breaking.done()):
            breaking = asyncio.create_task(_run(ahead.pop(0)[1]))
        if not ahead and done > 0.97 and storm.has_raged():
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
    if given.arm in {None, len(arms)}:
        found = _cancels(
            given.messages or (CANCELS_SMALL if given.small else CANCELS_FULL), given.seed
        )
        print(orjson.dumps(found).decode() if given.json else f"\n{found}")
        bad += len(found.violations)
    return int(bool(bad))


def _cancels(count: int, seed: int) -> cancels.Found:
    """Cancel and move visits while their messages go out."""
    more = {"CHRONICCARE_RECEIPTS_SECRET": stage.SECRET}
    with running(workers=1, loops=False, durable=False, more=more) as servers:
        return asyncio.run(cancels.race(servers, count, seed))


def _alone(arm: Arm, seed: int) -> Outcome:
    """Run one arm on engines of its own."""
    more = {"CHRONICCARE_RECEIPTS_SECRET": stage.SECRET}
    with ExitStack() as stack:
        node = stack.enter_context(private_node()) if arm.rabbitmq else None
        servers = stack.enter_context(running(workers=1, loops=False, durable=False, more=more))
        return asyncio.run(run(arm, servers, node, seed))


if __name__ == "__main__":
    sys.exit(main())
