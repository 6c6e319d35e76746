"""What a patient takes, was told and wants, and who did what: read, searched, kept from some."""

from collections.abc import AsyncIterator
from typing import get_args

import pytest

from chroniccare.core.errors import Forbidden
from chroniccare.fhir import actions
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.rules_told import PLANNED, SENT, STORED, TARGETS
from chroniccare.fhir.stored.table import searches
from chroniccare.notifications.channels import choice
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.schemas import DeliveryStatus
from chroniccare.platform.postgres import utc_now
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.fhir.server import Server, beside, chosen, everything, prescription, visit
from tests.fhir.stored.made import each, pressure
from tests.fhir.test_access import client, member, search
from tests.notifications.support import Bench, Clock, clear_the_desk, make_bench


@pytest.fixture
async def bench(clinic: Clinic, running: Running, settings: Settings) -> AsyncIterator[Bench]:
    """The delivery of the clinic's messages into the outbox, at noon."""
    clock = Clock()
    running.platform.database.clock = clock
    try:
        async with choice.opened(settings) as channels:
            yield await _bench(clinic, clock, channels)
    finally:
        running.platform.database.clock = utc_now


async def _bench(clinic: Clinic, clock: Clock, channels: Channels) -> Bench:
    await clear_the_desk()
    return await make_bench(clinic, clock, channels)


async def test_the_judges_accept_what_is_answered_of_each_type(
    clinic: Clinic, fhir: Server
) -> None:
    await everything(clinic)
    await each(fhir)
    for kind in KINDS:  # each answer is judged by three
        assert (await fhir.search(f"{kind}?_count=50")).get("entry"), kind


async def test_what_is_taken(clinic: Clinic, fhir: Server) -> None:
    made = await prescription(clinic, end_date="2027-02-01")
    said = await fhir.read("MedicationStatement", made["id"])
    assert said["status"] == "active"
    assert said["basedOn"] == [{"reference": f"MedicationRequest/{made['id']}"}]
    assert said["effectivePeriod"] == {"start": made["start_date"], "end": "2027-02-01"}
    assert said["dosage"] == made["dosage_instructions"]
    assert "extension" not in said
    of = f"MedicationStatement?patient={made['patient_id']}"
    for query, found in (
        ("status=active", True),
        ("status=stopped,on-hold", False),
        ("code=http://www.nlm.nih.gov/research/umls/rxnorm|861007", True),
        ("effective=2027-01", False),
        ("effective=ne2027-01", True),
        ("effective=ge2027-02-01", True),
        ("effective=gt2027-02-01", False),
        ("effective=le2027-01", True),
        ("effective=lt2026", False),
        ("effective=sa2026-01-01", True),
        ("effective=eb2027-02-02", True),
        ("effective=eb2027-02-01", False),
        ("effective=2026,2027", False),
        ("effective=ge2026&effective=le2028", True),
    ):
        assert await fhir.ids(f"{of}&{query}") == ([made["id"]] if found else []), query
    await clinic.delete(f"/medications/{made['id']}", json={"reason": "Cough"})
    stopped = await fhir.read("MedicationStatement", made["id"])
    assert (stopped["status"], stopped["statusReason"]) == ("stopped", [{"text": "Cough"}])
    assert "end" not in stopped["effectivePeriod"]  # it never began


async def test_how_much_was_taken(bench: Bench, fhir: Server) -> None:
    clinic = bench.clinic
    today = bench.clock.at.date().isoformat()
    made = await prescription(clinic, start_date=today, sig="1 tablet by mouth twice a day")
    bench.clock.forward(days=3)
    listed = await clinic.get(f"/medications/{made['id']}/doses", params={"from_date": today})
    doses = listed.json()["data"]["items"]
    due = [one for one in doses if one["due_at"] < bench.clock.at.isoformat()]
    for number, dose in enumerate(due[:3]):
        body = {"dose_id": dose["id"], "status": "missed" if number else "taken"}
        await clinic.make(f"/medications/{made['id']}/adherence", body)
    said = await fhir.read("MedicationStatement", made["id"])
    assert said["extension"][0]["valueQuantity"]["value"] == 33.3


async def test_what_was_planned_and_what_became_of_it(bench: Bench, fhir: Server) -> None:
    planned = await bench.planned()
    of = f"patient={planned.patient_id}"
    requests = await fhir.ids(f"CommunicationRequest?{of}&status=active")
    assert requests
    assert await fhir.ids(f"Communication?{of}") == []
    await bench.drain()
    [sent] = await fhir.ids(f"Communication?{of}&status=completed&medium=SMSWRIT")
    said = await fhir.read("Communication", sent)
    assert said["basedOn"] == [{"reference": f"CommunicationRequest/{sent}"}]
    assert said["recipient"] == [said["subject"]]
    assert said["about"] == [{"reference": f"Appointment/{planned.appointment_id}"}]
    assert said["category"][0]["text"] == "appointments"
    assert "sent" in said
    assert "payload" not in said
    request = await fhir.read("CommunicationRequest", sent)
    assert request["status"] == "completed"
    others = [one for one in requests if one != sent]
    for one in others:  # what waits is no communication yet
        assert (await fhir.send("GET", f"/Communication/{one}")).status_code == 404
    day = bench.clock.at.date().isoformat()
    for query, found in (
        (f"sent={day}", True),
        ("sent=lt2030", False),
        ("sent:missing=true", False),
        ("received:missing=true", True),
        ("category=appointments", True),
        ("category=refills", False),
        (f"recipient=Patient/{planned.patient_id}", True),
        (f"recipient=RelatedPerson/{planned.patient_id}", False),
        (f"based-on=CommunicationRequest/{sent}", True),
    ):
        assert await fhir.ids(f"Communication?{query}") == ([sent] if found else []), query
    brought = await fhir.ids("Communication?_include=Communication:based-on", "include")
    assert brought == [sent]
    await bench.cancel(planned)
    for one in others:
        cancelled = await fhir.read("CommunicationRequest", one)
        assert (cancelled["status"], cancelled["statusReason"]) == (
            "revoked", {"text": "cancelled"}
        )  # fmt: skip


def test_every_state_of_a_message_is_told() -> None:
    assert set(PLANNED) == set(get_args(DeliveryStatus)) > set(SENT)
    assert {SENT[one] for one in SENT if PLANNED[one] == "completed"} == {"completed"}


async def test_who_wants_no_message_is_sent_none(clinic: Clinic, fhir: Server) -> None:
    patient = await clinic.patient()
    assert (await fhir.send("GET", f"/Consent/{patient['id']}")).status_code == 404
    await chosen(clinic, patient)
    said = await fhir.read("Consent", patient["id"])
    assert said["provision"]["type"] == "permit"
    told = {one["code"][0]["text"]: one["type"] for one in said["provision"]["provision"]}
    assert told == {"sms": "deny", "email": "deny", "push": "deny", "refills": "deny"}
    assert await fhir.ids(f"Consent?patient={patient['id']}&status=active") == [patient["id"]]
    booked = await visit(clinic, patient=patient)
    [none] = await fhir.ids(f"Communication?patient={patient['id']}")
    said = await fhir.read("Communication", none)
    assert (said["status"], said["statusReason"]) == ("not-done", {"text": "no consent"})
    await clinic.delete(f"/appointments/{booked['id']}", json={"cancellation_reason": "Ill"})
    await clinic.delete(f"/patients/{patient['id']}")
    assert (await fhir.send("GET", f"/Consent/{patient['id']}")).status_code == 410


async def test_who_did_what(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await clinic.patient(), await clinic.provider()
    made = await beside(clinic, patient, provider)
    other = await clinic.patient()
    await fhir.read("Patient", patient["id"])
    of = f"AuditEvent?patient={patient['id']}"
    whole = (await fhir.search(f"{of}&_count=100"))["entry"]
    about = {one["resource"]["entity"][0]["what"].get("reference") for one in whole}
    assert {
        f"Patient/{patient['id']}",
        f"RelatedPerson/{made.related['id']}",
        f"MedicationRequest/{made.drug['id']}",
        f"MedicationDispense/{made.fill['id']}",
        f"MedicationAdministration/{made.report['id']}",
    } <= about
    assert f"Patient/{other['id']}" not in about
    [read] = await fhir.ids(f"{of}&action=R&subtype=read")
    said = await fhir.read("AuditEvent", read)
    assert (said["action"], said["outcome"]) == ("R", "0")
    assert said["agent"][0]["network"]["address"] == "127.0.0.1"
    agent = said["agent"][0]["who"]["identifier"]
    for query, found in (
        (f"agent:identifier={agent['system']}|{agent['value']}", True),
        (f"agent={patient['id']}", False),
        (f"entity=Patient/{patient['id']}", True),
        (f"entity=Location/{patient['id']}", False),
        ("entity-type=patient", True),
        ("outcome=0", True),
        ("outcome=4", False),
        ("address=127.0", True),
        ("type=rest", True),
        ("date=gt2020", True),
        ("date=lt2020", False),
    ):
        wanted = await fhir.ids(f"AuditEvent?_id={read}&{query}")
        assert wanted == ([read] if found else []), query


async def test_who_wrote_it_comes_along(clinic: Clinic, fhir: Server) -> None:
    """US Core: `_revinclude=Provenance:target`, which every type can be asked for."""
    patient, provider = await clinic.patient(), await clinic.provider()
    made = await beside(clinic, patient, provider)
    await clinic.delete(f"/medications/{made.drug['id']}", json={"reason": "Cough"})
    await fhir.read("MedicationRequest", made.drug["id"])
    for kind, record_id, count in (
        ("Patient", patient["id"], 2),  # made, and given a provider
        ("CareTeam", patient["id"], 1),
        ("RelatedPerson", made.related["id"], 1),
        ("MedicationRequest", made.drug["id"], 2),
        ("MedicationStatement", made.drug["id"], 2),
        ("MedicationDispense", made.fill["id"], 1),
        ("MedicationAdministration", made.report["id"], 1),
    ):
        bundle = await fhir.search(f"{kind}?_id={record_id}&_revinclude=Provenance:target")
        brought = [one["resource"] for one in bundle["entry"] if one["search"]["mode"] == "include"]
        assert len(brought) == count, kind
        for one in brought:
            assert {"reference": f"{kind}/{record_id}"} in one["target"]
    of = f"Provenance?target=MedicationRequest/{made.drug['id']}&_sort=recorded"
    codes = [
        one["resource"]["activity"]["coding"][0]["code"] for one in (await fhir.search(of))["entry"]
    ]
    assert codes == ["CREATE", "UPDATE"]
    [seen, *_] = await fhir.ids(f"AuditEvent?entity=MedicationRequest/{made.drug['id']}&action=R")
    assert (await fhir.send("GET", f"/Provenance/{seen}")).status_code == 404


def test_what_provenance_is_of_is_served() -> None:
    assert set(TARGETS) < set(KINDS)
    assert set(STORED) == set(searches())


async def test_who_wrote_what_is_stored(clinic: Clinic, fhir: Server) -> None:
    patient = await clinic.patient()
    said = pressure(patient["id"], 150)
    made = (await fhir.send("POST", "/Observation", json=said)).json()
    changed = await fhir.send("PUT", f"/Observation/{made['id']}", json={**made, "status": "final"})
    assert changed.status_code == 200
    query = f"Observation?patient={patient['id']}&_revinclude=Provenance:target"
    found = [one["resource"] for one in (await fhir.search(query))["entry"]]
    assert [one["resourceType"] for one in found] == ["Observation", "Provenance", "Provenance"]
    name = f"Observation/{made['id']}"
    assert all(one["target"] == [{"reference": name}] for one in found[1:])
    assert len(await fhir.ids(f"Provenance?target={name}")) == 2
    await fhir.read("Observation", made["id"])
    [event] = await fhir.ids(f"AuditEvent?entity={name}&subtype=read")
    told = await fhir.read("AuditEvent", event)
    assert told["entity"][0]["what"] == {"reference": name}


async def test_the_audit_opens_to_scopes_that_name_it(clinic: Clinic) -> None:
    await clinic.patient()
    for kind in ("AuditEvent", "Provenance"):
        with pytest.raises(Forbidden):
            await search(client(clinic, "system/*.rs"), kind)
        assert await search(client(clinic, f"system/*.rs system/{kind}.rs"), kind)
        with pytest.raises(Forbidden):
            await search(member(clinic, "clinician", "audit"), kind)
        assert await search(member(clinic, "auditor", "audit"), kind)
    with pytest.raises(Forbidden):
        await search(client(clinic, "system/*.rs"), "Patient?_revinclude=Provenance:target")
    [one] = await search(client(clinic, "system/*.rs"), "Patient")
    said = await actions.read(client(clinic, "system/*.rs"), KINDS["Patient"], one["id"])
    assert said["id"] == one["id"]
