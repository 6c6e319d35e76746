"""Resources of the stored types, that refer to records which are there."""

import copy
from dataclasses import dataclass
from typing import Any

from chroniccare.fhir.stored.table import searches
from tests.client import Clinic
from tests.fhir.examples import LOINC, TERMINOLOGY, UCUM, coded, to
from tests.fhir.examples_records import EXAMPLES
from tests.fhir.server import Server

Json = dict[str, Any]
MARIA = to("Patient/p1")
_OWN: dict[str, Json] = {
    "EpisodeOfCare": {
        "status": "active", "patient": MARIA, "type": [coded("diab")],
        "period": {"start": "2026-01-01"},
    },
    "FamilyMemberHistory": {
        "status": "completed", "patient": MARIA, "date": "2026-02",
        "relationship": coded("MTH", f"{TERMINOLOGY}/v3-RoleCode"),
        "condition": [{"code": coded("44054006")}],
    },
    "Flag": {
        "status": "active", "code": coded("falls"), "subject": MARIA,
        "period": {"end": "2027-01-01"},
    },
    "Media": {
        "status": "completed", "subject": MARIA, "createdDateTime": "2026-03-01T10:00:00Z",
        "content": {"contentType": "image/png", "data": "aGVsbG8="},
    },
}  # fmt: skip


def pressure(patient: str, systolic: Any, **more: Any) -> Json:
    """Return the blood pressure that a patient took at home."""
    parts = [("8480-6", systolic), ("8462-4", 80)]
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [coded("vital-signs", f"{TERMINOLOGY}/observation-category")],
        "code": coded("85354-9", LOINC),
        "subject": to(f"Patient/{patient}"),
        "effectiveDateTime": "2026-03-01T08:00:00-05:00",
        "component": [
            {
                "code": coded(code, LOINC),
                "valueQuantity": {
                    "value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"
                },
            }
            for code, value in parts
        ],
        **more,
    }  # fmt: skip


def example(name: str) -> Json:
    """Return a resource of a type, whose references still lead nowhere."""
    own = _OWN.get(name) or EXAMPLES[name]
    return {"resourceType": name, **copy.deepcopy(own)}


@dataclass(frozen=True, slots=True)
class World:
    """A clinic's server, and the records that references lead to."""

    fhir: Server
    patient: str
    known: dict[str, str]

    async def make(self, said: Json, **headers: str) -> Json:
        """Store a resource and return it as it was answered."""
        name = said["resourceType"]
        answer = await self.fhir.send("POST", f"/{name}", json=said, headers=headers)
        assert answer.status_code == 201, answer.text
        body: Json = answer.json()
        return body

    async def whole(self, value: Any) -> Any:
        """Return a resource with each reference leading to a record of its type."""
        if isinstance(value, list):
            return [await self.whole(one) for one in value]
        if not isinstance(value, dict):
            return value
        found = {name: await self.whole(one) for name, one in value.items()}
        if isinstance(found.get("reference"), str) and "/" in found["reference"]:
            name = found["reference"].partition("/")[0]
            if name not in self.known and name in searches():
                self.known[name] = ""  # what leads in a circle is left out below
                self.known[name] = (await self.make(await self.whole(example(name))))["id"]
            if not self.known.get(name):
                return {"display": "elsewhere"}
            found["reference"] = f"{name}/{self.known[name]}"
        return found


async def world(clinic: Clinic, fhir: Server) -> World:
    """Return the server with a patient, a provider, a facility and the clinic."""
    patient, provider = await clinic.patient(), await clinic.provider()
    known = {
        "Patient": patient["id"],
        "Practitioner": provider["id"],
        "Location": provider["facilities"][0]["facility_id"],
        "Organization": str(clinic.tenant_id),
    }
    return World(fhir, patient["id"], known)


async def each(fhir: Server) -> None:
    """Store a record of each stored type."""
    there = await world(fhir.clinic, fhir)
    for name in searches():
        if not there.known.get(name):
            there.known[name] = (await there.make(await there.whole(example(name))))["id"]
