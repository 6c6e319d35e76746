"""Claim: of many who want one slot exactly one gets it, and quickly; distinct slots do not wait.

16 clients over HTTP, durable PostgreSQL. One slot: exactly one 201, the rest 409, p99 <= 50 ms.
Beside it: what as many clients wait for a patient's record, and the worker's CPU for a request.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.settings import load as load_settings

from . import load
from .clinic import new_clinic, new_patients, new_staff
from .stage import Server, Stage, server, settings_of, stage

CLIENTS = 16
VISITS = 1600
FIRST = (datetime.now(UTC) + timedelta(days=30)).replace(minute=0, second=0, microsecond=0)


class Parties:
    """Who is booked: one patient a client, so that only the provider is fought for."""

    def __init__(self, key: str, facility: UUID, staff: list[UUID], patients: list[UUID]) -> None:
        self.key, self.facility, self.staff, self.patients = key, facility, staff, patients

    def request(self, patient: int, provider: int, start: datetime) -> bytes:
        """Return the booking as an HTTP request."""
        body = {
            "patient_id": str(self.patients[patient]),
            "provider_id": str(self.staff[provider]),
            "facility_id": str(self.facility),
            "appointment_type": "follow_up",
            "scheduled_start": start.isoformat(),
            "duration_minutes": 30,
        }
        return load.request("POST", "/api/v1/appointments", self.key, orjson.dumps(body))


async def _prepare(where: Stage) -> Parties:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, key = await new_clinic()
        facility, staff = await new_staff(caller, CLIENTS)
        patients = await new_patients(caller, CLIENTS * 2)
    return Parties(key, facility, staff, patients)


async def _measure(where: Server, parties: Parties) -> None:
    each = VISITS // CLIENTS

    def distinct(client: int, number: int) -> bytes | None:
        if number == each:
            return None
        return parties.request(client, client, FIRST + timedelta(minutes=30 * number))

    seen = await load.run(where.port, distinct, clients=CLIENTS)
    assert seen.statuses == {201: VISITS}, seen.statuses
    _print("distinct slots", seen)
    path = f"/api/v1/patients/{parties.patients[0]}"
    reading = load.request("GET", path, parties.key)
    read = await load.run(
        where.port, lambda _, number: reading if number < each else None, clients=CLIENTS
    )
    _print("a patient is read", read)

    before = where.cpu()
    won = 0
    slots = 40
    alls = load.Load()
    for slot in range(slots):
        start = FIRST + timedelta(days=60, minutes=30 * slot)

        def same(client: int, number: int, start: datetime = start) -> bytes | None:
            # Everyone asks for the same provider at the same time, ten times over.
            return parties.request(CLIENTS + client, 0, start) if number < 10 else None

        one = await load.run(where.port, same, clients=CLIENTS)
        assert one.statuses.get(201) == 1, one.statuses
        assert set(one.statuses) == {201, 409}, one.statuses
        won += 1
        alls.seconds += one.seconds
        alls.latencies += one.latencies
    _print(f"one slot, {won} of {slots} won once", alls)
    ratio = alls.quantile_ms(0.99) / read.quantile_ms(0.99)
    cost = (where.cpu() - before) / len(alls.latencies) * 1000
    print(f"{'':32} p99 is {ratio:.1f} times that of a read; {cost:.2f} ms of CPU a request")
    assert alls.quantile_ms(0.99) <= 50, "p99 of one slot is over 50 ms"


def _print(name: str, seen: load.Load) -> None:
    print(
        f"{name:32} {seen.per_second:6.0f}/s   p50 {seen.quantile_ms(0.5):5.1f} ms"
        f"   p99 {seen.quantile_ms(0.99):5.1f} ms   max {seen.quantile_ms(1):5.1f} ms"
    )


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        parties = asyncio.run(_prepare(where))
        with server("chroniccare.app:application", where.environment, factory=True) as ours:
            asyncio.run(_measure(ours, parties))


if __name__ == "__main__":
    main()
