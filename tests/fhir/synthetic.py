"""Synthetic patients with a visit each, in transaction Bundles as an importer sends them.

Like the records that a clinic brings along: more than our tables have columns for, accents, several
numbers, names and contact points, references within the Bundle. The same numbers make the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from tests.fhir.examples import LOINC, TERMINOLOGY, US_CORE, coded
from tests.fhir.generated import thrown

Json = dict[str, Any]

_GIVEN = {
    "female": ("Maria", "Aisha", "Zoë", "Li Na", "Siobhán", "Ngọc", "Anne-Marie", "Olga"),
    "male": ("José", "John", "Mohammed", "Łukasz", "D'Andre", "Wei", "Björn", "Ivan"),
    "other": ("Alex", "Sam", "Noor", "Kim"),
    "unknown": ("Robin", "Jo"),
}
_FAMILY = (
    "García",
    "O'Brien",
    "Nguyễn",
    "Smith-Jones",
    "Müller",
    "Okafor",
    "de la Cruz",
    "Kowalski",
)
_CITIES = (("Springfield", "IL", "62701"), ("Portland", "OR", "97201"), ("Juneau", "AK", "99801"))
_LANGUAGES = ("en", "es", "vi", "pl", "ar", "zh")
_REASONS = ("Blood pressure", "Foot care", "Review of insulin", "Spirometry")


@dataclass(frozen=True, slots=True)
class Place:
    """Where and with whom the visits are, one after another from `first` on, half an hour each.

    Whoever sends several Bundles at once gives each its own providers.
    """

    facility: UUID | str
    providers: Sequence[UUID | str]
    first: datetime


def bundle(place: Place, first: int, count: int) -> Json:
    """Return a transaction with the patients `first`, `first + 1`, ... and a visit of each."""
    entries: list[Json] = []
    for number in range(first, first + count):
        name = f"urn:uuid:{UUID(int=0x5EED << 64 | number, version=4)}"
        entries.append(_entry("Appointment", visit(place, number, name)))
        entries.append({"fullUrl": name, **_entry("Patient", patient(number))})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _entry(kind: str, resource: Json) -> Json:
    return {"resource": resource, "request": {"method": "POST", "url": kind}}


def patient(number: int) -> Json:
    """Return a Patient."""
    dice = thrown(number)
    gender = dice.choices(list(_GIVEN), (48, 48, 2, 2))[0]
    born = (dice.randint(1931, 2005), dice.randint(1, 12), dice.randint(1, 28))
    family = f"{dice.choice(_FAMILY)} {_letters(number)}"
    made: Json = {
        "resourceType": "Patient",
        "identifier": _numbers(dice, number),
        "active": True,
        "name": [{"use": "official", "family": family, "given": _given(dice, gender)}],
        "telecom": _telecom(dice, number),
        "gender": gender,
        "birthDate": "{}-{:02}-{:02}".format(*born),
        "address": _address(dice),
        "communication": [
            {"language": coded(dice.choice(_LANGUAGES), "urn:ietf:bcp:47"), "preferred": True}
        ],
    }
    for name, share, value in _sometimes(dice):
        if dice.random() < share:
            made[name] = value
    if gender == "female" and dice.random() < 0.3:
        made["name"].append({"use": "maiden", "family": dice.choice(_FAMILY)})
    return made


def _letters(number: int) -> str:
    """Return letters that tell one from another: names with digits are rare."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:05}").capitalize()


def _numbers(dice: Random, number: int) -> list[Json]:
    mrn = {
        "use": "usual",
        "type": coded("MR", f"{TERMINOLOGY}/v2-0203"),
        "system": "https://old.example.org/mrn",
        "value": f"S-{number:06}",
    }
    other = {"system": "http://hl7.org/fhir/sid/us-medicare", "value": f"1EG4-TE5-{number:06}"}
    return [mrn, other] if dice.random() < 0.5 else [mrn]


def _given(dice: Random, gender: str) -> list[str]:
    names = list(_GIVEN[gender])
    dice.shuffle(names)
    return names[: dice.randint(1, 2)]


def _telecom(dice: Random, number: int) -> list[Json]:
    found: list[Json] = [{"system": "phone", "value": f"+1 (415) 555-{number % 10_000:04}"}]
    if dice.random() < 0.6:
        found.append({"system": "email", "value": f"s{number}@example.com", "use": "home"})
    if dice.random() < 0.1:
        found.append({"system": "fax", "value": "415 555 0199", "use": "work"})
    return found


def _address(dice: Random) -> list[Json]:
    city, state, code = dice.choice(_CITIES)
    line = f"{dice.randint(1, 999)} Main Street"
    return [
        {"use": "home", "line": [line], "city": city, "state": state, "postalCode": code,
         "country": "US"}
    ]  # fmt: skip


def _sometimes(dice: Random) -> list[tuple[str, float, Any]]:
    """Return elements that some have, with the share of those who do."""
    marital = coded(dice.choice("MSWD"), f"{TERMINOLOGY}/v3-MaritalStatus")
    race = {
        "url": f"{US_CORE}/us-core-race",
        "extension": [{"url": "text", "valueString": dice.choice(("White", "Black", "Asian"))}],
    }
    zone = {
        "url": "http://hl7.org/fhir/StructureDefinition/timezone",
        "valueCode": "America/Chicago",
    }
    kin = {
        "relationship": [coded("C", f"{TERMINOLOGY}/v2-0131")],
        "name": {"family": dice.choice(_FAMILY), "given": ["Kim"]},
        "telecom": [{"system": "phone", "value": "+14155550111"}],
    }
    return [
        ("maritalStatus", 0.7, marital),
        ("extension", 0.6, [race]),
        ("extension", 0.2, [race, zone]),
        ("contact", 0.5, [kin]),
        ("multipleBirthBoolean", 0.05, True),
        ("photo", 0.02, [{"title": "At the desk", "url": "https://old.example.org/photo"}]),
    ]


def visit(place: Place, number: int, patient_name: str) -> Json:
    """Return the Appointment of the patient called `patient_name`."""
    dice = thrown(number + 1_000_003)
    turn, which = divmod(number, len(place.providers))
    start = place.first + timedelta(minutes=30 * turn)
    actors = (patient_name, f"Practitioner/{place.providers[which]}", f"Location/{place.facility}")
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "serviceType": [{"text": "follow_up"}],
        "reasonCode": [{**coded("8480-6", LOINC), "text": dice.choice(_REASONS)}],
        "priority": dice.choice((1, 3, 5, 9)),
        "comment": f"Imported, number {number}.",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=30)).isoformat(),
        "participant": [
            {"actor": {"reference": one}, "required": "required", "status": "accepted"}
            for one in actors
        ],
    }
