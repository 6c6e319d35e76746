"""Whatever else a client writes of a type comes back, and what is read can be put back."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.fhir.queries_told import ConsentRow
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.resources import clinic_write, consent, consent_write, places
from chroniccare.fhir.validation import parse
from chroniccare.fhir.validation_issues import InvalidResourceError
from chroniccare.notifications.preferences.rules import CHANNELS
from chroniccare.notifications.rules_categories import CATEGORIES
from tests.client import Clinic
from tests.fhir import generated
from tests.fhir.server import Server, prescription
from tests.fhir.test_write_clinic import chen, place
from tests.fhir.test_write_drugs import make, order, put
from tests.fhir.test_write_services import dialysis
from tests.fhir.test_write_told import kin

Json = dict[str, Any]
_TENANT = UUID(int=7)
_SERVERS = {"authoredOn", "doNotPerform", "id", "meta", "resourceType", "text", "_authoredOn"}
"""What the server decides, and what would be another resource; `text` is tested with patients."""

_REFUSED = {"availabilityExceptions", "availableTime", "contained", "notAvailable", "specialty"}

_MODIFIERS = (b'"modifierExtension"', b'"implicitRules"')
"""Who does not know them must not take what they are in."""


def richer(base: Json, seed: int) -> Json:
    """Return a resource with elements made at random beside its own, each of them valid there."""
    name = base["resourceType"]
    made = generated.resource(name, generated.thrown(seed), 0.4)
    whole = dict(base)
    for element, value in made.items():
        modifies = any(one in orjson.dumps({element: value}) for one in _MODIFIERS)
        if modifies or element.removeprefix("_") in {*base, *_SERVERS, *_REFUSED}:
            continue
        tried = {**whole, element: value}
        try:
            parse(name, orjson.dumps(tried))
        except InvalidResourceError:
            continue
        whole = tried
    return whole


def seeds(count: int) -> list[int]:
    """Draw seeds; Hypothesis cannot wait for a coroutine of the session's loop."""
    found: list[int] = []

    @settings(max_examples=count, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def draw(seed: int) -> None:
        found.append(seed)

    draw()
    return found


Base = Callable[[int], Json]


async def _request(clinic: Clinic) -> Base:
    patient, provider = await clinic.patient(), await clinic.provider()
    return lambda _number: order(patient, provider)


async def _dispense(clinic: Clinic) -> Base:
    drug = await _as_needed(clinic)
    return lambda _number: {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": {"text": "Metformin"},
        "subject": {"reference": f"Patient/{drug['patient_id']}"},
        "authorizingPrescription": [{"reference": f"MedicationRequest/{drug['id']}"}],
        "type": {"coding": [{"code": "EM"}]},
        "daysSupply": {"value": 3, "unit": "d"},
        "quantity": {"value": 6.5, "unit": "tablet"},
        "whenHandedOver": (datetime.now(UTC) - timedelta(days=1)).date().isoformat(),
    }


async def _administration(clinic: Clinic) -> Base:
    drug = await _as_needed(clinic)
    now = datetime.now(UTC).replace(microsecond=0)
    return lambda number: {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "Metformin"},
        "subject": {"reference": f"Patient/{drug['patient_id']}"},
        "effectiveDateTime": (now - timedelta(minutes=10 + number)).isoformat(),
        "request": {"reference": f"MedicationRequest/{drug['id']}"},
        "performer": [{"actor": {"display": "Ward"}}],
        "statusReason": [{"text": "as asked"}],
        "note": [{"text": "In words"}],
    }


async def _as_needed(clinic: Clinic) -> Json:
    start = (datetime.now(UTC) - timedelta(days=5)).date().isoformat()
    return await prescription(clinic, start_date=start, sig="1 tablet by mouth as needed for pain")


async def _related(clinic: Clinic) -> Base:
    patient = await clinic.patient()
    return lambda _number: kin(patient)


async def _practitioner(_clinic: Clinic) -> Base:
    def made(number: int) -> Json:
        system = [{"system": "urn:oid:1.2.3", "value": f"D-{number}"}]
        return chen(identifier=system)

    return made


async def _role(clinic: Clinic) -> Base:
    provider = await clinic.provider()
    others = [await clinic.facility() for _ in range(8)]
    return lambda number: {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": f"Practitioner/{provider['id']}"},
        "location": [{"reference": f"Location/{others[number]['id']}"}],
        "active": True,
        "telecom": [{"system": "url", "value": "https://example.org"}],
    }


async def _location(_clinic: Clinic) -> Base:
    return lambda _number: place()


async def _service(clinic: Clinic) -> Base:
    return lambda number: dialysis(
        clinic, type=[{"coding": [{"system": "http://snomed.info/sct", "code": f"{number}"}]}]
    )


BASES: dict[str, Callable[[Clinic], Awaitable[Base]]] = {
    "MedicationRequest": _request,
    "MedicationDispense": _dispense,
    "MedicationAdministration": _administration,
    "RelatedPerson": _related,
    "Practitioner": _practitioner,
    "PractitionerRole": _role,
    "Location": _location,
    "HealthcareService": _service,
}
ELSEWHERE = {"Patient", "Appointment", "Consent", "CommunicationRequest"}
"""Types with properties of their own, or that keep nothing beside."""
_CHANGED = {"MedicationRequest", "RelatedPerson", "Practitioner", "Location", "PractitionerRole",
            "HealthcareService"}  # fmt: skip


def test_every_type_that_is_written_has_a_property() -> None:
    written = {name: kind.writer for name, kind in KINDS.items() if kind.writer}
    beside = {name for name, one in written.items() if one.keeps and not one.is_whole}
    assert beside - ELSEWHERE <= set(BASES)


@pytest.mark.parametrize("kind", sorted(BASES))
async def test_whatever_is_written_beside_is_read_back(
    clinic: Clinic, fhir: Server, kind: str
) -> None:
    base = await BASES[kind](clinic)
    for number, seed in enumerate(seeds(8)):
        said = richer(base(number), seed)
        made = await make(fhir, said)
        for name, value in said.items():
            if name != "identifier":  # those of the record stand there as it has them
                assert made[name] == value, (name, said)
        read = await fhir.read(kind, made["id"])  # which the judges accept
        assert read == made
        if kind in _CHANGED:
            again = await put(fhir, read)
            assert {**again, "meta": 0} == {**read, "meta": 0}


CONSENTS = st.dictionaries(st.sampled_from(CHANNELS), st.booleans())
CHOICES = st.dictionaries(
    st.sampled_from(CATEGORIES),
    st.fixed_dictionaries({"enabled": st.booleans(), "channels": st.just(["email"])}),
)


@given(CONSENTS, CHOICES)
def test_a_consent_says_what_it_was_made_of(
    consents: dict[str, bool], choices: dict[str, Any]
) -> None:
    stored = {"categories": choices, "quiet_hours": {"start": "22:00", "end": "07:00"}}
    row = ConsentRow(_TENANT, "M. G.", consents, stored, 1, datetime(2026, 1, 1, tzinfo=UTC), [])
    said = consent.to_fhir(row, _TENANT)
    channels, categories, wrong = consent_write.from_fhir(said, _TENANT)
    assert (channels, wrong) == (consents, [])
    body = consent_write.preferences(channels, categories, stored, ["sms"])
    assert {one["category"]: one["enabled"] for one in body["categories"]} == {
        name: one["enabled"] for name, one in choices.items()
    }
    assert all(one["channels"] == ["email"] for one in body["categories"])
    assert (body["quiet_hours"], body["channels"]) == (stored["quiet_hours"], ["sms"])


_TIMES = st.times().map(lambda time: time.strftime("%H:%M"))
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@given(st.dictionaries(st.sampled_from(_DAYS), st.tuples(_TIMES, _TIMES)))
def test_opening_hours_say_the_same_times(hours: dict[str, tuple[str, str]]) -> None:
    week = {day: [{"open": one[0], "close": one[1]}] for day, one in hours.items()}
    again = clinic_write.week(places.hours(week))
    assert open_minutes(again) == open_minutes(week)


def open_minutes(week: dict[str, list[dict[str, Any]]]) -> set[tuple[int, int]]:
    """Return each minute of a week at which it is open."""
    found: set[tuple[int, int]] = set()
    for number, day in enumerate(_DAYS):
        for one in week.get(day, []):
            begins, ends = (
                int(one[name][:2]) * 60 + int(one[name][3:]) for name in ("open", "close")
            )
            for minute in range(begins, ends if ends > begins else ends + 1440):
                found.add(((number + minute // 1440) % 7, minute % 1440))
    return found
