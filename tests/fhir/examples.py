"""A valid resource of each type that the product serves, written for these tests.

`PATIENT_BYTES` is the Patient of 1.5 KB that the benchmark reads.
"""

from typing import Any

import orjson

Json = dict[str, Any]

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
XHTML = "http://www.w3.org/1999/xhtml"
SCT = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def coded(code: str, system: str = SCT, display: str = "as coded") -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def to(target: str) -> Json:
    return {"reference": target}


def narrative(text: str) -> Json:
    return {"status": "generated", "div": f'<div xmlns="{XHTML}"><p>{text}</p></div>'}


MARIA, VISIT, DRUG = to("Patient/p1"), to("Encounter/e1"), coded("860975", RXNORM, "metformin")

PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"versionId": "1", "lastUpdated": "2026-01-01T10:00:00.000Z"},
    "text": narrative("Maria Garcia, born 4 March 1961"),
    "extension": [
        {
            "url": f"{US_CORE}/us-core-race",
            "extension": [
                {
                    "url": "ombCategory",
                    "valueCoding": {
                        "system": "urn:oid:2.16.840.1.113883.6.238",
                        "code": "2106-3",
                        "display": "White",
                    },
                },
                {"url": "text", "valueString": "White"},
            ],
        }
    ],
    "identifier": [
        {
            "use": "usual",
            "type": coded("MR", f"{TERMINOLOGY}/v2-0203", "Medical record number"),
            "system": "https://clinic.example.org/mrn",
            "value": "MRN-000123",
        }
    ],
    "active": True,
    "name": [{"use": "official", "family": "Garcia", "given": ["Maria", "Elena"]}],
    "telecom": [
        {"system": "phone", "value": "+15125550100", "use": "mobile"},
        {"system": "email", "value": "maria@example.org"},
    ],
    "gender": "female",
    "birthDate": "1961-03-04",
    "address": [
        {
            "use": "home",
            "line": ["100 Congress Ave"],
            "city": "Austin",
            "state": "TX",
            "postalCode": "78701",
            "country": "US",
            "period": {"start": "2020-01-01"},
        }
    ],
    "contact": [
        {
            "relationship": [coded("C", f"{TERMINOLOGY}/v2-0131", "Emergency contact")],
            "name": {"family": "Garcia", "given": ["Luis"]},
            "telecom": [{"system": "phone", "value": "+15125550101"}],
        }
    ],
    "communication": [{"language": coded("es", "urn:ietf:bcp:47", "Spanish"), "preferred": True}],
    "generalPractitioner": [to("Practitioner/pr1")],
    "managingOrganization": to("Organization/o1"),
}
PATIENT_BYTES = orjson.dumps(PATIENT)

APPOINTMENT: Json = {
    "resourceType": "Appointment",
    "id": "a1",
    "status": "booked",
    "serviceType": [coded("394802001")],
    "appointmentType": coded("FOLLOWUP", f"{TERMINOLOGY}/v2-0276", "Follow-up"),
    "reasonCode": [{"text": "HbA1c review"}],
    "priority": 5,
    "start": "2026-03-08T09:00:00-06:00",
    "end": "2026-03-08T09:30:00-06:00",
    "minutesDuration": 30,
    "slot": [to("Slot/s1")],
    "created": "2026-02-01",
    "patientInstruction": "Bring your log of readings.",
    "participant": [
        {"actor": MARIA, "required": "required", "status": "accepted"},
        {
            "type": [coded("PPRF", f"{TERMINOLOGY}/v3-ParticipationType", "primary performer")],
            "actor": to("Practitioner/pr1"),
            "status": "accepted",
        },
    ],
}

PRACTITIONER: Json = {
    "resourceType": "Practitioner",
    "id": "pr1",
    "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
    "active": True,
    "name": [{"family": "Chen", "given": ["Wei"], "prefix": ["Dr."]}],
    "telecom": [{"system": "phone", "value": "+15125550102", "rank": 1}],
    "qualification": [{"code": coded("MD", f"{TERMINOLOGY}/v2-0360"), "period": {"start": "1999"}}],
    "communication": [coded("en", "urn:ietf:bcp:47")],
}

ORGANIZATION: Json = {
    "resourceType": "Organization",
    "id": "o1",
    "active": True,
    "type": [coded("prov", f"{TERMINOLOGY}/organization-type")],
    "name": "Lakeside Clinic",
    "telecom": [{"system": "phone", "value": "+15125550103", "use": "work"}],
    "address": [{"use": "work", "line": ["1 Lake Rd"], "city": "Austin"}],
}

LOCATION: Json = {
    "resourceType": "Location",
    "id": "l1",
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/timezone",
            "valueCode": "America/Chicago",
        }
    ],
    "status": "active",
    "name": "Lakeside, 2nd floor",
    "mode": "instance",
    "address": {"line": ["1 Lake Rd"], "city": "Austin"},
    "position": {"longitude": -97.74306, "latitude": 30.26715},
    "managingOrganization": to("Organization/o1"),
    "hoursOfOperation": [
        {"daysOfWeek": ["mon", "tue"], "openingTime": "08:00:00", "closingTime": "17:00:00"}
    ],
}

MEDICATION_REQUEST: Json = {
    "resourceType": "MedicationRequest",
    "id": "mr1",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": DRUG,
    "subject": MARIA,
    "authoredOn": "2026-01-05",
    "requester": to("Practitioner/pr1"),
    "dosageInstruction": [
        {
            "text": "500 mg twice a day with meals",
            "timing": {
                "repeat": {
                    "boundsPeriod": {"start": "2026-01-05", "end": "2026-07-05"},
                    "frequency": 2,
                    "period": 1,
                    "periodUnit": "d",
                    "timeOfDay": ["08:00:00", "20:00:00"],
                }
            },
            "asNeededBoolean": False,
            "route": coded("26643006"),
            "doseAndRate": [
                {"doseQuantity": {"value": 500, "unit": "mg", "system": UCUM, "code": "mg"}}
            ],
        }
    ],
    "dispenseRequest": {
        "numberOfRepeatsAllowed": 3,
        "quantity": {"value": 60, "unit": "tablet"},
        "expectedSupplyDuration": {"value": 30, "unit": "d", "system": UCUM, "code": "d"},
    },
}

EXAMPLES: dict[str, Json] = {
    each["resourceType"]: each
    for each in (PATIENT, APPOINTMENT, PRACTITIONER, ORGANIZATION, LOCATION, MEDICATION_REQUEST)
}
