"""What US Core 7.0.0 asks of a resource beyond R4: elements that must be there, and its rules.

A second pass over what is valid R4 already. An element counts as there if it only has an extension,
such as data-absent-reason. Value sets and slices of the profiles are not checked, nor is a
reference followed. docs/fhir-validation.md says which rules of the profiles are left out.
"""

import re
from collections.abc import Iterator
from typing import Any

from chroniccare.fhir.definitions.table import type_of
from chroniccare.fhir.invariants_view import Rule, View, has_choice, has_code, some
from chroniccare.fhir.validation_issues import Issues
from chroniccare.providers.rules import npi_check_digit

_NPI = "http://hl7.org/fhir/sid/us-npi"
_CLIA = "urn:oid:2.16.840.1.113883.4.7"
_NAIC = "urn:oid:2.16.840.1.113883.6.300"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
_ORDERS = {"order", "original-order", "reflex-order", "filler-order", "instance-order"}

REQUIRED: dict[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("code",),
    "CarePlan": ("category",),
    "CareTeam": ("subject", "participant", "participant.role", "participant.member"),
    "Condition": ("category", "code"),
    "Coverage": ("relationship",),
    "Device": ("type", "patient"),
    "DiagnosticReport": ("category", "subject"),
    "DocumentReference": ("type", "category", "subject"),
    "Encounter": ("type", "subject", "identifier.system", "identifier.value"),
    "Location": ("name",),
    "MedicationDispense": ("subject",),
    "Observation": ("category", "subject"),
    "Organization": ("active", "name"),
    "Patient": (
        "identifier",
        "identifier.system",
        "identifier.value",
        "name",
        "telecom.system",
        "telecom.value",
        "gender",
    ),
    "Practitioner": (
        "identifier",
        "identifier.system",
        "identifier.value",
        "name",
        "name.family",
    ),
    "PractitionerRole": ("telecom.system", "telecom.value"),
    "Procedure": ("code",),
    "Provenance": ("agent.type",),
    "QuestionnaireResponse": ("questionnaire", "subject", "authored"),
    "RelatedPerson": ("active",),
    "ServiceRequest": ("code",),
    "Specimen": ("type",),
}
"""By type: `name.family` must be in each name; what R4 asks for itself is not repeated."""


def check(resource: dict[str, Any], issues: Issues) -> None:
    """Note everything that a valid resource of R4 lacks for US Core."""
    name = resource["resourceType"]
    view = View(resource)
    for path in REQUIRED.get(name, ()):
        for where in _missing(view, path.split("."), name):
            issues.add("required", where, "must be there (US Core)", "us-core")
    for key, element, words, rule in RULES.get(name, ()):
        for where, thing in _things(view, element, name):
            if not rule(thing):
                issues.add("invariant", where, f"{words} (US Core)", key)


def _missing(view: View, steps: list[str], path: str) -> Iterator[str]:
    *outer, last = steps
    for where, each in _things(view, ".".join(outer), path):
        if getattr(each, last) is None:
            yield f"{where}.{last}"


def _things(view: View, element: str, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the objects of an element of the resource with their places; of "" itself."""
    if not element:
        yield name, view
        return
    many = type_of(name).properties[element].many
    for number, each in enumerate(view.all(element)):
        yield f"{name}.{element}" + (f"[{number}]" if many else ""), each


def us_core_6(name: Any) -> bool:
    """A family or given name, or why there is none."""
    absent = any(each.url == _ABSENT for each in name.extension or ())
    return (name.family is not None or name.given is not None) != absent


def _numbered(system: str, pattern: str) -> Rule:
    """Return the rule that identifiers of a system have a form."""
    form = re.compile(pattern)

    def rule(identifier: Any) -> bool:
        if identifier.system != system or not identifier.value:
            return True
        return form.fullmatch(identifier.value) is not None

    return rule


def us_core_17(identifier: Any) -> bool:
    """An NPI has the right check digit; us-core-16 speaks of its form."""
    value = identifier.value
    if identifier.system != _NPI or not value or not re.fullmatch(r"[0-9]{10}", value):
        return True
    return bool(value[9] == npi_check_digit(value[:9]))


def us_core_15(coverage: Any) -> bool:
    """A member's id, in either place."""
    numbers = coverage.identifier or ()
    return coverage.subscriberId is not None or any(
        has_code(each.type, _V2_0203, "MB") for each in numbers
    )


def us_core_2(observation: Any) -> bool:
    """A value, or why there is none, unless parts or members say it."""
    parts = observation.component or observation.hasMember
    return bool(parts) or has_choice(observation, "value") or bool(observation.dataAbsentReason)


def vital_signs(observation: Any) -> bool:
    """A vital sign has its time."""
    vital = any(has_code(each, _CATEGORIES, "vital-signs") for each in observation.category or ())
    return not vital or has_choice(observation, "effective")


def us_core_7(procedure: Any) -> bool:
    """What is done, or being done, has its time."""
    done = procedure.status in {"completed", "in-progress"}
    return not done or has_choice(procedure, "performed")


def us_core_20(dispense: Any) -> bool:
    """What is completed was handed over at some time."""
    return dispense.status != "completed" or dispense.whenHandedOver is not None


def us_core_21(request: Any) -> bool:
    """An order has somebody who gave it."""
    return request.intent not in _ORDERS or request.requester is not None


def us_core_doc(content: Any) -> bool:
    """A document is there, or where it is."""
    return content.attachment.url is not None or content.attachment.data is not None


_IDENTIFIERS = (
    ("us-core-16", "identifier", "an NPI has 10 digits", _numbered(_NPI, r"[0-9]{10}")),
    ("us-core-17", "identifier", "the check digit of the NPI is wrong", us_core_17),
)
_SOMEBODY = some("practitioner", "organization", "healthcareService", "location")
_VALUE = "a value, a data absent reason, a component or a member must be there"

RULES: dict[str, tuple[tuple[str, str, str, Rule], ...]] = {
    "Coverage": (("us-core-15", "", "a member id must be there", us_core_15),),
    "DocumentReference": (
        ("us-core-6", "content", "the attachment must have a url or data", us_core_doc),
    ),
    "MedicationDispense": (
        ("us-core-20", "", "whenHandedOver must be there if completed", us_core_20),
    ),
    "MedicationRequest": (
        ("us-core-21", "", "requester must be there if intent is an order", us_core_21),
    ),
    "Observation": (
        ("us-core-2", "", _VALUE, us_core_2),
        ("us-core-vital-signs", "", "a vital sign must have effective[x]", vital_signs),
    ),
    "Organization": (
        *_IDENTIFIERS,
        (
            "us-core-18",
            "identifier",
            "a CLIA number has 2 digits, D and 7 digits",
            _numbered(_CLIA, r"[0-9]{2}D[0-9]{7}"),
        ),
        ("us-core-19", "identifier", "a NAIC code has 5 digits", _numbered(_NAIC, r"[0-9]{5}")),
    ),
    "Patient": (
        ("us-core-6", "name", "family, given or a data absent reason must be there", us_core_6),
    ),
    "Practitioner": _IDENTIFIERS,
    "PractitionerRole": (
        (
            "us-core-13",
            "",
            "practitioner, organization, healthcareService or location must be there",
            _SOMEBODY,
        ),
    ),
    "Procedure": (
        ("us-core-7", "", "performed[x] must be there if completed or in progress", us_core_7),
    ),
    "RelatedPerson": (
        ("us-core-14", "", "name or relationship must be there", some("name", "relationship")),
    ),
}
"""By type: key, the element whose objects are looked at (empty: the resource), words, rule."""
