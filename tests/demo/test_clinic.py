"""The demo clinic on paper."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import phonenumbers

from chroniccare.core.time import to_local
from chroniccare.demo import clinic, rules
from chroniccare.demo.patients import patients
from chroniccare.providers.rules import is_npi

FACILITIES = [UUID(int=number) for number in range(3)]


def test_the_patients_are_the_same_every_time() -> None:
    assert patients() == patients()


def test_there_are_500_patients_with_fictional_addresses_of_their_own() -> None:
    found = [patient.body for patient in patients()]
    points = [point for body in found for point in body.contact_info.telecom]
    phones = [point.value for point in points if point.system == "phone"]
    mails = [point.value for point in points if point.system == "email"]
    assert len(found) == len(set(phones)) == len(set(mails)) == 500
    assert all(number[5:10] == "55501" for number in phones)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in phones)
    assert all(mail.endswith("@example.com") for mail in mails)
    assert len({body.mrn for body in found}) == 500


def test_patients_have_chronic_conditions_and_live_in_the_zones_of_their_facility() -> None:
    found = [patient.body for patient in patients()]
    assert all(body.icd10_codes and body.primary_diagnosis for body in found)
    assert {"E11.9", "I10", "J44.9", "N18.3"} <= {
        code for body in found for code in body.icd10_codes
    }
    zones = Counter(body.time_zone for body in found)
    assert {place.zone for place in clinic.PLACES} < set(zones)
    assert sum(zones[place.zone] for place in clinic.PLACES) == 450


def test_providers_have_valid_npis_that_nobody_was_ever_given() -> None:
    found = [str(body.npi) for body in clinic.providers(FACILITIES)]
    assert len(set(found)) == 12
    assert all(is_npi(npi) and npi < "1003000000" for npi in found)


def test_it_is_day_somewhere_at_any_time_so_a_reminder_can_always_be_watched() -> None:
    zones = {ZoneInfo(patient.body.time_zone) for patient in patients()}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for hour in range(366 * 24):
        at = start + timedelta(hours=hour)
        assert any(rules.is_awake(zone, at) for zone in zones), at


def hours(start: str, end: str, zone: str = "America/New_York", day: int = 0) -> rules.Hours:
    return rules.Hours(UUID(int=1), UUID(int=2), ZoneInfo(zone), day, start, end, 30)


def test_slots_follow_the_clock_on_the_wall_over_a_change_of_clocks() -> None:
    # 2026-03-08, a Sunday: New York's clocks jump from 02:00 to 03:00.
    found = list(rules.slots([hours("01:00", "04:00")], date(2026, 3, 8), 1))
    assert [to_local(slot.start, ZoneInfo("America/New_York")).hour for slot in found] == [
        1,
        1,
        3,
        3,
    ]
    assert all(slot.end - slot.start == timedelta(minutes=30) for slot in found)


def test_a_range_until_midnight_ends_there_and_one_over_midnight_the_day_after() -> None:
    whole = rules.span(hours("00:00", "24:00", zone="UTC"), date(2026, 6, 7))
    night = rules.span(hours("22:00", "06:00", zone="UTC"), date(2026, 6, 7))
    assert [end - start for start, end in (whole, night)] == [
        timedelta(hours=24),
        timedelta(hours=8),
    ]
    assert list(rules.slots([hours("08:00", "12:00")], date(2026, 6, 8), 6)) == []


def test_a_diary_knows_who_is_free() -> None:
    diary, patient = rules.Diary({}), UUID(int=9)
    first, second = list(rules.slots([hours("08:00", "09:00")], date(2026, 6, 7), 1))
    diary.book(first, patient)
    assert not diary.fits(first, UUID(int=8))
    assert diary.fits(second, patient)
    assert not diary.is_free(patient, first.start, second.end)
