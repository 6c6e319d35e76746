"""The demo clinic on paper: who works where and when. Every person and number is invented.

Telephone numbers are 555-01xx, which no network assigns; NPIs lie below the first one ever issued.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.providers.rules import npi_check_digit
from chroniccare.providers.schemas import ProviderWrite
from chroniccare.scheduling.availability.schemas import AvailabilityWrite

NAME = "Riverside Chronic Care"
SUBDOMAIN = "demo"
ON_CALL = "on_call"
_SINCE = date(2024, 1, 1)
_NUMBERS = 100  # 555-0100 to 555-0199 in each area
_FIRST_NPI = 100_000_001

SUNDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY = range(7)
_WEEKDAYS = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY)
_EVERY_DAY = tuple(range(7))


@dataclass(frozen=True, slots=True)
class Place:
    """A facility: its own area code first, then those of its patients."""

    name: str
    kind: str
    city: str
    state: str
    postal_code: str
    zone: str
    areas: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Person:
    """A provider: `place` counts the facilities, `shifts` are (days, start, end) on its clocks."""

    first_name: str
    last_name: str
    specialization: str
    qualification: str
    place: int
    languages: tuple[str, ...]
    shifts: tuple[tuple[tuple[int, ...], str, str], ...]


PLACES = (
    Place(
        "Riverside Hudson", "clinic", "Poughkeepsie", "NY", "12601", "America/New_York",
        ("845", "914", "212"),
    ),
    Place(
        "Riverside Lakeshore", "clinic", "Evanston", "IL", "60201", "America/Chicago",
        ("847", "312", "773"),
    ),
    Place(
        "Riverside Bayview", "clinic", "Oakland", "CA", "94607", "America/Los_Angeles",
        ("510", "415", "650"),
    ),
)  # fmt: skip

_OFFICE = ((_WEEKDAYS, "09:00", "12:30"), (_WEEKDAYS, "13:30", "17:00"))
_EARLY = (
    ((MONDAY, TUESDAY, WEDNESDAY, THURSDAY), "08:00", "14:00"),
    ((SATURDAY,), "09:00", "13:00"),
)
_LATE = (((MONDAY, WEDNESDAY, FRIDAY), "12:00", "20:00"), ((SUNDAY,), "10:00", "15:00"))
_ALWAYS = ((_EVERY_DAY, "00:00", "24:00"),)

PEOPLE = (
    Person("Aisha", "Rahman", "Endocrinology", "MD", 0, ("en", "ur"), _OFFICE),
    Person("Daniel", "Okafor", "Cardiology", "MD", 0, ("en",), _EARLY),
    Person("Grace", "Lindqvist", "Nephrology", "DO", 0, ("en", "sv"), _LATE),
    Person("Tomas", "Herrera", "Telehealth", "MD", 0, ("en", "es"), _ALWAYS),
    Person("Mei", "Tanaka", "Pulmonology", "MD", 1, ("en", "ja"), _OFFICE),
    Person("Robert", "Kowalski", "Primary Care", "NP", 1, ("en", "pl"), _EARLY),
    Person("Fatima", "Haddad", "Endocrinology", "MD", 1, ("en", "ar"), _LATE),
    Person("Samuel", "Brooks", "Telehealth", "NP", 1, ("en",), _ALWAYS),
    Person("Lucia", "Moretti", "Rheumatology", "MD", 2, ("en", "it"), _OFFICE),
    Person("Kwame", "Asante", "Cardiology", "MD", 2, ("en", "fr"), _EARLY),
    Person("Hannah", "Nguyen", "Behavioral Health", "PhD", 2, ("en", "vi"), _LATE),
    Person("Carlos", "Mendes", "Telehealth", "MD", 2, ("en", "es", "pt"), _ALWAYS),
)

DURATIONS = {"follow_up": 30, "new_patient": 60, "lab_review": 15, "telehealth_check": 5}


def phone(area: str, number: int) -> str:
    """Return the fictional number `number` (0 to 99) of an area, as E.164."""
    return f"+1{area}55501{number % _NUMBERS:02d}"


def facilities() -> list[FacilityWrite]:
    """Return the three facilities."""
    return [FacilityWrite.model_validate(_facility(place)) for place in PLACES]


def _facility(place: Place) -> dict[str, Any]:
    weekday, weekend = [{"open": "08:00", "close": "20:00"}], [{"open": "09:00", "close": "15:00"}]
    days = ("monday", "tuesday", "wednesday", "thursday", "friday")
    address = {
        "line": ["1 Riverside Drive"], "city": place.city, "state": place.state,
        "postal_code": place.postal_code, "country": "US",
    }  # fmt: skip
    return {
        "name": place.name,
        "facility_type": place.kind,
        "address": address,
        "contact_info": {
            "telecom": [
                {"system": "phone", "value": phone(place.areas[0], 0), "use": "work"},
                {"system": "email", "value": _mail(place.name), "use": "work", "rank": 2},
            ]
        },
        "operating_hours": {
            **dict.fromkeys(days, weekday), "saturday": weekend, "sunday": weekend
        },
        "capabilities": ["laboratory", "retinal_imaging", "spirometry", "telehealth"],
        "timezone": place.zone,
    }  # fmt: skip


def providers(facility_ids: list[UUID]) -> list[ProviderWrite]:
    """Return the twelve providers, in the order of PEOPLE."""
    return [
        ProviderWrite.model_validate(_provider(number, person, facility_ids))
        for number, person in enumerate(PEOPLE)
    ]


def _provider(number: int, person: Person, facility_ids: list[UUID]) -> dict[str, Any]:
    stem = str(_FIRST_NPI + number)
    name = f"{person.first_name}.{person.last_name}"
    return {
        "npi": stem + npi_check_digit(stem),
        "first_name": person.first_name,
        "last_name": person.last_name,
        "specializations": [person.specialization],
        "qualifications": [person.qualification],
        "languages": list(person.languages),
        "telehealth_enabled": person.shifts is _ALWAYS,
        "max_daily_capacity": 24,
        "default_appointment_durations": DURATIONS,
        "contact_info": {
            "telecom": [
                {
                    "system": "phone",
                    "value": phone(PLACES[person.place].areas[0], number + 1),
                    "use": "work",
                },
                {"system": "email", "value": _mail(name), "use": "work", "rank": 2},
            ]
        },
        "facilities": [{"facility_id": facility_ids[person.place], "is_primary": True}],
    }


def week(person: Person, facility_ids: list[UUID]) -> AvailabilityWrite:
    """Return a provider's weekly availability."""
    return AvailabilityWrite.model_validate(
        {
            "rules": [
                {
                    "facility_id": facility_ids[person.place],
                    "day_of_week": day,
                    "start_time": start,
                    "end_time": end,
                    "slot_duration": 30,
                    "effective_from": _SINCE,
                }
                for days, start, end in person.shifts
                for day in days
            ]
        }
    )


def _mail(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@example.com"
