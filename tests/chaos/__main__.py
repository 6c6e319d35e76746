"""`python -m tests.chaos`: the whole race, 10,000 attempts; `--small` is what the suite runs.

Prints what came of it, and ends with 1 when anything was wrong.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from chroniccare.platform.owner import owner_connection
from tests.chaos import checker, judge
from tests.chaos import world as worlds
from tests.chaos.checker import Violation
from tests.chaos.journal import Counter as Attempts
from tests.chaos.killer import DEADLOCKS, Killer
from tests.chaos.servers import Servers, running

_LOOK_S = 1.0
_SHOWN = 20
_LEAVE_S = 60.0
# Nobody here is real, so the log may say what waited for what.
_LOG_DEADLOCKS = (
    "ALTER SYSTEM SET log_min_messages = error",
    "ALTER SYSTEM SET log_error_verbosity = 'default'",
    "SELECT pg_reload_conf()",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a race is: `kills` are (share of the attempts, what is done then)."""

    attempts: int
    clients: int
    tasks: int
    days: int
    seconds: float
    kills: tuple[tuple[float, str], ...]


def _often(what: str, times: int) -> tuple[tuple[float, str], ...]:
    return tuple(((number + 0.5) / times, what) for number in range(times))


SMALL = Size(
    1600, 3, 6, 6, 120,
    (*_often("terminate", 5), (0.2, "client"), (0.45, "crash"), (0.6, "client"), (0.8, "worker")),
)  # fmt: skip
FULL = Size(
    15_000, 4, 6, 16, 900,
    (
        *_often("terminate", 36), *_often("client", 16), *_often("crash", 2), *_often("worker", 3),
        (0.5, "loops"),
    ),
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What came of a race."""

    told: judge.Told
    killer: Killer
    seconds: float
    violations: list[Violation]
    errors: list[str]


async def race(servers: Servers, size: Size) -> Outcome:
    """Run one race and judge it."""
    folder = servers.directory
    world = await worlds.build(servers, folder, days=size.days, tasks=size.tasks)
    world.write()
    async with owner_connection(servers.database_url) as owner:
        for sql in _LOG_DEADLOCKS:
            await owner.execute(sql)
    killer = Killer(servers, world)
    started = time.monotonic()
    try:
        for number in range(size.clients):
            killer.start_client(number)
        await _fight(killer, size)
        Path(world.stop).touch()  # noqa: ASYNC240  a moment
        left = [client.wait(_LEAVE_S) for client in killer.clients]
    finally:
        for client in killer.clients:
            client.kill()
            client.wait()
    seconds = time.monotonic() - started
    async with owner_connection(servers.database_url) as owner:
        await killer.judge(owner)
        killer.deadlocks += await owner.fetchval(DEADLOCKS)
        twice = await checker.keys_used_twice(owner, UUID(world.tenant), world.run)
        told = await judge.heard(world, size.clients, killer.windows, owner)
    wrong = [*dict.fromkeys(killer.seen), *twice, *told.violations]
    wrong += [Violation("client failed", str(code)) for code in left if code]
    deadlocks = servers.deadlocks()
    wrong += [Violation("deadlock", one) for one in deadlocks]
    if killer.deadlocks > len(deadlocks):  # PostgreSQL's counter, which a crash sets to nothing
        wrong.append(Violation("deadlock", f"{killer.deadlocks} counted"))
    return Outcome(told, killer, seconds, wrong, servers.errors())


async def _fight(killer: Killer, size: Size) -> None:
    """Kill by the plan while clients attack, until there are enough attempts."""
    acts: dict[str, Callable[[], Awaitable[None]]] = {
        "client": killer.client, "terminate": killer.terminate, "crash": killer.crash,
        "worker": killer.worker, "loops": killer.loops,
    }  # fmt: skip
    attempts = Attempts([killer.world.journal(number) for number in range(size.clients)])
    plan = sorted(size.kills)
    deadline = time.monotonic() + size.seconds
    looked = time.monotonic()
    while (made := attempts.look()) < size.attempts and time.monotonic() < deadline:
        if plan and made >= plan[0][0] * size.attempts:
            await acts[plan.pop(0)[1]]()
        if time.monotonic() - looked > _LOOK_S:
            await killer.look()
            looked = time.monotonic()
        await asyncio.sleep(0.05)


def _print(outcome: Outcome) -> None:
    killer, told = outcome.killer, outcome.told
    print(judge.table(told))
    print()
    attempts = sum(one.attempts for one in told.paths.values())
    print(f"{attempts:,} attempts in {outcome.seconds:.0f} s by {len(killer.clients)} clients")
    print("killed:", ", ".join(f"{what}: {n}" for what, n in sorted(killer.kills.items())))
    print("answers:", ", ".join(f"{code}: {n}" for code, n in told.codes.items()))
    print(f"{killer.lapsed} holds lapsed; {told.acknowledged:,} visits acknowledged, all checked")
    print(f"judged {killer.looks} times while it ran and at the end")
    print(f"violations: {len(outcome.violations)}")
    for kind, count in Counter(one.kind for one in outcome.violations).items():
        print(f"  {count} x {kind}")
    for one in outcome.violations[:_SHOWN]:
        print(f"  {one.kind}: {one.what}")
    for line in outcome.errors[:_SHOWN] if outcome.violations else ():
        print(f"  {line}")


def _json(outcome: Outcome) -> str:
    return json.dumps(
        {
            "paths": {
                name: {"attempts": one.attempts, "won": one.won, "taken": one.taken}
                for name, one in outcome.told.paths.items()
            },
            "kills": outcome.killer.kills,
            "acknowledged": outcome.told.acknowledged,
            "lapsed": outcome.killer.lapsed,
            "looks": outcome.killer.looks,
            "seconds": outcome.seconds,
            "errors": outcome.errors,
            "violations": [asdict(one) for one in outcome.violations],
        }
    )


def main() -> int:
    """Run one race; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--small", action="store_true", help="what the suite runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    logging.getLogger("chroniccare").setLevel(logging.ERROR)  # outages are of our own making
    with running(workers=2) as servers:
        outcome = asyncio.run(race(servers, SMALL if given.small else FULL))
    if given.json:
        print(_json(outcome))
    else:
        _print(outcome)
    return int(bool(outcome.violations))


if __name__ == "__main__":
    sys.exit(main())
