"""Visits through FHIR: booked, moved, cancelled by the same rules, and never twice."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.client import Clinic
from tests.fhir.server import Server, visit


def start(hour: int = 15, days: int = 30) -> str:
    at = datetime.now(UTC) + timedelta(days=days)
    return at.replace(hour=hour, minute=0, second=0, microsecond=0).isoformat()


def appointment(patient: str, provider: str, **more: Any) -> dict[str, Any]:
    at = datetime.fromisoformat(more.pop("start", start()))
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "start": at.isoformat(),
        "end": (at + timedelta(minutes=30)).isoformat(),
        "participant": [
            {"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"},
            {"actor": {"reference": f"Practitioner/{provider}"}, "status": "accepted"},
        ],
        **more,
    }


@pytest.fixture
async def parties(clinic: Clinic) -> tuple[str, str]:
    """A patient and a provider."""
    return (await clinic.patient())["id"], (await clinic.provider())["id"]


async def book(fhir: Server, body: dict[str, Any]) -> dict[str, Any]:
    response = await fhir.send("POST", "/Appointment", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def test_a_visit_is_booked_as_by_the_other_door(
    clinic: Clinic, fhir: Server, parties: tuple[str, str]
) -> None:
    extra: dict[str, Any] = {
        "comment": "Wheelchair",
        "patientInstruction": "Come fasting",
        "reasonCode": [{"text": "Check-up"}],
        "priority": 2,
        "serviceType": [{"text": "dialysis"}],
    }
    body = appointment(*parties, **extra)
    made = await book(fhir, body)
    for name, value in body.items():
        assert made[name] == value, name
    assert await fhir.read("Appointment", made["id"]) == made
    rest = (await clinic.get(f"/appointments/{made['id']}")).json()["data"]
    assert (rest["patient_id"], rest["provider_id"]) == parties
    assert (rest["status"], rest["priority"], rest["reason"]) == ("scheduled", "urgent", "Check-up")
    assert rest["appointment_type"] == "dialysis"
    assert rest["pre_appointment_instructions"] == {"text": "Come fasting"}
    listed = await clinic.get(f"/patients/{parties[0]}/notifications")
    assert listed.json()["data"]["items"], "its reminders are planned"


async def test_what_a_new_visit_refers_to_beside_its_parties_is_there(
    clinic: Clinic, fhir: Server, other_fhir: Server, parties: tuple[str, str]
) -> None:
    removed = (await clinic.patient())["id"]
    await clinic.delete(f"/patients/{removed}")
    body = {
        "resourceType": "Patient",
        "name": [{"family": "Elsewhere", "given": ["Ada"]}],
        "birthDate": "1961-04-12",
    }
    others = (await other_fhir.send("POST", "/Patient", json=body)).json()["id"]
    for one in (str(uuid4()), removed, others):
        about = [{"reference": f"Patient/{parties[0]}"}, {"reference": f"Patient/{one}"}]
        body = appointment(*parties, supportingInformation=about)
        refused = await fhir.send("POST", "/Appointment", json=body)
        assert refused.status_code == 422, refused.text
        assert "refers to a Patient that is not there" in refused.text
        unknown = appointment(one, parties[1])
        assert (await fhir.send("POST", "/Appointment", json=unknown)).status_code == 422
    about = [{"reference": f"Patient/{parties[0]}"}, {"reference": f"Practitioner/{parties[1]}"}]
    made = await book(fhir, appointment(*parties, supportingInformation=about))
    assert made["supportingInformation"] == about


async def test_a_taken_time_is_a_conflict(
    clinic: Clinic, fhir: Server, parties: tuple[str, str]
) -> None:
    await book(fhir, appointment(*parties))
    other = (await clinic.patient())["id"]
    refused = await fhir.send("POST", "/Appointment", json=appointment(other, parties[1]))
    assert refused.status_code == 409
    [issue] = refused.json()["issue"]
    assert (issue["code"], issue["expression"]) == ("conflict", ["Appointment.participant"])


async def test_of_many_by_both_doors_one_gets_the_time(
    clinic: Clinic, fhir: Server, parties: tuple[str, str]
) -> None:
    provider = (await clinic.get(f"/providers/{parties[1]}")).json()["data"]
    patients = [(await clinic.patient())["id"] for _ in range(12)]
    body = {
        "provider_id": parties[1],
        "facility_id": provider["facilities"][0]["facility_id"],
        "appointment_type": "visit",
        "scheduled_start": start(),
        "duration_minutes": 30,
    }

    async def attempt(number: int) -> httpx.Response:
        if number % 2:
            resource = appointment(patients[number], parties[1])
            return await fhir.send("POST", "/Appointment", json=resource)
        return await clinic.post("/appointments", {**body, "patient_id": patients[number]})

    answers = await asyncio.gather(*map(attempt, range(12)))
    assert sorted(one.status_code for one in answers) == [201, *[409] * 11]
    assert len(await fhir.ids(f"Appointment?practitioner={parties[1]}")) == 1


async def test_a_visit_is_moved_and_keeps_what_fhir_cannot_say(
    clinic: Clinic, fhir: Server
) -> None:
    made = await visit(
        clinic, special_requirements={"interpreter": "es"}, insurance_verified=True,
        pre_appointment_instructions={"fasting_hours": 8},
    )  # fmt: skip
    said = await fhir.read("Appointment", made["id"])
    said["start"], said["end"] = start(16, 31), start(17, 31)
    path = f"/Appointment/{made['id']}"
    moved = await fhir.send("PUT", path, json=said, headers={"If-Match": 'W/"1"'})
    assert moved.status_code == 200, moved.text
    assert (moved.json()["start"], moved.json()["minutesDuration"]) == (said["start"], 60)
    rest = (await clinic.get(f"/appointments/{made['id']}")).json()["data"]
    for name in ("special_requirements", "insurance_verified", "pre_appointment_instructions"):
        assert rest[name] == made[name]
    stale = await fhir.send("PUT", path, json=said, headers={"If-Match": 'W/"1"'})
    assert stale.status_code == 412


async def test_a_step_changes_the_state_and_nothing_else(
    fhir: Server, parties: tuple[str, str]
) -> None:
    made = await book(fhir, appointment(*parties, comment="Wheelchair"))
    path = f"/Appointment/{made['id']}"
    cancelled = {
        **made, "status": "cancelled", "cancelationReason": {"text": "Ill"}, "start": start(9, 40),
        "end": start(10, 40), "comment": "Something else",
    }  # fmt: skip
    answer = await fhir.send("PUT", path, json=cancelled)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["status"], said["cancelationReason"]) == ("cancelled", {"text": "Ill"})
    assert (said["start"], said["comment"]) == (made["start"], "Wheelchair")
    again = await fhir.send("PUT", path, json={**made, "status": "booked"})
    assert again.status_code == 422
    assert again.json()["issue"][0]["expression"] == ["Appointment.status"]
    await book(fhir, appointment(*parties))  # the time is free again


async def test_a_pending_visit_is_held_and_then_booked(
    fhir: Server, parties: tuple[str, str]
) -> None:
    made = await book(fhir, appointment(*parties, status="proposed"))
    assert made["status"] == "pending"
    booked = await fhir.send("PUT", f"/Appointment/{made['id']}", json={**made, "status": "booked"})
    assert booked.json()["status"] == "booked"


async def test_what_cannot_be_booked(
    fhir: Server, other_clinic: Clinic, parties: tuple[str, str]
) -> None:
    stranger = (await other_clinic.patient())["id"]
    whole = appointment(*parties)
    for change, status, place in (
        ({"status": "fulfilled"}, 422, "Appointment.status"),
        ({"participant": whole["participant"][:1]}, 422, "Appointment.participant"),
        ({"participant": whole["participant"][1:]}, 422, "Appointment.participant"),
        ({"start": "2020-01-01T09:00:00Z", "end": "2020-01-01T09:30:00Z"}, 422,
         "Appointment.start"),
        ({"start": start(10), "end": start(9)}, 422, "Appointment.end"),
        ({"participant": appointment(stranger, parties[1])["participant"]}, 422,
         "Appointment.participant"),
    ):  # fmt: skip
        refused = await fhir.send("POST", "/Appointment", json={**whole, **change})
        assert refused.status_code == status, refused.text
        assert place in refused.json()["issue"][0]["expression"], refused.text
    assert await fhir.ids("Appointment") == []
    assert (await fhir.send("DELETE", "/Appointment/x")).status_code == 405
