"""Claim: FHIR reads, searches and creates are as quick as those of a REST API.

1,000 patients, 2,000 visits, 70 a day. One worker, PostgreSQL, Valkey and the load generator on
the same cores. Requests a second, and for each CPU second of the worker, which a busy machine
disturbs less. Aimed at, a second: read 3,000, identifier 1,500, family page of 20 900, the visits
of a day with their patients 400; serial create in 4 ms; batch create 700 resources; 250 MB.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import orjson

from chroniccare.core.caller import Caller
from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.postgres import begin
from chroniccare.scheduling import actions
from chroniccare.scheduling.schemas import AppointmentBook
from chroniccare.settings import load as load_settings

from . import load
from .clinic import new_clinic, new_patients, new_staff
from .stage import Server, Stage, server, settings_of, stage

CLIENTS = 16
PATIENTS = 1_000
VISITS = 2_000
A_DAY = 70
STAFF = 10
BATCH = 100
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
FIRST = (datetime.now(UTC) + timedelta(days=30)).replace(hour=13, minute=0, second=0, microsecond=0)


async def _visits(caller: Caller, patients: list[UUID]) -> None:
    facility, staff = await new_staff(caller, STAFF)
    for number in range(VISITS):
        day, turn = divmod(number, A_DAY)
        start = FIRST + timedelta(days=day, minutes=30 * (turn // STAFF))
        body = {
            "patient_id": str(patients[number % PATIENTS]),
            "provider_id": str(staff[turn % STAFF]),
            "facility_id": str(facility),
            "appointment_type": "follow_up",
            "scheduled_start": start.isoformat(),
            "duration_minutes": 30,
        }
        async with begin(caller) as tx:
            await actions.book(tx, AppointmentBook.model_validate(body))


async def _prepare(where: Stage) -> tuple[str, list[UUID]]:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))) as platform:
        caller, key = await new_clinic()
        patients = await new_patients(caller, PATIENTS)
        await _visits(caller, patients)
        await platform.database.pool.execute("ANALYZE")
    return key, patients


async def _measure(
    where: Server, name: str, path: Callable[[int], str], key: str, *, requests: int
) -> None:
    turns = count()

    def make(_client: int, _number: int) -> bytes | None:
        turn = next(turns)
        return None if turn >= requests else load.request("GET", path(turn), key)

    before = where.cpu()
    seen = await load.run(where.port, make, clients=CLIENTS)
    cpu = (where.cpu() - before) / requests
    assert set(seen.statuses) == {200}, seen.statuses
    print(
        f"{name:34} {seen.per_second:7.0f}/s {1 / cpu:7.0f} per CPU s"
        f"  p50 {seen.quantile_ms(0.5):6.1f} ms  p99 {seen.quantile_ms(0.99):6.1f} ms"
    )


async def _creates(where: Server, key: str, *, requests: int) -> None:
    """Create patients one after another."""

    def make(_client: int, number: int) -> bytes | None:
        if number == requests:
            return None
        body = {
            "resourceType": "Patient",
            "name": [{"family": f"Serial {number}", "given": ["Ada"]}],
            "birthDate": "1961-04-12",
            "telecom": [{"system": "phone", "value": f"+1415666{number:04d}"}],
            "maritalStatus": {"text": "Widowed"},
        }
        return load.request("POST", "/fhir/Patient", key, orjson.dumps(body))

    seen = await load.run(where.port, make, clients=1)
    assert seen.statuses == {201: requests}, seen.statuses
    print(f"{'create, one after another':34} p50 {seen.quantile_ms(0.5):.1f} ms")


def _batch(number: int) -> bytes:
    """Return a batch that makes a hundred patients of 600 bytes."""
    entries = [
        {
            "resource": {
                "resourceType": "Patient",
                "identifier": [
                    {
                        "type": {"coding": [{"system": _TYPES, "code": "MR"}]},
                        "system": "https://old.example.org/mrn",
                        "value": f"BATCH-{number}-{turn}",
                    }
                ],
                "name": [{"family": f"Batch {turn}", "given": ["Ada"]}],
                "gender": "female",
                "birthDate": "1961-04-12",
                "telecom": [{"system": "phone", "value": f"+1415777{turn:04d}"}],
                "maritalStatus": {"text": "Widowed"},
            },
            "request": {"method": "POST", "url": "Patient"},
        }
        for turn in range(BATCH)
    ]
    return orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})


async def _batches(where: Server, key: str, *, clients: int, bundles: int) -> None:
    """Create patients by batches."""
    turns = count(bundles * clients)  # the numbers of no other run

    def make(_client: int, number: int) -> bytes | None:
        turn = next(turns)
        return None if number == bundles else load.request("POST", "/fhir", key, _batch(turn))

    before = where.cpu()
    seen = await load.run(where.port, make, clients=clients)
    made = BATCH * bundles * clients
    cpu = (where.cpu() - before) / made
    assert seen.statuses == {200: bundles * clients}, seen.statuses
    name = f"batches of {BATCH}, {clients} at once"
    print(f"{name:34} {made / seen.seconds:7.0f}/s {1 / cpu:7.0f} per CPU s")


async def _all(where: Server, key: str, patients: list[UUID]) -> None:
    days = VISITS // A_DAY

    def day(turn: int) -> str:
        return (FIRST + timedelta(days=turn % days)).date().isoformat()

    paths: list[tuple[str, Callable[[int], str], int]] = [
        ("REST read, cached", lambda turn: f"/api/v1/patients/{patients[turn % 50]}", 4000),
        ("read a Patient", lambda turn: f"/fhir/Patient/{patients[turn % PATIENTS]}", 4000),
        (
            "read a Patient, from PostgreSQL",
            lambda turn: f"/fhir/Patient/{patients[turn % PATIENTS]}?_format=json",
            2000,
        ),
        ("identifier", lambda turn: f"/fhir/Patient?identifier=B-{turn % PATIENTS}", 3000),
        ("family, page of 20", lambda _: "/fhir/Patient?family=gonzalez&_count=20", 1500),
        (
            "visits of a day, with patients",
            lambda turn: (
                f"/fhir/Appointment?date={day(turn)}&_count=100&_include=Appointment:patient"
            ),
            600,
        ),
    ]
    for name, path, requests in paths:
        # So many that each record was read once: the next read is from memory, where there is one.
        await _measure(where, f"({name}, warm-up)", path, key, requests=min(PATIENTS, requests))
        await _measure(where, name, path, key, requests=requests)
    await _creates(where, key, requests=300)
    for clients in (1, 4):
        await _batches(where, key, clients=clients, bundles=10)


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        key, patients = asyncio.run(_prepare(where))
        with server("chroniccare.app:application", where.environment, factory=True) as ours:
            asyncio.run(_all(ours, key, patients))
            print(f"resident memory of the API worker: {ours.resident_mb():.0f} MB")


if __name__ == "__main__":
    main()
