"""Recalls on paper."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.time import to_local, zone, zone_names
from chroniccare.scheduling.recall import rules

INSTANTS = st.integers(1_577_836_800, 2_208_988_800).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
ZONES = st.sampled_from(sorted(zone_names()))
DAY = date(2031, 3, 4)


@given(now=INSTANTS, name=ZONES)
def test_a_local_day_is_the_one_on_the_wall(now: datetime, name: str) -> None:
    days = rules.local_days(now)
    shift = (name in days.ahead) - (name in days.behind)
    assert days.day + timedelta(days=shift) == to_local(now, zone(name)).date()
    assert rules.today(now, name) == days.day + timedelta(days=shift)


@given(day=st.dates(date(2020, 1, 1), date(2040, 1, 1)), name=ZONES)
def test_a_day_begins_when_it_is_that_day_and_not_before(day: date, name: str) -> None:
    begins = rules.begin_of(day, name)
    assert rules.today(begins - timedelta(seconds=1), name) < day
    assert rules.today(begins, name) >= day  # later where a whole day is skipped


@pytest.mark.parametrize(
    ("outcome", "unanswered", "wanted", "days"),
    [
        ("agreed_to_visit", 1, None, 30),
        ("remind_to_call_later", 1, None, 7),
        ("remind_to_call_later", 1, 90, 90),
        ("no_answer", 1, None, 1),
        ("no_answer", 2, None, 1),
        ("no_answer", 3, None, 7),
        ("no_answer", 99, None, 7),
    ],
)
def test_when_a_patient_is_called_again(
    outcome: rules.Outcome, unanswered: int, wanted: int | None, days: int
) -> None:
    day = None if wanted is None else DAY + timedelta(days=wanted)
    again = rules.call_again_on(outcome, today=DAY, unanswered=unanswered, wanted=day)
    assert again == DAY + timedelta(days=days)


def test_who_is_removed_is_not_called_again() -> None:
    assert rules.call_again_on("removed", today=DAY, unanswered=1, wanted=None) is None


@pytest.mark.parametrize(
    ("birth", "today", "years"),
    [
        (date(1961, 4, 12), date(2031, 4, 11), 69),
        (date(1961, 4, 12), date(2031, 4, 12), 70),
        (date(2004, 2, 29), date(2031, 2, 28), 26),
        (date(2004, 2, 29), date(2031, 3, 1), 27),
        (DAY, DAY, 0),
    ],
)
def test_age(birth: date, today: date, years: int) -> None:
    assert rules.age(birth, today=today) == years


def test_a_share_of_nothing_is_none() -> None:
    assert rules.percent(0, 0) is None
    assert rules.percent(1, 3) == 33.3
