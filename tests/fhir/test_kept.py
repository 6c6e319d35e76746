"""Searches by what is kept beside a record, and by what IHE and R4 search visits by."""

from typing import Any

from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.test_write import SMALL
from tests.fhir.test_write_clinic import place
from tests.fhir.test_write_drugs import make, order, people, put
from tests.fhir.test_write_services import dialysis

Json = dict[str, Any]
STUDY = "https://example.org/studies"
PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
META = {
    "tag": [{"system": STUDY, "code": "dm-2"}, {"code": "walk-in"}],
    "security": [{"system": f"{TERMINOLOGY}/v3-Confidentiality", "code": "R"}],
    "profile": [PROFILE],
}  # fmt: skip


async def test_tags_and_profiles(fhir: Server) -> None:
    other = await make(fhir, SMALL)
    made = await make(fhir, {**SMALL, "meta": META})
    for query in (
        f"_tag={STUDY}|dm-2", "_tag=dm-2", f"_tag={STUDY}|", "_tag=|walk-in", "_tag=nobody,dm-2",
        "_tag:missing=false", "_security=R", f"_profile={PROFILE}", "_profile:missing=false",
    ):  # fmt: skip
        assert await fhir.ids(f"Patient?{query}") == [made["id"]], query
    for query in ("_tag=|dm-2", f"_tag={STUDY}|walk-in", "_tag=R", "_profile=http://other"):
        assert await fhir.ids(f"Patient?{query}") == [], query
    for query in ("_tag:not=dm-2", "_tag:missing=true", "_security:missing=true"):
        assert await fhir.ids(f"Patient?{query}") == [other["id"]], query
    assert await fhir.ids(f"Patient?_has:Appointment:patient:_tag=x&_id={made['id']}") == []
    # The numbers of other systems stand beside them, and neither is taken for the other.
    numbered = {**SMALL, "identifier": [{"system": STUDY, "value": "dm-2"}]}
    third = await make(fhir, numbered)
    assert await fhir.ids("Patient?_tag=dm-2") == [made["id"]]
    assert await fhir.ids(f"Patient?identifier={STUDY}|dm-2") == [third["id"]]
    # The last write decides.
    await put(fhir, {**made, "meta": {"tag": [{"code": "left"}]}})
    assert await fhir.ids("Patient?_tag=dm-2") == []
    assert await fhir.ids("Patient?_tag=left") == [made["id"]]


async def test_types_that_keep_nothing_have_no_tags(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, {**SMALL, "meta": META})
    provider = await clinic.provider()
    link = {"provider_id": provider["id"], "relationship_type": "diabetes"}
    await clinic.make(f"/patients/{made['id']}/providers", link)
    assert await fhir.ids("CareTeam?_tag=dm-2") == []  # whose id is the patient's
    assert await fhir.ids("CareTeam?_tag:not=dm-2") == [made["id"]]
    assert await fhir.ids("CareTeam?_tag:missing=true") == [made["id"]]


async def test_what_a_visit_is_searched_by(clinic: Clinic, fhir: Server) -> None:
    other = await visit(clinic)
    booked = await visit(clinic)
    said = await fhir.read("Appointment", booked["id"])
    patient = said["participant"][0]["actor"]["reference"]
    order = await make(fhir, {
        "resourceType": "ServiceRequest", "status": "active", "intent": "order",
        "subject": {"reference": patient},
    })  # fmt: skip
    category = {"coding": [{"system": "http://example.org/category", "code": "renal"}]}
    said |= {
        "serviceCategory": [category],
        "appointmentType": {"coding": [{"code": "FOLLOWUP"}]},
        "basedOn": [{"reference": f"ServiceRequest/{order['id']}"}],
    }
    await put(fhir, said)
    slot = said["slot"][0]["reference"]
    for query in (
        "service-category=renal", "service-category=http://example.org/category|",
        "appointment-type=FOLLOWUP", f"based-on={order['id']}",
        f"based-on=ServiceRequest/{order['id']}", "based-on:missing=false", f"slot={slot}",
        f"slot={slot.partition('/')[2]}",
    ):  # fmt: skip
        assert await fhir.ids(f"Appointment?{query}") == [booked["id"]], query
    assert await fhir.ids("Appointment?based-on=ServiceRequest/1") == []
    assert await fhir.ids("Appointment?slot=1") == []
    assert (await fhir.send("GET", "/Appointment?based-on=Patient/1")).status_code == 400
    assert (await fhir.send("GET", "/Appointment?slot=Patient/1")).status_code == 400
    assert set(await fhir.ids("Appointment?specialty=Endocrinology")) == {booked["id"], other["id"]}
    assert await fhir.ids("Appointment?specialty=Oncology") == []
    assert await fhir.ids("Appointment?based-on:missing=true") == [other["id"]]
    await put(fhir, {**said, "status": "cancelled"})
    assert await fhir.ids(f"Appointment?slot={slot}") == []
    assert await fhir.ids("Appointment?slot:missing=true") == [booked["id"]]


async def test_what_the_clinics_own_are_searched_by(clinic: Clinic, fhir: Server) -> None:
    number = [{"system": "urn:oid:1.2.3", "value": "77"}]
    await clinic.facility()
    where = await make(fhir, place(identifier=number))
    kind = await make(fhir, dialysis(clinic, identifier=number))
    for name, made in (("Location", where), ("HealthcareService", kind)):
        assert await fhir.ids(f"{name}?identifier=urn:oid:1.2.3|77") == [made["id"]]
        assert await fhir.ids(f"{name}?identifier=77") == [made["id"]]
        assert await fhir.ids(f"{name}?identifier:missing=false") == [made["id"]]
    headers = {"If-None-Exist": "identifier=urn:oid:1.2.3|77"}
    again = await fhir.send("POST", "/Location", json=place(identifier=number), headers=headers)
    assert (again.status_code, again.json()["id"]) == (200, where["id"])
    provider = await clinic.provider()
    role = await make(fhir, {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": f"Practitioner/{provider['id']}"},
        "location": [{"reference": f"Location/{where['id']}"}],
        "code": [{"coding": [{"system": "http://snomed.info/sct", "code": "11911009"}]}],
        "healthcareService": [{"reference": f"HealthcareService/{kind['id']}"}],
    })  # fmt: skip
    for query in ("role=11911009", f"service=HealthcareService/{kind['id']}", "role:missing=false"):
        assert await fhir.ids(f"PractitionerRole?{query}") == [role["id"]], query


async def test_when_hours_begin_and_end(clinic: Clinic, fhir: Server, doctor: Json) -> None:
    del clinic
    [mine] = await fhir.ids(f"Schedule?actor=Practitioner/{doctor['id']}")
    for query, is_found in (("date=ge2027-01-01", True), ("date=lt2019-01-01", False)):
        found = await fhir.ids(f"Schedule?actor=Practitioner/{doctor['id']}&{query}")
        assert found == [mine] * is_found, query


async def test_a_prescription_of_an_encounter(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    met = await make(fhir, {
        "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{patient['id']}"},
    })  # fmt: skip
    said = order(patient, provider) | {"encounter": {"reference": f"Encounter/{met['id']}"}}
    made = await make(fhir, said)
    query = f"MedicationRequest?patient={patient['id']}&intent=order&encounter={met['id']}"
    assert await fhir.ids(query) == [made["id"]]
    assert await fhir.ids(query[:-1]) == []
