"""A client of /fhir: what it answers, and what every answer must be."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from chroniccare.fhir.validation import parse
from tests.client import Clinic


@dataclass(frozen=True, slots=True)
class Server:
    """/fhir of one clinic."""

    clinic: Clinic

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = await self.clinic.http.request(method, f"/fhir{path}", **options)
        assert response.status_code < 500, response.text
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-request-id"]
        if response.content:
            assert response.headers["content-type"] == "application/fhir+json"
            parse(response.json()["resourceType"], response.content)  # every answer is valid R4
        if response.status_code >= 400:
            assert response.json()["resourceType"] == "OperationOutcome"
            assert response.json()["issue"]
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
