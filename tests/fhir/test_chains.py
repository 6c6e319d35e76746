"""Chains of several levels, `_has` of what has something itself, and where both end."""

from typing import Any

import pytest

from chroniccare.core.caller import system
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic
from tests.conftest import PEPPER
from tests.fhir.server import Server, visit
from tests.fhir.stored.made import pressure

Json = dict[str, Any]
DEEP = "chains more than 3 levels"


@pytest.fixture
async def cared(clinic: Clinic) -> tuple[Json, Json, Json]:
    """A patient with a main provider, and a visit; beside them another such visit."""
    main, patient = await clinic.provider(last_name="Okonjo"), await clinic.patient()
    link = {"provider_id": main["id"], "relationship_type": "diabetes", "is_primary": True}
    await clinic.make(f"/patients/{patient['id']}/providers", link)
    await visit(clinic)
    return main, patient, await visit(clinic, patient=patient)


async def test_a_chain_of_several_levels(fhir: Server, cared: tuple[Json, Json, Json]) -> None:
    main, patient, booked = cared
    for chain in (
        "patient.general-practitioner.name=okonjo",
        "patient:Patient.general-practitioner:Practitioner.family:exact=Okonjo",
        "actor:Patient.general-practitioner.identifier=" + main["npi"],
        f"patient.general-practitioner={main['id']}",
        "patient.general-practitioner.name:missing=false",
    ):
        assert await fhir.ids(f"Appointment?{chain}") == [booked["id"]], chain
    assert await fhir.ids("Appointment?patient.general-practitioner.name=nobody") == []
    said = (await fhir.send("POST", "/Observation", json=pressure(patient["id"], 150))).json()
    query = "Observation?subject:Patient.general-practitioner.name=okonjo"
    assert await fhir.ids(query) == [said["id"]]
    # Chains go through the page's link as they were.
    again = await visit(fhir.clinic, patient=patient, scheduled_start="2027-03-01T15:00:00Z")
    page = await fhir.search("Appointment?patient.general-practitioner.name=okonjo&_count=1")
    following = await fhir.next(page)
    assert following is not None
    found = {one["entry"][0]["resource"]["id"] for one in (page, following)}
    assert found == {booked["id"], again["id"]}


async def test_who_has_what_has_something(fhir: Server, cared: tuple[Json, Json, Json]) -> None:
    main, patient, booked = cared
    lead = booked["provider_id"]
    nested = f"_has:Appointment:patient:practitioner={lead}"
    assert await fhir.ids(f"Patient?{nested}") == [patient["id"]]
    query = f"Practitioner?_has:Patient:general-practitioner:{nested}"
    assert await fhir.ids(query) == [main["id"]]
    assert await fhir.ids(query.replace(lead, main["id"])) == []
    chained = "_has:Appointment:patient:practitioner.name:exact"
    doctor = (await fhir.clinic.get(f"/providers/{lead}")).json()["data"]
    assert await fhir.ids(f"Patient?{chained}={doctor['last_name']}&_id={patient['id']}")
    assert await fhir.ids("Patient?_has:Appointment:patient:status:not=booked") == []
    # A day behind it is read where the visit is, as everywhere.
    day = booked["scheduled_start"][:10]
    query = f"Practitioner?_has:Patient:general-practitioner:_has:Appointment:patient:date={day}"
    assert await fhir.ids(query) == [main["id"]]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("Appointment?patient.general-practitioner.nonsense=1", "is no parameter"),
        ("Appointment?patient.name.family=1", "is no parameter"),
        ("Appointment?patient.general-practitioner.name:not=1", "modifier of name"),
        ("Appointment?patient:Practitioner.name=1", "is no parameter"),
        ("Slot?schedule.actor.organization.name.x=1", DEEP),
        ("Appointment?slot.a.b.c.d=1", DEEP),
        ("Patient?" + "_has:Patient:general-practitioner:" * 4 + "name=1", "does not lead"),
        ("Patient?_has:Appointment:patient:" * 2 + "name=1", "is not a parameter"),
        ("Patient?_has:Appointment:patient:patient._has:Appointment:patient:date=1", "no param"),
        ("Patient?_has:Appointment:patient:date=nonsense", "must be a date"),
        ("Patient?_has:Appointment:patient:patient.birthdate=nonsense", "must be a date"),
        ("Appointment?patient.general-practitioner.name:missing=maybe", "true or false"),
    ],
)
async def test_what_leads_nowhere_is_refused(fhir: Server, query: str, reason: str) -> None:
    response = await fhir.send("GET", f"/{query}")
    assert response.status_code == 400
    [issue] = response.json()["issue"]
    assert reason in issue["diagnostics"], issue


async def test_what_is_too_deep_or_too_wide_is_refused(fhir: Server) -> None:
    up = "_has:Patient:general-practitioner:general-practitioner."
    down = "_has:Patient:general-practitioner:_has:Appointment:patient:"
    down += "_has:AppointmentResponse:appointment:"
    for query, reason in (
        (f"Practitioner?{up}name=a", None),
        (f"Practitioner?{down}part-status=accepted", None),
        (f"Practitioner?{down}actor.name=a", DEEP),
        ("Observation?derived-from.based-on.performer._id=1", "too many types"),
        ("Appointment?" + "&".join(["patient.name=a"] * 30), None),
        ("Appointment?" + "&".join(["patient.name=a"] * 31), "the parameters before it"),
    ):
        response = await fhir.send("GET", f"/{query}")
        if reason is None:
            assert response.status_code == 200, response.text
        else:
            assert response.status_code == 400
            assert reason in response.json()["issue"][0]["diagnostics"]


async def test_no_level_goes_further_than_the_scopes(clinic: Clinic) -> None:
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        few = await create_key(tx, pepper=PEPPER, name="f", scopes=SCOPES - {"providers:read"})
    mine = Server(clinic)
    for query in (
        "Appointment?patient.general-practitioner.name=okonjo",
        "Location?_has:Appointment:location:practitioner.name=okonjo",
        "Patient?_has:Appointment:patient:practitioner.name=okonjo",
    ):
        response = await mine.send("GET", f"/{query}", headers={"X-API-Key": few})
        assert response.status_code == 403, query
