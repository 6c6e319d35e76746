"""What a second reading found: R4's less obvious sentences, and what clients send by mistake."""

from typing import Any

import httpx
import pytest

from chroniccare.core.caller import system
from chroniccare.fhir.validation import parse
from chroniccare.fhir.validation_issues import InvalidResourceError
from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.actions import create_key
from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.test_booking import appointment
from tests.fhir.test_transaction import entry, send
from tests.fhir.test_write import SMALL

AUDITED = Command("SELECT count(*) FROM audit_logs WHERE action = 'list'")
REFUSED = Command("SELECT count(*) FROM audit_logs WHERE metadata->>'outcome' = 'refused'")


async def counted(clinic: Clinic, command: Command) -> int:
    async with begin(clinic.caller) as tx:
        return int(await tx.value(command))


async def test_has_finds_those_that_have_and_nobody_else(clinic: Clinic, fhir: Server) -> None:
    one = await visit(clinic)
    await clinic.patient()
    idle = await clinic.provider()
    patient, provider = one["patient_id"], one["provider_id"]
    await clinic.post(
        f"/patients/{patient}/providers",
        {"provider_id": provider, "relationship_type": "primary_care", "is_primary": True},
    )
    assert await fhir.ids("Patient?_has:Appointment:patient:status=booked") == [patient]
    assert await fhir.ids("Patient?_has:CareTeam:patient:status=active") == [patient]
    found = await fhir.ids("Practitioner?_has:Patient:general-practitioner:active=true")
    assert found == [provider]
    assert await fhir.ids(f"Practitioner?_has:CareTeam:participant:patient={patient}") == [provider]
    places = {each["facility_id"] for each in idle["facilities"]}
    roles = await fhir.ids(f"Location?_has:PractitionerRole:location:practitioner={idle['id']}")
    assert set(roles) == places


async def test_what_a_transaction_reads_is_part_of_it(fhir: Server) -> None:
    before = len(await fhir.ids("Patient?_count=100"))
    gone = "01999999-0000-7000-8000-000000000001"
    for reading in (
        f"Patient/{gone}",
        "Patient?nonsense=1",
        "Nothing/1",
        f"Patient/{gone}/_history",
    ):
        answer = await send(
            fhir, "transaction", entry("POST", "Patient", SMALL), entry("GET", reading)
        )
        assert answer.status_code in {400, 404}, answer.text
        assert "Bundle.entry[1]" in answer.json()["issue"][0]["expression"][0]
    assert len(await fhir.ids("Patient?_count=100")) == before


async def test_a_batch_answers_addresses_that_are_none_each(fhir: Server) -> None:
    answer = await send(
        fhir, "batch", entry("GET", "Patient/1/_history"), entry("GET", "Patient/1/$everything")
    )
    assert [one["response"]["status"] for one in answer.json()["entry"]] == ["404", "404"]


async def test_two_entries_for_one_record_are_refused(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient()
    path = f"Patient/{made['id']}"
    answer = await send(
        fhir, "transaction", entry("DELETE", path), entry("PUT", path, {**SMALL, "id": made["id"]})
    )
    assert answer.status_code == 400
    assert (await clinic.get(f"/patients/{made['id']}")).status_code == 200


async def test_a_part_of_a_record_is_not_written_back(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient()
    path = f"/Patient/{made['id']}"
    part = (await fhir.send("GET", f"{path}?_elements=name")).json()
    refused = await fhir.send("PUT", path, json=part)
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["expression"] == ["Patient.meta.tag"]


async def test_counts_leave_a_row_in_the_audit(clinic: Clinic, fhir: Server) -> None:
    await clinic.patient(last_name="Counted")
    for query in ("_summary=count", "_count=0"):
        before = await counted(clinic, AUDITED)
        found = await fhir.search(f"Patient?family=Counted&{query}")
        assert (found["total"], "entry" in found) == (1, False)
        assert await counted(clinic, AUDITED) == before + 1


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "",
            {
                "resourceType": "Bundle",
                "_type": {"extension": [{"url": "urn:x", "valueCode": "y"}]},
            },
        ),
        ("Appointment", {"_status": {"extension": [{"url": "urn:x", "valueCode": "y"}]}}),
    ],
)
async def test_a_code_that_is_an_extension_alone_is_refused(
    clinic: Clinic, fhir: Server, name: str, body: dict[str, Any]
) -> None:
    if name:
        one = appointment((await clinic.patient())["id"], (await clinic.provider())["id"])
        del one["status"]
        body = {**one, **body}
    answer = await fhir.send("POST", f"/{name}" if name else "", json=body)
    assert answer.status_code in {400, 422}


async def test_names_may_be_extensions_in_part(fhir: Server) -> None:
    blank = {"extension": [{"url": "urn:x", "valueCode": "y"}]}
    contact = {"name": {"family": "Quist", "given": [None, "Olaf"], "_given": [blank, None]}}
    made = await fhir.send("POST", "/Patient", json={**SMALL, "contact": [contact]})
    assert made.status_code == 201, made.text
    assert made.json()["contact"] == [contact]


async def test_a_day_of_death_comes_back_alone(fhir: Server) -> None:
    made = await fhir.send("POST", "/Patient", json={**SMALL, "deceasedDateTime": "2026-01-05"})
    body = await fhir.read("Patient", made.json()["id"])
    assert (body["deceasedDateTime"], "deceasedBoolean" in body) == ("2026-01-05", False)
    assert (await fhir.send("PUT", f"/Patient/{body['id']}", json=body)).status_code == 200


async def test_modifiers_behind_a_chain_are_taken_at_their_word(
    clinic: Clinic, fhir: Server
) -> None:
    mine, other = await visit(clinic), await visit(clinic)
    patient = (await clinic.get(f"/patients/{mine['patient_id']}")).json()["data"]
    for name in ("patient.identifier:not", "patient.name:bogus"):
        answer = await fhir.send("GET", f"/Appointment?{name}={patient['mrn']}")
        assert answer.status_code == 400
    found = await fhir.ids(f"Appointment?patient.identifier={patient['mrn']}")
    assert found == [mine["id"]]
    assert other["id"] not in found


async def test_no_search_is_without_an_end(fhir: Server) -> None:
    answer = await fhir.send("GET", f"/Patient?family={','.join(['a'] * 101)}")
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["diagnostics"] == "family: has over 100 values"


async def test_a_lenient_search_goes_on_without_leniency(clinic: Clinic, fhir: Server) -> None:
    for _ in range(2):
        await clinic.patient()
    page = await fhir.search("Patient?nonsense=1&_count=1", headers={"Prefer": "handling=lenient"})
    assert all("nonsense" not in link["url"] for link in page["link"])
    assert await fhir.next(page) is not None


async def test_a_cursor_is_of_its_order(clinic: Clinic, fhir: Server) -> None:
    for _ in range(2):
        await clinic.patient()
    page = await fhir.search("Patient?_sort=family&_sort=birthdate&_count=1")
    [url] = [link["url"] for link in page["link"] if link["relation"] == "next"]
    query = url.partition("/fhir")[2]
    swapped = query.replace("_sort=family&_sort=birthdate", "_sort=birthdate&_sort=family")
    assert swapped != query
    assert (await fhir.send("GET", swapped)).status_code == 400


async def test_whoever_has_any_version_needs_none(fhir: Server) -> None:
    answer = await fhir.send("POST", "/Device", json={"resourceType": "Device"})
    path = f"/Device/{answer.json()['id']}"
    for known in ("*", '"1"', 'W/"1"', 'W/"9", W/"1"'):
        answer = await fhir.clinic.http.get(f"/fhir{path}", headers={"If-None-Match": known})
        assert answer.status_code == 304, known


async def test_codes_of_fhir_have_their_systems(clinic: Clinic, fhir: Server) -> None:
    woman = await clinic.patient(gender="female")
    await clinic.patient(gender="male")
    system = "http://hl7.org/fhir/administrative-gender"
    assert await fhir.ids(f"Patient?gender={system}|female") == [woman["id"]]
    assert await fhir.ids("Patient?gender=urn:other|female") == []
    one = await visit(clinic)
    status = "http://hl7.org/fhir/appointmentstatus|booked"
    assert await fhir.ids(f"Appointment?status={status}") == [one["id"]]
    assert await fhir.ids("Appointment?series:missing=false") == []
    assert await fhir.ids("Appointment?series:missing=true") == [one["id"]]


async def test_a_number_that_is_not_searched_makes_no_second_record(fhir: Server) -> None:
    other = {"If-None-Exist": "series=http://hospital.example/x|123"}
    body = {
        "resourceType": "Appointment",
        "status": "proposed",
        "participant": [{"status": "accepted", "type": [{"text": "x"}]}],
    }
    answer = await fhir.send("POST", "/Appointment", json=body, headers=other)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "not-supported"


async def test_a_time_on_a_day_means_the_day(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient(date_of_birth="1960-01-01")
    for value, found in (
        ("le1960-01-01T10:00", True), ("gt1960-01-01T10:00", False), ("1960-01-01T10:00", True),
        ("lt1960-01-01T10:00", False), ("ge1960-01-01T10:00", True),
    ):  # fmt: skip
        assert await fhir.ids(f"Patient?birthdate={value}") == ([made["id"]] if found else []), (
            value
        )


def test_an_answer_to_a_batch_is_a_valid_bundle() -> None:
    issue = {"severity": "error", "code": "invalid"}
    outcome: dict[str, Any] = {"resourceType": "OperationOutcome", "issue": [issue]}
    response = {"status": "400", "outcome": outcome}
    bundle = {"resourceType": "Bundle", "type": "batch-response", "entry": [{"response": response}]}
    assert parse("Bundle", bundle)["type"] == "batch-response"
    outcome["issue"] = [{"severity": "bad", "code": "invalid"}]
    with pytest.raises(InvalidResourceError) as refused:
        parse("Bundle", bundle)
    [wrong] = refused.value.issues
    assert wrong.expression == "Bundle.entry[0].response.outcome.issue[0].severity"


async def test_refusals_within_a_batch_are_audited(
    clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    made, pepper = await clinic.patient(), clinic.app.state.authority.pepper
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        key = await create_key(tx, pepper=pepper, name="n", scopes=frozenset({"providers:read"}))
    before = await counted(clinic, REFUSED)
    body = {
        "resourceType": "Bundle", "type": "batch", "entry": [entry("GET", f"Patient/{made['id']}")],
    }  # fmt: skip
    answer = await anonymous.post("/fhir", json=body, headers={"X-API-Key": key})
    assert answer.json()["entry"][0]["response"]["status"] == "403"
    assert await counted(clinic, REFUSED) == before + 1
