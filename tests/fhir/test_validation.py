"""Resources are accepted quickly, or refused with everything that is wrong with them."""

import copy
from decimal import Decimal
from typing import Any

import orjson
import pytest

from chroniccare.core.wire import dumps
from chroniccare.fhir import validation
from chroniccare.fhir.validation import parse
from chroniccare.fhir.validation_issues import MAX_ISSUES, InvalidResourceError
from tests.fhir.examples import PATIENT, PATIENT_BYTES, XHTML, coded, to
from tests.fhir.examples_records import EXAMPLES

Json = dict[str, Any]


def issues(resource: Json | bytes, type_name: str | None = None) -> list[tuple[str, str]]:
    """Return code and expression of each issue; none if the resource is valid."""
    name = type_name or (resource["resourceType"] if isinstance(resource, dict) else "Patient")
    try:
        parse(name, resource)
    except InvalidResourceError as error:
        return [(each.code, each.expression) for each in error.issues]
    return []


def changed(type_name: str, /, **members: Any) -> Json:
    """Return the example of a type with these members; None takes one away."""
    made = {**copy.deepcopy(EXAMPLES[type_name]), **members}
    return {name: value for name, value in made.items() if value is not None}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_valid_resource_comes_back_as_it_was_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = orjson.dumps(EXAMPLES[name])
    assert validation._walked(name, body, nested=True) == parse(name, body)
    monkeypatch.setattr(validation, "Walk", None)  # the Struct alone must be sure of these
    assert orjson.loads(dumps(parse(name, body))) == EXAMPLES[name]
    assert parse(name, EXAMPLES[name]) == parse(name, body)


def test_everything_wrong_is_said_at_once_and_no_value_is_repeated() -> None:
    secret = "Zebedee-4711"
    resource = changed(
        "Patient",
        gender=secret,
        birthDate=secret,
        active=secret,
        nickname=secret,
        name=[{"family": 5, "given": ["", secret]}],
        telecom=[{"value": secret}],
        contact=[{"gender": "male"}],
        link=[{}],
        text={"status": "generated", "div": f"<div><b>{secret}</div>"},
    )
    resource[f"{secret} <b>"] = 1
    with pytest.raises(InvalidResourceError) as caught:
        parse("Patient", resource)
    found = {(each.code, each.expression, each.rule) for each in caught.value.issues}
    assert found == {
        ("code-invalid", "Patient.gender", ""),
        ("value", "Patient.birthDate", ""),
        ("structure", "Patient.active", ""),
        ("structure", "Patient.nickname", ""),
        ("structure", "Patient", ""),  # a name that is none is not repeated either
        ("structure", "Patient.name[0].family", ""),
        ("value", "Patient.name[0].given[0]", ""),
        ("invariant", "Patient.telecom[0]", "cpt-2"),
        ("invariant", "Patient.contact[0]", "pat-1"),
        ("required", "Patient.link[0].other", ""),
        ("required", "Patient.link[0].type", ""),
        ("invariant", "Patient.link[0]", "ele-1"),
        ("invariant", "Patient.text.div", "txt-1"),
    }
    said = str(caught.value) + repr(caught.value.issues) + repr(caught.value.details)
    assert secret not in said
    assert caught.value.status == 400
    assert [each.field for each in caught.value.details] == [
        each.expression for each in caught.value.issues
    ]


INVALID: dict[str, tuple[Json, tuple[str, str]]] = {
    "no type": (changed("Patient", resourceType=None), ("required", "Patient.resourceType")),
    "another type": (
        changed("Patient", resourceType="Person"),
        ("value", "Patient.resourceType"),
    ),
    "an unknown element": (changed("Patient", colour="red"), ("structure", "Patient.colour")),
    "a number for a text": (
        changed("Patient", name=[{"family": 7}]),
        ("structure", "Patient.name[0].family"),
    ),
    "a text for a boolean": (changed("Patient", active="true"), ("structure", "Patient.active")),
    "an object for an array": (
        changed("Patient", name={"family": "Garcia"}),
        ("structure", "Patient.name"),
    ),
    "an array for an object": (
        changed("Patient", maritalStatus=[coded("M")]),
        ("structure", "Patient.maritalStatus"),
    ),
    "an empty array": (changed("Patient", name=[]), ("structure", "Patient.name")),
    "an empty object": (changed("Patient", name=[{}]), ("invariant", "Patient.name[0]")),
    "an empty text": (
        changed("Patient", name=[{"family": ""}]),
        ("value", "Patient.name[0].family"),
    ),
    "null in an array": (
        changed("Patient", name=[{"given": [None]}]),
        ("structure", "Patient.name[0].given[0]"),
    ),
    "a code that is none": (changed("Patient", gender="F"), ("code-invalid", "Patient.gender")),
    "a day that is none": (
        changed("Patient", birthDate="2023-02-29"),
        ("value", "Patient.birthDate"),
    ),
    "a date of another country": (
        changed("Patient", birthDate="03/04/1961"),
        ("value", "Patient.birthDate"),
    ),
    "two types of one choice": (
        changed("Patient", deceasedBoolean=True, deceasedDateTime="2020"),
        ("structure", "Patient.deceased"),
    ),
    "an id with a slash": (changed("Patient", id="a/b"), ("value", "Patient.id")),
    "an id of 65": (changed("Patient", id="a" * 65), ("value", "Patient.id")),
    "an address with a blank": (
        changed("Patient", implicitRules="http://x y"),
        ("value", "Patient.implicitRules"),
    ),
    "a control character": (
        changed("Patient", name=[{"family": "Gar\x00cia"}]),
        ("value", "Patient.name[0].family"),
    ),
    "a contact without details (pat-1)": (
        changed("Patient", contact=[{"gender": "male"}]),
        ("invariant", "Patient.contact[0]"),
    ),
    "a telecom without its system (cpt-2)": (
        changed("Patient", telecom=[{"value": "+15125550100"}]),
        ("invariant", "Patient.telecom[0]"),
    ),
    "a period that runs back (per-1)": (
        changed("Patient", name=[{"family": "G", "period": {"start": "2021", "end": "2020"}}]),
        ("invariant", "Patient.name[0].period"),
    ),
    "an extension with neither (ext-1)": (
        changed("Patient", extension=[{"url": "http://x"}]),
        ("invariant", "Patient.extension[0]"),
    ),
    "a script in the narrative (txt-1)": (
        changed(
            "Patient",
            text={
                "status": "generated",
                "div": f'<div xmlns="{XHTML}"><script>x()</script></div>',
            },
        ),
        ("invariant", "Patient.text.div"),
    ),
    "a reference to nothing contained (ref-1)": (
        changed("Patient", managingOrganization=to("#o")),
        ("invariant", "Patient.managingOrganization.reference"),
    ),
    "no status": (changed("Appointment", status=None), ("required", "Appointment.status")),
    "no participant": (
        changed("Appointment", participant=None),
        ("required", "Appointment.participant"),
    ),
    "a participant that is nobody (app-1)": (
        changed("Appointment", participant=[{"status": "accepted"}]),
        ("invariant", "Appointment.participant[0]"),
    ),
    "a start without an end (app-2)": (
        changed("Appointment", end=None, status="proposed"),
        ("invariant", "Appointment"),
    ),
    "booked without times (app-3)": (
        changed("Appointment", start=None, end=None),
        ("invariant", "Appointment"),
    ),
    "a reason to cancel what is booked (app-4)": (
        changed("Appointment", cancelationReason=coded("pat")),
        ("invariant", "Appointment"),
    ),
    "an instant without a zone": (
        changed("Appointment", start="2026-03-08T09:00:00"),
        ("value", "Appointment.start"),
    ),
    "a priority in words": (
        changed("Appointment", priority="urgent"),
        ("structure", "Appointment.priority"),
    ),
    "a negative count": (changed("Appointment", priority=-1), ("value", "Appointment.priority")),
    "half a minute": (
        changed("Appointment", minutesDuration=0.5),
        ("value", "Appointment.minutesDuration"),
    ),
    "an organization without name (org-1)": (
        changed("Organization", name=None),
        ("invariant", "Organization"),
    ),
    "an organization at home (org-2)": (
        changed("Organization", address=[{"use": "home"}]),
        ("invariant", "Organization.address[0]"),
    ),
    "a required choice that is missing": (
        changed("MedicationRequest", medicationCodeableConcept=None),
        ("required", "MedicationRequest.medication"),
    ),
    "a unit without its system (qty-3)": (
        changed("MedicationRequest", dispenseRequest={"quantity": {"value": 1, "code": "mg"}}),
        ("invariant", "MedicationRequest.dispenseRequest.quantity"),
    ),
    "a period without unit (tim-2)": (
        changed("MedicationRequest", dosageInstruction=[{"timing": {"repeat": {"period": 1}}}]),
        ("invariant", "MedicationRequest.dosageInstruction[0].timing.repeat"),
    ),
    "a concept that is not of its value set": (
        changed("Condition", clinicalStatus=coded("active", "http://example.org")),
        ("code-invalid", "Condition.clinicalStatus"),
    ),
    "within a choice": (
        changed(
            "MedicationRequest",
            medicationCodeableConcept={"coding": [{"code": "a  b"}]},
        ),
        ("value", "MedicationRequest.medication.ofType(CodeableConcept).coding[0].code"),
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_each_kind_of_mistake_is_found_where_it_is_and_alone(name: str) -> None:
    resource, expected = INVALID[name]
    type_name = expected[1].split(".")[0].split("[")[0]
    assert issues(resource, type_name) == [expected]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"resourceType":"Patient"} x',
        b'{"resourceType":"Patient","name":[{"family":"\xff"}]}',
        b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}',
        b"[" * 100_000,
    ],
    ids=["nothing", "cut off", "a word", "more after it", "not UTF-8", "half a pair", "deep"],
)
def test_what_is_no_json_is_fatal(body: bytes) -> None:
    with pytest.raises(InvalidResourceError) as caught:
        parse("Patient", body)
    assert [each.severity for each in caught.value.issues] == ["fatal"]


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"x"'])
def test_what_is_no_object_is_said_so(body: bytes) -> None:
    assert issues(body) == [("structure", "Patient")]


def test_a_type_that_r4_does_not_have_is_refused() -> None:
    body = b'{"resourceType":"Nonsense"}'
    assert issues(body, "Nonsense") == [("not-supported", "Nonsense.resourceType")]


def test_an_endless_list_of_mistakes_is_cut() -> None:
    found = issues(changed("Patient", name=[{"family": 1}] * 5_000))
    assert len(found) == MAX_ISSUES + 1
    assert found[-1][0] == "too-costly"


def test_the_rare_things_that_are_right_are_accepted() -> None:
    unknown = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                "valueCode": "unknown",
            }
        ]
    }
    assert issues(changed("Patient", birthDate=None, _birthDate=unknown)) == []
    assert issues(changed("Appointment", status=None, _status=unknown)) == []
    assert issues(changed("Condition", verificationStatus=unknown)) == []
    assert issues(changed("Patient", telecom=[{"value": "x", "_system": unknown}])) == []
    assert issues(changed("Patient", deceasedBoolean=True, _deceasedBoolean={"id": "x"})) == []
    given = [{"given": ["Maria", None], "_given": [None, unknown]}]
    assert issues(changed("Patient", name=given)) == []
    timing = [{"url": "http://x", "valueTiming": {"event": ["2020"]}}]
    assert issues(changed("Patient", extension=timing)) == []
    assert issues(changed("Patient", language="zh hant")) == []
    quoted = changed("Patient", name=[{"family": '{} "#"'}])
    assert issues(quoted) == []
    assert issues(orjson.dumps(PATIENT, option=orjson.OPT_INDENT_2)) == []


def test_null_beside_null_is_nothing() -> None:
    name = [{"given": [None], "_given": [None]}]
    assert issues(changed("Patient", name=name)) == [
        ("structure", "Patient.name[0].given[0]"),
        ("structure", "Patient.name[0].given[0]"),
    ]


def test_what_is_contained_is_looked_at_and_must_be_used() -> None:
    organization = {"resourceType": "Organization", "id": "o", "name": "Lakeside"}
    used = changed("Patient", contained=[organization], managingOrganization=to("#o"))
    assert issues(used) == []
    assert issues(changed("Patient", contained=[organization])) == [
        ("invariant", "Patient.contained[0]")
    ]
    inner = {"resourceType": "Organization", "id": "i", "name": "x", "partOf": to("#o")}
    full = {
        **organization,
        "meta": {"versionId": "1", "security": [{"code": "R"}]},
        "contained": [inner],
    }
    assert issues({**used, "contained": [full]}) == [
        ("invariant", "Patient.contained[0].contained"),
        ("invariant", "Patient.contained[0].meta"),
        ("invariant", "Patient.contained[0].meta.security"),
    ]
    broken = {"resourceType": "Organization", "id": "o"}
    assert issues({**used, "contained": [broken]}) == [("invariant", "Patient.contained[0]")]
    other = {"resourceType": "Nonsense", "id": "o"}
    assert issues({**used, "contained": [other]}) == [
        ("not-supported", "Patient.contained[0].resourceType")
    ]


def test_a_local_reference_is_one_however_it_is_written() -> None:
    body = orjson.dumps(changed("Patient", managingOrganization=to("#o")))
    escaped = body.replace(b'"#o"', b'"\\u0023o"')
    assert escaped != body
    assert (
        issues(escaped) == issues(body) == [("invariant", "Patient.managingOrganization.reference")]
    )
    volume = changed("Observation", code=coded("777-3", display="Platelets [#/volume]"))
    assert validation._quickly("Observation", orjson.dumps(volume), nested=True) is not None


@pytest.mark.parametrize("kind", [["Patient"], {"a": 1}, 5, None, "Nonsense", "Bundle"])
def test_what_is_no_type_within_a_bundle_is_left_to_the_walk(kind: Any) -> None:
    entry = {"resource": {"resourceType": kind}, "request": {"method": "POST", "url": "Patient"}}
    body = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    assert validation._quickly("Bundle", orjson.dumps(body), nested=True) is None
    assert [each.startswith("Bundle.entry[0].resource.") for _, each in issues(body)] == [True]


def test_texts_that_are_remembered_are_judged_alike_each_time() -> None:
    long = "urn:" + "x" * 300  # too long to be remembered
    for system, code, is_right in (
        ("urn:ours", "A-1", True),
        ("urn:ours", "A 1", True),
        ("urn:ours", " A", False),
        ("urn:our s", "A-1", False),
        (long, "A-1", True),
    ):
        body = changed("Patient", maritalStatus={"coding": [{"system": system, "code": code}]})
        for _ in range(2):
            assert (issues(body) == []) is is_right


def test_decimals_keep_the_digits_that_were_sent() -> None:
    body = orjson.dumps(EXAMPLES["Location"]).replace(b"30.26715", b"30.2671500")
    found = parse("Location", body)
    assert found["position"]["latitude"] == Decimal("30.2671500")
    assert b'"latitude":30.2671500' in dumps(found)
    assert dumps(parse("Location", found)) == dumps(found)


@pytest.mark.parametrize("number", [b"1" + b"0" * 30, b"0." + b"1" * 60, b"1e999", b"1e-999"])
def test_numbers_that_nothing_can_keep_are_refused(number: bytes) -> None:
    body = orjson.dumps(EXAMPLES["Location"]).replace(b"30.26715", number)
    with pytest.raises(InvalidResourceError) as caught:
        parse("Location", body)
    where = [each.expression for each in caught.value.issues]
    assert where == ["Location.position.latitude"]


def test_a_name_given_twice_counts_like_for_every_reader_of_json() -> None:
    body = PATIENT_BYTES.replace(b'"gender":"female"', b'"gender":"x","gender":"female"')
    assert parse("Patient", body)["gender"] == "female"
    body = PATIENT_BYTES.replace(b'"gender":"female"', b'"gender":"female","gender":"x"')
    assert issues(body) == [("code-invalid", "Patient.gender")]
