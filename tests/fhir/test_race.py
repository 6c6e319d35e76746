"""One time, and everybody wants it at once, by every door: one gets it."""

import asyncio
import os
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.fhir.hours import on
from tests.fhir.server import Server
from tests.fhir.test_booking import appointment
from tests.fhir.test_operations_booking import call, find
from tests.fhir.test_transaction import entry, send
from tests.fhir.test_write import SMALL

ATTEMPTS = int(os.environ.get("RACE_ATTEMPTS", "40"))
"""The full form is `RACE_ATTEMPTS=200`."""
_TAKEN = Command(
    "SELECT count(*) FROM occupancy WHERE resource_id = $1::uuid AND starts_at = $2::timestamptz"
)


async def patients(fhir: Server, count: int) -> list[str]:
    """Register patients, all in one Bundle."""
    made = await send(fhir, "batch", *[entry("POST", "Patient", SMALL) for _ in range(count)])
    return [one["resource"]["id"] for one in made.json()["entry"]]


async def test_of_many_by_four_doors_one_gets_the_time(
    clinic: Clinic, fhir: Server, doctor: dict[str, Any]
) -> None:
    who = await patients(fhir, ATTEMPTS)
    first = (await find(fhir))[0]
    rest = {
        "provider_id": doctor["id"], "facility_id": doctor["place"], "appointment_type": "visit",
        "scheduled_start": on(9), "duration_minutes": 30,
    }  # fmt: skip

    async def attempt(number: int) -> httpx.Response:
        patient = who[number]
        resource = appointment(patient, doctor["id"], start=on(9))
        match number % 4:
            case 0:
                return await call(
                    fhir, "Appointment/$book", appointment_reference=f"Appointment/{first['id']}",
                    patient_reference=f"Patient/{patient}",
                )  # fmt: skip
            case 1:
                return await fhir.send("POST", "/Appointment", json=resource)
            case 2:
                one: httpx.Response = await send(
                    fhir, "transaction", entry("POST", "Appointment", resource)
                )
                return one
            case _:
                return await clinic.post("/appointments", {**rest, "patient_id": patient})

    answers = await asyncio.gather(*map(attempt, range(ATTEMPTS)))
    counted = Counter(one.status_code for one in answers)
    assert counted[200] + counted[201] == 1, counted
    assert counted[409] == ATTEMPTS - 1, counted
    for number, answer in enumerate(answers):
        if answer.status_code == 409 and number % 4 == 3:
            assert answer.json()["error"]["code"] in {"SLOT_TAKEN", "CONFLICT"}
        elif answer.status_code == 409:
            assert answer.json()["issue"][0]["code"] == "conflict"
    async with begin(clinic.caller) as tx:
        assert await tx.value(_TAKEN, UUID(doctor["id"]), datetime.fromisoformat(on(9))) == 1
    assert len(await fhir.ids(f"Appointment?practitioner={doctor['id']}")) == 1
