"""`$everything`, `$match` and `$validate`."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.caller import system
from chroniccare.fhir.everything import compartment
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.scoring import compared
from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic
from tests.fhir.server import Server, beside, visit
from tests.fhir.test_booking import appointment
from tests.fhir.test_operations_booking import call
from tests.fhir.test_write import SMALL

Json = dict[str, Any]


@pytest.fixture
async def whole(clinic: Clinic) -> Json:
    """A patient with a record of each kind, and another one who must not be told."""
    patient, provider = await clinic.patient(), await clinic.provider()
    await visit(clinic, patient=patient, provider=provider)
    await beside(clinic, patient, provider)
    await visit(clinic)
    return patient


def told(bundle: Json) -> list[tuple[str, str]]:
    return [
        (one["resource"]["resourceType"], one["resource"]["id"])
        for one in bundle.get("entry", [])
        if one["search"]["mode"] == "match"
    ]


async def everything(fhir: Server, patient: Json, query: str = "") -> list[tuple[str, str]]:
    """Return all pages."""
    found: list[tuple[str, str]] = []
    page: Json | None = await fhir.search(f"Patient/{patient['id']}/$everything{query}")
    while page is not None:
        found += told(page)
        page = await fhir.next(page)
    return found


async def test_everything_is_all_that_is_the_patients_and_nobody_elses(
    fhir: Server, whole: Json
) -> None:
    found = await everything(fhir, whole)
    wanted = [("Patient", whole["id"])]
    for kind in compartment():
        wanted += [(kind.name, one) for one in
                   await fhir.ids(f"{kind.name}?patient={whole['id']}&_sort=_id")]  # fmt: skip
    assert found == wanted
    assert {name for name, _ in found} >= {
        "Appointment", "MedicationRequest", "RelatedPerson", "CareTeam", "MedicationDispense",
    }  # fmt: skip
    for count in (1, 2, 3):
        assert await everything(fhir, whole, f"?_count={count}") == found
    posted = await call(fhir, f"Patient/{whole['id']}/$everything", _count=1000)
    assert told(posted.json()) == found


async def test_everything_can_be_narrowed(fhir: Server, whole: Json) -> None:
    types = "?_type=Patient,Appointment"
    assert {name for name, _ in await everything(fhir, whole, types)} == {"Patient", "Appointment"}
    only = await everything(fhir, whole, "?_type=Appointment")
    assert [name for name, _ in only] == ["Appointment"]
    late = (date.today() + timedelta(days=29)).isoformat()  # noqa: DTZ011  a day more or less
    assert await everything(fhir, whole, f"?_type=Appointment&start={late}") == only
    assert await everything(fhir, whole, f"?_type=Appointment&end={late}") == []
    assert await everything(fhir, whole, "?_since=2100-01-01T00:00:00Z") == [
        ("Patient", whole["id"])
    ]
    refused = await fhir.send(
        "GET", f"/Patient/{whole['id']}/$everything?_type=Nothing&_count=x&start=ge2020&odd=1"
    )
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["expression"] == ["odd"]
    again = await fhir.send(
        "GET", f"/Patient/{whole['id']}/$everything?_type=Nothing&_count=x&start=ge2020"
    )
    assert {one["expression"][0] for one in again.json()["issue"]} == {"_type", "_count", "start"}


SEEN = Command(
    "SELECT jsonb_agg(jsonb_build_array(entity_type, action)) FROM audit_logs"
    " WHERE action IN ('read', 'list')"
)


async def test_everything_is_audited_and_goes_no_further_than_the_scopes(
    clinic: Clinic, other_fhir: Server, whole: Json, anonymous: Any
) -> None:
    path = f"/Patient/{whole['id']}/$everything"
    assert (await other_fhir.send("GET", path)).status_code == 404
    pepper = clinic.app.state.authority.pepper
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        few = SCOPES - {"medications:read"}
        key = await create_key(tx, pepper=pepper, name="few", scopes=few)
    less = await anonymous.get(f"/fhir{path}", headers={"X-API-Key": key})
    names = {name for name, _ in told(less.json())}
    assert "Appointment" in names and "MedicationRequest" not in names  # noqa: PT018  one fact
    assert "MedicationRequest" in less.text  # said to be left out
    named = await anonymous.get(f"/fhir{path}?_type=MedicationRequest", headers={"X-API-Key": key})
    assert named.status_code == 403
    async with begin(clinic.caller) as tx:
        seen = await tx.value(SEEN)
    assert ["patient", "read"] in seen
    assert ["appointment", "list"] in seen


def person(**more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "name": [{"family": "Gonzalezb", "given": ["Maria"]}],
        "birthDate": "1961-04-12",
        **more,
    }


async def grades(fhir: Server, patient: Json, **more: Any) -> list[tuple[str, str]]:
    answer = await call(fhir, "Patient/$match", resource=patient, **more)
    assert answer.status_code == 200, answer.text
    return [
        (one["resource"]["id"], one["search"]["extension"][0]["valueCode"])
        for one in answer.json().get("entry", [])
    ]


async def test_a_match_says_how_sure_it_is(clinic: Clinic, fhir: Server) -> None:
    own = await clinic.patient(gender="female")
    for number in range(3):
        await clinic.patient(last_name="Other", date_of_birth=f"196{number}-04-12")
    told_ = await fhir.read("Patient", own["id"])
    phone = {"system": "phone", "value": "+14155550001"}
    number = told_["identifier"][0]
    for said, grade in (
        (person(telecom=[phone]), "certain"),
        (person(identifier=[number]), "certain"),
        (person(), "probable"),
        (person(birthDate="1961-04-13"), None),
        (person(birthDate="1961-04-13", telecom=[phone]), None),
        ({"resourceType": "Patient", "identifier": [number]}, "probable"),
        ({"resourceType": "Patient", "name": [{"family": "Nobody"}]}, None),
    ):
        found = [one for one in await grades(fhir, said) if one[0] == own["id"]]
        assert found == ([] if grade is None else [(own["id"], grade)]), said
        only = await grades(fhir, said, onlyCertainMatches={"valueBoolean": True})
        assert only == ([(own["id"], "certain")] if grade == "certain" else [])


async def test_two_who_are_certain_are_neither(clinic: Clinic, fhir: Server) -> None:
    phone = {"telecom": [{"system": "phone", "value": "+14155550199"}]}
    for number in range(2):
        await clinic.patient(last_name="Twin", contact_info=phone, mrn=f"T-{number}")
    said = {
        **person(telecom=[{"system": "phone", "value": "+14155550199"}]),
        "name": [{"family": "Twin", "given": ["Maria"]}],
    }
    assert [grade for _, grade in await grades(fhir, said)] == ["probable", "probable"]
    assert await grades(fhir, said, onlyCertainMatches={"valueBoolean": True}) == []
    assert len(await grades(fhir, said, count=1)) == 1


_WORD = st.sampled_from(["", "Ana", "ana", "Bea", "Cid"])


@st.composite
def people(draw: st.DrawFn) -> Json:
    return {
        "name": [{"family": draw(_WORD), "given": [draw(_WORD)]}],
        "birthDate": draw(st.sampled_from(["1960-01-01", "1970-01-01"])),
        "gender": draw(st.sampled_from(["female", "male", "unknown"])),
        "telecom": [{"value": draw(st.sampled_from(["a@b.example", "+1 415 555 0100"]))}],
        "identifier": [{"system": "urn:x", "value": draw(st.sampled_from(["1", "2"]))}],
    }


@given(people(), people())
def test_a_score_is_the_same_from_both_sides_and_never_over_a_twins(one: Json, two: Json) -> None:
    score, grade = compared(one, two)
    assert (score, grade) == compared(two, one)
    assert 0 <= score <= 1
    assert score <= compared(one, one)[0]
    if grade == "certain":
        assert one["birthDate"] == two["birthDate"]


async def validated(fhir: Server, path: str, body: Any = None, **options: Any) -> list[Json]:
    answer = await fhir.send("POST", f"/{path}/$validate", json=body, **options)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["resourceType"] == "OperationOutcome"
    issues: list[Json] = said["issue"]
    return issues


def wrapped(resource: Json, **more: str) -> Json:
    values = [
        {"name": name, "valueUri" if name == "profile" else "valueCode": value}
        for name, value in more.items()
    ]
    return {"resourceType": "Parameters",
            "parameter": [{"name": "resource", "resource": resource}, *values]}  # fmt: skip


async def test_validation_says_everything_and_stores_nothing(clinic: Clinic, fhir: Server) -> None:
    bad = {**SMALL, "gender": "F", "birthDate": "1961", "nonsense": 1}
    for body in (bad, wrapped(bad), wrapped(bad, mode="profile")):
        issues = await validated(fhir, "Patient", body)
        places = {one["expression"][0] for one in issues}
        assert {"Patient.gender", "Patient.nonsense"} <= places
    [fine] = await validated(fhir, "Patient", SMALL)
    assert fine["severity"] == "information"
    taken = await clinic.patient()
    number = {"type": {"coding": [{"code": "MR"}]}, "value": taken["mrn"]}
    [rule] = await validated(fhir, "Patient", {**SMALL, "identifier": [number]})
    assert rule["severity"] == "error"
    [same] = await validated(
        fhir, "Patient", wrapped({**SMALL, "identifier": [number]}, mode="profile")
    )
    assert same["severity"] == "information"
    profile = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
    assert {one["severity"] for one in await validated(
        fhir, "Patient", wrapped({"resourceType": "Patient"}, profile=profile)
    )} == {"error"}  # fmt: skip
    assert await fhir.ids("Patient") == [taken["id"]]


async def test_a_record_is_validated_as_it_is_and_as_it_would_be(
    clinic: Clinic, fhir: Server, other_fhir: Server
) -> None:
    made = await visit(clinic)
    path = f"Appointment/{made['id']}"
    assert (await validated(fhir, path))[0]["severity"] == "information"
    by_get = await fhir.send("GET", f"/{path}/$validate")
    assert by_get.json()["issue"][0]["severity"] == "information"
    said = await fhir.read("Appointment", made["id"])
    [wrong] = await validated(fhir, path, {**said, "status": "arrived"})
    assert wrong["severity"] == "error"
    patient = f"Patient/{made['patient_id']}"
    delete = {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]}
    [kept] = await validated(fhir, patient, delete)
    assert kept["severity"] == "error"  # there are visits to come
    alone = await clinic.patient()
    assert (await validated(fhir, f"Patient/{alone['id']}", delete))[0]["severity"] == "information"
    assert await fhir.read("Patient", alone["id"])
    assert await fhir.read("Appointment", made["id"]) == said
    for server, where in ((other_fhir, path), (fhir, f"Patient/{uuid4()}"), (fhir, "Nothing")):
        gone = await server.send("POST", f"/{where}/$validate", json=said)
        assert gone.status_code == 404


async def test_every_type_of_r4_is_validated_whether_it_is_served_or_not(
    clinic: Clinic, fhir: Server
) -> None:
    issues = await validated(fhir, "Basic", {"resourceType": "Basic"})
    assert [one["expression"] for one in issues] == [["Basic.code"]]
    other = appointment((await clinic.patient())["id"], (await clinic.provider())["id"])
    [wrong] = await validated(fhir, "Patient", other)
    assert wrong["expression"] == ["Patient.resourceType"]
    for body, name in (
        (None, "resource"),
        (wrapped(SMALL, mode="odd"), "mode"),
        (wrapped(SMALL, profile="urn:odd"), "profile"),
        (wrapped(SMALL, odd="1"), "Parameters.parameter[1]"),
    ):
        refused = await fhir.send("POST", "/Patient/$validate", json=body)
        assert refused.status_code == 400, refused.text
        assert refused.json()["issue"][0]["expression"] == [name]


async def test_metadata_names_the_operations(fhir: Server) -> None:
    listed = (await fhir.send("GET", "/metadata")).json()["rest"][0]["resource"]
    names = {one["type"]: {each["name"] for each in one["operation"]} for one in listed}
    assert names["Patient"] - {"export"} == {"everything", "match", "validate"}
    assert all("validate" in one for one in names.values())
    assert set(names) == {*KINDS, "Slot", "Subscription"}
