"""`python -m tests.chaos.webhooks`: 100 kill -9 of the worker while events go out; `--small`: 3.

Visits are booked, confirmed and cancelled through the API; low adherence is emitted as the care
loops do it, in a transaction of its own, some of them rolled back. A receiver on loopback verifies
each delivery and refuses some. Prints JSON; ends with 1 when an event was lost, came out of
order, was never committed, or was signed wrongly.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from examples.webhook_receiver import Refused, verify

from chroniccare.core.caller import Caller, system
from chroniccare.core.ids import new_id
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.settings import load
from chroniccare.webhooks.actions import emit
from tests.chaos import world
from tests.chaos.servers import Servers, running
from tests.webhooks.receiver import Came, Receiver, receiving

KILLS, SMALL = 100, 3
_MOST_S = 60.0  # from birth to the first delivery, however busy the machine
_SETTLE_S = 180.0
_PACE_S = 0.2
_BEFORE = 10
"""Deliveries of a worker before it is killed."""
_OPEN = (
    "SELECT (SELECT count(*) FROM webhook_deliveries WHERE status = 'pending')"
    " + (SELECT count(*) FROM outbox WHERE relayed_at IS NULL)"
)
# Time passes quicker: nobody waits an hour for the fifth attempt.
_SOON = (
    "UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp() WHERE status = 'pending'"
    " AND lease_until IS NULL AND next_attempt_at > clock_timestamp()"
)
# So does the lease of a worker that is dead: the next need not wait twelve seconds for it.
_EXPIRED = (
    "UPDATE webhook_deliveries SET lease_until = clock_timestamp(),"
    " next_attempt_at = clock_timestamp() WHERE status = 'pending'"
    " AND lease_until > clock_timestamp()"
)
_EVENTS = (
    "SELECT id, entity_id, seq FROM outbox WHERE tenant_id = $1"
    " AND (event_type LIKE 'appointment.%' OR event_type LIKE 'medication.adherence.%')"
    " ORDER BY seq"
)


@dataclass(slots=True)
class Found:
    """What came of a run: counts, and what was wrong."""

    events: int = 0
    kills: int = 0
    requests: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    rolled_back: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


class Rolled(Exception):  # noqa: N818  what it is
    """Undoes a transaction."""


@dataclass(slots=True)
class Storm:
    """One run: who writes, who receives, and who is killed."""

    servers: Servers
    place: world.World
    receiver: Receiver
    dice: random.Random
    secret: str
    caller: Caller
    pace: float
    found: Found = field(default_factory=Found)
    accepted: list[str] = field(default_factory=list)
    rolled: set[str] = field(default_factory=set)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, came: Came) -> int:
        """Verify a delivery, refuse some."""
        self.found.requests += 1
        try:
            verify([self.secret], came.headers, came.body, now=time.time())
        except Refused as error:
            self.found.violations.append(f"{came.id}: {error}")
            return 401
        self.receiver.pause = self.dice.random() * 0.02
        if self.dice.random() < 0.03:
            self.found.refused += 1
            return 500
        self.accepted.append(came.id)
        return 204

    async def write(self) -> None:
        """Book, confirm and cancel visits, and find adherence low, until told to stop."""
        headers = {"X-API-Key": self.place.key}
        base = f"http://127.0.0.1:{self.place.port}/api/v1"
        first = datetime.fromisoformat(self.place.first)
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as http:
            for number in range(100_000):
                if self.stop.is_set():
                    return
                start = first + timedelta(minutes=30 * (number % 18), days=number // 18 % 300)
                await self._visit(http, number, start)
                await self._adherence(number)
                await asyncio.sleep(self.pace)

    async def _visit(self, http: httpx.AsyncClient, number: int, start: datetime) -> None:
        place = self.place
        body = {
            "patient_id": place.patients[number % len(place.patients)],
            "provider_id": place.providers[1 + number % (len(place.providers) - 1)],
            "facility_id": place.facility, "appointment_type": "talk",
            "scheduled_start": start.isoformat(), "duration_minutes": 20,
        }  # fmt: skip
        booked = await http.post("/appointments", json=body)
        if booked.status_code != 201:
            return
        path = f"/appointments/{booked.json()['data']['id']}"
        await http.post(f"{path}/confirm", json={})
        if number % 2:
            await http.delete(path)

    async def _adherence(self, number: int) -> None:
        medication = new_id()
        for version in range(1, 4):
            name = "medication.adherence.low" if version % 2 else "medication.adherence.recovered"
            with suppress(Rolled):
                async with begin(self.caller) as tx:
                    await emit(
                        tx, name, entity_type="medication", entity_id=medication,  # type: ignore[arg-type]  # one of two
                        payload={"version": version},
                    )  # fmt: skip
                    if number % 5 == version:
                        ids = await tx.connection.fetch(
                            "SELECT id FROM outbox WHERE entity_id = $1 AND payload = $2",
                            medication,
                            {"version": version},
                        )
                        self.rolled |= {str(row[0]) for row in ids}
                        raise Rolled

    async def kill(self, times: int) -> None:
        """Start the worker and kill it in the middle of its deliveries, again and again."""
        for _ in range(times):
            worker = self.servers.start("work")
            before, deadline = len(self.receiver.came), time.monotonic() + _MOST_S
            while time.monotonic() < deadline:
                if len(self.receiver.came) >= before + _BEFORE:
                    break
                await asyncio.sleep(0.005)
            await asyncio.sleep(self.dice.random() * 0.25)
            _kill(worker)
            self.found.kills += 1
            async with owner_connection(self.servers.database_url) as owner:
                await owner.execute(_EXPIRED)

    async def settle(self) -> None:
        """Let a worker live until nothing is on its way."""
        worker = self.servers.start("work")
        deadline = time.monotonic() + _SETTLE_S
        try:
            async with owner_connection(self.servers.database_url) as owner:
                while await owner.fetchval(_OPEN):
                    if time.monotonic() > deadline:
                        self.found.violations.append("not settled")
                        return
                    await owner.execute(_SOON)
                    await asyncio.sleep(0.2)
        finally:
            _kill(worker)


def _kill(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()  # SIGKILL
    worker.wait()


async def run(servers: Servers, kills: int, seed: int) -> Found:
    """Run the storm and judge it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = await world.build(servers, Path(folder), days=5, tasks=1)
    async with receiving() as receiver, wiring.opened(load(servers.settings)):
        async with httpx.AsyncClient(headers={"X-API-Key": place.key}, timeout=30) as http:
            response = await http.post(
                f"http://127.0.0.1:{place.port}/api/v1/webhooks",
                json={"url": receiver.url, "events": ["appointment.*", "medication.adherence.*"]},
            )
        made = response.json()["data"]
        caller = system(UUID(place.tenant), job="chaos")
        dice = random.Random(seed)  # noqa: S311  a storm that can be repeated
        pace = _PACE_S if kills <= SMALL else 4 * _PACE_S  # the worker is mostly being born
        storm = Storm(servers, place, receiver, dice, made["secret"], caller, pace)
        receiver.status = storm.answer
        writing = asyncio.create_task(storm.write())
        await storm.kill(kills)
        storm.stop.set()
        await writing
        await storm.settle()
        async with owner_connection(servers.database_url) as owner:
            rows = await owner.fetch(_EVENTS, UUID(place.tenant))
    found = storm.found
    _judge(storm, [(str(row["id"]), str(row["entity_id"])) for row in rows])
    found.seconds = round(time.monotonic() - began, 1)
    return found


def _judge(storm: Storm, written: list[tuple[str, str]]) -> None:
    """Compare what was committed with what the receiver accepted."""
    found, counts = storm.found, Counter(storm.accepted)
    found.events, found.accepted = len(written), len(counts)
    found.duplicates = sum(counts.values()) - len(counts)
    found.rolled_back = len(storm.rolled)
    known = dict(written)
    found.violations += [f"lost: {one}" for one in known if one not in counts]
    found.violations += [f"never committed: {one}" for one in counts if one not in known]
    found.violations += [f"rolled back: {one}" for one in storm.rolled & set(counts)]
    wanted, came = defaultdict(list), defaultdict(list)
    for event, entity in written:
        wanted[entity].append(event)
    for event in dict.fromkeys(storm.accepted):
        came[known.get(event, "")].append(event)
    found.violations += [f"out of order: {one}" for one in wanted if wanted[one] != came[one]]


def main() -> int:
    """Run; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.webhooks")
    parser.add_argument("--small", action="store_true", help="what the suite runs")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    kills = given.kills or (SMALL if given.small else KILLS)
    more = {"CHRONICCARE_WEBHOOK_TARGETS": "any"}
    with running(workers=1, loops=False, durable=False, more=more) as servers:
        found = asyncio.run(run(servers, kills, given.seed))
    said: dict[str, Any] = {"seed": given.seed}
    said |= {name: getattr(found, name) for name in Found.__dataclass_fields__}
    print(json.dumps(said))
    return int(bool(found.violations))


if __name__ == "__main__":
    sys.exit(main())
