"""What US Core asks for beyond R4 is a second question, answered 422 with everything that lacks."""

from typing import Any

import pytest

from chroniccare.fhir.definitions.table import type_of
from chroniccare.fhir.validation import parse
from chroniccare.fhir.validation_issues import ProfileError
from chroniccare.fhir.validation_us_core import REQUIRED, RULES
from tests.fhir.examples import LOINC, TERMINOLOGY, coded, to
from tests.fhir.examples_records import EXAMPLES
from tests.fhir.test_validation import changed

Json = dict[str, Any]

NPI = "http://hl7.org/fhir/sid/us-npi"
VITAL = coded("vital-signs", f"{TERMINOLOGY}/observation-category")
SELF = coded("self", f"{TERMINOLOGY}/subscriber-relationship")

CONFORMANT: dict[str, Json] = {
    "Condition": {"category": [coded("problem-list-item")]},
    "Coverage": {"relationship": SELF},
    "Device": {"type": coded("337414009")},
    "DiagnosticReport": {"category": [coded("LAB", f"{TERMINOLOGY}/v2-0074")]},
    "DocumentReference": {"category": [coded("clinical-note")]},
    "Encounter": {"type": [coded("185349003")]},
    "Provenance": {"agent": [{"type": coded("author"), "who": to("Practitioner/pr1")}]},
    "QuestionnaireResponse": {"subject": to("Patient/p1"), "authored": "2026-03-08"},
}
"""What the examples of these types lack for US Core."""
BESIDE: dict[str, Json] = {
    "Organization": {"identifier": [{"value": "1"}]},
    "ServiceRequest": {"orderDetail": None},
}
"""Without it, what is taken away would be missed by R4 already."""


def conformant(name: str, /, **members: Any) -> Json:
    return changed(name, **{**CONFORMANT.get(name, {}), **members})


def lacks(resource: Json) -> list[tuple[str, str]]:
    """Return rule and place of each issue."""
    try:
        parse(resource["resourceType"], resource, us_core=True)
    except ProfileError as error:
        return [(each.rule, each.expression) for each in error.issues]
    return []


def test_it_is_understood_but_against_a_rule() -> None:
    assert ProfileError.status == 422


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_conforms_is_accepted_and_other_types_are_not_asked(name: str) -> None:
    resource = conformant(name)
    assert parse(name, resource, us_core=True) == parse(name, resource)


@pytest.mark.parametrize("name", CONFORMANT)
def test_what_is_valid_r4_alone_is_refused(name: str) -> None:
    parse(name, EXAMPLES[name])
    assert lacks(EXAMPLES[name])


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name, paths in REQUIRED.items() for path in paths],
)
def test_each_element_that_must_be_there_is_missed(name: str, path: str) -> None:
    first, _, second = path.partition(".")
    type_ = type_of(name)
    resource = conformant(name, **BESIDE.get(name, {}))
    if second:
        thing = {"id": "x", "who": to("Patient/p1")} if first == "agent" else {"id": "x"}
        many = type_.properties[first].many
        resource[first] = [*resource.get(first, []), thing] if many else thing
        number = len(resource[first]) - 1
        expected = f"{name}.{first}[{number}].{second}"
    else:
        del resource[first]
        expected = f"{name}.{first}"
    with pytest.raises(ProfileError) as caught:
        parse(name, resource, us_core=True)
    assert ("required", expected) in {(each.code, each.expression) for each in caught.value.issues}


PLACES = ["practitioner", "organization", "location"]
BROKEN: list[tuple[str, str, str, Json]] = [
    ("us-core-2", "", "Observation", {"component": None}),
    ("us-core-vital-signs", "", "Observation", {"effectiveDateTime": None}),
    ("us-core-6", ".content[0]", "DocumentReference", {"content": [{"attachment": {"id": "x"}}]}),
    ("us-core-6", ".name[0]", "Patient", {"name": [{"text": "Maria"}]}),
    ("us-core-7", "", "Procedure", {"performedPeriod": None}),
    (
        "us-core-13",
        "",
        "PractitionerRole",
        dict.fromkeys(PLACES),
    ),
    ("us-core-14", "", "RelatedPerson", {"name": None, "relationship": None}),
    ("us-core-15", "", "Coverage", {"subscriberId": None}),
    (
        "us-core-16",
        ".identifier[0]",
        "Practitioner",
        {"identifier": [{"system": NPI, "value": "123"}]},
    ),
    (
        "us-core-17",
        ".identifier[0]",
        "Practitioner",
        {"identifier": [{"system": NPI, "value": "1234567890"}]},
    ),
    (
        "us-core-18",
        ".identifier[0]",
        "Organization",
        {"identifier": [{"system": "urn:oid:2.16.840.1.113883.4.7", "value": "123"}]},
    ),
    (
        "us-core-19",
        ".identifier[0]",
        "Organization",
        {"identifier": [{"system": "urn:oid:2.16.840.1.113883.6.300", "value": "1234"}]},
    ),
    ("us-core-20", "", "MedicationDispense", {"whenHandedOver": None}),
    ("us-core-21", "", "MedicationRequest", {"requester": None}),
]


@pytest.mark.parametrize(("key", "place", "name", "members"), BROKEN)
def test_each_rule_is_broken_alone(key: str, place: str, name: str, members: Json) -> None:
    assert lacks(conformant(name, **members)) == [(key, f"{name}{place}")]


def test_no_rule_is_left_out() -> None:
    known = {(key, name) for name, rules in RULES.items() for key, *_ in rules}
    shared = {("us-core-16", "Organization"), ("us-core-17", "Organization")}
    assert {(key, name) for key, _, name, _ in BROKEN} | shared == known


def test_why_something_is_not_there_is_as_good_as_the_thing() -> None:
    absent = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                "valueCode": "unknown",
            }
        ]
    }
    assert lacks(changed("Patient", name=[absent], gender=None, _gender=absent)) == []
    named = {**absent, "family": "Garcia"}
    assert lacks(changed("Patient", name=[named])) == [("us-core-6", "Patient.name[0]")]
    assert lacks(changed("Organization", active=None, _active=absent)) == []


def test_parts_and_other_places_count() -> None:
    member = {"type": coded("MB", f"{TERMINOLOGY}/v2-0203"), "value": "W1"}
    assert lacks(conformant("Coverage", subscriberId=None, identifier=[member])) == []
    weight = {
        "code": coded("29463-7", LOINC),
        "component": None,
        "valueQuantity": {"value": 81.5, "unit": "kg"},
    }
    assert lacks(changed("Observation", **weight)) == []
    other = {"category": [coded("laboratory")], "effectiveDateTime": None}
    assert lacks(changed("Observation", **other)) == []
    assert lacks(changed("MedicationRequest", intent="plan", requester=None)) == []
    assert lacks(changed("MedicationDispense", status="cancelled", whenHandedOver=None)) == []
    assert VITAL in EXAMPLES["Observation"]["category"]
