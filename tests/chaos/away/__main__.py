"""`python -m tests.chaos.away`: receivers that are down for a day, gone, busy or drip (R17).

One clinic has them all; another has one that is well. Time passes quicker for the one that is down:
24 times an hour; what the one that was gone has missed is asked for through the API. Prints JSON;
ends with 1 when an event was neither delivered nor still tried where the API shows it, came out of
order, was sent sooner than asked, held a connection for longer than it may, or kept the other
clinic waiting.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from uuid import UUID

import httpx

from chroniccare.core.caller import system
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.settings import load
from chroniccare.tenancy import actions as tenancy
from chroniccare.tenancy.rules import SCOPES
from tests.chaos.servers import Servers, running
from tests.chaos.world import patient_body
from tests.webhooks.receiver import Came, Receiver, receiving

PATIENTS, SMALL = 40, 12
_HOUR, _HOURS = timedelta(hours=1), 24
_ASKED_S = 2.0
_LONGEST_S = 7.0
"""An attempt has five seconds; the rest is a busy machine's."""
_SETTLE_S = 120.0
_PASS = (
    "UPDATE webhook_deliveries SET next_attempt_at = next_attempt_at - $2::interval,"
    " first_attempt_at = first_attempt_at - $2 WHERE endpoint_id = $1 AND status = 'pending'"
    " AND lease_until IS NULL"
)
_REST = (
    "UPDATE webhook_endpoints SET paused_until = paused_until - $2::interval,"
    " failing_since = failing_since - $2 WHERE id = $1"
)
_DUE = (
    "SELECT count(*) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id"
    " WHERE e.id = $1 AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()"
    " AND (e.paused_until IS NULL OR e.paused_until <= clock_timestamp())"
)
_OPEN = "SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = $1 AND status = 'pending'"
_EVENTS = (
    "SELECT id::text, entity_id::text FROM outbox WHERE tenant_id = $1"
    " AND event_type LIKE 'patient.%' ORDER BY seq"
)


@dataclass(slots=True)
class Told:
    """What came of it."""

    events: int = 0
    hours: int = 0
    attempts_while_down: int = 0
    states: dict[str, dict[str, int]] = field(default_factory=dict)
    dripping_s: float = 0.0
    p95_alone_s: float = 0.0
    p95_beside_s: float = 0.0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Dripping:
    """Answers a byte at a time and never ends; remembers how long it was listened to."""

    url: str = ""
    held: list[float] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nX-")
            while not reader.at_eof():
                writer.write(b"a")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(65536), 0.25)
        self.held.append(time.monotonic() - began)
        writer.close()


@asynccontextmanager
async def _dripping() -> AsyncIterator[Dripping]:
    made = Dripping()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/in"
    try:
        yield made
    finally:
        server.close()


@dataclass(slots=True)
class Clinic:
    """One clinic's client."""

    tenant: UUID
    http: httpx.AsyncClient
    number: int = 0

    async def hook(self, url: str) -> str:
        """Make a webhook for events of patients; return its id."""
        made = await self.http.post("/webhooks", json={"url": url, "events": ["patient.*"]})
        assert made.status_code == 201, made.text
        return str(made.json()["data"]["id"])

    async def write(self, count: int) -> dict[str, float]:
        """Make patients and change each once; return when each was made, by its id."""
        at = {}
        for _ in range(count):
            self.number += 1
            body = patient_body(self.number)
            made = await self.http.post("/patients", json=body)
            assert made.status_code == 201, made.text
            name = str(made.json()["data"]["id"])
            at[name] = time.monotonic()
            changed = await self.http.put(f"/patients/{name}", json=body | {"last_name": "Anders"})
            assert changed.status_code == 200, changed.text
        return at

    async def states(self, hook: str) -> dict[str, int]:
        """Return how many deliveries of a webhook the API shows in each state."""
        found: Counter[str] = Counter()
        cursor: dict[str, str] = {}
        while True:
            path = f"/webhooks/{hook}/deliveries"
            page = (await self.http.get(path, params={"limit": 200, **cursor})).json()["data"]
            found.update(one["status"] for one in page["items"])
            if page["next_cursor"] is None:
                return dict(found)
            cursor = {"cursor": page["next_cursor"]}


@asynccontextmanager
async def _clinic(servers: Servers, name: str) -> AsyncIterator[Clinic]:
    tenant = await tenancy.create_tenant(name=name, subdomain=name)
    async with begin(system(tenant, job="chaos")) as tx:
        key = await tenancy.create_key(
            tx, pepper=servers.pepper, name="chaos", scopes=frozenset(SCOPES)
        )
    base = f"http://127.0.0.1:{servers.port}/api/v1"
    async with httpx.AsyncClient(base_url=base, headers={"X-API-Key": key}, timeout=30) as http:
        yield Clinic(tenant, http)


@dataclass(slots=True)
class Arrivals:
    """When the first event of each record came."""

    at: dict[str, float] = field(default_factory=dict)

    def answer(self, came: Came) -> int:
        self.at.setdefault(came.document["data"]["entity_id"], time.monotonic())
        return 204

    async def p95(self, written: dict[str, float]) -> float:
        """Return the seconds within which 95 of a hundred came."""
        until = time.monotonic() + _SETTLE_S
        while time.monotonic() < until:
            if written.keys() <= self.at.keys():
                break
            await asyncio.sleep(0.05)
        waits = [max(self.at.get(name, until) - at, 0.0) for name, at in written.items()]
        return round(statistics.quantiles(waits, n=20)[-1], 3)


@dataclass(slots=True)
class Busy:
    """Answers its first three requests that it is too busy."""

    refused: dict[str, float] = field(default_factory=dict)
    sooner: list[str] = field(default_factory=list)

    def answer(self, came: Came) -> int:
        before = self.refused.get(came.id)
        if before is not None and time.monotonic() - before < _ASKED_S:
            self.sooner.append(came.id)
        if len(self.refused) < 3 and before is None:
            self.refused[came.id] = time.monotonic()
            return 429
        return 204


async def _pass_time(servers: Servers, hook: str) -> None:
    """Let an hour pass for a webhook, and what is then due be tried."""
    async with owner_connection(servers.database_url) as owner:
        await owner.execute(_PASS, UUID(hook), _HOUR)
        await owner.execute(_REST, UUID(hook), _HOUR)
        until = time.monotonic() + _SETTLE_S
        while time.monotonic() < until:
            if not await owner.fetchval(_DUE, UUID(hook)):
                break
            await asyncio.sleep(0.05)


async def _settle(servers: Servers, hook: str, *, passing: bool) -> None:
    until = time.monotonic() + _SETTLE_S
    async with owner_connection(servers.database_url) as owner:
        while await owner.fetchval(_OPEN, UUID(hook)) and time.monotonic() < until:
            if passing:
                await _pass_time(servers, hook)
            await asyncio.sleep(0.2)


async def _taken_up(servers: Servers, clinic: Clinic, hook: str, gone: Receiver) -> list[str]:
    """Have a webhook that said 410 answer again, and what it missed sent to it."""
    shown = (await clinic.http.get(f"/webhooks/{hook}")).json()["data"]
    parked = (await clinic.states(hook)).keys()
    wrong = []
    if shown["enabled"] or shown["disabled_reason"] != "gone" or parked != {"disabled"}:
        wrong.append("the webhook that is gone is not disabled, and its events parked")
    gone.came.clear()
    gone.status = lambda _: 204
    body = {"url": gone.url, "events": ["patient.*"], "enabled": True}
    enabled = await clinic.http.put(f"/webhooks/{hook}", json=body)
    assert enabled.status_code == 200, enabled.text
    since = {"since": shown["created_at"]}
    sent = await clinic.http.post(f"/webhooks/{hook}/resend", json=since)
    assert sent.status_code == 202, sent.text
    await _settle(servers, hook, passing=False)
    return wrong


async def run(servers: Servers, patients: int) -> Told:
    """Run it and judge it."""
    told, began, arrivals, busy = Told(), time.monotonic(), Arrivals(), Busy()
    async with (
        wiring.opened(load(servers.settings)),
        _clinic(servers, "sick") as sick, _clinic(servers, "well") as well,
        receiving(status=arrivals.answer) as fine, receiving(status=lambda _: 503) as down,
        receiving(status=lambda _: 410) as gone, _dripping() as drips,
        receiving(status=busy.answer, headers=f"Retry-After: {_ASKED_S:.0f}\r\n") as hurried,
    ):  # fmt: skip
        await well.hook(fine.url)
        told.p95_alone_s = await arrivals.p95(await well.write(patients))
        urls = {"down": down.url, "gone": gone.url, "busy": hurried.url, "dripping": drips.url}
        hooks = {name: await sick.hook(url) for name, url in urls.items()}
        _, written = await asyncio.gather(sick.write(patients), well.write(patients))
        told.p95_beside_s = await arrivals.p95(written)
        for _ in range(_HOURS):
            await _pass_time(servers, hooks["down"])
            told.hours += 1
        told.attempts_while_down = len(down.came)
        down.came.clear()
        down.status = lambda _: 204
        await _settle(servers, hooks["down"], passing=True)
        await _settle(servers, hooks["busy"], passing=False)
        told.violations += await _taken_up(servers, sick, hooks["gone"], gone)
        told.states = {name: await sick.states(hook) for name, hook in hooks.items()}
        async with owner_connection(servers.database_url) as owner:
            events = [(row[0], row[1]) for row in await owner.fetch(_EVENTS, sick.tenant)]
        back = {"down": down, "busy": hurried, "gone": gone}
        told.violations += _judged(told, events, back)
        told.violations += [f"sent sooner than asked: {one}" for one in busy.sooner]
        told.dripping_s = round(max(drips.held, default=0.0), 2)
    if told.dripping_s > _LONGEST_S or not drips.held:
        told.violations.append(f"a connection that drips was held for {told.dripping_s} s")
    if told.p95_beside_s > 2 * told.p95_alone_s + 0.5:
        told.violations.append("another clinic's events came later")
    told.seconds = round(time.monotonic() - began, 1)
    return told


def _judged(
    told: Told, events: list[tuple[str, str]], well_again: dict[str, Receiver]
) -> list[str]:  # fmt: skip
    """Return what was wrong with what came and what the API shows."""
    told.events, wrong = len(events), []
    wanted = defaultdict(list)
    for event, entity in events:
        wanted[entity].append(event)
    for name, receiver in well_again.items():
        came = defaultdict(list)
        known = dict(events)
        for event in dict.fromkeys(one.id for one in receiver.came):
            came[known.get(event, "")].append(event)
        wrong += [
            f"{name}: lost or out of order: {one}" for one in wanted if came[one] != wanted[one]
        ]
        if told.states[name] != {"delivered": len(events)}:
            wrong.append(f"{name}: {told.states[name]}")
    if told.states["dripping"] != {"pending": len(events)}:  # still tried, where anybody sees it
        wrong.append(f"dripping: {told.states['dripping']}")
    return wrong


def main() -> int:
    """Run; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.away")
    parser.add_argument("--small", action="store_true", help="fewer patients")
    given = parser.parse_args()
    more = {"CHRONICCARE_WEBHOOK_TARGETS": "any"}
    with running(workers=1, durable=False, more=more) as servers:
        told = asyncio.run(run(servers, SMALL if given.small else PATIENTS))
    print(json.dumps(asdict(told)))
    return int(bool(told.violations))


if __name__ == "__main__":
    sys.exit(main())
