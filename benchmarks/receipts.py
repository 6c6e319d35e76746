"""Claim: what a provider tells is visible to a reader of the API within 2 s (p95).

A gateway posts a signed receipt for each of 1,000 messages, twenty-five a second, to a server;
`chroniccare work` applies them. The time runs from the post until `GET /notifications/{id}` says
`delivered`, asked every 50 ms over the same server. Beside it, in the same run, what post and one
read take by themselves.
"""

import asyncio
import time
from uuid import UUID

import httpx

from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.http import Poster
from chroniccare.platform.owner import owner_connection
from chroniccare.settings import load as load_settings
from chroniccare.simulator.forward import forwarding
from chroniccare.simulator.receipts import Tell
from chroniccare.simulator.services import GATEWAY

from .clinic import new_clinic, new_patients, new_staff
from .day import provider
from .meter import cpu_seconds, told
from .rate import Clinic, workers
from .stage import Stage, server, settings_of, stage

MESSAGES = 1_000
PER_SECOND = 25
_ASK_S = 0.05
_SECRET = "a secret of the benchmark, thirty-two"  # noqa: S105  nobody else has it
_SENT = (
    "SELECT n.id, a.id AS attempt FROM notifications n JOIN notification_attempts a"
    " ON a.notification_id = n.id WHERE n.delivery_status = 'accepted' AND a.status = 'accepted'"
)


async def _prepare(where: Stage) -> tuple[Clinic, str]:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, key = await new_clinic()
        facility, staff = await new_staff(caller, 1)
        clinic = Clinic(caller, facility, staff[0], await new_patients(caller, 100))
        await clinic.plan(MESSAGES)
    return clinic, key


async def _sent(where: Stage) -> list[tuple[UUID, UUID]]:
    """Wait until the messages are sent; return each with its attempt."""
    async with owner_connection(where.database_url) as owner:
        deadline = time.monotonic() + 120
        while len(rows := await owner.fetch(_SENT)) < MESSAGES:
            assert time.monotonic() < deadline, f"{len(rows)} messages were sent"
            await asyncio.sleep(0.2)
        await owner.execute("ANALYZE")
    return [(row["id"], row["attempt"]) for row in rows]


async def _one(
    client: httpx.AsyncClient, tell: Tell, message: UUID, attempt: UUID, floor: list[float]
) -> float:
    """Return the seconds from the post of a receipt until a reader sees it."""
    receipt = {"id": f"e-{attempt}", "reference": str(attempt), "status": "delivered"}
    began = time.perf_counter()
    await tell("http", receipt)
    first = True
    while True:
        answer = await client.get(f"/api/v1/notifications/{message}")
        assert answer.status_code == httpx.codes.OK, answer.text
        if first:
            floor.append(time.perf_counter() - began)
            first = False
        if answer.json()["data"]["delivery_status"] == "delivered":
            return time.perf_counter() - began
        assert time.perf_counter() - began < 60, "a receipt never showed"
        await asyncio.sleep(_ASK_S)


async def _measure(where: Stage, port: int, key: str) -> tuple[list[float], list[float]]:
    """Return how long receipts took to show, and a post with one read, the shortest first."""
    sent, floor = await _sent(where), list[float]()
    poster = Poster(f"http://127.0.0.1:{port}/receipts/http")
    tell = forwarding(poster, _SECRET)
    headers = {"X-API-Key": key}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        before, asked = cpu_seconds(), []
        for message, attempt in sent:
            asked.append(asyncio.create_task(_one(client, tell, message, attempt, floor)))
            await asyncio.sleep(1 / PER_SECOND)
        shown = sorted(await asyncio.gather(*asked))
        print(told(before, cpu_seconds(), each=MESSAGES))
    await poster.close()
    return shown, sorted(floor)


def main() -> None:
    """Run the benchmark."""
    with stage() as where, provider(where.environment, delay_ms=0) as url:
        _, key = asyncio.run(_prepare(where))
        environment = {
            **where.environment, "CHRONICCARE_SMS_DRIVER": "http",
            "CHRONICCARE_HTTP_SMS_URL": url + GATEWAY, "CHRONICCARE_RECEIPTS_SECRET": _SECRET,
        }  # fmt: skip
        with (
            server("chroniccare.app:application", environment, factory=True) as ours,
            workers(environment, 1),
        ):
            shown, floor = asyncio.run(_measure(where, ours.port, key))
    for name, found in (("post to visible", shown), ("post and one read", floor)):
        p50, p95, p99 = (found[int(share * len(found))] for share in (0.5, 0.95, 0.99))
        print(f"{name:18} p50 {p50:.3f} s, p95 {p95:.3f} s, p99 {p99:.3f} s")
    assert shown[int(0.95 * len(shown))] <= 2, "p95 of post to visible over 2 s"


if __name__ == "__main__":
    main()
