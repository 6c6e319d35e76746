"""Who sees what: SMART scopes, also in the middle of a search, and the masks of roles."""

from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Forbidden, Invalid, NotFound
from chroniccare.core.wire import dumps
from chroniccare.fhir import actions, asking, slots
from chroniccare.fhir.matching import match
from chroniccare.fhir.operations import Given
from chroniccare.fhir.operations_find import find
from chroniccare.fhir.registry import KINDS
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.masks import hidden
from chroniccare.tenancy.roles import ROLES
from chroniccare.tenancy.rules import SCOPES
from chroniccare.tenancy.smart_scopes import parse_all
from tests.client import Clinic
from tests.fhir.server import visit


async def search(caller: Caller, query: str) -> list[dict[str, Any]]:
    """Return the resources that a search answers to `caller`."""
    name, _, rest = query.partition("?")
    pairs = [(one.partition("=")[0], one.partition("=")[2]) for one in rest.split("&") if one]
    ask = asking.read(KINDS[name], KINDS, pairs, strict=True)
    bundle = await actions.search(caller, KINDS[name], ask)
    # What is held in memory is bytes in the Bundle already.
    return [one["resource"] for one in orjson.loads(dumps(bundle)).get("entry", [])]


def client(clinic: Clinic, scopes: str) -> Caller:
    """Return a SMART client, which has no scopes of /api/v1."""
    return replace(
        clinic.caller, actor_type="smart_client", scopes=frozenset(),
        smart_scopes=parse_all(scopes),
    )  # fmt: skip


def member(clinic: Clinic, role: str, tag: str) -> Caller:
    """Return a member of staff as the API makes them."""
    caller = replace(clinic.caller, actor_type="staff", role=role, scopes=ROLES[role])
    return replace(caller, hidden=hidden(caller, "GET", tag))


async def test_letters_of_a_scope_open_reads_and_searches_apart(clinic: Clinic) -> None:
    made = await clinic.patient()
    reads, searches = client(clinic, "system/Patient.r"), client(clinic, "system/Patient.s")
    assert (await actions.read(reads, KINDS["Patient"], made["id"]))["id"] == made["id"]
    with pytest.raises(Forbidden):
        await search(reads, "Patient")
    assert len(await search(searches, "Patient")) == 1
    with pytest.raises(Forbidden):
        await actions.read(searches, KINDS["Patient"], made["id"])
    with pytest.raises(Forbidden):
        await search(searches, "Appointment")


async def test_a_scope_may_open_some_records_only(clinic: Clinic) -> None:
    woman = await clinic.patient(gender="female")
    man = await clinic.patient(gender="male")
    caller = client(clinic, "system/Patient.rs?gender=female")
    assert [one["id"] for one in await search(caller, "Patient")] == [woman["id"]]
    assert (await actions.read(caller, KINDS["Patient"], woman["id"]))["id"] == woman["id"]
    with pytest.raises(NotFound):
        await actions.read(caller, KINDS["Patient"], man["id"])
    nothing = client(clinic, "system/Patient.rs?nonsense=1")
    assert await search(nothing, "Patient") == []


async def test_a_chain_and_an_include_go_no_further_than_the_scopes(clinic: Clinic) -> None:
    made = await visit(clinic)
    alone = client(clinic, "system/Appointment.rs")
    assert len(await search(alone, "Appointment")) == 1
    for query in (
        "Appointment?patient.gender=unknown",
        "Appointment?_include=Appointment:patient",
    ):
        with pytest.raises(Forbidden):
            await search(alone, query)
    women = client(clinic, "system/Appointment.rs system/Patient.rs?gender=female")
    assert await search(women, "Appointment?patient.family=gonzalez") == []
    brought = await search(women, "Appointment?_include=Appointment:patient")
    assert [one["id"] for one in brought] == [made["id"]]
    other = client(clinic, "system/Patient.rs")
    for query in (
        "Patient?_has:Appointment:patient:status=booked",
        "Patient?_revinclude=Appointment:patient",
    ):
        with pytest.raises(Forbidden):
            await search(other, query)


async def test_a_role_does_not_see_what_is_hidden_from_it(clinic: Clinic) -> None:
    made = await clinic.patient(emergency_contact={"name": "Luis", "phone": "+14155550111"})
    auditor = member(clinic, "auditor", "patients")
    said = await actions.read(auditor, KINDS["Patient"], made["id"])
    assert not {"telecom", "address", "contact"} & said.keys()
    assert said["meta"]["tag"][0]["code"] == "SUBSETTED"
    [found] = await search(auditor, "Patient?name=gonzalez")
    assert "telecom" not in found
    for query in (
        "Patient?phone=4155550001",
        "Patient?email:missing=true",
        "Appointment?patient.phone=4155550001",
        "Appointment?patient.email=x",
    ):
        with pytest.raises(Invalid) as refused:
            await search(auditor, query)
        assert refused.value.details[0].code == "hidden"
    clinician = member(clinic, "clinician", "patients")
    assert "telecom" in await actions.read(clinician, KINDS["Patient"], made["id"])


async def test_of_all_that_may_come_along_what_is_open_does(clinic: Clinic) -> None:
    booked = await visit(clinic)
    less = client(clinic, "system/Appointment.rs system/Patient.rs")
    found = await search(less, f"Appointment?_id={booked['id']}&_include=*")
    assert {one["resourceType"] for one in found} == {"Appointment", "Patient"}
    with pytest.raises(Forbidden):
        await search(less, "Appointment?_include=*&_include=Appointment:practitioner")


async def test_what_comes_along_is_masked_as_well(clinic: Clinic) -> None:
    await visit(clinic)
    auditor = member(clinic, "auditor", "appointments")
    found = await search(auditor, "Appointment?_include=Appointment:patient")
    [patient] = [one for one in found if one["resourceType"] == "Patient"]
    assert "telecom" not in patient


async def test_the_way_into_a_video_visit_needs_its_scope(clinic: Clinic) -> None:
    made = await visit(clinic, telehealth_details={"link": "https://video.example/1"})
    kind = KINDS["Appointment"]
    all_of_it = replace(clinic.caller, scopes=ROLES["clinician"])
    assert "extension" in await actions.read(all_of_it, kind, made["id"])
    less = replace(clinic.caller, scopes=ROLES["clinician"] - {"telehealth:read"})
    assert "extension" not in await actions.read(less, kind, made["id"])


OPERATIONS: list[tuple[str, str, Any, str]] = [
    ("GET", "Slot?start=2026-01-01", None, "appointments:read"),
    ("GET", "Slot/x", None, "appointments:read"),
    ("POST", "Slot", {"resourceType": "Slot"}, "providers:write"),
    ("PUT", "Slot/x", {"resourceType": "Slot"}, "providers:write"),
    ("GET", "Appointment/$find?start=2027-01-01&end=2027-01-02", None, "appointments:read"),
    ("POST", "Appointment/$hold", "Appointment/{visit}", "appointments:write"),
    ("POST", "Appointment/$book", "Appointment/{visit}", "appointments:write"),
    ("POST", "Appointment/{visit}/$cancel", None, "appointments:write"),
    ("POST", "AppointmentResponse", {"resourceType": "AppointmentResponse"}, "appointments:write"),
    ("GET", "Patient/{patient}/$everything", None, "patients:read"),
    ("POST", "Patient/$match", {"resourceType": "Patient"}, "patients:read"),
    ("GET", "Patient/{patient}/$validate", None, "patients:read"),
    ("POST", "Appointment/{visit}/$validate", None, "appointments:read"),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one[1])
async def test_an_operation_needs_the_scope_of_its_type(
    clinic: Clinic, anonymous: httpx.AsyncClient, operation: tuple[str, str, Any, str]
) -> None:
    method, path, sent, scope = operation
    made = await visit(clinic)
    ids = {"visit": made["id"], "patient": made["patient_id"]}
    body = sent
    if isinstance(sent, str):
        reference = {"reference": sent.format(**ids)}
        one = {"name": "appointment-reference", "valueReference": reference}
        body = {"resourceType": "Parameters", "parameter": [one]}
    elif "$match" in path:
        body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": sent}]}
    pepper, answers = clinic.app.state.authority.pepper, []
    for name, scopes in (("weak", SCOPES - {scope}), ("able", {scope, "appointments:read"})):
        async with begin(clinic.caller) as tx:
            key = await create_key(tx, pepper=pepper, name=name, scopes=frozenset(scopes))
        answers.append(await anonymous.request(
            method, f"/fhir/{path.format(**ids)}", json=body, headers={"X-API-Key": key}
        ))  # fmt: skip
    assert answers[0].status_code == 403, answers[0].text
    assert answers[0].json()["issue"][0]["code"] == "forbidden"
    assert answers[1].status_code != 403, answers[1].text


async def test_a_scope_with_parameters_opens_no_times(clinic: Clinic) -> None:
    await visit(clinic)
    few = client(clinic, "system/Slot.rs?status=free system/Appointment.s?status=booked")
    given = Given({"start": ["2027-01-01"], "end": ["2027-01-02"]})
    with pytest.raises(Forbidden):
        await slots.search(few, [("start", "2027-01-01")], strict=True)
    with pytest.raises(Forbidden):
        await find(few, given)
    whole = client(clinic, "system/Slot.rs system/Appointment.s")
    assert (await slots.search(whole, [("start", "2027-01-01")], strict=True))["entry"]
    assert (await find(whole, given))["total"] > 0


async def test_a_match_by_what_is_hidden_from_a_role_finds_nobody(clinic: Clinic) -> None:
    await clinic.patient()
    point = {"system": "phone", "value": "+14155550001"}
    given = Given({"resource": [{"resourceType": "Patient", "telecom": [point]}]})
    auditor = member(clinic, "auditor", "patients")
    assert (await match(auditor, given))["total"] == 0
    named = {"name": [{"family": "Gonzalezb", "given": ["Maria"]}], "birthDate": "1961-04-12"}
    said = {"resourceType": "Patient", "telecom": [point], **named}
    found = await match(auditor, Given({"resource": [said]}))
    [grade] = [one["search"]["extension"][0]["valueCode"] for one in found["entry"]]
    assert grade == "probable"  # the number, which is hidden, adds nothing
    assert "telecom" not in found["entry"][0]["resource"]
