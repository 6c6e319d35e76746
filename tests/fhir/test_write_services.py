"""Writing where a provider works, and kinds of visits: by the actions of /api/v1."""

from typing import Any

import pytest

from chroniccare.fhir.resources.common import UCUM, local
from tests.client import Clinic
from tests.fhir.server import Server
from tests.fhir.test_write_drugs import make, put, refused

Json = dict[str, Any]


async def employed(clinic: Clinic, fhir: Server) -> tuple[Json, Json]:
    """Return a provider of ours, and the role at a second facility."""
    provider, other = await clinic.provider(), await clinic.facility()
    said = {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": f"Practitioner/{provider['id']}"},
        "location": [{"reference": f"Location/{other['id']}"}],
        "code": [{"text": "doctor"}],
    }
    return provider, await make(fhir, said)


async def provider_of(clinic: Clinic, provider: Json) -> Json:
    found: Json = (await clinic.get(f"/providers/{provider['id']}")).json()["data"]
    return found


async def test_a_role_is_replaced(clinic: Clinic, fhir: Server) -> None:
    provider, role = await employed(clinic, fhir)
    version = role["meta"]["versionId"]
    role["specialty"] = [{"text": "Nephrology"}]
    role["code"] = [{"text": "head"}]
    changed = await put(fhir, role, headers={"If-Match": f'W/"{version}"'})
    assert [one["text"] for one in changed["specialty"]] == ["Nephrology"]
    assert changed["code"] == [{"text": "head"}]
    record = await provider_of(clinic, provider)
    assert record["specializations"] == ["Nephrology"]
    assert len(record["facilities"]) == 2
    assert record["qualifications"] == provider["qualifications"]
    assert await fhir.ids(f"PractitionerRole?_id={role['id']}&specialty=Nephrology")
    await put(fhir, role, 412, headers={"If-Match": f'W/"{version}"'})
    patch = [{"op": "replace", "path": "/code/0/text", "value": "locum"}]
    headers = {"Content-Type": "application/json-patch+json"}
    path = f"/PractitionerRole/{role['id']}"
    patched = await fhir.send("PATCH", path, json=patch, headers=headers)
    assert patched.json()["code"] == [{"text": "locum"}]
    elsewhere = provider["facilities"][0]["facility_id"]
    someone = await clinic.provider()
    for elements, fault in (
        ({"location": [{"reference": f"Location/{elsewhere}"}]}, "PractitionerRole.location"),
        ({"practitioner": {"reference": f"Practitioner/{someone['id']}"}},
         "PractitionerRole.practitioner"),
        ({"active": False}, "PractitionerRole.active"),
        ({"specialty": [{"text": "x" * 300}]}, "PractitionerRole.specialty"),
    ):  # fmt: skip
        response = await fhir.send("PUT", path, json={**role, **elements})
        assert response.status_code == 422, response.text
        assert response.json()["issue"][0]["expression"] == [fault]
    # What is not active cannot be made so by a role, and stays as it is.
    record = await provider_of(clinic, provider)
    body = {name: one for name, one in record.items() if name not in {"id", "version"}}
    for name in ("created_at", "updated_at"):
        body.pop(name)
    answer = await clinic.put(f"/providers/{provider['id']}", {**body, "is_active": False})
    assert answer.status_code == 200, answer.text
    assert (await put(fhir, {**role, "active": False}))["active"] is False
    await put(fhir, {**role, "active": True}, 422)


async def test_a_role_ends(clinic: Clinic, fhir: Server) -> None:
    provider, role = await employed(clinic, fhir)
    path, place = f"/PractitionerRole/{role['id']}", role["location"][0]["reference"][9:]
    hours = {"facility_id": place, "day_of_week": 1, "start_time": "09:00",
             "end_time": "12:00", "effective_from": "2026-01-01"}  # fmt: skip
    weekly = f"/providers/{provider['id']}/availability"
    assert (await clinic.put(weekly, {"rules": [hours]})).status_code == 200
    assert await fhir.ids(f"Schedule?actor=Location/{place}") == [role["id"]]
    refused_ = await fhir.send("DELETE", path)
    assert refused_.status_code == 409
    assert refused_.json()["issue"][0]["expression"] == ["PractitionerRole.location"]
    assert (await clinic.put(weekly, {"rules": []})).status_code == 200
    stale = await fhir.send("DELETE", path, headers={"If-Match": 'W/"77"'})
    assert stale.status_code == 412
    for _ in range(2):
        assert (await fhir.send("DELETE", path)).status_code == 204
    for method in ("GET", "PUT"):
        gone = await fhir.send(method, path, json=role if method == "PUT" else None)
        assert gone.status_code == 410
    assert (await fhir.send("GET", f"/Schedule/{role['id']}")).status_code == 410
    record = await provider_of(clinic, provider)
    assert place not in {one["facility_id"] for one in record["facilities"]}
    assert await fhir.ids(f"PractitionerRole?location={place}") == []
    # By the other door, and with the whole provider.
    [last] = await fhir.ids(f"PractitionerRole?practitioner={provider['id']}")
    assert (await fhir.send("DELETE", f"/Practitioner/{provider['id']}")).status_code == 204
    assert (await fhir.send("GET", f"/PractitionerRole/{last}")).status_code == 410
    assert (await fhir.send("GET", f"/PractitionerRole/{provider['id']}")).status_code == 404


def dialysis(clinic: Clinic, **elements: Any) -> Json:
    """Return a kind of visit with its length, and with more than we have columns for."""
    return {
        "resourceType": "HealthcareService",
        "extension": [length(clinic, value=3, unit="hours", code="h")],
        "active": True,
        "category": [{"text": "renal"}],
        "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "302497006"}]}],
        "name": "Dialysis",
        "comment": "Bring a book.",
        "extraDetails": "Lunch is served.",
        **elements,
    }


def length(clinic: Clinic, **quantity: Any) -> Json:
    """Return the extension for how long a visit takes."""
    url = local(clinic.tenant_id, "visit-length")
    return {"url": url, "valueDuration": {"system": UCUM, **quantity}}


async def test_a_kind_of_visit(clinic: Clinic, fhir: Server) -> None:
    said = dialysis(clinic)
    made = await make(fhir, said)
    for name, value in said.items():
        assert made[name] == value, name
    record = (await clinic.get(f"/visit-types/{made['id']}")).json()["data"]
    assert (record["code"], record["name"], record["duration_minutes"]) == (
        "302497006", "Dialysis", 180
    )  # fmt: skip
    assert (record["description"], record["buffer_after_minutes"]) == ("Bring a book.", 0)
    assert await fhir.ids("HealthcareService?service-type=302497006") == [made["id"]]
    assert await refused(fhir, said, 409) == ["HealthcareService.type"]
    # What R4 has no element for is kept; silence about the length keeps that.
    fields = {name: record[name] for name in ("code", "name", "description", "is_active")}
    fields |= {"duration_minutes": 240, "buffer_after_minutes": 15, "min_notice_minutes": 60}
    assert (await clinic.put(f"/visit-types/{made['id']}", fields)).status_code == 200
    read = await fhir.read("HealthcareService", made["id"])
    assert read["extension"] == [length(clinic, value=240, unit="min", code="min")]
    del read["extension"]
    changed = await put(fhir, {**read, "active": False}, headers={"If-Match": 'W/"2"'})
    assert changed["active"] is False
    record = (await clinic.get(f"/visit-types/{made['id']}")).json()["data"]
    assert (record["duration_minutes"], record["buffer_after_minutes"]) == (240, 15)
    assert record["code"] == "302497006"
    await put(fhir, read, 412, headers={"If-Match": 'W/"2"'})
    path = f"/HealthcareService/{made['id']}"
    told = (await fhir.send("GET", f"{path}/_history")).json()["entry"]
    assert [one["response"]["etag"] for one in told] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert told[-1]["resource"] == made
    assert (await fhir.send("DELETE", path)).status_code == 204
    assert (await fhir.send("GET", path)).status_code == 410


@pytest.mark.parametrize(
    ("elements", "fault"),
    [
        ({"extension": []}, "extension"),
        ({"extension": [{"value": 0.5, "code": "min"}]}, "extension"),
        ({"extension": [{"value": 2, "code": "d"}]}, "extension"),
        ({"extension": [{"value": 1, "code": "min"}]}, "extension"),
        ({"extension": [{"value": 30, "code": "min"}] * 2}, "extension"),
        ({"extension": [{"value": 30, "code": "min", "comparator": ">"}]}, "extension"),
        ({"type": []}, "type"),
        ({"type": [], "name": None}, "name"),
        ({"availableTime": [{"daysOfWeek": ["mon"], "allDay": True}]}, "availableTime"),
    ],
)
async def test_what_is_no_kind_of_visit_is_refused(
    clinic: Clinic, fhir: Server, elements: Json, fault: str
) -> None:
    said = dialysis(clinic, **elements)
    said["extension"] = [
        one if "url" in one else length(clinic, **one) for one in said["extension"]
    ]
    said = {name: value for name, value in said.items() if value not in (None, [])}
    assert f"HealthcareService.{fault}" in await refused(fhir, said)


async def test_who_says_no_length_is_told_where_it_goes(clinic: Clinic, fhir: Server) -> None:
    response = await fhir.send("POST", "/HealthcareService", json=dialysis(clinic, extension=[]))
    assert response.status_code == 400  # nothing empty in FHIR
    said = dialysis(clinic)
    del said["extension"]
    [issue] = (await fhir.send("POST", "/HealthcareService", json=said)).json()["issue"]
    assert local(clinic.tenant_id, "visit-length") in issue["diagnostics"]
