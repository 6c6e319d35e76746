"""`python -m tests.chaos.webhooks`: 100 kill -9 of the worker while events go out; `--small`: 3.

Visits are booked, confirmed and cancelled through the API; low adherence is found by the worker's
loop, and ends when doses are reported through the API; some findings are rolled back. A receiver on
loopback verifies each delivery and refuses some. Prints JSON; ends with 1 when an event was lost,
came out of order, was never committed, or was signed wrongly. A FHIR subscription to the bookings
goes through the same.
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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from examples.webhook_receiver import Refused, verify

from chroniccare.core.caller import system
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.settings import load
from tests.chaos import world
from tests.chaos.servers import Servers, running
from tests.chaos.webhooks import adherence, subscribed
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
    # Doses that the loop has still to look at.
    " + (SELECT count(*) FROM medication_doses WHERE missed_at <= now()"
    " AND state IN ('planned', 'due', 'reminded'))"
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
    "SELECT id, entity_id, event_type, seq FROM outbox WHERE tenant_id = $1"
    " AND (event_type LIKE 'appointment.%' OR event_type LIKE 'medication.adherence.%')"
    " ORDER BY seq"
)
_LOW = "medication.adherence.low"


@dataclass(slots=True)
class Found:
    """What came of a run: counts, and what was wrong."""

    events: int = 0
    kills: int = 0
    requests: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    low: int = 0
    rolled_back: int = 0
    numbered: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Storm:
    """One run: who writes, who receives, and who is killed."""

    servers: Servers
    place: world.World
    receiver: Receiver
    dice: random.Random
    secret: str
    care: adherence.Care
    pace: float
    found: Found = field(default_factory=Found)
    accepted: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, came: Came) -> int:
        """Verify a delivery, refuse some: the fifth for certain, so that a short storm has one."""
        self.found.requests += 1
        try:
            verify([self.secret], came.headers, came.body, now=time.time())
        except Refused as error:
            self.found.violations.append(f"{came.id}: {error}")
            return 401
        self.receiver.pause = self.dice.random() * 0.02
        if self.found.requests == 5 or self.dice.random() < 0.03:
            self.found.refused += 1
            return 500
        self.accepted.append(came.id)
        return 204

    async def write(self) -> None:
        """Book, confirm and cancel visits, and let adherence become low, until told to stop."""
        first = datetime.fromisoformat(self.place.first)
        for number in range(100_000):
            if self.stop.is_set():
                return
            start = first + timedelta(minutes=30 * (number % 18), days=number // 18 % 300)
            await self._visit(number, start)
            await self._adherence(number)
            await asyncio.sleep(self.pace)

    async def _visit(self, number: int, start: datetime) -> None:
        place, http = self.place, self.care.http
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
        patients, providers = self.place.patients, self.place.providers
        await self.care.prescribe(patients[number % len(patients)], providers[0])
        if number % 3 == 0:
            await self.care.undo()
        if number % 2:
            await self.care.recover()

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
    headers = {"X-API-Key": place.key}
    base = f"http://127.0.0.1:{place.port}/api/v1"
    async with (
        receiving() as receiver,
        receiving() as watching,
        wiring.opened(load(servers.settings)),
        httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as http,
        httpx.AsyncClient(
            base_url=base.replace("/api/v1", "/fhir"), headers=headers, timeout=30
        ) as fhir,
    ):
        body = {"url": receiver.url, "events": ["appointment.*", "medication.adherence.*"]}
        made = (await http.post("/webhooks", json=body)).json()["data"]
        dice = random.Random(seed)  # noqa: S311  a storm that can be repeated
        care = adherence.Care(system(UUID(place.tenant), job="chaos"), http, dice)
        pace = _PACE_S if kills <= SMALL else 4 * _PACE_S  # the worker is mostly being born
        storm = Storm(servers, place, receiver, dice, made["secret"], care, pace)
        receiver.status = storm.answer
        watch = subscribed.Watch(fhir, watching, lambda: dice.random() < 0.03)
        await watch.subscribe(lambda: servers.start("work"))
        async with owner_connection(servers.database_url) as owner:
            begun = await owner.fetchval("SELECT max(seq) FROM outbox")
        writing = asyncio.create_task(storm.write())
        await storm.kill(kills)
        storm.stop.set()
        await writing
        await storm.settle()
        async with owner_connection(servers.database_url) as owner:
            rows = await owner.fetch(_EVENTS, UUID(place.tenant))
        booked = [str(row["entity_id"]) for row in rows
                 if row["event_type"] == "appointment.created" and row["seq"] > begun]  # fmt: skip
        wrong = await watch.judge(booked)
    found = storm.found
    found.numbered = len(watch.accepted)
    _judge(storm, [(str(row["id"]), str(row["entity_id"])) for row in rows])
    low = Counter(row["entity_id"] for row in rows if row["event_type"] == _LOW)
    found.low = sum(low.values())
    found.violations += wrong
    found.violations += [f"low adherence not told once: {one}" for one in care.prescribed
                         if low[one] != 1]  # fmt: skip
    found.seconds = round(time.monotonic() - began, 1)
    return found


def _judge(storm: Storm, written: list[tuple[str, str]]) -> None:
    """Compare what was committed with what the receiver accepted."""
    found, counts = storm.found, Counter(storm.accepted)
    found.events, found.accepted = len(written), len(counts)
    found.duplicates = sum(counts.values()) - len(counts)
    found.rolled_back = len(storm.care.rolled)
    known = dict(written)
    found.violations += [f"lost: {one}" for one in known if one not in counts]
    found.violations += [f"never committed: {one}" for one in counts if one not in known]
    found.violations += [f"rolled back: {one}" for one in storm.care.rolled & set(counts)]
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
