"""Field masks (SEC-15): what a role does not see it neither reads, filters by, nor overwrites."""

from typing import Any

import pytest

from chroniccare.app import ROUTERS
from chroniccare.tenancy.masks import MASKS, masked
from chroniccare.tenancy.roles import STAFF
from tests.client import Clinic
from tests.contracts.operations import operations
from tests.staff.conftest import Person

CLINICAL = {
    "icd10_codes": ["E11.9"],
    "insurance_info": {"payer": "Acme", "member": "M-1"},
    "primary_diagnosis": "Type 2 diabetes",
}
CONTACT = {"contact_info", "emergency_contact"}


def writable(patient: dict[str, Any]) -> dict[str, Any]:
    made = {"id", "version", "created_at", "updated_at", "warnings"}
    return {name: value for name, value in patient.items() if name not in made}


async def test_sec_15_the_front_desk_sees_no_diagnosis_and_no_insurance(
    clinic: Clinic, person: Person
) -> None:
    patient, who = await clinic.patient(**CLINICAL), await person("front_desk")
    path = f"/patients/{patient['id']}"
    read = (await who.get(path)).json()["data"]
    wanted = patient.keys() - CLINICAL.keys() - {"warnings"}
    assert read == {name: patient[name] for name in wanted}
    [listed] = (await who.get("/patients")).json()["data"]["items"]
    assert not listed.keys() & CLINICAL.keys()
    assert "E11.9" not in (await who.get("/patients")).text
    assert (await clinic.get(path)).json()["data"].keys() >= CLINICAL.keys()
    assert (await who.get(f"{path}/medications")).status_code == 403


async def test_sec_15_what_is_hidden_is_refused_by_name_and_kept_by_a_put(
    clinic: Clinic, person: Person
) -> None:
    patient, who = await clinic.patient(**CLINICAL), await person("front_desk")
    path = f"/patients/{patient['id']}"
    seen = writable((await who.get(path)).json()["data"])
    for name, value in CLINICAL.items():
        answer = await who.put(path, {**seen, name: value})
        assert answer.status_code == 400
        [detail] = answer.json()["error"]["details"]
        assert (detail["field"], detail["code"]) == (name, "hidden")
    answer = await who.put(path, {**seen, "first_name": "Mary"})
    assert answer.status_code == 200
    assert not answer.json()["data"].keys() & (CLINICAL.keys() | {"warnings"})
    after = (await clinic.get(path)).json()["data"]
    assert {name: after[name] for name in CLINICAL} == CLINICAL
    assert after["first_name"] == "Mary"


async def test_sec_15_an_answer_that_is_repeated_is_masked_too(
    clinic: Clinic, person: Person
) -> None:
    who = await person("front_desk")
    body, headers = clinic.patient_body(), {"Idempotency-Key": "once"}
    for _ in range(2):
        answer = await who.post("/patients", body, headers=headers)
        assert answer.status_code == 201
        assert "warnings" not in answer.json()["data"]
        assert "insurance_info" not in answer.json()["data"]


async def test_sec_15_an_auditor_sees_no_contact_data_in_the_audit_either(
    clinic: Clinic, person: Person
) -> None:
    patient = await clinic.patient(emergency_contact={"name": "Luis", "phone": "+14155550111"})
    who = await person("auditor")
    path = f"/patients/{patient['id']}"
    read = (await who.get(path)).json()["data"]
    assert read.keys() == patient.keys() - CONTACT - {"warnings"}
    audit = await who.get("/audit", params={"entity_id": patient["id"]})
    whole = await clinic.get("/audit", params={"entity_id": patient["id"]})
    [phone] = [
        one["value"] for one in patient["contact_info"]["telecom"] if one["system"] == "phone"
    ]
    for secret in (phone, "+14155550111", "Luis"):
        assert secret in whole.text
        assert secret not in audit.text
    assert read["last_name"] in audit.text


async def test_sec_15_a_filter_by_what_is_hidden_is_refused(person: Person) -> None:
    who = await person("auditor")
    answer = await who.get("/recalls", params={"has_phone": True})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "has_phone"
    assert (await who.get("/recalls")).status_code == 200


@pytest.mark.parametrize("name", ["id", "version", "created_at", "updated_at"])
async def test_sec_15_a_read_only_field_is_refused_by_name(clinic: Clinic, name: str) -> None:
    patient = await clinic.patient()
    body = {**writable(patient), name: patient[name]}
    answer = await clinic.put(f"/patients/{patient['id']}", body)
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["error"]["details"]] == [name]


def test_a_mask_names_a_role_and_operations_that_there_are() -> None:
    tags = {operation.document["tags"][0] for operation in operations()}
    assert MASKS.keys() <= STAFF
    assert {tag for by_tag in MASKS.values() for tag in by_tag} <= tags
    assert all(route.tags for one in ROUTERS for route in one.routes if "/api/" in route.path)  # type: ignore[attr-defined]


def test_a_mask_reaches_any_depth() -> None:
    data = b'{"a":[{"b":1,"c":{"b":2,"d":"b"}}],"e":null}'
    assert masked(data, frozenset({"b"})) == b'{"a":[{"c":{"d":"b"}}],"e":null}'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
async def test_sec_15_a_body_in_another_encoding_hides_no_field(
    clinic: Clinic, person: Person, encoding: str
) -> None:
    await clinic.patient()
    who = await person("front_desk")
    body = '{"first_name": "Ann", "primary_diagnosis": "E11.9"}'
    answer = await who.send(
        "POST", "/patients", content=body.encode(encoding),
        headers={"content-type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "body"
