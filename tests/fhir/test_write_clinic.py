"""Writing providers and facilities: by the actions of /api/v1."""

from typing import Any

from tests.client import Clinic
from tests.fhir.server import Server
from tests.fhir.test_write_drugs import make, put, refused

Json = dict[str, Any]
NPI = "http://hl7.org/fhir/sid/us-npi"
ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"


def chen(**elements: Any) -> Json:
    """Return a Practitioner with more than we have columns for."""
    return {
        "resourceType": "Practitioner",
        "identifier": [
            {"system": NPI, "value": "1234567893"},
            {"use": "official", "system": "urn:oid:1.2.3", "value": "D-77"},
        ],
        "active": True,
        "name": [{"family": "Chen", "given": ["Wei", "L."], "prefix": ["Dr."]}],
        "telecom": [
            {"system": "phone", "value": "(415) 555-0102", "rank": 1},
            {"system": "fax", "value": "+14155550103"},
        ],
        "gender": "female",
        "photo": [{"title": "at work"}],
        "qualification": [{"code": {"coding": [{"code": "MD"}]}, "period": {"start": "1999"}}],
        "communication": [{"coding": [{"system": "urn:ietf:bcp:47", "code": "es"}]}],
        **elements,
    }


async def test_a_provider(clinic: Clinic, fhir: Server) -> None:
    said = chen()
    made = await make(fhir, said)
    for name, value in said.items():
        if name != "identifier":
            assert made[name] == value, name
    assert {one["value"] for one in made["identifier"]} == {"1234567893", "D-77"}
    assert (await fhir.ids(f"Practitioner?identifier={NPI}|1234567893")) == [made["id"]]
    assert (await fhir.ids("Practitioner?identifier=urn:oid:1.2.3|D-77")) == [made["id"]]
    record = (await clinic.get(f"/providers/{made['id']}")).json()["data"]
    assert (record["npi"], record["first_name"], record["last_name"]) == (
        "1234567893", "Wei", "Chen"
    )  # fmt: skip
    assert (record["qualifications"], record["languages"]) == (["MD"], ["es"])
    assert await refused(fhir, chen(), 409) == ["Practitioner.identifier"]
    assert "Practitioner.identifier" in await refused(fhir, chen(identifier=[{"value": "1"}]))
    wrong = chen(identifier=[{"system": NPI, "value": "1234567890"}])
    assert await refused(fhir, wrong) == ["Practitioner.identifier"]
    assert "Practitioner.name[0].family" in await refused(fhir, chen(name=[{"text": "Dr. Chen"}]))
    gone = await fhir.send("DELETE", f"/Practitioner/{made['id']}")
    assert gone.status_code == 204
    assert (await fhir.send("GET", f"/Practitioner/{made['id']}")).status_code == 410


async def test_where_and_how_a_provider_works_is_kept(clinic: Clinic, fhir: Server) -> None:
    before = await clinic.provider(qualifications=["MD"], max_daily_capacity=7)
    said = await fhir.read("Practitioner", before["id"])
    await put(fhir, said)
    after = (await clinic.get(f"/providers/{before['id']}")).json()["data"]
    for name in ("version", "updated_at"):
        after.pop(name)
        before.pop(name)
    assert after == before
    said["active"] = False
    changed = await put(fhir, said, headers={"If-Match": 'W/"2"'})
    assert changed["active"] is False
    await put(fhir, said, 412, headers={"If-Match": 'W/"2"'})


def place(**elements: Any) -> Json:
    """Return a Location with more than we have columns for."""
    return {
        "resourceType": "Location",
        "extension": [{"url": ZONE, "valueCode": "America/Chicago"}],
        "status": "active",
        "name": "Lakeside",
        "alias": ["The lake"],
        "description": "2nd floor",
        "type": [{"coding": [{"code": "HOSP", "display": "hospital"}]}],
        "telecom": [{"system": "phone", "value": "+13125550104"}],
        "address": {"line": ["1 Lake Rd"], "city": "Austin", "postalCode": "78701"},
        "position": {"longitude": -97.75, "latitude": 30.25},
        "hoursOfOperation": [
            {"daysOfWeek": ["mon", "tue"], "openingTime": "08:00:00", "closingTime": "17:00:00"},
            {"daysOfWeek": ["sat"], "allDay": True},
        ],
        **elements,
    }


async def test_a_facility(clinic: Clinic, fhir: Server) -> None:
    said = place()
    made = await make(fhir, said)
    for name, value in said.items():
        assert made[name] == value, name
    record = (await clinic.get(f"/facilities/{made['id']}")).json()["data"]
    assert (record["timezone"], record["facility_type"]) == ("America/Chicago", "hospital")
    assert record["operating_hours"]["tuesday"] == [{"open": "08:00", "close": "17:00"}]
    assert record["operating_hours"]["saturday"] == [{"open": "00:00", "close": "24:00"}]
    made["hoursOfOperation"] = [{"daysOfWeek": ["wed"], "openingTime": "20:00:00"}]
    changed = await put(fhir, {**made, "status": "suspended"}, headers={"If-Match": 'W/"1"'})
    assert changed["status"] == "inactive"
    record = (await clinic.get(f"/facilities/{made['id']}")).json()["data"]
    assert record["operating_hours"]["wednesday"] == [{"open": "20:00", "close": "24:00"}]
    assert record["operating_hours"]["monday"] == []
    second = [{"daysOfWeek": ["mon"], "openingTime": "08:00:30", "closingTime": "09:00:00"}]
    for elements, fault in (
        ({"name": None}, "Location.name"),
        ({"extension": [{"url": ZONE, "valueCode": "Mars/Olympus"}]}, "Location.extension"),
        ({"hoursOfOperation": second}, "Location.hoursOfOperation"),
    ):
        wrong = {name: value for name, value in place(**elements).items() if value is not None}
        assert fault in await refused(fhir, wrong), fault
    assert (await fhir.send("DELETE", f"/Location/{made['id']}")).status_code == 204
    assert (await fhir.send("GET", f"/Location/{made['id']}")).status_code == 410


async def test_a_facility_of_the_other_door_can_be_put_back(clinic: Clinic, fhir: Server) -> None:
    hours = {"sunday": [{"open": "20:00", "close": "04:00"}]}
    before = await clinic.facility(operating_hours=hours)
    await put(fhir, await fhir.read("Location", before["id"]))
    after = (await clinic.get(f"/facilities/{before['id']}")).json()["data"]
    for name in ("version", "updated_at"):
        after.pop(name)
        before.pop(name)
    assert after == before


async def test_where_a_provider_works(clinic: Clinic, fhir: Server) -> None:
    provider, other = await clinic.provider(), await clinic.facility()
    said: Json = {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": f"Practitioner/{provider['id']}"},
        "location": [{"reference": f"Location/{other['id']}"}],
        "specialty": [{"coding": [{"code": "207RN0300X", "display": "Nephrology"}]}],
        "code": [{"text": "doctor"}],
    }
    made = await make(fhir, said)
    assert made["code"] == said["code"]
    assert made["location"][0]["reference"] == f"Location/{other['id']}"
    assert {one["text"] for one in made["specialty"]} == {"Endocrinology", "Nephrology"}
    assert await fhir.ids(f"PractitionerRole?location={other['id']}") == [made["id"]]
    record = (await clinic.get(f"/providers/{provider['id']}")).json()["data"]
    works = {one["facility_id"]: one["is_primary"] for one in record["facilities"]}
    assert len(works) == 2
    assert sum(works.values()) == 1
    assert (await fhir.send("POST", "/PractitionerRole", json=said)).status_code == 409
    for elements, fault in (
        ({"location": said["location"] * 2}, "PractitionerRole.location"),
        ({"location": [{"reference": "Location/x"}]}, "PractitionerRole.location"),
        ({"active": False}, "PractitionerRole.active"),
        ({"availableTime": [{"daysOfWeek": ["mon"], "allDay": True}]},
         "PractitionerRole.availableTime"),
        ({"practitioner": {"reference": "Organization/1"}}, "PractitionerRole.practitioner"),
    ):  # fmt: skip
        assert fault in await refused(fhir, {**said, **elements}), fault
