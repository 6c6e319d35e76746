"""Which visits a change strands, against a minute-by-minute look at the calendar."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.scheduling.availability import rules
from chroniccare.scheduling.slots import rules as slots
from chroniccare.scheduling.slots.intervals import less

PLACE, PROVIDER = UUID(int=1), UUID(int=2)
START = date(2026, 10, 26)  # a Monday; clocks change in New York on 1 November
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@st.composite
def times(draw: st.DrawFn) -> tuple[int, int]:
    return draw(st.integers(0, 47)) * 30, draw(st.integers(0, 48)) * 30


@st.composite
def weekly(draw: st.DrawFn) -> slots.Weekly:
    start, end = draw(times())
    first = START.toordinal() + draw(st.integers(-3, 6))
    last = draw(st.none() | st.integers(first, first + 10))
    day, available = draw(st.integers(0, 6)), draw(st.booleans())
    return slots.Weekly(PLACE, day, start, end, 30, available, first, last)


@st.composite
def dated(draw: st.DrawFn) -> slots.Dated:
    start, end = draw(st.just((None, None)) | times())
    day = START.toordinal() + draw(st.integers(-1, 9))
    return slots.Dated(PLACE, day, start, end, draw(st.booleans()))


@st.composite
def hours(draw: st.DrawFn) -> rules.Hours:
    week, few = st.lists(weekly(), max_size=5), st.lists(dated(), max_size=3)
    opened = [one._replace(is_available=True) for one in draw(week)]
    place = slots.Place(PLACE, draw(st.sampled_from(ZONES)), opened, draw(few))
    calendar = slots.Calendar(PROVIDER, 0, (), draw(week), draw(few), ())
    return rules.Hours({PROVIDER: calendar}, {PLACE: place})


@st.composite
def visits(draw: st.DrawFn) -> list[rules.Visit]:
    midnight = int(datetime(START.year, START.month, START.day, tzinfo=UTC).timestamp()) // 60
    found = []
    for number in range(draw(st.integers(1, 6))):
        start = midnight + draw(st.integers(-24 * 4, 24 * 40)) * 15
        length = draw(st.sampled_from([5, 15, 30, 45, 60, 600, 1440]))
        found.append(rules.Visit(UUID(int=10 + number), PLACE, [PROVIDER], start, start + length))
    return found


def wall(minute: int, zone: str) -> datetime:
    return (EPOCH + timedelta(minutes=minute)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def among(minute: int, zone: str, day: int, start: int | None, end: int | None) -> bool:
    """Say whether the minute lies in a range that starts on this day, by the kernel's instants."""
    begin, until = (0, slots.DAY) if start is None or end is None else (start, end)
    until = until if until > begin else until + slots.DAY
    return slots.minute_of(zone, day, begin) <= minute < slots.minute_of(zone, day, until)


def in_week(minute: int, zone: str, week: Sequence[slots.Weekly]) -> bool:
    today = wall(minute, zone).date().toordinal()
    return any(
        among(minute, zone, day, one.start, one.end)
        for one in week
        for day in (today - 1, today, today + 1)
        if date.fromordinal(day).isoweekday() % 7 == one.day_of_week
        and one.first <= day
        and (one.last is None or day <= one.last)
    )


def in_dated(minute: int, zone: str, some: Sequence[slots.Dated], *, available: bool) -> bool:
    return any(
        among(minute, zone, one.day, one.start, one.end)
        for one in some
        if one.is_available is available
    )


def bookable(minute: int, known: rules.Hours) -> bool:
    place, calendar = known.places[PLACE], known.calendars[PROVIDER]
    zone, own, its = place.zone, calendar.exceptions, place.exceptions
    week = [one for one in calendar.rules if one.is_available]
    aside = [one for one in calendar.rules if not one.is_available]
    works = in_week(minute, zone, week) and not in_week(minute, zone, aside)
    works = works or in_dated(minute, zone, own, available=True)
    works = works and not in_dated(minute, zone, own, available=False)
    opened = in_week(minute, zone, place.hours) or in_dated(minute, zone, its, available=True)
    return works and opened and not in_dated(minute, zone, its, available=False)


def inside(visit: rules.Visit, known: rules.Hours) -> bool:
    # Everything starts and ends on quarters of an hour, in these zones and in UTC.
    quarters = range(visit.start - visit.start % 15, visit.end, 15)
    return all(bookable(minute, known) for minute in quarters)


@given(visits(), hours(), hours())
def test_stranded_is_what_was_inside_and_no_longer_is(
    booked: list[rules.Visit], before: rules.Hours, after: rules.Hours
) -> None:
    slow = {one.id for one in booked if inside(one, before) and not inside(one, after)}
    assert rules.stranded(booked, before, after) == slow
    assert rules.stranded(booked, before, before) == set()


@given(visits(), hours())
def test_what_a_closed_facility_or_an_unknown_provider_had_is_stranded(
    booked: list[rules.Visit], before: rules.Hours
) -> None:
    was_inside = {one.id for one in booked if inside(one, before)}
    shut = rules.with_place(before, PLACE, lambda _: None)
    assert rules.stranded(booked, before, shut) == was_inside
    assert rules.stranded(booked, before, replace(before, calendars={})) == was_inside
    assert rules.stranded(booked, shut, before) == set()


@pytest.mark.parametrize(
    ("zone", "day", "clock", "visit"),
    [
        ("America/New_York", 1, 1380, datetime(2026, 10, 28, 2, tzinfo=UTC)),  # Tuesday 22:00 there
        ("Pacific/Kiritimati", 3, 720, datetime(2026, 10, 27, 23, tzinfo=UTC)),  # Wednesday 13:00
        ("Pacific/Pago_Pago", 0, 1380, datetime(2026, 10, 27, 3, tzinfo=UTC)),  # Monday 16:00
    ],
)
def test_a_range_of_a_day_counts_wherever_its_clocks_are(
    zone: str, day: int, clock: int, visit: datetime
) -> None:
    start = int(visit.timestamp()) // 60
    booked = [rules.Visit(UUID(int=9), PLACE, [PROVIDER], start, start + 30)]
    week = slots.Weekly(PLACE, day, clock, clock, 30, is_available=True, first=1, last=None)
    always = [week._replace(day_of_week=one, start=0, end=slots.DAY) for one in range(7)]
    place = slots.Place(PLACE, zone, always, [])
    calendar = slots.Calendar(PROVIDER, 0, (), [week], [], ())
    before = rules.Hours({PROVIDER: calendar}, {PLACE: place})
    assert rules.stranded(booked, before, replace(before, calendars={})) == {UUID(int=9)}


def test_no_visit_is_stranded_by_nothing() -> None:
    empty = rules.Hours({}, {})
    assert rules.stranded([], empty, empty) == set()


@pytest.mark.parametrize("times", [(None, None), (540, 600)])
def test_of_two_exceptions_alike_one_goes(times: tuple[int | None, int | None]) -> None:
    one = slots.Dated(PLACE, START.toordinal(), *times, is_available=False)
    other = replace(one, day=one.day + 1)
    assert less([one, other, one], one) == [other, one]
    assert less([other], one) == [other]
