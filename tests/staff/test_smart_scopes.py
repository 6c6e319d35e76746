"""People's tokens with scopes of SMART: within the role, under /fhir alone, of one patient."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from chroniccare.tenancy.smart_scopes import OF_PATIENT, of_person, written
from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.stored.made import pressure
from tests.staff.conftest import Person
from tests.staff.idp import Idp

Json = dict[str, Any]


def told(idp: Idp, who: Clinic, **claims: Any) -> dict[str, str]:
    """Return the header of a token that says more of them."""
    return {"Authorization": f"Bearer {idp.token(sub=who.key, **claims)}"}


async def found(who: Clinic, query: str, headers: dict[str, str], mode: str = "match") -> list[str]:
    response = await who.http.get(f"/fhir/{query}", headers=headers)
    assert response.status_code == 200, response.text
    entries = response.json().get("entry", [])
    return [one["resource"]["id"] for one in entries if one["search"]["mode"] == mode]


async def status(who: Clinic, path: str, headers: dict[str, str], method: str = "GET") -> int:
    response: httpx.Response = await who.http.request(method, path, headers=headers)
    return response.status_code


async def test_a_user_scope_opens_what_it_names_within_the_role(
    clinic: Clinic, person: Person, idp: Idp
) -> None:
    woman, man = await clinic.patient(gender="female"), await clinic.patient(gender="male")
    desk = await person("front_desk")
    all_of = told(idp, desk, scope="openid user/Patient.rs user/Observation.rs")
    assert set(await found(desk, "Patient", all_of)) == {woman["id"], man["id"]}
    assert await status(desk, "/fhir/Appointment", all_of) == 403  # not of this application
    assert await status(desk, "/fhir/Observation", all_of) == 403  # not of this role
    women = told(idp, desk, scp=["user/Patient.rs?gender=female"])
    assert await found(desk, "Patient", women) == [woman["id"]]
    assert await status(desk, f"/fhir/Patient/{man['id']}", women) == 404
    assert await status(desk, f"/fhir/Patient/{woman['id']}", women) == 200
    # What the role does not see is left out as ever.
    auditor = await person("auditor")
    headers = told(idp, auditor, scope="user/Patient.rs")
    response = await auditor.http.get(f"/fhir/Patient/{woman['id']}", headers=headers)
    assert response.json()["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "telecom" not in response.json()
    # The same person without an application between: the role alone.
    plain = told(idp, desk, scope="openid profile user:email")
    assert await status(desk, "/fhir/Appointment", plain) == 200
    assert await status(desk, "/api/v1/patients", plain) == 200
    assert await status(desk, "/api/v1/patients", all_of) == 403


async def test_a_user_scope_writes_within_the_role(person: Person, idp: Idp) -> None:
    said = {
        "resourceType": "Patient", "name": [{"family": "Quist", "given": ["Ada"]}],
        "birthDate": "1961-04-12", "gender": "female",
    }  # fmt: skip
    clinician, auditor = await person("clinician"), await person("auditor")
    for who, scope, expected in (
        (clinician, "user/Patient.cruds", 201),
        (clinician, "user/Patient.rs", 403),
        (clinician, "user/Patient.cruds?gender=female", 403),
        (auditor, "user/Patient.cruds", 403),
    ):
        headers = told(idp, who, scope=scope)
        response = await who.http.post("/fhir/Patient", json=said, headers=headers)
        assert response.status_code == expected, (scope, response.text)
    headers = told(idp, clinician, scope="user/*.rs")
    assert await status(clinician, "/fhir/Patient", headers) == 200
    assert await status(clinician, "/fhir/AuditEvent", headers) == 403  # only by its name


async def test_a_patient_scope_opens_one_patient(clinic: Clinic, person: Person, idp: Idp) -> None:
    mine, other = await clinic.patient(), await clinic.patient()
    visits, fhir = {}, Server(clinic)
    for one in (mine, other):
        visits[one["id"]] = (await visit(clinic, patient=one))["id"]
        made = await fhir.send("POST", "/Observation", json=pressure(one["id"], 150))
        assert made.status_code == 201
    clinician = await person("clinician")
    headers = told(idp, clinician, scope="patient/*.rs", patient=mine["id"])
    assert await found(clinician, "Patient", headers) == [mine["id"]]
    assert await found(clinician, "Appointment", headers) == [visits[mine["id"]]]
    assert len(await found(clinician, "Observation", headers)) == 1
    for query in ("Observation?code-value-quantity=85354-9$gt1", "Practitioner", "Location"):
        assert await found(clinician, query, headers) == []
    included = await found(
        clinician, "Appointment?_include=Appointment:patient", headers, "include"
    )
    assert included == [mine["id"]]
    by_chain = f"Appointment?patient:Patient.identifier={other['mrn']}"
    assert await found(clinician, by_chain, headers) == []
    assert await status(clinician, f"/fhir/Patient/{mine['id']}", headers) == 200
    assert await status(clinician, f"/fhir/Patient/{other['id']}", headers) == 404
    assert await status(clinician, f"/fhir/Appointment/{visits[other['id']]}", headers) == 404
    assert await status(clinician, f"/fhir/Patient/{other['id']}/$everything", headers) == 404
    assert await status(clinician, f"/fhir/Patient/{mine['id']}/$everything", headers) == 200
    assert await status(clinician, f"/fhir/Patient/{mine['id']}/_history", headers) == 403
    writes = told(idp, clinician, scope="patient/*.cruds", patient=mine["id"])
    assert await status(clinician, f"/fhir/Patient/{mine['id']}", writes, "DELETE") == 403
    # Another patient's scope beside it opens that one too; the user's own, everything of a type.
    both = told(idp, clinician, scope="patient/Patient.rs user/Appointment.rs", patient=mine["id"])
    assert await found(clinician, "Patient", both) == [mine["id"]]
    assert set(await found(clinician, "Appointment", both)) == set(visits.values())


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "patient/Patient.rs"},
        {"scope": "patient/Patient.rs", "patient": "Maria"},
        {"scope": "patient/Patient.rs", "patient": 7},
        {"scope": "user/Patient.everything"},
        {"scope": "user/"},
        {"scp": [f"user/Patient.rs?gender={n}" for n in range(51)]},
        {"scope": "openid https://api.example/user/Patient.rs"},
        {"scope": "chroniccare/user/Patient.rs"},
        {"scope": "User/Patient.rs"},
        {"scope": "system/Patient.rs"},
        {"scope": "openid launch"},
        {"scope": "launch/patient openid"},
        {"scope": "openid", "patient": str(uuid4())},
        {"patient": ""},
    ],
)
async def test_a_token_that_is_limited_to_nothing_is_refused(
    person: Person, idp: Idp, claims: Json
) -> None:
    clinician = await person("clinician")
    assert await status(clinician, "/fhir/Patient", told(idp, clinician, **claims)) == 401


async def test_another_clinics_patient_opens_nothing(
    clinic: Clinic, other_clinic: Clinic, person: Person, idp: Idp
) -> None:
    await clinic.patient()
    stranger = await other_clinic.patient()
    clinician = await person("clinician")
    headers = told(idp, clinician, scope="patient/*.rs", patient=stranger["id"])
    assert await found(clinician, "Patient", headers) == []
    assert await status(clinician, f"/fhir/Patient/{stranger['id']}", headers) == 404


def test_what_is_limited_to_a_patient_no_scope_can_say() -> None:
    mine = str(uuid4())
    [scope] = of_person(["patient/Patient.rs?gender=female", "system/*.rs"], mine) or ()
    assert scope.filters == ((OF_PATIENT, mine), ("gender", "female"))
    assert of_person([f"user/Patient.rs?of%20patient={mine}"], mine) is None
    assert of_person(["openid", "system/*.rs"], None) is None
    assert of_person(["openid", "offline_access", "fhirUser", "relaunch"], None) == ()
    [scope] = of_person(["launch", "https://x.example/user/*.rs", "user/Group.r"], None) or ()
    assert written(scope) == "user/Group.r"
    [scope] = of_person(["patient/Patient.rs?gender=female"], mine) or ()
    assert written(scope).startswith("patient/Patient.rs?")
