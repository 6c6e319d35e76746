"""A valid resource of each other type of people, visits and medications."""

from tests.fhir.examples import DRUG, MARIA, TERMINOLOGY, UCUM, Json, coded, to

NOW = "2026-03-08T09:00:00-06:00"
CHEN, CLINIC = to("Practitioner/pr1"), to("Organization/o1")

_PEOPLE: list[Json] = [
    {
        "resourceType": "RelatedPerson",
        "active": True,
        "patient": MARIA,
        "relationship": [coded("SPS", f"{TERMINOLOGY}/v3-RoleCode", "spouse")],
        "name": [{"family": "Garcia", "given": ["Luis"]}],
        "telecom": [{"system": "phone", "value": "+15125550101"}],
    },
    {
        "resourceType": "PractitionerRole",
        "active": True,
        "period": {"start": "2024-01-01"},
        "practitioner": CHEN,
        "organization": CLINIC,
        "specialty": [
            coded("207R00000X", "http://nucc.org/provider-taxonomy", "Internal Medicine")
        ],
        "location": [to("Location/l1")],
        "availableTime": [
            {
                "daysOfWeek": ["mon"],
                "availableStartTime": "08:00:00",
                "availableEndTime": "12:00:00",
            }
        ],
        "notAvailable": [{"description": "holidays", "during": {"start": "2026-12-24"}}],
    },
    {
        "resourceType": "CareTeam",
        "status": "active",
        "subject": MARIA,
        "participant": [{"role": [coded("17561000")], "member": CHEN, "onBehalfOf": CLINIC}],
    },
    {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "quantity": 1,
        "characteristic": [{"code": {"text": "HbA1c"}, "valueBoolean": True, "exclude": False}],
        "member": [{"entity": MARIA, "inactive": False}],
    },
    {
        "resourceType": "Coverage",
        "status": "active",
        "subscriberId": "W123",
        "beneficiary": MARIA,
        "payor": [CLINIC],
        "class": [{"type": coded("group", f"{TERMINOLOGY}/coverage-class"), "value": "G7"}],
    },
]
_VISITS: list[Json] = [
    {
        "resourceType": "HealthcareService",
        "active": True,
        "providedBy": CLINIC,
        "name": "Diabetes review",
        "appointmentRequired": True,
    },
    {
        "resourceType": "Schedule",
        "active": True,
        "serviceType": [coded("394802001")],
        "actor": [CHEN, to("Location/l1")],
        "planningHorizon": {"start": "2026-01-01", "end": "2026-12-31"},
    },
    {
        "resourceType": "Slot",
        "schedule": to("Schedule/s1"),
        "status": "busy-unavailable",
        "start": NOW,
        "end": "2026-03-08T15:30:00Z",
    },
    {
        "resourceType": "AppointmentResponse",
        "appointment": to("Appointment/a1"),
        "actor": MARIA,
        "participantStatus": "accepted",
    },
    {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB"},
        "subject": MARIA,
        "participant": [{"individual": CHEN}],
        "period": {"start": NOW, "end": "2026-03-08T15:30:00.5Z"},
        "location": [{"location": to("Location/l1")}],
    },
]
_DRUGS: list[Json] = [
    {
        "resourceType": "Medication",
        "code": DRUG,
        "amount": {"numerator": {"value": 1}, "denominator": {"value": 1}},
        "ingredient": [{"itemCodeableConcept": DRUG, "isActive": True}],
    },
    {
        "resourceType": "MedicationAdministration",
        "status": "not-done",
        "statusReason": [{"text": "forgot"}],
        "medicationCodeableConcept": DRUG,
        "subject": MARIA,
        "effectiveDateTime": NOW,
        "performer": [{"actor": MARIA}],
        "request": to("MedicationRequest/mr1"),
        "dosage": {"dose": {"value": 500, "unit": "mg", "system": UCUM, "code": "mg"}},
    },
    {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationReference": to("Medication/m1"),
        "subject": MARIA,
        "effectivePeriod": {"start": "2026-01", "end": "2026-02"},
        "dateAsserted": "2026-02-01",
    },
    {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": DRUG,
        "subject": MARIA,
        "quantity": {"value": 60.5},
        "whenPrepared": "2026-01-05",
        "whenHandedOver": "2026-01-05T10:00:00Z",
    },
    {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": coded("207", "http://hl7.org/fhir/sid/cvx"),
        "patient": MARIA,
        "occurrenceDateTime": "2025-10-01",
        "education": [{"documentType": "253088698300010311120702"}],
    },
]
CARE = [*_PEOPLE, *_VISITS, *_DRUGS]
