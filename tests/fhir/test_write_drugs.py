"""Writing prescriptions, fills and reports about doses: by the actions of /api/v1, both ways."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chroniccare.medications.interactions import service
from tests.client import Clinic
from tests.fhir.server import Server, prescription

Json = dict[str, Any]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
DAYS = "http://unitsofmeasure.org"


def day(ahead: int) -> str:
    return (datetime.now(UTC) + timedelta(days=ahead)).date().isoformat()


async def people(clinic: Clinic) -> tuple[Json, Json]:
    return await clinic.patient(), await clinic.provider()


def order(patient: Json, provider: Json, **elements: Any) -> Json:
    """Return a MedicationRequest with more than we have columns for."""
    made: Json = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "priority": "routine",
        "category": [{"text": "outpatient"}],
        "medicationCodeableConcept": {
            "coding": [
                {"system": RXNORM, "code": "861007", "display": "metformin 500 mg"},
                {"system": "http://snomed.info/sct", "code": "109081006"},
            ],
            "text": "Metformin 500 mg tablet",
        },
        "subject": {"reference": f"Patient/{patient['id']}", "display": "M. Gonzalez"},
        "requester": {"reference": f"Practitioner/{provider['id']}"},
        "reasonCode": [{"text": "type 2 diabetes"}],
        "note": [{"text": "With meals"}],
        "dosageInstruction": [
            {
                "text": "1 tablet twice a day",
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                "route": {"text": "oral"},
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
            }
        ],
        "dispenseRequest": {
            "validityPeriod": {"start": day(1), "end": day(90)},
            "numberOfRepeatsAllowed": 3,
            "quantity": {"value": 60, "unit": "tablet"},
            "expectedSupplyDuration": {"value": 30, "unit": "days", "system": DAYS, "code": "d"},
            "performer": {"display": "Main St Pharmacy"},
        },
    }
    return {name: value for name, value in {**made, **elements}.items() if value is not None}


async def make(fhir: Server, resource: Json) -> Json:
    response = await fhir.send("POST", f"/{resource['resourceType']}", json=resource)
    assert response.status_code == 201, response.text
    made: Json = response.json()
    return made


async def put(fhir: Server, resource: Json, status: int = 200, **options: Any) -> Json:
    path = f"/{resource['resourceType']}/{resource['id']}"
    response = await fhir.send("PUT", path, json=resource, **options)
    assert response.status_code == status, response.text
    answer: Json = response.json()
    return answer


async def refused(fhir: Server, resource: Json, status: int = 422) -> list[str]:
    """Return the elements that are at fault."""
    response = await fhir.send("POST", f"/{resource['resourceType']}", json=resource)
    assert response.status_code == status, response.text
    return [one["expression"][0] for one in response.json()["issue"] if "expression" in one]


async def test_an_order_is_a_prescription(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    said = order(patient, provider)
    made = await make(fhir, said)
    for name, value in said.items():
        assert made[name] == value, name
    record = (await clinic.get(f"/medications/{made['id']}")).json()["data"]
    assert record["medication_name"] == "Metformin 500 mg tablet"
    assert (record["rxnorm_code"], record["refills_remaining"]) == ("861007", 3)
    assert (record["start_date"], record["end_date"]) == (day(1), day(90))
    assert (record["days_supply"], record["pharmacy_info"]) == (30, {"name": "Main St Pharmacy"})
    window = {"from_date": day(1), "to_date": day(3)}
    doses = await clinic.get(f"/medications/{made['id']}/doses", params=window)
    assert len(doses.json()["data"]["items"]) == 6  # planned as by the other door
    assert (await fhir.read("MedicationRequest", made["id"])) == made
    [statement] = await fhir.ids(f"MedicationStatement?patient={patient['id']}")
    assert "note" not in await fhir.read("MedicationStatement", statement)


async def test_words_alone_are_read_as_a_sig(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    text = [{"text": "1 tablet by mouth twice a day"}]
    made = await make(fhir, order(patient, provider, dosageInstruction=text))
    assert made["dosageInstruction"] == text
    record = (await clinic.get(f"/medications/{made['id']}")).json()["data"]
    assert record["sig"] == text[0]["text"]
    assert record["dosage_instructions"][0]["timing"]["repeat"]["frequency"] == 2
    again = await put(fhir, {**made, "note": [{"text": "changed"}]})
    assert again["note"] == [{"text": "changed"}]
    record = (await clinic.get(f"/medications/{made['id']}")).json()["data"]
    assert (record["regimen_version"], record["sig"]) == (1, text[0]["text"])
    unknown = [{"text": "as the moon has it"}]
    faults = await refused(fhir, order(patient, provider, dosageInstruction=unknown))
    assert set(faults) == {"MedicationRequest.dosageInstruction"}


async def test_what_is_read_can_be_put_back(clinic: Clinic, fhir: Server) -> None:
    """Of prescriptions of the other door too, however they were told; nothing changes."""
    patient, provider = await people(clinic)
    for fields in (
        {"sig": "1 tablet by mouth as needed for pain"},
        {"sig": None, "frequency": "twice a day", "dosage": "1 tablet", "route": "oral"},
        {"sig": "inject 10 units subcutaneously at bedtime", "is_ongoing": True},
        {"end_date": day(200), "drug_class": "antidiabetic", "adherence_threshold": 70},
    ):
        before = await prescription(clinic, patient=patient, provider=provider, **fields)
        said = await fhir.read("MedicationRequest", before["id"])
        answer = await put(fhir, said)
        after = (await clinic.get(f"/medications/{before['id']}")).json()["data"]
        for name in ("version", "updated_at", "interaction_check"):
            after.pop(name)
            before.pop(name)
        assert after == before
        said["meta"] = answer["meta"]
        assert answer == said


async def test_how_it_is_taken_changes(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    made = await make(fhir, order(patient, provider))
    made["dosageInstruction"][0]["timing"]["repeat"]["frequency"] = 3
    made["dosageInstruction"][0]["text"] = "1 tablet three times a day"
    stale = await put(fhir, made, 412, headers={"If-Match": 'W/"7"'})
    assert stale["issue"][0]["code"] == "conflict"
    changed = await put(fhir, made, headers={"If-Match": 'W/"1"'})
    assert changed["meta"]["versionId"] == "2"
    record = (await clinic.get(f"/medications/{made['id']}")).json()["data"]
    assert record["regimen_version"] == 2
    other = await clinic.patient()
    other_subject = {**changed, "subject": {"reference": f"Patient/{other['id']}"}}
    faults = (await put(fhir, other_subject, 422))["issue"]
    assert faults[0]["expression"] == ["MedicationRequest.subject"]


async def test_the_life_of_a_prescription(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    made = await make(fhir, order(patient, provider, status="draft"))
    assert made["status"] == "draft"
    for status in ("active", "on-hold", "active", "stopped"):
        step = {**made, "status": status, "statusReason": {"text": "Cough"}}
        assert (await put(fhir, step))["status"] == status
    record = (await clinic.get(f"/medications/{made['id']}")).json()["data"]
    assert (record["status"], record["stop_reason"]) == ("stopped", "Cough")
    await put(fhir, {**made, "status": "active"}, 409)
    await put(fhir, {**made, "status": "entered-in-error"}, 422)
    whole = await make(fhir, order(patient, provider))
    assert (await put(fhir, {**whole, "status": "completed"}))["status"] == "completed"
    gone = await fhir.send("DELETE", f"/MedicationRequest/{made['id']}")
    assert gone.status_code == 405


async def test_what_is_no_order_is_refused(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    for elements, fault in (
        ({"intent": "plan"}, "MedicationRequest.intent"),
        ({"doNotPerform": True}, "MedicationRequest.doNotPerform"),
        ({"status": "completed"}, "MedicationRequest.status"),
        ({"requester": None}, "MedicationRequest.requester"),
        ({"requester": {"reference": f"Practitioner/{patient['id']}"}},
         "MedicationRequest.requester"),
        ({"subject": {"reference": "Group/1"}}, "MedicationRequest.subject"),
        ({"dosageInstruction": None}, "MedicationRequest.dosageInstruction"),
        ({"dosageInstruction": [{"asNeededBoolean": True, "maxDosePerLifetime": {"value": 1}}]},
         "MedicationRequest.dosageInstruction"),
        ({"medicationCodeableConcept": None, "medicationReference": {"reference": "#m"},
          "contained": [{"resourceType": "Medication", "id": "m"}]},
         "MedicationRequest.medication"),
        ({"dispenseRequest": {"validityPeriod": {"start": "2026"}}},
         "MedicationRequest.dispenseRequest.validityPeriod"),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 2, "unit": "mo"}}},
         "MedicationRequest.dispenseRequest.expectedSupplyDuration"),
    ):  # fmt: skip
        assert fault in await refused(fhir, order(patient, provider, **elements)), fault
    assert await fhir.ids("MedicationRequest") == []
    elsewhere = {"reference": f"http://elsewhere.example/fhir/Patient/{patient['id']}"}
    wrong = order(patient, provider, subject=elsewhere)
    assert await refused(fhir, wrong) == ["MedicationRequest.subject"]
    here = {"reference": f"http://127.0.0.1:8000/fhir/Patient/{patient['id']}"}
    assert (await make(fhir, order(patient, provider, subject=here)))["subject"] == here
    nobody = {"reference": "Patient/01a22d02-b0cf-70c8-af6e-1286d3e3d3ce"}
    assert await refused(fhir, order(patient, provider, subject=nobody), 404) == []


async def test_a_safety_check_is_not_passed_by(
    clinic: Clinic, fhir: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, provider = await people(clinic)
    await prescription(
        clinic, patient=patient, provider=provider, medication_name="Simvastatin", rxnorm_code=None
    )
    against = order(patient, provider, medicationCodeableConcept={"text": "Clarithromycin"})
    assert await refused(fhir, against, 409) == ["MedicationRequest.medication"]
    draft = await make(fhir, order(patient, provider, status="draft"))
    monkeypatch.setattr(service, "is_used", lambda: True)
    assert await refused(fhir, order(patient, provider), 409) == []
    await put(fhir, {**draft, "status": "active"}, 409)


async def test_a_fill_and_that_it_was_a_mistake(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    drug = await prescription(clinic, patient=patient, provider=provider, start_date=day(-9))
    said: Json = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": {"text": "Metformin, of another maker"},
        "subject": {"reference": f"Patient/{patient['id']}"},
        "performer": [{"actor": {"display": "Main St"}}],
        "authorizingPrescription": [{"reference": f"MedicationRequest/{drug['id']}"}],
        "type": {"coding": [{"code": "RF"}]},
        "quantity": {"value": 60, "unit": "tablet"},
        "daysSupply": {"value": 4, "system": DAYS, "code": "wk"},
        "whenHandedOver": f"{day(-2)}T10:00:00-05:00",
    }
    made = await make(fhir, said)
    for name, value in said.items():
        assert made[name] == value, name
    fill = (await clinic.get(f"/medications/{drug['id']}/fills")).json()["data"]["items"][0]
    assert (fill["kind"], fill["days_supply"], fill["pharmacy"]) == ("refill", 28, "Main St")
    assert (fill["filled_on"], fill["source"]) == (day(-2), "pharmacy")
    await put(fhir, made, 422)  # nothing of it changes
    error = {**made, "status": "entered-in-error"}
    assert (await put(fhir, error))["status"] == "entered-in-error"
    await put(fhir, error, 409)
    other = await clinic.patient()
    for elements, fault in (
        ({"status": "preparation"}, "MedicationDispense.status"),
        ({"subject": {"reference": f"Patient/{other['id']}"}}, "MedicationDispense.subject"),
        ({"authorizingPrescription": []}, "MedicationDispense.authorizingPrescription"),
        ({"daysSupply": {"value": 1.5, "unit": "d"}}, "MedicationDispense.daysSupply"),
        ({"whenHandedOver": day(2)}, "MedicationDispense.whenHandedOver"),
    ):
        wrong = {**said, **elements}
        wrong = {name: value for name, value in wrong.items() if value != []}
        assert fault in await refused(fhir, wrong), fault


async def test_reports_about_doses(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    drug = await prescription(
        clinic, patient=patient, provider=provider, start_date=day(-3),
        sig="1 tablet by mouth as needed for pain",
    )  # fmt: skip
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    said: Json = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": drug["medication_name"]},
        "subject": {"reference": f"Patient/{patient['id']}"},
        "effectiveDateTime": at.isoformat().replace("+00:00", "Z"),
        "performer": [{"actor": {"reference": f"Patient/{patient['id']}"}}],
        "request": {"reference": f"MedicationRequest/{drug['id']}"},
        "note": [{"text": "With breakfast"}],
    }
    made = await make(fhir, said)
    assert made["note"] == said["note"]
    report = (await clinic.get(f"/medications/{drug['id']}/adherence")).json()["data"]["items"][0]
    assert (report["status"], report["source"]) == ("taken", "patient")
    assert report["notes"] == "With breakfast"
    skipped = {
        **said,
        "status": "not-done",
        "statusReason": [{"text": "side_effects"}],
        "effectiveDateTime": (at - timedelta(hours=5)).isoformat(),
        "performer": [{"actor": {"reference": "https://other.example/RelatedPerson/x"}}],
    }
    other = await make(fhir, skipped)
    report = (await clinic.get(f"/medications/{drug['id']}/adherence")).json()["data"]["items"]
    assert {one["id"]: (one["status"], one["reason"], one["source"]) for one in report}[
        other["id"]
    ] == ("skipped", "side_effects", "caregiver")
    assert await refused(fhir, {**said, "status": "in-progress"}) == [
        "MedicationAdministration.status"
    ]
    del skipped["statusReason"]
    assert "MedicationAdministration.status" in await refused(fhir, skipped)  # never missed
    path = f"/MedicationAdministration/{made['id']}"
    assert (await fhir.send("PUT", path, json=made)).status_code == 405


async def test_a_transaction_prescribes_fills_and_reports(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await people(clinic)
    said = order(patient, provider, dispenseRequest=None)
    said["dosageInstruction"] = [{"text": "1 tablet by mouth as needed for pain"}]
    filled: Json = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": {"text": "Metformin"},
        "subject": {"reference": f"Patient/{patient['id']}"},
        "authorizingPrescription": [{"reference": "urn:uuid:0f3a7a4e-5c2b-4c7e-9d2b-0a1b2c3d4e5f"}],
        "type": {"coding": [{"code": "FF"}]},
        "daysSupply": {"value": 30, "unit": "d"},
        "whenHandedOver": day(-1),
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": filled, "request": {"method": "POST", "url": "MedicationDispense"}},
            {
                "fullUrl": "urn:uuid:0f3a7a4e-5c2b-4c7e-9d2b-0a1b2c3d4e5f",
                "resource": said,
                "request": {"method": "POST", "url": "MedicationRequest"},
            },
        ],
    }
    answer = await fhir.send("POST", "", json=bundle)
    assert answer.status_code == 200, answer.text
    [fill, drug] = [one["resource"] for one in answer.json()["entry"]]
    assert fill["authorizingPrescription"] == [{"reference": f"MedicationRequest/{drug['id']}"}]
