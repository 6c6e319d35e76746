"""`python -m tests.chaos.rolling`: workers are exchanged under load, as an upgrade does (R15).

`chroniccare serve` gets SIGHUP and `chroniccare work` SIGTERM and a new start, again and again,
while clients with kept connections write and read, and reminders are handed over. No request may
fail, none may be answered with a server error, and no attempt may be left in doubt. Prints JSON;
ends with 1 when anything was wrong.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, fields
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
from tests.chaos.servers import Servers, running
from tests.e2e.process import runs, wait_for

_CLIENTS = 8
_IN_DOUBT = "SELECT count(*) FROM notification_attempts WHERE tenant_id = $1 AND status = 'unknown'"
_PATIENTS = "SELECT count(*) FROM patients WHERE tenant_id = $1"


@dataclass(slots=True)
class Told:
    """What came of it: the counts, and what was wrong."""

    restarts: int
    seconds: float = 0.0
    made: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    exchanges_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def _client(base: str, key: str, told: Told, over: asyncio.Event, number: int) -> None:
    """Write and read over one kept connection, which is how proxies do it."""
    async with httpx.AsyncClient(base_url=base, headers={"X-API-Key": key}, timeout=30) as http:
        count = 0
        while not over.is_set():
            count += 1
            body = {
                "mrn": f"{number}-{count}", "first_name": "Ann", "last_name": "Example",
                "date_of_birth": "1960-01-01", "time_zone": "UTC",
            }  # fmt: skip
            headers = {"Idempotency-Key": f"{number}-{count}"}
            made = await _asked(http, told, "POST", "/patients", json=body, headers=headers)
            if made is None or made.status_code != 201:
                told.wrong.append(f"a new patient: {made and made.status_code}")
                continue
            told.made += 1
            read = await _asked(http, told, "GET", f"/patients/{made.json()['data']['id']}")
            if read is None or read.status_code != 200:
                told.wrong.append(f"what was just made: {read and read.status_code}")


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

    wait_for(exchanged, "new workers")
    return time.monotonic() - started


async def run(servers: Servers, told: Told) -> None:
    """Load and exchange, then judge."""
    async with wiring.opened(load(servers.settings)):
        tenant = await tenancy.create_tenant(name="Rolling", subdomain="rolling")
        async with begin(system(tenant, job="chaos")) as tx:
            key = await tenancy.create_key(
                tx, pepper=servers.pepper, name="chaos",
                scopes=frozenset({"patients:write", "patients:read"}),
            )  # fmt: skip
    base = f"http://127.0.0.1:{servers.port}/api/v1"
    over = asyncio.Event()
    started = time.monotonic()
    clients = [
        asyncio.create_task(_client(base, key, told, over, number)) for number in range(_CLIENTS)
    ]
    try:
        for _ in range(told.restarts):
            told.exchanges_s.append(round(await asyncio.to_thread(_exchange, servers), 2))
            await asyncio.sleep(0.5)
    finally:
        over.set()
        await asyncio.gather(*clients)
    told.seconds = round(time.monotonic() - started, 1)
    await _judge(servers, tenant, told)


async def _judge(servers: Servers, tenant: UUID, told: Told) -> None:
    async with owner_connection(servers.database_url) as owner:
        doubts = await owner.fetchval(_IN_DOUBT, tenant)
        patients = await owner.fetchval(_PATIENTS, tenant)
    if doubts:
        told.wrong.append(f"{doubts} attempts in doubt")
    if patients != told.made:
        told.wrong.append(f"{patients} patients, {told.made} acknowledged")


def main(arguments: list[str]) -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.rolling", description=__doc__)
    parser.add_argument("--small", action="store_true", help="what the suite runs")
    told = Told(restarts=2 if parser.parse_args(arguments).small else 50)
    with running(workers=2) as servers:
        asyncio.run(run(servers, told))
    came = {one.name: getattr(told, one.name) for one in fields(told)}
    came["wrong"] = Counter(told.wrong)
    sys.stdout.write(json.dumps(came, indent=2) + "\n")
    return 1 if told.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
