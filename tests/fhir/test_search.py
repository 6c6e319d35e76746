"""Searches: every SHALL of US Core for the types there are, modifiers, chains, includes."""

import logging
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from chroniccare.fhir.parameters import Reference
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.stored.table import searches
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.fhir.server import Server, beside, chosen, everything, visit

# Type, query with `{}` for what the records say, and of whom. US Core 6.1, 7.0 and 8.0, and IHE.
SHALL = [
    "Patient?_id={patient[id]}",
    "Patient?identifier={patient[mrn]}",
    "Patient?identifier={mrn_system}|{patient[mrn]}",
    "Patient?name={patient[last_name]}",
    "Patient?name={patient[first_name]}",
    "Patient?birthdate={patient[date_of_birth]}&name={patient[last_name]}",
    "Patient?gender=female&name={patient[last_name]}",
    "Patient?birthdate={patient[date_of_birth]}&family={patient[last_name]}",
    "Patient?family={patient[last_name]}&gender=female",
    "Practitioner?name={provider[last_name]}",
    "Practitioner?identifier={provider[npi]}",
    "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|{provider[npi]}",
    "Practitioner?_id={provider[id]}",
    "PractitionerRole?practitioner=Practitioner/{provider[id]}",
    "PractitionerRole?practitioner.identifier={provider[npi]}",
    "PractitionerRole?practitioner.name={provider[last_name]}",
    "PractitionerRole?specialty=Nephrology",
    "Location?name=North Shore",
    "Location?address=Elm Street",
    "Location?address-city=Salem",
    "Location?address-state=MA",
    "Location?address-postalcode=01970",
    "Organization?name=clinic",
    "MedicationRequest?patient={patient[id]}&intent=order",
    "MedicationRequest?patient=Patient/{patient[id]}&intent=order&status=active",
    "MedicationRequest?patient={patient[id]}&intent=order,plan&status=active,completed",
    "MedicationRequest?patient={patient[id]}&intent=order&authoredon=gt2020-01-01",
    "Appointment?patient={patient[id]}&date={day}",
    "Appointment?practitioner={provider[id]}&date=ge{day}",
    "Appointment?location={facility[id]}",
    "Schedule?actor=Practitioner/{provider[id]}",
    "RelatedPerson?_id={RelatedPerson}",
    "RelatedPerson?patient={patient[id]}",
    "CareTeam?patient={patient[id]}&status=active",
    "CareTeam?patient={patient[id]}&status=active,inactive",
    "MedicationDispense?patient={patient[id]}",
    "MedicationDispense?patient={patient[id]}&status=completed",
    "MedicationDispense?patient={patient[id]}&type=FF",
    "MedicationAdministration?patient={patient[id]}&status=completed",
    "MedicationAdministration?request={MedicationRequest}",
    "MedicationStatement?patient={patient[id]}",
    "MedicationStatement?patient={patient[id]}&status=active",
    "Communication?patient={patient[id]}&status=not-done",
    "CommunicationRequest?patient={patient[id]}&status=revoked",
    "Consent?patient={patient[id]}",
    "Provenance?target=MedicationRequest/{MedicationRequest}",
    "AuditEvent?entity=MedicationRequest/{MedicationRequest}&action=C",
    "AuditEvent?patient={patient[id]}&entity-type=medication&date=gt2020-01-01",
]  # fmt: skip


@pytest.mark.parametrize("query", SHALL)
async def test_what_must_be_searchable_is(
    clinic: Clinic, fhir: Server, query: str, seeded: Callable[[], Awaitable[dict[str, Any]]]
) -> None:
    made = await seeded()
    kind = query.partition("?")[0]
    found = await fhir.ids(query.format(**made))
    if kind == "Organization":
        assert found == [str(clinic.tenant_id)]
    else:
        assert found == [made[kind]], query
    wanted = re.sub(r"{[^}]*\[(id|mrn|npi|last_name|first_name)\]}", "nobodyelse", query)
    if wanted != query:
        assert await fhir.ids(wanted.format(**made)) == [], wanted


@pytest.fixture
def seeded(clinic: Clinic, fhir: Server) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Make one record of each type that the searches find, and one that they must not."""

    async def make() -> dict[str, Any]:
        await everything(clinic)
        place = await clinic.facility(
            name="North Shore",
            address={
                "line": ["5 Elm Street"], "city": "Salem", "state": "MA", "postal_code": "01970",
                "country": "US",
            },
        )  # fmt: skip
        link = [{"facility_id": place["id"], "is_primary": True}]
        provider = await clinic.provider(
            first_name="Zoe", last_name="Okafor", specializations=["Nephrology"], facilities=link
        )
        patient = await clinic.patient(
            first_name="Wanda", last_name="Quist", gender="female", date_of_birth="1955-05-05"
        )
        await chosen(clinic, patient)
        booked = await visit(clinic, patient=patient, provider=provider)
        more = await beside(clinic, patient, provider)
        said = await fhir.read("Patient", patient["id"])
        [role] = await fhir.ids(f"PractitionerRole?practitioner={provider['id']}")
        return {
            "patient": patient,
            "provider": provider,
            "facility": place,
            "mrn_system": said["identifier"][0]["system"],
            "day": booked["scheduled_start"][:10],
            "Patient": patient["id"],
            "Practitioner": provider["id"],
            "PractitionerRole": role,
            "Schedule": role,
            "Location": place["id"],
            "Appointment": booked["id"],
            "MedicationRequest": more.drug["id"],
            "RelatedPerson": more.related["id"],
            "CareTeam": patient["id"],
            "MedicationDispense": more.fill["id"],
            "MedicationAdministration": more.report["id"],
            "MedicationStatement": more.drug["id"],
            "Consent": patient["id"],
            **await _told(fhir, patient["id"], more.drug["id"]),
        }

    return make


async def _told(fhir: Server, patient_id: str, drug_id: str) -> dict[str, str]:
    """Return the one message to a patient, and the one entry of a drug in the audit."""
    [message] = await fhir.ids(f"Communication?subject=Patient/{patient_id}")
    [entry] = await fhir.ids(f"Provenance?target={drug_id}&target:MedicationRequest={drug_id}")
    return {
        "Communication": message,
        "CommunicationRequest": message,
        "AuditEvent": entry,
        "Provenance": entry,
    }


NAMES = [
    ("name=gonz", True),
    ("name=GONZ", True),
    ("name=maria gonz", True),
    ("name=María", True),
    ("name=onzalez", False),
    ("name:contains=onzalez", True),
    ("name:exact=María", True),
    ("name:exact=maria", False),
    ("family=gonzález", True),
    ("family=maria", False),
    ("given=maria", True),
    ("given=gonz", False),
    ("family=smith,gonz", True),
    ("name=!!", False),
    ("birthdate=1961", True),
    ("birthdate=1961-04", True),
    ("birthdate=ne1961-04-12", False),
    ("birthdate=lt1961-04-12", False),
    ("birthdate=le1961-04-12", True),
    ("birthdate=ge1961-04-12", True),
    ("birthdate=gt1961-04-12", False),
    ("birthdate=sa1961-04-11", True),
    ("birthdate=eb1961-04-12", False),
    ("birthdate=ap1960", True),
    ("birthdate=ap1900", False),
    ("birthdate=1961,1970", True),
    ("birthdate=ge1961&birthdate=lt1962", True),
    ("gender=unknown", True),
    ("gender:not=unknown", False),
    ("gender:not=female", True),
    ("active=true", True),
    ("active=false", False),
    ("phone=+14155550100", True),
    ("phone=%2B14155550100", True),
    ("phone=4155550100", True),
    ("phone=+14155550199", False),
    ("email=maria@EXAMPLE.COM", True),
    ("telecom=maria@example.com", True),
    ("telecom=phone|4155550100", True),
    ("email:missing=true", False),
    ("email:missing=false", True),
    ("general-practitioner:missing=true", True),
    ("_lastUpdated=gt2020-01-01T00:00:00Z", True),
    ("_lastUpdated=lt2020-01-01T00:00:00+05:00", False),
    ("identifier=urn:nobody|A-1", False),
    ("language=en", True),
    ("deceased=false", True),
]


async def test_a_patient_is_found_or_not(clinic: Clinic, fhir: Server) -> None:
    telecom = [
        {"system": "phone", "value": "+14155550100"},
        {"system": "email", "value": "maria@example.com"},
    ]
    made = await clinic.patient(
        mrn="A-1", first_name="María", last_name="González", contact_info={"telecom": telecom}
    )
    for query, found in NAMES:
        assert await fhir.ids(f"Patient?{query}") == ([made["id"]] if found else []), query


async def test_a_name_with_punctuation(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient(first_name="Anne-Marie", last_name="O'Brien de la Cruz")
    for name in ("o'brien", "OBrien de", "cruz", "anne-marie o'br", "marie"):
        found = await fhir.ids(f"Patient?name={name}")
        assert found == ([made["id"]] if name != "OBrien de" else []), name
    assert await fhir.ids("Patient?family=cruz") == [made["id"]]
    assert await fhir.ids("Patient?family=o'brien de") == [made["id"]]


async def test_the_day_of_a_visit_is_the_facilitys(clinic: Clinic, fhir: Server) -> None:
    """23:30 in New York is the next day in UTC, and 05:30 the next day in Berlin."""
    berlin = await clinic.facility(timezone="Europe/Berlin")
    late = datetime.fromisoformat("2027-01-16T04:30:00+00:00")
    here = await visit(clinic, scheduled_start=late.isoformat())
    there_with = await clinic.provider(facilities=[{"facility_id": berlin["id"]}])
    there = await visit(clinic, provider=there_with, scheduled_start=late.isoformat())
    assert await fhir.ids("Appointment?date=2027-01-15") == [here["id"]]
    assert await fhir.ids("Appointment?date=2027-01-16") == [there["id"]]
    assert await fhir.ids("Appointment?date=2027-01-15T23:30") == [here["id"]]
    both = await fhir.ids("Appointment?date=2027-01-16T04:30:00Z")
    assert set(both) == {here["id"], there["id"]}
    after = (late + timedelta(minutes=1)).isoformat()
    assert await fhir.ids(f"Appointment?date=ge{after}") == []
    assert set(await fhir.ids(f"Appointment?end=ge{after}")) == set(both)


async def test_the_states_of_visits(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic)
    for query, found in (
        ("status=booked", True),
        ("status=pending,booked", True),
        ("status=cancelled", False),
        ("status:not=booked", False),
        ("status:not=cancelled", True),
        ("status=nonsense", False),
        ("part-status=needs-action", True),
        ("part-status=declined", False),
        ("part-status=accepted", True),
        ("service-type=follow_up", True),
        ("actor=Patient/" + made["patient_id"], True),
        ("actor=" + made["provider_id"], True),
        ("actor:Location=" + made["facility_id"], True),
        ("actor:Location=" + made["patient_id"], False),
        ("patient=http://127.0.0.1:8000/fhir/Patient/" + made["patient_id"], True),
        ("patient=http://elsewhere.example/fhir/Patient/" + made["patient_id"], False),
        ("patient.family=gonzalez", True),
        ("patient:Patient.birthdate=1961-04-12", True),
        ("patient.family=smith", False),
        ("practitioner.name=aisha", True),
        ("location.address-city=springfield", True),
        ("actor:Practitioner.family=rahman", True),
    ):
        assert await fhir.ids(f"Appointment?{query}") == ([made["id"]] if found else []), query


async def test_a_second_provider_counts_as_one(clinic: Clinic, fhir: Server) -> None:
    provider = await clinic.provider()
    second = await clinic.provider(facilities=[provider["facilities"][0]])
    made = await visit(clinic, provider=provider, additional_provider_ids=[second["id"]])
    assert await fhir.ids(f"Appointment?practitioner={second['id']}") == [made["id"]]
    brought = await fhir.ids("Appointment?_include=Appointment:practitioner", "include")
    assert set(brought) == {provider["id"], second["id"]}
    back = f"Practitioner?_id={second['id']}&_revinclude=Appointment:practitioner"
    assert await fhir.ids(back, "include") == [made["id"]]


async def test_who_has_visits(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic)
    await clinic.patient()
    day = made["scheduled_start"][:10]
    found = await fhir.ids(f"Patient?_has:Appointment:patient:date={day}")
    assert found == [made["patient_id"]]
    assert await fhir.ids("Patient?_has:Appointment:patient:status=cancelled") == []
    assert await fhir.ids("Patient?_has:MedicationRequest:patient:status=active") == []


async def test_what_comes_along(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic)
    query = "Appointment?_include=Appointment:patient&_include=Appointment:actor"
    assert await fhir.ids(query) == [made["id"]]
    assert set(await fhir.ids(query, "include")) == {
        made["patient_id"], made["provider_id"], made["facility_id"]
    }  # fmt: skip
    only = "Appointment?_include=Appointment:actor:Location"
    assert await fhir.ids(only, "include") == [made["facility_id"]]
    back = f"Patient?_id={made['patient_id']}&_revinclude=Appointment:patient"
    assert await fhir.ids(back, "include") == [made["id"]]


async def test_how_many(clinic: Clinic, fhir: Server) -> None:
    for _ in range(3):
        await clinic.patient()
    counted = await fhir.search("Patient?_summary=count")
    assert (counted["total"], "entry" in counted) == (3, False)
    some = await fhir.search("Patient?_count=2&_total=accurate")
    assert (some["total"], len(some["entry"])) == (3, 2)
    assert "total" not in await fhir.search("Patient?_count=2")
    nothing = await fhir.search("Patient?_count=0&_total=accurate")
    assert (nothing["total"], "entry" in nothing) == (3, False)
    short = await fhir.search("Patient?_summary=true")
    assert short["entry"][0]["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "communication" not in short["entry"][0]["resource"]


async def test_a_form_searches_as_an_address_does(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient()
    form = {"name": made["last_name"], "_count": "5"}
    answer = await fhir.send("POST", "/Patient/_search", data=form)
    assert answer.status_code == 200
    assert [one["resource"]["id"] for one in answer.json()["entry"]] == [made["id"]]


WRONG = {
    "Patient?nonsense=1&birthdate=soon": ["nonsense", "birthdate"],
    "Patient?birthdate=2026-02-30": ["birthdate"],
    "Patient?name:nonsense=x": ["name:nonsense"],
    "Patient?name=": ["name"],
    "Patient?_sort=gender": ["_sort"],
    "Patient?_count=-1": ["_count"],
    "Patient?_total=perhaps": ["_total"],
    "Patient?_summary=perhaps": ["_summary"],
    "Patient?_include=Patient:nonsense": ["_include"],
    "Patient?_revinclude=Nonsense:patient": ["_revinclude"],
    "Patient?_revinclude=Appointment:location": ["_revinclude"],
    "Patient?_cursor=nonsense": ["_cursor"],
    "Patient?email:missing=perhaps": ["email:missing"],
    "Patient?name=%00": ["name"],
    "Patient?_has:Appointment:patient=1": ["_has:Appointment:patient"],
    "Patient?_has:Appointment:location:date=2027": ["_has:Appointment:location:date"],
    "Patient?_has:Appointment:patient:date=soon": ["_has:Appointment:patient:date"],
    "Appointment?patient.nonsense=1": ["patient.nonsense"],
    "Appointment?patient.birthdate=soon": ["patient.birthdate"],
    "Appointment?a.b.c.d.e=1": ["a.b.c.d.e"],
    "Appointment?patient=Location/1": ["patient"],
}


@pytest.mark.parametrize("query", sorted(WRONG))
async def test_everything_that_is_wrong_is_named(fhir: Server, query: str) -> None:
    refused = await fhir.send("GET", f"/{query}")
    assert refused.status_code == 400, refused.text
    assert [one["expression"][0] for one in refused.json()["issue"]] == WRONG[query]


async def test_a_lenient_client_is_told_what_was_left_out(clinic: Clinic, fhir: Server) -> None:
    await clinic.patient()
    headers = {"Prefer": "handling=lenient"}
    found = await fhir.search("Patient?nonsense=1", headers=headers)
    assert [one["search"]["mode"] for one in found["entry"]] == ["match", "outcome"]
    assert "nonsense" in found["entry"][1]["resource"]["issue"][0]["diagnostics"]


VALUES = {
    "composite": "x$1", "date": "2027-01-01", "quantity": "1", "reference": "x", "string": "x",
    "token": "true", "uri": "x",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_everything_that_metadata_names_can_be_asked_for(fhir: Server, kind: str) -> None:
    told = (await fhir.send("GET", "/metadata")).json()["rest"][0]["resource"]
    [one] = [each for each in told if each["type"] == kind]
    for parameter in one["searchParam"]:
        name, value = parameter["name"], VALUES[parameter["type"]]
        await fhir.search(f"{kind}?{name}={value}")
        await fhir.search(f"{kind}?{name}={value},{value}")
        await fhir.search(f"{kind}?{name}:missing=true")
        for modifier in KINDS[kind].parameters[name].modifiers:
            wanted = "https://x.example|MR|1" if modifier == "of-type" else value
            await fhir.search(f"{kind}?{name}:{modifier}={wanted}")
        if KINDS[kind].parameters[name].sort:
            await fhir.search(f"{kind}?_sort=-{name},_id")
        held = KINDS[kind].parameters[name]
        targets = list(held.targets) if isinstance(held, Reference) else []
        # The conditions of a stored type are made of one template for all targets.
        for target in targets[:1] if kind in searches() else targets:
            await fhir.search(f"{kind}?{name}:{target}._lastUpdated=gt2020")
            await fhir.search(f"{target}?_has:{kind}:{name}:_lastUpdated=gt2020")
    for include in one.get("searchInclude", []):
        await fhir.search(f"{kind}?_include={include}")
    for include in one.get("searchRevInclude", []):
        await fhir.search(f"{kind}?_revinclude={include}")


SEEN = Command(
    "SELECT jsonb_agg(jsonb_build_array(entity_type, action, entity_id) ORDER BY created_at, id)"
    " FROM audit_logs WHERE action IN ('read', 'list')"
)


async def test_what_was_seen_is_in_the_audit(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic)
    await fhir.read("Patient", made["patient_id"])
    await fhir.search("Appointment?_include=Appointment:patient")
    await fhir.search("Appointment?status=cancelled")
    async with begin(clinic.caller) as tx:
        seen = await tx.value(SEEN)
    assert sorted(map(str, seen)) == sorted(
        map(
            str,
            [
                ["patient", "read", made["patient_id"]],
                ["appointment", "list", made["id"]],
                ["patient", "list", made["patient_id"]],
                ["appointment", "list", None],
            ],
        )
    )


async def test_the_log_has_the_route_and_never_what_was_searched(
    clinic: Clinic, fhir: Server, caplog: pytest.LogCaptureFixture
) -> None:
    made = await clinic.patient(last_name="Waldohreule")
    with caplog.at_level(logging.INFO):
        await fhir.search("Patient?family=Waldohreule&birthdate=1961-04-12")
        await fhir.send("POST", "/Patient/_search", data={"family": "Waldohreule"})
        await fhir.send("GET", "/Patient?birthdate=Waldohreule")
        await fhir.read("Patient", made["id"])
    lines = [record.__dict__ for record in caplog.records if record.name == "chroniccare.access"]
    assert [line["route"] for line in lines] == [
        "/fhir/{kind}", "/fhir/{kind}/_search", "/fhir/{kind}", "/fhir/{kind}/{resource_id}"
    ]  # fmt: skip
    ours = [str(one.__dict__) for one in caplog.records if one.name.startswith("chroniccare")]
    assert not any("Waldohreule" in one or made["id"] in one for one in ours)
