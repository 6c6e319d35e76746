"""A patient with visits, messages, a medicine that was taken, and home readings."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.client import Clinic
from tests.fhir.examples import LOINC, UCUM, coded, to
from tests.fhir.stored.made import pressure
from tests.medications.adherence.support import Taking
from tests.notifications.support import NOON, Bench

SCRIPT = "<script>alert(1)</script>"
DAY = timedelta(days=1)


async def observed(clinic: Clinic, body: dict[str, Any]) -> None:
    answer = await clinic.http.post("/fhir/Observation", json=body)
    assert answer.status_code == 201, answer.text


async def measured(clinic: Clinic, patient: UUID, days: int) -> None:
    """Measure a blood pressure and a weight at home, each day of the last `days`."""
    for number in range(days):
        at = (NOON - (days - number) * DAY).isoformat()
        await observed(
            clinic, pressure(str(patient), 142 - number + number % 3 * 5, effectiveDateTime=at)
        )
        amount = {"value": 81.4 - number / 9, "unit": "kg", "system": UCUM, "code": "kg"}
        weight = {
            "resourceType": "Observation", "status": "final", "code": coded("29463-7", LOINC),
            "subject": to(f"Patient/{patient}"), "effectiveDateTime": at, "valueQuantity": amount,
        }  # fmt: skip
        await observed(clinic, weight)


async def prescribed(bench: Bench, patient: UUID, name: str, course: str) -> Taking:
    """Prescribe a medicine; a letter says what became of each day's dose, up to yesterday."""
    body = {
        "medication_name": name,
        "sig": "1 tablet by mouth once a day",
        "start_date": (NOON - 80 * DAY).date().isoformat(),
        "prescribing_provider_id": str(bench.provider_id),
        "refills_remaining": 3,
    }
    made = await bench.clinic.make(f"/patients/{patient}/medications", body)
    taking = Taking(bench.clinic, UUID(made["id"]), patient)
    await taking.plan(*(NOON - (len(course) - n) * DAY for n in range(len(course))))
    for number, letter in enumerate(course):
        if letter == "t":
            await taking.report(number, status="taken", taken_at=taking.due[number].isoformat())
        else:
            await taking.report(number, status="missed")
    return taking


async def maria(bench: Bench, **fields: Any) -> UUID:
    """Register a patient with a visit in four days, of whose messages one was sent."""
    patient = await bench.patient(**{"primary_diagnosis": f"Diabetes {SCRIPT}", **fields})
    await bench.planned(patient_id=patient)
    await bench.visits([patient], NOON - 20 * DAY)
    await bench.drain()
    return patient
