"""Writing patients: through the same actions as /api/v1, and what no column holds survives."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.core.caller import system
from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic
from tests.fhir.server import Server

RICH: dict[str, Any] = {
    "resourceType": "Patient",
    "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]},
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml">Wanda Quist</div>',
    },
    "extension": [
        {
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
            "valueCode": "F",
        }
    ],
    "identifier": [
        {
            "type": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}
                ]
            },
            "system": "http://hospital.example/mrn",
            "value": "H-77",
        },
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-99-1234"},
    ],
    "active": True,
    "name": [
        {"use": "nickname", "given": ["Wandie"]},
        {"use": "official", "family": "Quist", "given": ["Wanda", "B."], "prefix": ["Dr."]},
    ],
    "telecom": [
        {"system": "phone", "value": "(415) 555-0100", "use": "home"},
        {"system": "phone", "value": "555"},
        {"system": "fax", "value": "+1 415 555 0101"},
        {"system": "email", "value": "wanda@example.com"},
    ],
    "gender": "female",
    "birthDate": "1955-05-05",
    "maritalStatus": {"text": "Widowed"},
    "address": [{"line": ["5 Elm St"], "city": "Salem", "state": "MA", "postalCode": "01970"}],
    "contact": [
        {
            "name": {"family": "Quist", "given": ["Olaf"]},
            "telecom": [{"system": "phone", "value": "+14155550199"}],
            "relationship": [{"text": "son"}],
        }
    ],
    "communication": [
        {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "es"}]}, "preferred": True}
    ],
    "multipleBirthInteger": 2,
}
SMALL: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"family": "Ng", "given": ["Zoe"]}],
    "birthDate": "1990-01-31",
}


async def make(fhir: Server, resource: dict[str, Any], **options: Any) -> dict[str, Any]:
    response = await fhir.send("POST", "/Patient", json=resource, **options)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def without(resource: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in names}


async def test_a_patient_comes_back_as_it_was_written(clinic: Clinic, fhir: Server) -> None:
    response = await fhir.send("POST", "/Patient", json=RICH)
    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["location"].endswith(f"/fhir/Patient/{made['id']}/_history/1")
    assert response.headers["etag"] == 'W/"1"'
    read = await fhir.read("Patient", made["id"])
    assert read == made
    for name, value in without(RICH, "meta", "identifier").items():
        assert read[name] == value, name
    assert read["meta"]["profile"] == RICH["meta"]["profile"]
    assert [one["value"] for one in read["identifier"]] == ["H-77", "H-77", "999-99-1234"]
    rest = (await clinic.get(f"/patients/{made['id']}")).json()["data"]
    assert (rest["mrn"], rest["first_name"], rest["last_name"]) == ("H-77", "Wanda", "Quist")
    assert [one["value"] for one in rest["contact_info"]["telecom"]] == [
        "+14155550100", "wanda@example.com"
    ]  # fmt: skip
    assert rest["contact_info"]["address"]["city"] == "Salem"
    assert rest["emergency_contact"] == {
        "name": "Olaf Quist", "phone": "+14155550199", "relationship": "son"
    }  # fmt: skip
    assert (rest["language"], rest["gender"]) == ("es", "female")
    assert await fhir.ids("Patient?family=quist&phone=4155550100") == [made["id"]]


async def test_a_change_by_the_other_door_wins(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, RICH)
    path = f"/patients/{made['id']}"
    rest = (await clinic.get(path)).json()["data"]
    fields = without(rest, "id", "version", "created_at", "updated_at")
    await clinic.put(path, {**fields, "last_name": "Quist-Ng"})
    read = await fhir.read("Patient", made["id"])
    assert read["name"] == [
        {"use": "official", "family": "Quist-Ng", "given": ["Wanda"]}, RICH["name"][0]
    ]  # fmt: skip
    assert "text" not in read  # it said the old name
    assert read["telecom"] == RICH["telecom"]
    assert read["maritalStatus"] == RICH["maritalStatus"]


async def test_a_change_by_the_other_door_takes_nothing_along_that_is_not_its_own(
    clinic: Clinic, fhir: Server
) -> None:
    made = await make(fhir, RICH)
    where = f"/patients/{made['id']}"
    rest = (await clinic.get(where)).json()["data"]
    now = {name: rest[name] for name in clinic.patient_body()} | {
        "mrn": "NEW-1", "last_name": "Quill", "time_zone": "America/Denver",
        "contact_info": {"telecom": [{"system": "phone", "value": "+14155550112"}]},
    }  # fmt: skip
    assert (await clinic.put(where, now)).status_code == 200
    read = await fhir.read("Patient", made["id"])
    assert [one["url"].rpartition("/")[2] for one in read["extension"]] == [
        "timezone", "us-core-birthsex"
    ]  # fmt: skip
    assert [one["value"] for one in read["identifier"]] == ["NEW-1", "999-99-1234"]
    assert [one["value"] for one in read["telecom"]] == ["+14155550112", "+1 415 555 0101"]
    assert [one.get("family") for one in read["name"]] == ["Quill", None]
    put = await fhir.send("PUT", f"/Patient/{made['id']}", json=read)
    assert without(put.json(), "meta") == without(read, "meta")
    assert await fhir.ids("Patient?identifier=http://hl7.org/fhir/sid/us-ssn|999-99-1234") == [
        made["id"]
    ]


async def test_a_small_patient_gets_a_number_and_the_clinics_zone(
    clinic: Clinic, fhir: Server
) -> None:
    await clinic.facility(timezone="Europe/Berlin")
    made = await make(fhir, SMALL)
    rest = (await clinic.get(f"/patients/{made['id']}")).json()["data"]
    assert rest["mrn"].startswith("F-")
    assert rest["time_zone"] == "Europe/Berlin"
    assert made["identifier"][0]["value"] == rest["mrn"]
    assert made["gender"] == "unknown"


async def test_an_update_replaces_and_keeps_what_fhir_cannot_say(
    clinic: Clinic, fhir: Server
) -> None:
    rest = await clinic.patient(
        icd10_codes=["E11.9"], insurance_info={"payer": "Acme"}, primary_diagnosis="Diabetes"
    )
    path = f"/Patient/{rest['id']}"
    said = await fhir.read("Patient", rest["id"])
    said["name"][0]["family"] = "Perez"
    del said["telecom"]
    response = await fhir.send("PUT", path, json=said, headers={"If-Match": 'W/"1"'})
    assert response.status_code == 200, response.text
    assert response.headers["etag"] == 'W/"2"'
    now = (await clinic.get(f"/patients/{rest['id']}")).json()["data"]
    assert (now["last_name"], now["mrn"]) == ("Perez", rest["mrn"])
    assert now["contact_info"]["telecom"] == []
    for name in ("icd10_codes", "insurance_info", "primary_diagnosis", "time_zone"):
        assert now[name] == rest[name]
    stale = await fhir.send("PUT", path, json=said, headers={"If-Match": 'W/"1"'})
    assert stale.status_code == 412
    assert stale.json()["issue"][0]["code"] == "conflict"


async def test_what_fhir_is_not_told_stays_when_the_rest_is_replaced(
    clinic: Clinic, fhir: Server
) -> None:
    arn = "arn:aws:sns:us-east-1:123456789012:endpoint/GCM/app/1"
    rest = await clinic.patient(
        contact_info={
            "telecom": [
                {"system": "phone", "value": "+14155550100"},
                {"system": "push", "value": arn, "rank": 2},
            ]
        },
        emergency_contact={"name": "Luis", "phone": "+14155550111", "speaks": "Spanish"},
    )
    said = await fhir.read("Patient", rest["id"])
    assert arn not in str(said)
    said["telecom"][0]["value"] = "+14155550102"
    answer = await fhir.send("PUT", f"/Patient/{rest['id']}", json=said)
    assert answer.status_code == 200, answer.text
    now = (await clinic.get(f"/patients/{rest['id']}")).json()["data"]
    assert [one["value"] for one in now["contact_info"]["telecom"]] == ["+14155550102", arn]
    assert now["emergency_contact"] == rest["emergency_contact"]
    said["contact"][0]["name"]["text"] = "Ana"
    await fhir.send("PUT", f"/Patient/{rest['id']}", json=said)
    now = (await clinic.get(f"/patients/{rest['id']}")).json()["data"]
    assert now["emergency_contact"] == {"name": "Ana", "phone": "+14155550111"}


async def test_nothing_but_what_was_written_is_left_after_an_update(fhir: Server) -> None:
    made = await make(fhir, RICH)
    small = {**SMALL, "id": made["id"], "identifier": made["identifier"][:1]}
    changed = await fhir.send("PUT", f"/Patient/{made['id']}", json=small)
    assert changed.status_code == 200, changed.text
    read = await fhir.read("Patient", made["id"])
    assert not {"maritalStatus", "multipleBirthInteger", "text", "telecom", "contact"} & set(read)
    assert read["name"] == SMALL["name"]


async def test_a_named_provider_becomes_the_primary_one(clinic: Clinic, fhir: Server) -> None:
    first, second = await clinic.provider(), await clinic.provider()
    link = [{"reference": f"Practitioner/{first['id']}"}]
    made = await make(fhir, {**SMALL, "generalPractitioner": link})
    assert made["generalPractitioner"] == link
    made["generalPractitioner"] = [{"reference": f"Practitioner/{second['id']}"}]
    await fhir.send("PUT", f"/Patient/{made['id']}", json=made)
    assert await fhir.ids(f"Patient?general-practitioner={second['id']}") == [made["id"]]
    for wrong in ("x", "00000000-0000-4000-8000-000000000000"):
        body = {**SMALL, "generalPractitioner": [{"reference": f"Practitioner/{wrong}"}]}
        refused = await fhir.send("POST", "/Patient", json=body)
        assert refused.status_code == 422
        assert refused.json()["issue"][0]["expression"] == ["Patient.generalPractitioner"]
    assert len(await fhir.ids("Patient")) == 1


async def test_removed_is_gone_and_can_be_removed_again(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, RICH)
    path = f"/Patient/{made['id']}"
    stale = await fhir.send("DELETE", path, headers={"If-Match": 'W/"9"'})
    assert stale.status_code == 412
    for _ in range(2):
        assert (await fhir.send("DELETE", path)).status_code == 204
    assert (await fhir.send("GET", path)).status_code == 410
    assert (await fhir.send("PUT", path, json={**SMALL, "id": made["id"]})).status_code == 410
    assert (await clinic.get(f"/patients/{made['id']}")).status_code == 404


async def test_a_condition_makes_one_however_often_it_is_asked(fhir: Server) -> None:
    ours = {"If-None-Exist": "identifier=H-77"}
    answers = await asyncio.gather(
        *(fhir.send("POST", "/Patient", json=RICH, headers=ours) for _ in range(4))
    )
    assert sorted(one.status_code for one in answers) == [200, 200, 200, 201]
    assert len({one.json()["id"] for one in answers}) == 1
    await make(fhir, SMALL)
    several = {"If-None-Exist": "active=true"}
    refused = await fhir.send("POST", "/Patient", json=SMALL, headers=several)
    assert refused.status_code == 412
    assert len(await fhir.ids("Patient")) == 2
    wrong = await fhir.send("POST", "/Patient", json=SMALL, headers={"If-None-Exist": "nonsense=1"})
    assert wrong.status_code == 400


async def test_a_client_says_how_much_it_wants_back(fhir: Server) -> None:
    minimal = await fhir.send("POST", "/Patient", json=SMALL, headers={"Prefer": "return=minimal"})
    assert (minimal.status_code, minimal.content) == (201, b"")
    assert minimal.headers["location"]
    outcome = await fhir.send(
        "POST", "/Patient", json=SMALL, headers={"Prefer": "return=OperationOutcome"}
    )
    assert outcome.json()["issue"][0]["severity"] == "information"


REFUSED: list[tuple[dict[str, Any], int, list[str]]] = [
    ({}, 400, []),
    ({"resourceType": "Observation"}, 400, []),
    ({**SMALL, "gender": "F"}, 400, ["Patient.gender"]),
    ({**SMALL, "gender": "F", "birthDate": "soon"}, 400, ["Patient.gender", "Patient.birthDate"]),
    ({**SMALL, "nonsense": 1}, 400, []),
    (without(SMALL, "birthDate"), 422, ["Patient.birthDate"]),
    ({**SMALL, "birthDate": "1990"}, 422, ["Patient.birthDate"]),
    ({**SMALL, "birthDate": "2100-01-01"}, 422, ["Patient.birthDate"]),
    (without(SMALL, "name"), 422, ["Patient.name[0].given", "Patient.name[0].family"]),
    ({**SMALL, "name": [{"family": "x" * 101, "given": ["Z"]}]}, 422, ["Patient.name[0].family"]),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
async def test_what_is_wrong_is_said_of_the_element(fhir: Server, number: int) -> None:
    body, status, places = REFUSED[number]
    refused = await fhir.send("POST", "/Patient", json=body)
    assert refused.status_code == status, refused.text
    if places:
        found = {one["expression"][0] for one in refused.json()["issue"]}
        assert found == set(places)
    assert await fhir.ids("Patient") == []


async def test_a_taken_number_is_a_conflict(fhir: Server) -> None:
    await make(fhir, RICH)
    refused = await fhir.send("POST", "/Patient", json=RICH)
    assert refused.status_code == 409
    [issue] = refused.json()["issue"]
    assert (issue["code"], issue["expression"]) == ("duplicate", ["Patient.identifier"])


async def test_what_cannot_be_written(fhir: Server, other_fhir: Server) -> None:
    made = await make(fhir, SMALL)
    path = f"/Patient/{made['id']}"
    for server, method, where, body, status in (
        (fhir, "PUT", path, {**SMALL, "id": "x"}, 400),
        (fhir, "PUT", path, SMALL, 400),
        (other_fhir, "PUT", path, made, 404),
        (other_fhir, "DELETE", path, None, 404),
        (fhir, "PUT", "/Patient/x", {**SMALL, "id": "x"}, 404),
        (fhir, "POST", "/Organization", {"resourceType": "Organization"}, 405),
        (fhir, "DELETE", "/Organization/x", None, 405),
        (fhir, "POST", "/Nothing", {}, 404),
    ):
        refused = await server.send(method, where, json=body)
        assert refused.status_code == status, (where, refused.text)
    media = await fhir.send("POST", "/Patient", content=b"<x/>", headers={"Content-Type": "a/xml"})
    assert media.status_code == 415
    broken = await fhir.send(
        "POST", "/Patient", content=b"{", headers={"Content-Type": "application/fhir+json"}
    )
    assert broken.status_code == 400


async def test_reading_is_not_writing(clinic: Clinic, anonymous: httpx.AsyncClient) -> None:
    pepper = clinic.app.state.authority.pepper
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        key = await create_key(tx, pepper=pepper, name="r", scopes=SCOPES - {"patients:write"})
    headers = {"X-API-Key": key}
    refused = await anonymous.post("/fhir/Patient", json=SMALL, headers=headers)
    assert refused.status_code == 403
    assert (await anonymous.get("/fhir/Patient", headers=headers)).status_code == 200


TOLD = Command(
    "SELECT jsonb_build_object('events', (SELECT jsonb_agg(event_type ORDER BY seq) FROM outbox),"
    " 'audit', (SELECT jsonb_agg(action ORDER BY created_at, id) FROM audit_logs"
    " WHERE entity_type = 'patient' AND action <> 'read'),"
    " 'extra', (SELECT jsonb_agg(extra) FROM fhir_extras),"
    " 'numbers', (SELECT jsonb_agg(number_index) FROM fhir_numbers))"
)


async def test_a_write_is_audited_told_and_sealed(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, RICH)
    await fhir.send("PUT", f"/Patient/{made['id']}", json=made)
    await fhir.send("DELETE", f"/Patient/{made['id']}")
    async with begin(clinic.caller) as tx:
        told = await tx.value(TOLD)
    assert told["audit"] == ["create", "update", "delete"]
    assert told["events"] == ["patient.created", "patient.updated", "patient.updated"]
    assert "Widowed" not in str(told["extra"])
    # Three by system each, but for one of no system; one by type; and one by profile.
    assert len(told["numbers"]) == 10
    assert "999" not in str(told["numbers"])
    assert "ssn" not in str(told["numbers"])


async def test_an_erased_patient_leaves_nothing_extra(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, RICH)
    await clinic.post(f"/patients/{made['id']}/erase", {"reason": "Asked for it"})
    async with begin(clinic.caller) as tx:
        told = await tx.value(TOLD)
    assert (told["extra"], told["numbers"]) == (None, None)


_words = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=20)
_names = st.fixed_dictionaries(
    {"family": _words, "given": st.lists(_words, min_size=1, max_size=3)},
    optional={"prefix": st.lists(_words, min_size=1, max_size=2), "text": _words},
)
PATIENTS = st.fixed_dictionaries(
    {
        "resourceType": st.just("Patient"),
        "name": st.lists(_names, min_size=1, max_size=2),
        "birthDate": st.dates().map(str).filter(lambda day: "1901" < day < "2026"),
    },
    optional={
        "gender": st.sampled_from(["male", "female", "other", "unknown"]),
        "active": st.booleans(),
        "telecom": st.lists(
            st.fixed_dictionaries(
                {
                    "system": st.sampled_from(["phone", "email", "url", "sms"]),
                    "value": st.sampled_from(["+14155550100", "x@example.com", "nonsense"]),
                },
                optional={"rank": st.integers(1, 200), "use": st.sampled_from(["home", "old"])},
            ),
            min_size=1,
            max_size=4,
        ),
        "address": st.lists(
            st.fixed_dictionaries(
                {"city": _words},
                optional={"country": st.sampled_from(["US", "USA", "Germany"]), "text": _words},
            ),
            min_size=1,
            max_size=2,
        ),
        "deceasedBoolean": st.booleans(),
        "photo": st.lists(st.just({"title": "x"}), min_size=1, max_size=1),
    },
)


async def test_whatever_is_written_is_read_back(fhir: Server) -> None:
    for resource in drawn():
        made = await make(fhir, resource)
        read = await fhir.read("Patient", made["id"])
        for name, value in resource.items():
            assert read[name] == value, (name, resource)
        again = await fhir.send("PUT", f"/Patient/{made['id']}", json=read)
        assert again.status_code == 200, (again.text, read)
        assert without(again.json(), "meta") == without(read, "meta")


def drawn() -> list[dict[str, Any]]:
    """Draw resources; Hypothesis cannot wait for a coroutine of the session's loop."""
    found: list[dict[str, Any]] = []

    @settings(max_examples=40, database=None, suppress_health_check=list(HealthCheck))
    @given(PATIENTS)
    def draw(resource: dict[str, Any]) -> None:
        found.append(resource)

    draw()
    return found


async def test_numbers_of_other_systems_are_found(fhir: Server, other_fhir: Server) -> None:
    made, other = await make(fhir, RICH), await make(fhir, SMALL)
    ssn = "http://hl7.org/fhir/sid/us-ssn"
    for value, found in (
        (f"{ssn}|999-99-1234", True), ("999-99-1234", True), (f"{ssn}|", True),
        ("http://hospital.example/mrn|H-77", True), ("H-77", True), (f"x|1,{ssn}|", True),
        (f"{ssn}|H-77", False), ("|999-99-1234", False), (f"{ssn}|999", False), ("urn:x|", False),
    ):  # fmt: skip
        assert await fhir.ids(f"Patient?identifier={value}") == [made["id"]] * found, value
    assert await other_fhir.ids("Patient?identifier=999-99-1234") == []
    assert await fhir.ids("Appointment?patient.identifier=999-99-1234") == []
    nameless = {**SMALL, "id": other["id"], "identifier": [{"value": "N-1"}]}
    assert (await fhir.send("PUT", f"/Patient/{other['id']}", json=nameless)).is_success
    assert await fhir.ids("Patient?identifier=|N-1") == [other["id"]]
    assert (await fhir.send("PUT", f"/Patient/{other['id']}", json=other)).is_success
    assert await fhir.ids("Patient?identifier=|N-1") == []


async def test_a_number_of_another_system_makes_one_record(fhir: Server) -> None:
    unless = {"If-None-Exist": "identifier=http://hl7.org/fhir/sid/us-ssn|999-99-1234"}
    body = {**SMALL, "identifier": [RICH["identifier"][1]]}
    answers = await asyncio.gather(
        *(fhir.send("POST", "/Patient", json=body, headers=unless) for _ in range(4))
    )
    assert sorted(one.status_code for one in answers) == [200, 200, 200, 201]
    path = "/Patient?identifier=http://hl7.org/fhir/sid/us-ssn|999-99-1234"
    assert (await fhir.send("PUT", path, json={**body, "gender": "male"})).status_code == 200
    assert (await fhir.send("DELETE", path)).status_code == 204
    assert await fhir.ids("Patient") == []
