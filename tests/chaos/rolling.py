"""`python -m tests.chaos.rolling`: workers are exchanged under load, as an upgrade does (R15).

`chroniccare serve` gets SIGHUP and `chroniccare work` SIGTERM and a new start, again and again,
while clients with kept connections write, read and book, and confirmations by text go to simulated
providers. No request may fail, none may be answered with a server error, there must be attempts,
and none may be left in doubt. Prints JSON; ends with 1 when anything was wrong.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psutil

from chroniccare.core.caller import system
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.settings import load
from chroniccare.tenancy import actions as tenancy
from chroniccare.tenancy.rules import SCOPES
from tests.chaos import world
from tests.chaos.servers import Servers, running
from tests.e2e.process import COMMAND, clean_environment, runs, wait_for

_CLIENTS = 8
_EXCHANGED_S = 240.0
"""As long as it takes: a worker goes on until its successor answers, on a busy machine, too."""
_SOON = timedelta(days=2)
_A_DAY = 90
"""Visits that a client books on a day of its own provider, a quarter of an hour each."""
_IN_DOUBT = "SELECT count(*) FROM notification_attempts WHERE tenant_id = $1 AND status = 'unknown'"
_SENT = (
    "SELECT count(*) FROM notification_attempts WHERE tenant_id = $1 AND status IN"
    " ('accepted', 'delivered')"
)
_PATIENTS = "SELECT count(*) FROM patients WHERE tenant_id = $1"


@dataclass(slots=True)
class Told:
    """What came of it: the counts, and what was wrong."""

    restarts: int
    seconds: float = 0.0
    made: int = 0
    booked: int = 0
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    exchanges_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client books, and from when on; `number` is the client's."""

    number: int
    facility: str
    provider: str
    first: datetime

    def visit(self, patient: str, count: int) -> dict[str, Any]:
        """Return the visit that comes next, of which no other is in the way."""
        day, quarter = divmod(count, _A_DAY)
        return {
            "patient_id": patient, "provider_id": self.provider, "facility_id": self.facility,
            "appointment_type": "talk", "duration_minutes": 15,
            "scheduled_start": (self.first + timedelta(days=day, minutes=15 * quarter)).isoformat(),
        }  # fmt: skip


def _patient(number: int, count: int) -> dict[str, Any]:
    """Return a patient with a mobile, where it is noon: no quiet hours keep a message."""
    zone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    return {
        "mrn": f"{number}-{count}", "first_name": "Ann", "last_name": "Example",
        "date_of_birth": "1960-01-01", "time_zone": zone,
        "contact_info": {
            "telecom": [{"system": "phone", "value": f"+1415{number + 2}55{count % 10000:04d}"}]
        },
    }  # fmt: skip


async def _client(base: str, key: str, told: Told, over: asyncio.Event, place: Place) -> None:
    """Write, read and book over one kept connection, which is how proxies do it."""
    number = place.number
    async with httpx.AsyncClient(base_url=base, headers={"X-API-Key": key}, timeout=30) as http:
        count = 0
        while not over.is_set():
            count += 1
            body = _patient(number, count)
            headers = {"Idempotency-Key": f"{number}-{count}"}
            made = await _asked(http, told, "POST", "/patients", json=body, headers=headers)
            if made is None or made.status_code != 201:
                told.wrong.append(f"a new patient: {made and made.status_code}")
                continue
            told.made += 1
            patient = made.json()["data"]["id"]
            read = await _asked(http, told, "GET", f"/patients/{patient}")
            if read is None or read.status_code != 200:
                told.wrong.append(f"what was just made: {read and read.status_code}")
            headers = {"Idempotency-Key": f"visit-{number}-{count}"}
            visit = place.visit(patient, count)
            made = await _asked(http, told, "POST", "/appointments", json=visit, headers=headers)
            if made is None or made.status_code != 201:
                told.wrong.append(f"a visit: {made and made.status_code}")
            else:
                told.booked += 1


async def _asked(
    http: httpx.AsyncClient, told: Told, method: str, path: str, **more: Any
) -> httpx.Response | None:
    """Ask as a proxy does: once more, elsewhere, where a kept connection was closed meanwhile.

    That a server closes it just then cannot be known (RFC 9112, 9.3.1); the key makes it safe.
    """
    for _ in range(2):
        try:
            answer = await http.request(method, path, **more)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            told.answers[type(error).__name__] += 1
        except httpx.TransportError as error:
            told.answers[type(error).__name__] += 1
            return None
        else:
            told.answers[str(answer.status_code)] += 1
            return answer
    return None


def _exchange(servers: Servers) -> float:
    """Have every worker of the API exchanged and the loops started anew; return the seconds."""
    started = time.monotonic()
    assert servers.api is not None
    assert servers.loops is not None
    before = {one.pid for one in servers.workers()}
    servers.api.send_signal(signal.SIGHUP)
    servers.loops.send_signal(signal.SIGTERM)
    servers.loops.wait(timeout=30)
    servers.loops = servers.start("work")

    def exchanged() -> bool:
        now = {one.pid for one in servers.workers()}
        gone = not any(runs(psutil.Process(pid)) for pid in before if psutil.pid_exists(pid))
        return gone and bool(now) and not now & before

    wait_for(exchanged, "new workers", seconds=_EXCHANGED_S)
    return time.monotonic() - started


async def run(servers: Servers, told: Told) -> None:
    """Load and exchange, then judge."""
    async with wiring.opened(load(servers.settings)):
        tenant = await tenancy.create_tenant(name="Rolling", subdomain="rolling")
        async with begin(system(tenant, job="chaos")) as tx:
            key = await tenancy.create_key(
                tx, pepper=servers.pepper, name="chaos", scopes=frozenset(SCOPES)
            )
    base = f"http://127.0.0.1:{servers.port}/api/v1"
    places = await asyncio.to_thread(_places, base, key)
    over = asyncio.Event()
    started = time.monotonic()
    clients = [asyncio.create_task(_client(base, key, told, over, place)) for place in places]
    try:
        for _ in range(told.restarts):
            told.exchanges_s.append(round(await asyncio.to_thread(_exchange, servers), 2))
            await asyncio.sleep(0.5)
    finally:
        over.set()
        await asyncio.gather(*clients)
    told.seconds = round(time.monotonic() - started, 1)
    await _judge(servers, tenant, told)


def _places(base: str, key: str) -> list[Place]:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with httpx.Client(base_url=base, headers={"X-API-Key": key}, timeout=30) as http:
        facility = world.make(http, "/facilities", world.facility_body())
        return [
            Place(
                number, facility, world.add_provider(http, facility, number, 200), midnight + _SOON
            )
            for number in range(_CLIENTS)
        ]


async def _judge(servers: Servers, tenant: UUID, told: Told) -> None:
    async with owner_connection(servers.database_url) as owner:
        doubts = await owner.fetchval(_IN_DOUBT, tenant)
        told.sent = await owner.fetchval(_SENT, tenant)
        patients = await owner.fetchval(_PATIENTS, tenant)
    if doubts:
        told.wrong.append(f"{doubts} attempts in doubt")
    if not told.sent:
        told.wrong.append("nothing was sent: no attempt could have been in doubt")
    if patients != told.made:
        told.wrong.append(f"{patients} patients, {told.made} acknowledged")


@contextmanager
def _providers() -> Iterator[dict[str, str]]:
    """Run simulated providers that take their time; yield the settings by which they are called."""
    process = subprocess.Popen(
        [*COMMAND, "simulate", "--port", "0", "--smtp-port", "0", "--delay-ms", "30"],
        env=clean_environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found: dict[str, str] = {}
        while "AWS_SECRET_ACCESS_KEY" not in found:
            name, _, value = process.stdout.readline().strip().partition("=")
            assert name, "the simulator ended"
            found[name] = value
        yield {**found, "AWS_EC2_METADATA_DISABLED": "true"}
    finally:
        process.kill()
        process.wait()


def main(arguments: list[str]) -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.rolling", description=__doc__)
    parser.add_argument("--small", action="store_true", help="what the suite runs")
    parser.add_argument("--exchanges", type=int, default=50)
    given = parser.parse_args(arguments)
    told = Told(restarts=2 if given.small else given.exchanges)
    with _providers() as more, running(workers=2, more=more) as servers:
        asyncio.run(run(servers, told))
    came = {one.name: getattr(told, one.name) for one in fields(told)}
    came["wrong"] = Counter(told.wrong)
    sys.stdout.write(json.dumps(came, indent=2) + "\n")
    return 1 if told.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
