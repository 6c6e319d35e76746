"""A client of /fhir: what it answers, and what every answer must be."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from chroniccare.fhir.validation import parse
from tests.client import Clinic
from tests.fhir.judges import judge


@dataclass(frozen=True, slots=True)
class Server:
    """/fhir of one clinic."""

    clinic: Clinic

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = await self.clinic.http.request(method, f"/fhir{path}", **options)
        judged(response)
        return response

    async def read(self, kind: str, record_id: str, **options: Any) -> dict[str, Any]:
        response = await self.send("GET", f"/{kind}/{record_id}", **options)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        assert (body["resourceType"], body["id"]) == (kind, record_id)
        return body

    async def search(self, query: str, **options: Any) -> dict[str, Any]:
        response = await self.send("GET", f"/{query}", **options)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        assert (body["resourceType"], body["type"]) == ("Bundle", "searchset")
        return body

    async def ids(self, query: str, mode: str = "match") -> list[str]:
        """Return the ids that a search finds, or brings along."""
        return [
            entry["resource"]["id"]
            for entry in (await self.search(query)).get("entry", [])
            if entry["search"]["mode"] == mode
        ]

    async def next(self, bundle: dict[str, Any]) -> dict[str, Any] | None:
        """Return the next page, by its link."""
        for link in bundle["link"]:
            if link["relation"] == "next":
                return await self.search(link["url"].partition("/fhir/")[2])
        return None


def judged(response: httpx.Response) -> None:
    """Fail unless an answer is what every answer must be; of HEAD there is no body to judge."""
    assert response.status_code < 500, response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"]
    if response.content:
        assert response.headers["content-type"] == "application/fhir+json"
        body = response.json()  # every answer is valid R4, as ours has it and two others
        parse(body["resourceType"], response.content)
        judge(response.content)
    if response.status_code >= 400 and response.request.method != "HEAD":
        assert response.json()["resourceType"] == "OperationOutcome"
        assert response.json()["issue"]


async def visit(clinic: Clinic, **fields: Any) -> dict[str, Any]:
    """Book a visit of a new patient with a new provider."""
    provider = fields.pop("provider", None) or await clinic.provider()
    patient = fields.pop("patient", None) or await clinic.patient()
    start = (datetime.now(UTC) + timedelta(days=30)).replace(hour=15, minute=0, second=0)
    body = {
        "patient_id": patient["id"],
        "provider_id": provider["id"],
        "facility_id": provider["facilities"][0]["facility_id"],
        "appointment_type": "follow_up",
        "scheduled_start": start.replace(microsecond=0).isoformat(),
        "duration_minutes": 30,
        **fields,
    }
    return await clinic.make("/appointments", body)


async def prescription(clinic: Clinic, **fields: Any) -> dict[str, Any]:
    """Prescribe to a new patient."""
    patient = fields.pop("patient", None) or await clinic.patient()
    provider = fields.pop("provider", None) or await clinic.provider()
    body = {
        "medication_name": "Metformin 500 mg tablet",
        "rxnorm_code": "861007",
        "sig": "1 tablet by mouth twice a day",
        "start_date": (datetime.now(UTC) + timedelta(days=2)).date().isoformat(),
        "prescribing_provider_id": provider["id"],
        "refills_remaining": 3,
        "days_supply": 30,
        **fields,
    }
    return await clinic.make(f"/patients/{patient['id']}/medications", body)


async def beside(clinic: Clinic, patient: dict[str, Any], provider: dict[str, Any]) -> "Beside":
    """Give a patient a daughter, a provider, a drug as needed, a fill and a report."""
    of = f"/patients/{patient['id']}"
    link = {"provider_id": provider["id"], "relationship_type": "diabetes", "is_primary": True}
    await clinic.make(f"{of}/providers", link)
    person = {
        "name": "Lucia Quist",
        "relationship": "daughter",
        "categories": ["appointments"],
        "contact_info": {"telecom": [{"system": "phone", "value": "+14155550188"}]},
    }
    related = await clinic.make(f"{of}/related-persons", person)
    drug = await prescription(
        clinic, patient=patient, provider=provider, sig="1 tablet by mouth as needed for pain",
        start_date=(datetime.now(UTC) - timedelta(days=2)).date().isoformat(),
    )  # fmt: skip
    fill = {
        "filled_on": "2026-01-01", "days_supply": 30, "quantity": 60, "pharmacy": "Main St",
        "kind": "first_fill",
    }  # fmt: skip
    filled = await clinic.make(f"/medications/{drug['id']}/fills", fill)
    report = {"status": "taken", "taken_at": datetime.now(UTC).isoformat()}
    reported = await clinic.make(f"/medications/{drug['id']}/adherence", report)
    return Beside(related, drug, filled, reported)


@dataclass(frozen=True, slots=True)
class Beside:
    """What `beside` made, as /api/v1 answers it."""

    related: dict[str, Any]
    drug: dict[str, Any]
    fill: dict[str, Any]
    report: dict[str, Any]


async def everything(clinic: Clinic) -> None:
    """Make a record of each type."""
    patient, provider = await clinic.patient(), await clinic.provider()
    await chosen(clinic, patient)
    await visit(clinic, patient=patient, provider=provider)
    await beside(clinic, patient, provider)
    await clinic.make("/visit-types", {"code": "dialysis", "name": "D", "duration_minutes": 30})


async def chosen(clinic: Clinic, patient: dict[str, Any]) -> dict[str, Any]:
    """Have a patient want no message at all, and none about refills: what comes is suppressed."""
    body = {
        "channels": [],
        "consents": {"sms": False, "email": False, "push": False},
        "categories": [{"category": "refills", "enabled": False, "channels": []}],
    }
    answer = await clinic.put(f"/patients/{patient['id']}/notification-preferences", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found
