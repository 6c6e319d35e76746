"""Writing related persons, consents and messages: by the actions of /api/v1."""

from datetime import datetime, timedelta
from typing import Any

from chroniccare.notifications.preferences import optouts
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.test_write_drugs import make, put, refused

Json = dict[str, Any]
KEPT = Command("SELECT count(*) FROM fhir_extras")
MODES = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"


def kin(of: Json, **elements: Any) -> Json:
    """Return a RelatedPerson with more than we have columns for."""
    return {
        "resourceType": "RelatedPerson",
        "active": True,
        "patient": {"reference": f"Patient/{of['id']}"},
        "relationship": [{"coding": [{"code": "DAU", "display": "daughter"}]}],
        "name": [{"family": "Quist", "given": ["Lucia", "B."]}],
        "telecom": [
            {"system": "phone", "value": "(415) 555-0188"},
            {"system": "fax", "value": "+14155550189"},
        ],
        "gender": "female",
        "birthDate": "1990-01-31",
        "address": [{"line": ["5 Elm St"], "city": "Salem", "state": "MA"}],
        "period": {"start": "2026-01-01", "end": "2031-12-31"},
        "communication": [{"language": {"coding": [{"code": "es"}]}}],
        **elements,
    }


async def test_somebody_related(clinic: Clinic, fhir: Server) -> None:
    patient = await clinic.patient()
    said = kin(patient)
    made = await make(fhir, said)
    for name, value in said.items():
        assert made[name] == value, name
    path = f"/patients/{patient['id']}/related-persons/{made['id']}"
    record = (await clinic.get(path)).json()["data"]
    assert (record["name"], record["relationship"]) == ("Lucia B. Quist", "daughter")
    assert record["contact_info"]["telecom"][0]["value"] == "+14155550188"
    assert (record["language"], record["period_end"]) == ("es", "2031-12-31")
    assert record["categories"] == []  # who may receive what is said by the other door
    kept = ("categories", "channels", "consents", "receives", "time_zone")
    body = {name: value for name, value in record.items() if name in {
        "name", "relationship", "language", "contact_info", "period_start", "period_end",
        "is_active", *kept,
    }}  # fmt: skip
    body |= {"categories": ["refills"], "consents": {"sms": True}, "receives": "instead"}
    assert (await clinic.put(path, body)).status_code == 200
    made = await fhir.read("RelatedPerson", made["id"])
    made["gender"] = "other"
    changed = await put(fhir, made, headers={"If-Match": made_etag(made)})
    assert changed["gender"] == "other"
    record = (await clinic.get(path)).json()["data"]
    assert (record["categories"], record["receives"]) == (["refills"], "instead")
    await put(fhir, made, 412, headers={"If-Match": made_etag(made)})
    other = await clinic.patient()
    await put(fhir, {**changed, "patient": {"reference": f"Patient/{other['id']}"}}, 422)
    async with begin(clinic.caller) as tx:
        assert await tx.value(KEPT) == 1
    for _ in range(2):
        gone = await fhir.send("DELETE", f"/RelatedPerson/{made['id']}")
        assert gone.status_code == 204
    async with begin(clinic.caller) as tx:
        assert await tx.value(KEPT) == 0  # how to reach them is forgotten
    assert (await fhir.send("GET", f"/RelatedPerson/{made['id']}")).status_code == 410
    for elements, fault in (
        ({"name": []}, "RelatedPerson.name"),
        ({"relationship": []}, "RelatedPerson.relationship"),
        ({"patient": {"reference": "Patient/x"}}, "RelatedPerson.patient"),
        ({"period": {"start": "2027-01-01", "end": "2027-01-01T00:00:00Z"}}, None),
        ({"period": {"start": "2027"}}, "RelatedPerson.period.start"),
    ):
        wrong = {name: value for name, value in kin(patient, **elements).items() if value != []}
        if fault is None:
            await make(fhir, wrong)
        else:
            assert fault in await refused(fhir, wrong), fault


def made_etag(resource: Json) -> str:
    return f'W/"{resource["meta"]["versionId"]}"'


def consent(patient: Json, *exceptions: Json, base: str = "permit", **elements: Any) -> Json:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient['id']}"},
        "policyRule": {"text": "as the clinic has it"},
        "provision": {"type": base, "provision": list(exceptions)},
        **elements,
    }


def deny(text: str, kind: str = "deny") -> Json:
    return {"type": kind, "code": [{"text": text}]}


async def preferences(clinic: Clinic, patient: Json) -> Json:
    path = f"/patients/{patient['id']}/notification-preferences"
    found: Json = (await clinic.get(path)).json()["data"]
    return found


async def test_a_patient_says_what_may_be_sent(clinic: Clinic, fhir: Server) -> None:
    patient = await clinic.patient()
    text = {"type": "deny", "code": [{"coding": [{"system": MODES, "code": "SMSWRIT"}]}]}
    made = await make(fhir, consent(patient, text, deny("email", "permit"), deny("refills")))
    assert made["id"] == patient["id"]
    found = await preferences(clinic, patient)
    assert found["consents"] == {"sms": False, "email": True, "push": None}
    off = {one["category"] for one in found["categories"] if not one["enabled"]}
    assert off == {"refills"}
    again = await fhir.send("POST", "/Consent", json=consent(patient, text))
    assert again.status_code == 409
    await visit(clinic, patient=patient)
    now = f"CommunicationRequest?patient={patient['id']}&medium=EMAILWRIT"
    assert len(await fhir.ids(now)) == 1  # the confirmation
    body = {
        "channels": ["email"],
        "consents": found["consents"],
        "categories": [{"category": "refills", "enabled": False, "channels": ["email"]}],
        "quiet_hours": {"start": "22:00", "end": "07:00"},
    }
    path = f"/patients/{patient['id']}/notification-preferences"
    assert (await clinic.put(path, body)).status_code == 200
    said = await fhir.read("Consent", patient["id"])
    said["provision"] = {"type": "deny", "provision": [deny("email", "permit")]}
    stale = await fhir.send(
        "PUT", f"/Consent/{patient['id']}", json=said, headers={"If-Match": 'W/"1"'}
    )
    assert stale.status_code == 412
    changed = await put(fhir, said)
    told = {one["code"][0]["text"]: one["type"] for one in changed["provision"]["provision"]}
    assert told == {"sms": "deny", "email": "permit", "push": "deny"}
    found = await preferences(clinic, patient)
    assert found["consents"] == {"sms": False, "email": True, "push": False}
    assert found["quiet_hours"] == {"start": "22:00", "end": "07:00"}
    [refills] = [one for one in found["categories"] if one["category"] == "refills"]
    assert (refills["enabled"], refills["channels"], found["channels"]) == (
        True, ["email"], ["email"]
    )  # fmt: skip
    assert await put(fhir, changed)  # what is read can be put back


async def test_a_rule_that_nobody_follows_is_refused(clinic: Clinic, fhir: Server) -> None:
    patient, other = await clinic.patient(), await clinic.patient()
    narrow = {**deny("sms"), "period": {"start": "2026-01-01"}}
    place = "Consent.provision.provision[0]"
    for said, fault in (
        (consent(patient), "Consent.provision"),
        (consent(patient, deny("fax")), place),
        (consent(patient, {"type": "deny"}), place),
        (consent(patient, {"code": [{"text": "sms"}]}), place),
        (consent(patient, narrow), f"{place}.period"),
        (consent(patient, deny("sms"), deny("sms", "permit")), "Consent.provision.provision[1]"),
        (consent(patient, deny("sms"), status="inactive"), "Consent.status"),
        (consent(patient, deny("sms"), scope={"coding": [{"code": "research"}]}), "Consent.scope"),
        (consent(patient, deny("sms"), sourceReference={"reference": "Contract/1"}),
         "Consent.sourceReference"),
        (consent(patient, deny("sms"), performer=[{"reference": f"Patient/{other['id']}"}]),
         "Consent.performer"),
    ):  # fmt: skip
        if not said["provision"]["provision"]:
            del said["provision"]["provision"]
        assert fault in await refused(fhir, said), fault
    assert await fhir.ids("Consent") == []


async def test_who_has_opted_out_is_not_signed_up_again(clinic: Clinic, fhir: Server) -> None:
    patient = await clinic.patient()
    phone = patient["contact_info"]["telecom"][0]["value"]
    async with begin(clinic.caller) as tx:
        await optouts.recorded(tx, channel="sms", address=phone, reason="opted_out")
    said = consent(patient, deny("sms", "permit"))
    response = await fhir.send("POST", "/Consent", json=said)
    assert response.status_code == 409, response.text


def asking(booked: Json, **elements: Any) -> Json:
    return {
        "resourceType": "CommunicationRequest",
        "status": "active",
        "subject": {"reference": f"Patient/{booked['patient_id']}"},
        "about": [{"reference": f"Appointment/{booked['id']}"}],
        "reasonCode": [{"coding": [{"code": "appointment_reminder"}]}],
        **elements,
    }


async def test_a_message_that_somebody_asks_for(clinic: Clinic, fhir: Server) -> None:
    booked = await visit(clinic)
    at = datetime.fromisoformat(booked["scheduled_start"]) - timedelta(days=5)
    made = await make(fhir, asking(booked, occurrenceDateTime=at.isoformat()))
    assert made["status"] == "active"
    assert datetime.fromisoformat(made["occurrenceDateTime"]) == at
    assert made["reasonCode"][0]["coding"][0]["code"] == "appointment_reminder"
    planned = (await clinic.get(f"/notifications/{made['id']}")).json()["data"]
    assert planned["notification_type"] == "appointment_reminder"
    other = await clinic.patient()
    late = (at + timedelta(days=9)).isoformat()
    before = await fhir.ids("CommunicationRequest?_count=100")
    for elements, fault in (
        ({"status": "draft"}, "status"),
        ({"payload": [{"contentString": "Hi"}], "medium": [{"text": "sms"}]}, "medium"),
        ({"payload": [{"contentString": "Hi"}]}, "payload"),
        ({"about": [{"reference": f"Appointment/{other['id']}"}]}, "about"),
        ({"about": [{"reference": "Encounter/1"}]}, "about"),
        ({"reasonCode": [{"coding": [{"code": "recall"}]}]}, "reasonCode"),
        ({"subject": {"reference": f"Patient/{other['id']}"}}, "subject"),
        ({"occurrenceDateTime": late}, "occurrence"),
    ):
        faults = await refused(fhir, asking(booked, **elements))
        assert f"CommunicationRequest.{fault}" in faults, fault
    assert await fhir.ids("CommunicationRequest?_count=100") == before
    path = f"/CommunicationRequest/{made['id']}"
    assert (await fhir.send("PUT", path, json=made)).status_code == 405
