"""Who fits and who is first, on paper."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.time import to_local, zone
from chroniccare.facilities.rules import DAYS
from chroniccare.scheduling.waitlist import rules

P, F = UUID(int=1), UUID(int=2)
SINCE = datetime(2031, 1, 1, tzinfo=UTC)
TUESDAY = rules.Time(
    P, F, "follow_up", datetime(2031, 3, 4, 17, tzinfo=UTC), 30, "America/New_York"
)
"""12:00 on 4 March 2031."""


def want(**fields: Any) -> rules.Want:
    made = rules.Want(
        uuid4(), None, None, None, None, None, None, [], None, None, None, "normal", None, SINCE
    )
    return replace(made, **fields)


FITS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"provider_id": P, "facility_id": F, "appointment_type": "follow_up"}, True),
    ({"provider_id": F}, False),
    ({"facility_id": P}, False),
    ({"appointment_type": "infusion"}, False),
    ({"minutes": 30}, True),
    ({"minutes": 31}, False),
    ({"earliest": date(2031, 3, 4), "latest": date(2031, 3, 4)}, True),
    ({"earliest": date(2031, 3, 5)}, False),
    ({"latest": date(2031, 3, 3)}, False),
    ({"days": ["tuesday"]}, True),
    ({"days": ["monday", "wednesday"]}, False),
    ({"starts_from": "12:00"}, True),
    ({"starts_from": "12:01"}, False),
    ({"starts_before": "12:00"}, False),
    ({"starts_before": "12:01"}, True),
    ({"starts_from": "22:00", "starts_before": "12:01", "days": ["monday"]}, True),
    ({"starts_from": "22:00", "starts_before": "12:01", "days": ["tuesday"]}, False),
    ({"starts_from": "22:00", "starts_before": "12:00"}, False),
    ({"starts_from": "12:00", "starts_before": "24:00"}, True),
    ({"before": TUESDAY.start}, False),
    ({"before": TUESDAY.start + timedelta(minutes=1)}, True),
]


@pytest.mark.parametrize(("fields", "fits"), FITS, ids=str)
def test_what_fits(fields: dict[str, Any], fits: bool) -> None:
    assert rules.fits(want(**fields), TUESDAY) is fits


def test_days_and_times_are_those_of_the_facilitys_clock() -> None:
    late = replace(TUESDAY, start=datetime(2031, 3, 5, 3, tzinfo=UTC))  # 22:00 on the 4th
    assert rules.fits(want(days=["tuesday"], latest=date(2031, 3, 4), starts_from="22:00"), late)
    in_tokyo = replace(late, zone_name="Asia/Tokyo")  # 12:00 on the 5th
    assert not rules.fits(want(days=["tuesday"]), in_tokyo)
    assert rules.fits(
        want(days=["wednesday"], starts_from="12:00", starts_before="12:01"), in_tokyo
    )


ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]
instants = st.integers(0, 11 * 365 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
clocks = st.builds(
    lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.integers(0, 59)
)


@given(instants, st.sampled_from(ZONES), clocks, clocks)
def test_a_range_of_times_is_what_the_clock_shows(
    start: datetime, name: str, first: str, behind: str
) -> None:
    local = to_local(start, zone(name)).strftime("%H:%M")
    inside = first <= local < behind if first < behind else local >= first or local < behind
    time = replace(TUESDAY, start=start, zone_name=name)
    assert rules.fits(want(starts_from=first, starts_before=behind), time) is inside


@given(instants, st.sampled_from(ZONES), clocks, clocks)
def test_every_time_lies_on_one_day_of_the_week(
    start: datetime, name: str, first: str, behind: str
) -> None:
    time = replace(TUESDAY, start=start, zone_name=name)
    asked = [want(starts_from=first, starts_before=behind, days=[day]) for day in DAYS]
    any_day = rules.fits(want(starts_from=first, starts_before=behind), time)
    assert sum(rules.fits(one, time) for one in asked) == any_day


wants = st.builds(
    want,
    priority=st.sampled_from(list(rules.URGENCY)),
    due_on=st.none() | st.dates(date(2031, 1, 1), date(2031, 5, 1)),
    provider_id=st.sampled_from([None, P, F]),
    appointment_type=st.sampled_from([None, "follow_up", "infusion"]),
    minutes=st.sampled_from([None, 15, 30, 60]),
    created_at=st.sampled_from([SINCE + timedelta(days=day) for day in range(3)]),
)


@given(st.lists(wants, max_size=12), st.randoms())
def test_the_order_is_that_of_the_rules_and_no_other(lot: list[rules.Want], chance: Any) -> None:
    line = rules.ranked(lot, TUESDAY)
    assert {one.id for one in line} == {one.id for one in lot if rules.fits(one, TUESDAY)}
    shuffled = list(lot)
    chance.shuffle(shuffled)
    assert rules.ranked(shuffled, TUESDAY) == line
    for one, two in pairwise(line):
        urgency = rules.URGENCY[one.priority], rules.URGENCY[two.priority]
        overdue = overdue_days(one), overdue_days(two)
        fit = named(one), named(two)
        assert urgency[0] <= urgency[1]
        if urgency[0] == urgency[1]:
            assert overdue[0] >= overdue[1]
            if overdue[0] == overdue[1]:
                assert fit[0] >= fit[1]
                if fit[0] == fit[1]:
                    assert (one.created_at, one.id) < (two.created_at, two.id)


def overdue_days(one: rules.Want) -> int:
    """Count the days by which the fourth of March is too late."""
    return (
        0
        if one.due_on is None or one.due_on > date(2031, 3, 4)
        else (date(2031, 3, 4).toordinal() - one.due_on.toordinal())
    )


def named(one: rules.Want) -> int:
    wishes = [one.provider_id, one.facility_id, one.appointment_type]
    return sum(wish is not None for wish in wishes) + (one.minutes == 30)


@pytest.mark.parametrize(
    ("ahead", "minutes", "kept"),
    [
        (3000, 60, 60),
        (90, 60, 60),
        (89, 60, 59),
        (60, 60, 30),
        (45, 60, 15),
        (44, 60, 0),
        (-9, 60, 0),
    ],
)
def test_an_offer_ends_half_an_hour_before_the_visit(ahead: int, minutes: int, kept: int) -> None:
    start = SINCE + timedelta(minutes=ahead)
    assert rules.offer_minutes(start, now=SINCE, minutes=minutes) == kept
