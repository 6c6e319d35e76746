"""The time kernel in every zone, at every change of clocks from 2024 to 2035."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroniccare.core.errors import Invalid
from chroniccare.core.time import (
    EARLIEST,
    LATEST,
    parse_instant,
    to_instant,
    to_local,
    zone,
    zone_names,
)

SECOND = timedelta(seconds=1)
FROM = datetime(2024, 1, 1, tzinfo=UTC)
UNTIL = datetime(2036, 1, 1, tzinfo=UTC)
ZONES = sorted(zone_names())


@dataclass(frozen=True, slots=True)
class Change:
    """A change of clocks: the first instant of the new offset, and both offsets."""

    at: datetime
    before: timedelta
    after: timedelta

    def wall(self, offset: timedelta) -> datetime:
        return (self.at + offset).replace(tzinfo=None)


def offset(tz: ZoneInfo, instant: datetime) -> timedelta:
    found = instant.astimezone(tz).utcoffset()
    assert found is not None
    return found


@cache
def changes(name: str) -> list[Change]:
    """Return every change of offset in `name`, found by sampling and bisection."""
    tz, step, found = ZoneInfo(name), timedelta(days=4), []
    low, held = FROM, offset(ZoneInfo(name), FROM)
    while low < UNTIL:
        high = low + step
        new = offset(tz, high)
        if new != held:
            left, right = low, high
            while right - left > SECOND:
                middle = left + (right - left) // (2 * SECOND) * SECOND
                left, right = (middle, right) if offset(tz, middle) == held else (left, middle)
            found.append(Change(right, held, new))
        low, held = high, new
    return found


def convert(local: datetime, tz: ZoneInfo) -> datetime:
    return to_instant(local.date(), local.time(), tz)


def wall(instant: datetime, tz: ZoneInfo) -> datetime:
    return to_local(instant, tz).replace(tzinfo=None)


def points(start: datetime, end: datetime) -> Iterator[datetime]:
    yield from (start, start + SECOND, start + (end - start) / 2, end - SECOND)


def test_the_sampling_finds_the_changes_that_are_known() -> None:
    assert len(changes("America/New_York")) == 24
    assert changes("America/New_York")[0].at == datetime(2024, 3, 10, 7, tzinfo=UTC)
    assert changes("Asia/Tokyo") == []
    assert len(changes("Africa/Casablanca")) > 20  # Ramadan
    assert changes("Australia/Lord_Howe")[0].before - changes("Australia/Lord_Howe")[
        0
    ].after == timedelta(minutes=30)
    assert sum(len(changes(name)) for name in ZONES) > 4000


def test_a_skipped_time_becomes_the_first_instant_after_the_gap() -> None:
    seen = 0
    for name in ZONES:
        tz = ZoneInfo(name)
        for change in changes(name):
            if change.after > change.before:
                start, end = change.wall(change.before), change.wall(change.after)
                for local in points(start, end):
                    assert convert(local, tz) == change.at, (name, local)
                assert convert(start - SECOND, tz) == change.at - SECOND
                assert convert(end, tz) == change.at
                seen += 1
    assert seen > 1500


def test_a_repeated_time_is_its_first_occurrence() -> None:
    seen = 0
    for name in ZONES:
        tz = ZoneInfo(name)
        for change in changes(name):
            if change.after < change.before:
                start, end = change.wall(change.after), change.wall(change.before)
                for local in points(start, end):
                    found = convert(local, tz)
                    assert found == local.replace(tzinfo=UTC) - change.before, (name, local)
                    assert found < change.at
                    assert wall(found, tz) == wall(found + (end - start), tz) == local
                assert convert(end, tz) == change.at + (end - start)
                seen += 1
    assert seen > 1500


locals_ = st.datetimes(datetime(2024, 1, 1), datetime(2036, 1, 1))  # noqa: DTZ001  a wall's
near_a_change = st.sampled_from([name for name in ZONES if changes(name)]).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.builds(
            lambda change, minutes: change.wall(change.before) + timedelta(minutes=minutes),
            st.sampled_from(changes(name)),
            st.integers(-200, 200),
        ),
    )
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.tuples(st.sampled_from(ZONES), locals_), near_a_change))
def test_the_result_is_the_first_instant_at_which_the_wall_shows_the_time_or_later(
    where: tuple[str, datetime],
) -> None:
    name, local = where
    tz = zone(name)
    found = convert(local, tz)
    assert found.tzinfo is UTC
    assert wall(found, tz) >= local
    for earlier in (1, 60, 1800, 3599, 3600, 7200, 10_800, 86_400):
        assert wall(found - earlier * SECOND, tz) < local


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ZONES), st.datetimes(datetime(2024, 1, 1), datetime(2035, 12, 31)))  # noqa: DTZ001
def test_an_instant_comes_back_unless_the_wall_shows_it_again(name: str, naive: datetime) -> None:
    tz, instant = zone(name), naive.replace(tzinfo=UTC)
    shown = to_local(instant, tz)
    back = convert(shown.replace(tzinfo=None), tz)
    assert back <= instant
    assert wall(back, tz) == shown.replace(tzinfo=None)
    if shown.fold == 0:
        assert back == instant


def test_a_time_with_a_zone_of_its_own_is_read_as_the_walls() -> None:
    tz = zone("America/New_York")
    at = time(9, tzinfo=timezone(timedelta(hours=5)))
    assert to_instant(date(2026, 7, 1), at, tz) == datetime(2026, 7, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "america/new_york", "localtime", "posix/UTC", "../UTC", "/etc", "\0"],
)
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        zone(name, field="home.zone")
    assert [detail.field for detail in caught.value.details] == ["home.zone"]


def test_an_instant_keeps_its_moment_and_becomes_utc() -> None:
    given_ = datetime.fromisoformat("2026-12-01T09:00:00-05:00")
    found = parse_instant(given_, field="start")
    assert found == given_
    assert found.tzinfo is UTC
    assert parse_instant(EARLIEST, field="start") == EARLIEST


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T09:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1899-12-31T23:59:59+00:00",
        LATEST.isoformat(),
    ],
)
def test_an_instant_without_an_offset_or_out_of_range_is_named(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_instant(datetime.fromisoformat(text), field="start")
    assert [detail.field for detail in caught.value.details] == ["start"]
