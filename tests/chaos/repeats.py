"""`python -m tests.chaos.repeats`: the same request many times over, while servers are killed.

Each of many keys is sent by many at once, several keys side by side. API workers are killed with -9
in the middle of it, and backends of PostgreSQL, upon which it recovers. Whoever hears nothing, or
503, asks again with the same key. At the end each key has had one effect, everybody heard the same
of it, another request with the key is refused, and nothing acknowledged is gone. Keys are sent
until all that was to be killed has been: none dies idle. Prints JSON; ends with 1 when anything was
wrong.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, fields
from uuid import UUID

import aiohttp
import orjson
import psutil

from chroniccare.core.caller import system
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.settings import load
from chroniccare.tenancy import actions as tenancy
from tests.chaos.servers import Servers, kill, running
from tests.e2e.process import wait_for

_BUSY = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'chroniccare' ORDER BY random()"
    " LIMIT 1"
)
_EFFECTS = "SELECT count(*), count(DISTINCT mrn) FROM patients WHERE tenant_id = $1"
_PATIENCE_S = 60.0
_CALL_S = 30.0
_YOUNG_S = 8.0
_LANES = 4
"""Keys side by side: while the repeats of one wait for its first, the others have something to do.
One after another, a thousand keys of fifty requests took more than nine minutes, mostly of waiting.
"""
_READY_S = 5.0
"""After a crash of PostgreSQL the API answers again within this (R5), where nothing else runs."""


@dataclass(slots=True)
class Told:
    """What came of it: the counts, and what was wrong; `keys` at least are sent, `sent` were."""

    keys: int
    each: int
    workers: int
    crashes: int
    sent: int = 0
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    away_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def _body(number: int) -> bytes:
    return orjson.dumps(
        {"mrn": f"R-{number}", "first_name": "Ann", "last_name": "Example",
         "date_of_birth": "1960-01-01", "time_zone": "UTC"}
    )  # fmt: skip


async def _ask(
    client: aiohttp.ClientSession, number: int, told: Told, body: bytes | None = None
) -> tuple[int, str]:
    """Send the request until it is answered; return the status and what the answer says."""
    until = time.monotonic() + _PATIENCE_S
    headers = {"Idempotency-Key": f"repeat-{number}", "Content-Type": "application/json"}
    while time.monotonic() < until:
        try:
            async with client.post(
                "/api/v1/patients", data=body or _body(number), headers=headers
            ) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            told.answers[type(error).__name__] += 1
            await asyncio.sleep(0.05)
            continue
        told.answers[str(answer.status)] += 1
        if answer.status == 503:
            if "Retry-After" not in answer.headers:
                told.wrong.append("503 without Retry-After")
            await asyncio.sleep(0.1)
        elif answer.status == 409:  # the first one is still at work
            await asyncio.sleep(0.1)
        else:
            seen = orjson.loads(text)
            data = seen.get("data") or seen.get("error")
            return answer.status, json.dumps(data, sort_keys=True)
    return 0, "no answer"


async def _key(client: aiohttp.ClientSession, number: int, told: Told) -> None:
    heard = await asyncio.gather(*(_ask(client, number, told) for _ in range(told.each)))
    if len(set(heard)) != 1 or heard[0][0] != 201:
        told.wrong.append(f"key {number}: {Counter(status for status, _ in heard)}")


async def _lane(client: aiohttp.ClientSession, told: Told, killing: "asyncio.Task[None]") -> None:
    """Send one key after another until enough were sent, and everything was killed.

    A key to which nobody answered ends it: the server is gone, and each other would take a minute.
    """
    while not told.wrong and (told.sent < told.keys or not killing.done()):
        number, told.sent = told.sent, told.sent + 1
        await _key(client, number, told)


async def _kills(servers: Servers, told: Told, *, every: float) -> None:
    """Kill by turns until everything that was planned is done."""
    dice = random.Random(5)  # noqa: S311  chances of a test
    plan = ["worker"] * told.workers + ["crash"] * told.crashes
    dice.shuffle(plan)
    for what in plan:
        await asyncio.sleep(every * (0.5 + dice.random()))
        if what == "worker":
            dice.choice(await _grown(servers)).kill()
            told.kills["API worker, kill -9"] += 1
            continue
        pid = None
        async with owner_connection(servers.database_url) as owner:
            while pid is None:
                pid = await owner.fetchval(_BUSY)
        kill(pid)
        told.kills["backend, kill -9"] += 1
        started = time.monotonic()
        await asyncio.sleep(0.05)
        await asyncio.to_thread(wait_for, servers.answers, "the API")
        told.away_s.append(round(time.monotonic() - started, 2))


async def _grown(servers: Servers) -> list[psutil.Process]:
    """Return workers that have lived a while, once there are some.

    The server takes two deaths of a worker within 5.5 s for a fault of the program, and ends.
    """
    while True:
        born = time.time() - _YOUNG_S
        if found := [one for one in servers.workers() if one.create_time() < born]:
            return found
        await asyncio.sleep(0.2)


async def run(servers: Servers, told: Told, *, every: float) -> None:
    """Send everything, kill, and judge."""
    settings = load(servers.settings)
    async with wiring.opened(settings):
        tenant = await tenancy.create_tenant(name="Repeats", subdomain="repeats")
        async with begin(system(tenant, job="chaos")) as tx:
            key = await tenancy.create_key(
                tx,
                pepper=servers.pepper,
                name="chaos",
                scopes=frozenset({"patients:write", "patients:read"}),
            )
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{servers.port}", headers={"X-API-Key": key},
        connector=aiohttp.TCPConnector(limit=_LANES * told.each),
        timeout=aiohttp.ClientTimeout(total=_CALL_S),
    ) as client:  # fmt: skip
        started = time.monotonic()
        killing = asyncio.create_task(_kills(servers, told, every=every))
        await asyncio.gather(*(_lane(client, told, killing) for _ in range(_LANES)))
        if told.wrong:
            killing.cancel()
        await asyncio.gather(killing, return_exceptions=bool(told.wrong))
        told.seconds = round(time.monotonic() - started, 1)
        for number in range(0, told.sent, max(1, told.sent // 20)):
            status, said = await _ask(client, number, told, _body(number + 1_000_000))
            if status != 422 or "IDEMPOTENCY_MISMATCH" not in said:
                told.wrong.append(f"key {number} with another request: {status}")
    await _judge(servers, tenant, told)


async def _judge(servers: Servers, tenant: UUID, told: Told) -> None:
    async with owner_connection(servers.database_url) as owner:
        [(rows, distinct)] = await owner.fetch(_EFFECTS, tenant)
    if (rows, distinct) != (told.sent, told.sent):
        told.wrong.append(f"{rows} patients of {distinct} numbers, not {told.sent}")
    told.wrong += [
        f"{status} answered" for status in told.answers if status[0] == "5" and status != "503"
    ]
    if told.crashes > 1 and max(told.away_s) > _READY_S:  # beside the suite nothing is timed
        told.wrong.append(f"away for {max(told.away_s)} s after a crash")


def main(arguments: list[str]) -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.repeats", description=__doc__)
    parser.add_argument("--small", action="store_true", help="what the suite runs")
    small = parser.parse_args(arguments).small
    told = Told(30, 20, workers=2, crashes=1) if small else Told(1000, 50, workers=20, crashes=20)
    with running(workers=2, loops=False) as servers:
        asyncio.run(run(servers, told, every=0.8 if small else 4.0))
    came = {one.name: getattr(told, one.name) for one in fields(told)}
    sys.stdout.write(json.dumps(came, indent=2) + "\n")
    return 1 if told.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
