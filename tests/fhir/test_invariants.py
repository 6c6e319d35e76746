"""Each invariant is broken once, and named; what comes near it holds."""

from typing import Any

import pytest

from chroniccare.fhir.invariants import ELSEWHERE, RULES
from chroniccare.fhir.invariants_view import certainly_after
from chroniccare.fhir.validation import parse
from chroniccare.fhir.validation_issues import InvalidResourceError
from tests.fhir.examples import MARIA, TERMINOLOGY, UCUM, XHTML, coded, to
from tests.fhir.test_validation import changed

Json = dict[str, Any]

QUESTION: Json = {"linkId": "1", "type": "string"}
ERROR = coded("entered-in-error", f"{TERMINOLOGY}/condition-ver-status")


def extended(**value: Any) -> tuple[str, Json]:
    return "Patient", {"extension": [{"url": "http://x", **value}]}


def timed(**repeat: Any) -> tuple[str, Json]:
    return "MedicationRequest", {"dosageInstruction": [{"timing": {"repeat": repeat}}]}


def asked(**item: Any) -> tuple[str, Json]:
    return "Questionnaire", {"item": [{**QUESTION, **item}]}


def bundled(kind: str, *entries: Json, **members: Any) -> tuple[str, Json]:
    return "Bundle", {"type": kind, "entry": list(entries) or None, **members}


RESOURCE: Json = {"resource": {"resourceType": "Basic", "code": coded("x")}}
OUTSIDE: Json = {"contained": [{"resourceType": "Basic", "id": "b", "code": coded("x")}]}

BROKEN: dict[str, tuple[str, Json]] = {
    "age-1": ("Condition", {"onsetAge": {"value": -1, "system": UCUM, "code": "a"}}),
    "ait-1": ("AllergyIntolerance", {"clinicalStatus": None}),
    "ait-2": (
        "AllergyIntolerance",
        {
            "verificationStatus": coded(
                "entered-in-error", f"{TERMINOLOGY}/allergyintolerance-verification"
            )
        },
    ),
    "app-1": ("Appointment", {"participant": [{"status": "accepted"}]}),
    "app-2": ("Appointment", {"end": None}),
    "app-3": ("Appointment", {"start": None, "end": None}),
    "app-4": ("Appointment", {"cancelationReason": coded("pat")}),
    "apr-1": ("AppointmentResponse", {"actor": None}),
    "att-1": ("Patient", {"photo": [{"data": "aGVsbG8="}]}),
    "bdl-1": bundled("collection", total=1),
    "bdl-2": bundled("collection", {**RESOURCE, "search": {"mode": "match"}}),
    "bdl-3": bundled("batch", RESOURCE),
    "bdl-4": bundled("collection", {**RESOURCE, "response": {"status": "200"}}),
    "bdl-5": bundled("collection", {"fullUrl": "urn:x"}),
    "bdl-7": bundled("collection", *[{**RESOURCE, "fullUrl": "urn:x"}] * 2),
    "bdl-8": bundled("collection", {**RESOURCE, "fullUrl": "http://x/Basic/1/_history/2"}),
    "bdl-9": bundled("document", RESOURCE),
    "bdl-10": bundled("document", RESOURCE),
    "bdl-11": bundled("document", RESOURCE),
    "bdl-12": bundled("message", RESOURCE),
    "cmp-1": ("Composition", {"section": [{"title": "x"}]}),
    "cmp-2": ("Composition", {"section": [{"entry": [MARIA], "emptyReason": coded("x")}]}),
    "cnt-3": extended(valueCount={"value": 1.5, "code": "1"}),
    "con-1": ("Condition", {"stage": [{"type": coded("x")}]}),
    "con-2": ("Condition", {"evidence": [{"id": "x"}]}),
    "con-4": ("Condition", {"clinicalStatus": None}),
    "con-5": ("Condition", {"verificationStatus": ERROR}),
    "cpl-3": (
        "CarePlan",
        {"activity": [{"detail": {"status": "scheduled"}, "reference": to("Task/t1")}]},
    ),
    "cpt-2": ("Patient", {"telecom": [{"value": "x"}]}),
    "ctm-1": ("CareTeam", {"participant": [{"member": MARIA, "onBehalfOf": to("Organization/o")}]}),
    "dis-1": extended(valueDistance={"value": 1}),
    "dom-2": (
        "Patient",
        {"contained": [{**OUTSIDE["contained"][0], **OUTSIDE}], "managingOrganization": to("#b")},
    ),
    "dom-3": ("Patient", OUTSIDE),
    "dom-4": (
        "Patient",
        {
            "contained": [{**OUTSIDE["contained"][0], "meta": {"versionId": "1"}}],
            "managingOrganization": to("#b"),
        },
    ),
    "dom-5": (
        "Patient",
        {
            "contained": [{**OUTSIDE["contained"][0], "meta": {"security": [{"code": "R"}]}}],
            "managingOrganization": to("#b"),
        },
    ),
    "drq-1": extended(valueDataRequirement={"type": "Patient", "codeFilter": [{"id": "x"}]}),
    "drq-2": extended(
        valueDataRequirement={"type": "Patient", "dateFilter": [{"path": "x", "searchParam": "y"}]}
    ),
    "drt-1": ("MedicationRequest", {"dispenseRequest": {"dispenseInterval": {"code": "d"}}}),
    "ele-1": ("Patient", {"name": [{}]}),
    "exp-1": extended(valueExpression={"language": "text/cql"}),
    "ext-1": extended(),
    "gol-1": ("Goal", {"target": [{"detailInteger": 7}]}),
    "grp-1": ("Group", {"actual": False}),
    "imm-1": ("Immunization", {"education": [{"publicationDate": "2020"}]}),
    "inv-1:Parameters": ("Parameters", {"parameter": [{"name": "x"}]}),
    "inv-1:Task": ("Task", {"authoredOn": "2026-02", "lastModified": "2026-01"}),
    "lst-1": ("List", {"emptyReason": coded("x")}),
    "lst-2": ("List", {"entry": [{"item": MARIA, "deleted": True}]}),
    "lst-3": ("List", {"mode": "snapshot"}),
    "mad-1": ("MedicationAdministration", {"dosage": {"text": "x"}}),
    "mdd-1": ("MedicationDispense", {"whenHandedOver": "2026-01-04"}),
    "obs-3": ("Observation", {"referenceRange": [{"type": coded("x")}]}),
    "obs-6": ("Observation", {"valueInteger": 1, "dataAbsentReason": coded("x")}),
    "obs-7": ("Observation", {"valueInteger": 1, "code": coded("8480-6", "http://loinc.org")}),
    "org-1": ("Organization", {"name": None}),
    "org-2": ("Organization", {"address": [{"use": "home"}]}),
    "org-3": ("Organization", {"telecom": [{"use": "home"}]}),
    "pat-1": ("Patient", {"contact": [{"gender": "male"}]}),
    "per-1": ("Patient", {"name": [{"period": {"start": "2021", "end": "2020-12-31"}}]}),
    "ppc-1": ("Consent", {"policyRule": None}),
    **{
        key: ("Consent", {"patient": None, "scope": coded(code, "something")})
        for key, code in (
            ("ppc-2", "patient-privacy"),
            ("ppc-3", "research"),
            ("ppc-4", "adr"),
            ("ppc-5", "treatment"),
        )
    },
    "prr-1": ("ServiceRequest", {"code": None}),
    "qrs-1": (
        "QuestionnaireResponse",
        {"item": [{"linkId": "1", "item": [{"linkId": "2"}], "answer": [{"valueInteger": 1}]}]},
    ),
    "qty-3": ("MedicationDispense", {"quantity": {"code": "mg"}}),
    "que-1": asked(type="group"),
    "que-2": ("Questionnaire", {"item": [QUESTION, QUESTION]}),
    "que-3": asked(type="display", code=[{"code": "x"}]),
    "que-4": asked(answerOption=[{"valueString": "x"}], answerValueSet="http://x"),
    "que-5": asked(type="boolean", answerValueSet="http://x"),
    "que-6": asked(type="display", required=True),
    "que-7": asked(enableWhen=[{"question": "2", "operator": "exists", "answerInteger": 1}]),
    "que-8": asked(type="display", initial=[{"valueString": "x"}]),
    "que-9": asked(type="display", readOnly=True),
    "que-10": asked(type="date", maxLength=3),
    "que-11": asked(answerOption=[{"valueString": "x"}], initial=[{"valueString": "x"}]),
    "que-12": asked(
        enableWhen=[{"question": "2", "operator": "exists", "answerBoolean": True}] * 3
    ),
    "que-13": asked(initial=[{"valueString": "x"}, {"valueString": "y"}]),
    "rat-1": ("Medication", {"amount": {"numerator": {"value": 1}}}),
    "ref-1": ("Patient", {"managingOrganization": to("#o")}),
    "rng-2": (
        "ServiceRequest",
        {"quantityRange": {"low": {"value": 2, "unit": "x"}, "high": {"value": 1, "unit": "x"}}},
    ),
    "sev-1": ("AuditEvent", {"entity": [{"name": "x", "query": "aGVsbG8="}]}),
    "tim-1": timed(duration=1),
    "tim-2": timed(period=1),
    "tim-4": timed(duration=-1, durationUnit="h"),
    "tim-5": timed(period=-1, periodUnit="h"),
    "tim-6": timed(periodMax=1),
    "tim-7": timed(durationMax=1),
    "tim-8": timed(countMax=1),
    "tim-9": timed(offset=10, when=["CM"]),
    "tim-10": timed(timeOfDay=["08:00:00"], when=["HS"]),
    "trd-1": extended(
        valueTriggerDefinition={
            "type": "periodic",
            "timingDate": "2020",
            "data": [{"type": "Patient"}],
        }
    ),
    "trd-2": extended(
        valueTriggerDefinition={
            "type": "named-event",
            "name": "x",
            "condition": {"language": "text/cql", "expression": "x"},
        }
    ),
    "trd-3": extended(valueTriggerDefinition={"type": "named-event"}),
    "txt-1": ("Patient", {"text": {"status": "generated", "div": "<p>x</p>"}}),
    "txt-2": (
        "Patient",
        {
            "text": {
                "status": "generated",
                "div": f'<div xmlns="{XHTML}"> </div>',
            }
        },
    ),
}
NOT_REACHED = {
    "mqty-1": "no resource of R4 has a MoneyQuantity",
    "sqty-1": "a SimpleQuantity has no comparator at all",
}


@pytest.mark.parametrize("key", BROKEN)
def test_each_rule_is_broken_once_and_named(key: str) -> None:
    type_name, members = BROKEN[key]
    with pytest.raises(InvalidResourceError) as caught:
        parse(type_name, changed(type_name, **members))
    assert key.partition(":")[0] in {each.rule for each in caught.value.issues}
    assert {each.code for each in caught.value.issues} == {"invariant"}


def test_no_rule_is_left_out() -> None:
    assert set(BROKEN) | set(NOT_REACHED) == set(RULES) | ELSEWHERE


HOLDS: dict[str, tuple[str, Json]] = {
    "a cancelled visit without times": (
        "Appointment",
        {"status": "cancelled", "start": None, "end": None, "cancelationReason": coded("pat")},
    ),
    "an allergy entered in error": (
        "AllergyIntolerance",
        {
            "clinicalStatus": None,
            "verificationStatus": coded(
                "entered-in-error", f"{TERMINOLOGY}/allergyintolerance-verification"
            ),
        },
    ),
    "a period of one day": ("Patient", {"name": [{"period": {"start": "2020", "end": "2020"}}]}),
    "a month and a day in it": (
        "Patient",
        {"name": [{"period": {"start": "2020-03-15", "end": "2020-03"}}]},
    ),
    "units that differ": (
        "ServiceRequest",
        {"quantityRange": {"low": {"value": 2, "unit": "g"}, "high": {"value": 1, "unit": "kg"}}},
    ),
    "an offset before a meal": timed(offset=30, when=["ACM"]),
    "the same address in two versions": bundled(
        "collection",
        *(
            {
                "fullUrl": "urn:x",
                "resource": {**RESOURCE["resource"], "meta": {"versionId": version}},
            }
            for version in "12"
        ),
    ),
    "a member whose type is not known": (
        "CareTeam",
        {"participant": [{"member": to("http://x/1"), "onBehalfOf": to("Organization/o")}]},
    ),
    "an unknown amount": (
        "Condition",
        {"onsetAge": {"_value": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}}},
    ),
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_comes_near_holds(name: str) -> None:
    type_name, members = HOLDS[name]
    parse(type_name, changed(type_name, **members))


@pytest.mark.parametrize(
    ("first", "second", "after"),
    [
        ("2026", "2025", True),
        ("2026", "2026-01-01", False),
        ("2026-03", "2026-02", True),
        ("2026-03", "2026-02-28", True),
        ("2026-02-28", "2026-02", False),
        ("2026-03-02", "2026-03-01", True),
        ("2026-03-02", "2026-03-01T12:00:00Z", False),
        ("2026-03-03", "2026-03-01T12:00:00Z", True),
        ("2026-03-01T12:00:00Z", "2026-03-01T13:00:00+02:00", True),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000Z", False),
        ("2026-03-01T12:00:60Z", "2026-03-01T12:00:59Z", False),
        ("2026-03-01T12:00:01.123456789Z", "2026-03-01T12:00:01Z", True),
        ("", "2026", False),
    ],
)
def test_later_is_said_only_of_what_surely_is(first: str, second: str, after: bool) -> None:
    assert certainly_after(first, second) is after
