"""A valid resource of each type of record: messages, consents, findings, plans, bundles."""

from tests.fhir.examples import EXAMPLES as FIRST
from tests.fhir.examples import (
    LOINC,
    MARIA,
    PATIENT,
    SCT,
    TERMINOLOGY,
    UCUM,
    VISIT,
    Json,
    coded,
    narrative,
    to,
)
from tests.fhir.examples_care import CARE, CHEN, CLINIC, NOW

_MESSAGES: list[Json] = [
    {
        "resourceType": "CommunicationRequest",
        "status": "active",
        "subject": MARIA,
        "about": [to("Appointment/a1")],
        "payload": [{"contentString": "Your visit is tomorrow."}],
        "occurrenceDateTime": NOW,
        "recipient": [MARIA],
    },
    {
        "resourceType": "Communication",
        "status": "completed",
        "basedOn": [to("CommunicationRequest/c1")],
        "medium": [coded("SMSWRIT", f"{TERMINOLOGY}/v3-ParticipationMode")],
        "subject": MARIA,
        "sent": NOW,
        "received": NOW,
        "payload": [{"contentReference": to("DocumentReference/d1")}],
    },
    {
        "resourceType": "Consent",
        "status": "active",
        "scope": coded("patient-privacy", f"{TERMINOLOGY}/consentscope"),
        "category": [coded("59284-0", LOINC)],
        "patient": MARIA,
        "policyRule": coded("OPTIN", f"{TERMINOLOGY}/v3-ActCode"),
        "provision": {
            "type": "permit",
            "action": [coded("disclose", f"{TERMINOLOGY}/consentaction")],
            "provision": [{"type": "deny", "dataPeriod": {"end": "2020"}}],
        },
    },
    {
        "resourceType": "Subscription",
        "status": "requested",
        "end": NOW,
        "reason": "follow visits",
        "criteria": "Appointment?status=booked",
        "channel": {
            "type": "rest-hook",
            "endpoint": "https://example.org/hook",
            "payload": "application/fhir+json",
            "header": ["X-Tenant: a"],
        },
    },
    {
        "resourceType": "AuditEvent",
        "type": {"system": f"{TERMINOLOGY}/audit-event-type", "code": "rest"},
        "action": "R",
        "recorded": NOW,
        "outcome": "0",
        "agent": [
            {"who": CHEN, "requestor": True, "network": {"address": "10.0.0.1", "type": "2"}}
        ],
        "source": {"observer": CLINIC},
        "entity": [{"what": MARIA, "detail": [{"type": "x", "valueString": "y"}]}],
    },
    {
        "resourceType": "Provenance",
        "target": [MARIA],
        "recorded": NOW,
        "agent": [{"who": CHEN}],
        "entity": [{"role": "source", "what": CLINIC}],
        "signature": [{"type": [{"code": "1"}], "when": NOW, "who": CHEN, "data": "aGVsbG8="}],
    },
]
_FINDINGS: list[Json] = [
    {
        "resourceType": "Observation",
        "status": "final",
        "category": [coded("vital-signs", f"{TERMINOLOGY}/observation-category")],
        "code": coded("85354-9", LOINC),
        "subject": MARIA,
        "effectiveDateTime": NOW,
        "component": [
            {
                "code": coded("8480-6", LOINC),
                "valueQuantity": {
                    "value": 132,
                    "unit": "mmHg",
                    "system": UCUM,
                    "code": "mm[Hg]",
                    "comparator": "<",
                },
            },
            {"code": coded("8462-4", LOINC), "dataAbsentReason": {"text": "not heard"}},
        ],
        "referenceRange": [{"low": {"value": 90}, "high": {"value": 140}}],
    },
    {
        "resourceType": "Condition",
        "clinicalStatus": coded("resolved", f"{TERMINOLOGY}/condition-clinical"),
        "verificationStatus": coded("confirmed", f"{TERMINOLOGY}/condition-ver-status"),
        "code": coded("E11.9", "http://hl7.org/fhir/sid/icd-10-cm"),
        "subject": MARIA,
        "onsetAge": {"value": 50, "unit": "a", "system": UCUM, "code": "a"},
        "abatementDateTime": "2026",
        "stage": [{"summary": {"text": "early"}}],
        "evidence": [{"detail": [to("Observation/o1")]}],
    },
    {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": coded("active", f"{TERMINOLOGY}/allergyintolerance-clinical"),
        "type": "allergy",
        "category": ["medication"],
        "criticality": "high",
        "code": coded("7980", "http://www.nlm.nih.gov/research/umls/rxnorm"),
        "patient": MARIA,
        "reaction": [{"manifestation": [coded("247472004")], "severity": "mild"}],
    },
    {
        "resourceType": "Procedure",
        "status": "completed",
        "code": coded("134211002"),
        "subject": MARIA,
        "performedPeriod": {"start": "2026-03-08"},
    },
    {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": coded("4548-4", LOINC),
        "subject": MARIA,
        "issued": NOW,
        "result": [to("Observation/o1")],
        "presentedForm": [{"contentType": "text/plain", "data": "aGVs bG8=", "language": "en"}],
    },
    {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": coded("34133-9", LOINC),
        "subject": MARIA,
        "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}],
        "relatesTo": [{"code": "replaces", "target": to("DocumentReference/d0")}],
    },
    {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": coded("4548-4", LOINC),
        "orderDetail": [{"text": "fasting"}],
        "subject": MARIA,
        "quantityRange": {"low": {"value": 1, "unit": "x"}, "high": {"value": 2, "unit": "x"}},
    },
    {
        "resourceType": "Device",
        "udiCarrier": [{"deviceIdentifier": "0844", "carrierHRF": "(01)0844"}],
        "status": "active",
        "deviceName": [{"name": "Glucometer", "type": "user-friendly-name"}],
        "patient": MARIA,
    },
    {
        "resourceType": "Specimen",
        "type": coded("119297000"),
        "subject": MARIA,
        "receivedTime": "2026-03-08T10:00:00+14:00",
        "collection": {"collectedDateTime": "2026-03-08"},
    },
]
_PLANS: list[Json] = [
    {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "HbA1c below 7"},
        "subject": MARIA,
        "target": [
            {
                "measure": coded("4548-4", LOINC),
                "detailQuantity": {"value": 7, "comparator": "<"},
                "dueDate": "2026-09-01",
            }
        ],
    },
    {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "text": narrative("Plan"),
        "category": [coded("734163000")],
        "subject": MARIA,
        "activity": [
            {"detail": {"status": "scheduled", "scheduledString": "weekly"}},
            {"reference": to("Appointment/a1")},
        ],
    },
    {
        "resourceType": "Questionnaire",
        "status": "active",
        "item": [
            {
                "linkId": "1",
                "type": "group",
                "item": [
                    {"linkId": "1.1", "type": "choice", "answerOption": [{"valueInteger": 1}]},
                    {
                        "linkId": "1.2",
                        "type": "string",
                        "maxLength": 10,
                        "enableWhen": [
                            {"question": "1.1", "operator": "exists", "answerBoolean": True}
                        ],
                    },
                ],
            },
            {"linkId": "2", "type": "display", "text": "Thank you"},
        ],
    },
    {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": "http://example.org/Questionnaire/q|1.0",
        "item": [
            {"linkId": "1", "item": [{"linkId": "1.1", "answer": [{"valueInteger": 1}]}]},
        ],
    },
    {"resourceType": "Task", "status": "requested", "intent": "order", "authoredOn": "2026"},
    {
        "resourceType": "List",
        "status": "current",
        "mode": "working",
        "entry": [{"date": "2026", "item": MARIA}],
    },
]
_EXCHANGE: list[Json] = [
    {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:0f3a7a4e-5c2b-4c7e-9d2b-0a1b2c3d4e5f",
                "resource": PATIENT,
                "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=1"},
            },
            {"request": {"method": "DELETE", "url": "Patient/p2"}},
        ],
    },
    {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "patient", "resource": PATIENT},
            {"name": "start", "valueDateTime": "2026-03-08"},
            {"name": "both", "part": [{"name": "count", "valueInteger": 2}]},
        ],
    },
    {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "invalid",
                "details": coded("x", SCT),
                "expression": ["Patient.name[0]"],
            }
        ],
    },
    {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8="},
    {"resourceType": "Basic", "code": coded("referral", SCT), "created": "2026-02-28"},
    {
        "resourceType": "Endpoint",
        "status": "active",
        "connectionType": {"system": f"{TERMINOLOGY}/endpoint-connection-type", "code": "x"},
        "payloadType": [{"text": "any"}],
        "address": "https://example.org",
    },
    {
        "resourceType": "Composition",
        "status": "final",
        "type": coded("34133-9", LOINC),
        "date": NOW,
        "author": [CHEN],
        "title": "Summary",
        "section": [{"title": "One", "text": narrative("x"), "entry": [VISIT]}],
    },
]
EXAMPLES: dict[str, Json] = {
    **FIRST,
    **{
        each["resourceType"]: each
        for part in (CARE, _MESSAGES, _FINDINGS, _PLANS, _EXCHANGE)
        for each in part
    },
}
"""Of every type: these, and those of the other two files."""
