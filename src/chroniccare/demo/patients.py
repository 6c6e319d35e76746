"""The demo clinic's five hundred patients: the same ones every time."""

import random
from dataclasses import dataclass
from datetime import date

from faker import Faker

from chroniccare.demo.clinic import PEOPLE, PLACES, phone
from chroniccare.patients.schemas import PatientWrite

COUNT = 500
_SEED = 20_240_611
_BORN = (date(1936, 1, 1), date(1998, 12, 31))
_PER_AREA = 100
# Some spend the season abroad: messages follow the patient's clock, not the clinic's.
_ABROAD = {7: "Europe/Madrid", 19: "Asia/Manila"}
_EVERY = 20

_CONDITIONS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("Type 2 diabetes mellitus without complications", ("E11.9",), 16),
    ("Type 2 diabetes with diabetic chronic kidney disease", ("E11.22", "N18.3"), 7),
    ("Type 2 diabetes with hyperglycemia", ("E11.65", "I10"), 7),
    ("Type 1 diabetes mellitus without complications", ("E10.9",), 3),
    ("Essential hypertension", ("I10",), 16),
    ("Essential hypertension with hyperlipidemia", ("I10", "E78.5"), 10),
    ("Chronic obstructive pulmonary disease", ("J44.9",), 9),
    ("COPD with acute exacerbation in the past year", ("J44.1", "F17.210"), 3),
    ("Moderate persistent asthma", ("J45.40",), 5),
    ("Chronic kidney disease, stage 3", ("N18.3", "I10"), 7),
    ("Heart failure", ("I50.9", "I10"), 6),
    ("Atrial fibrillation", ("I48.91",), 4),
    ("Atherosclerotic heart disease", ("I25.10", "E78.5"), 5),
    ("Rheumatoid arthritis", ("M06.9",), 4),
    ("Major depressive disorder, recurrent", ("F33.1",), 4),
    ("Hypothyroidism", ("E03.9",), 4),
)
_STATUSES = ("active",) * 18 + ("on_hold", "inactive")
_CHANNELS: tuple[list[str], ...] = ([], [], [], ["sms", "email"], ["email", "sms"], ["email"])


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A patient, and the number (in PEOPLE) of the provider who is primary."""

    body: PatientWrite
    provider: int


def patients() -> list[Enrolled]:
    """Return every patient."""
    fake = Faker("en_US")
    fake.seed_instance(_SEED)
    choose = random.Random(_SEED)  # noqa: S311  invented people, not secrets
    return [_patient(number, fake, choose) for number in range(COUNT)]


def _patient(number: int, fake: Faker, choose: random.Random) -> Enrolled:
    where = number % len(PLACES)
    place = PLACES[where]
    serial = number // len(PLACES)
    area = place.areas[1 + serial // _PER_AREA]
    gender = choose.choice(("female", "male"))
    first = fake.first_name_female() if gender == "female" else fake.first_name_male()
    last = fake.last_name()
    words, codes = _condition(choose)
    body = {
        "mrn": f"RCC-{10_001 + number}",
        "first_name": first,
        "last_name": last,
        "date_of_birth": fake.date_between(*_BORN),
        "gender": gender,
        "contact_info": {
            "telecom": [
                {"system": "phone", "value": phone(area, serial)},
                {
                    "system": "email",
                    "value": f"{first}.{last}.{number}@example.com".lower(),
                    "use": "home",
                    "rank": 2,
                },
            ],
            "address": {
                "line": [fake.street_address()],
                "city": place.city,
                "state": place.state,
                "postal_code": place.postal_code,
                "country": "US",
            },
        },
        "emergency_contact": {"name": fake.name(), "phone": phone(place.areas[0], 50 + serial)},
        "insurance_info": {"payer": choose.choice(_PAYERS), "member_id": fake.bothify("??######")},
        "primary_diagnosis": words,
        "icd10_codes": list(codes),
        "treatment_status": choose.choice(_STATUSES),
        "communication_preferences": {"channels": choose.choice(_CHANNELS)},
        "consent_settings": {"sms": True, "email": True},
        "time_zone": _ABROAD.get(number % _EVERY, place.zone),
        "language": "es" if choose.random() < _SPANISH else "en",
    }
    staff = [index for index, person in enumerate(PEOPLE) if person.place == where]
    return Enrolled(PatientWrite.model_validate(body), choose.choice(staff))


_PAYERS = ("Medicare", "Acme Health", "Northwind Mutual", "Harbor Benefit", "Self-pay")
_SPANISH = 0.15


def _condition(choose: random.Random) -> tuple[str, tuple[str, ...]]:
    weights = [weight for _, _, weight in _CONDITIONS]
    words, codes, _ = choose.choices(_CONDITIONS, weights)[0]
    return words, codes
