"""Operating hours on paper, against a week of minutes counted one by one."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.week import minutes
from chroniccare.facilities.rules import DAYS, overlapping

WEEK = 7 * 24 * 60

clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))
hours = st.dictionaries(
    st.sampled_from(DAYS),
    st.lists(st.tuples(clock, clock | st.just("24:00")), max_size=3),
)


def open_minutes(day: str, opens: str, closes: str) -> list[int]:
    """Every minute of the week in which a range is open, as a clerk would count them."""
    start, end = minutes(opens), minutes(closes)
    if end <= start:
        end += 24 * 60
    return [(DAYS.index(day) * 24 * 60 + minute) % WEEK for minute in range(start, end)]


@given(hours)
def test_hours_overlap_when_some_minute_is_counted_twice(
    week: dict[str, list[tuple[str, str]]],
) -> None:
    counted = Counter(
        minute for day, ranges in week.items() for span in ranges
        for minute in open_minutes(day, *span)
    )  # fmt: skip
    assert bool(overlapping(week)) == any(count > 1 for count in counted.values())


@given(hours)
def test_without_the_ranges_that_were_named_nothing_overlaps(
    week: dict[str, list[tuple[str, str]]],
) -> None:
    named = set(overlapping(week))
    left = {
        day: [span for number, span in enumerate(ranges) if f"{day}.{number}" not in named]
        for day, ranges in week.items()
    }
    assert overlapping(left) == []


@pytest.mark.parametrize(
    ("week", "named"),
    [
        ({"monday": [("08:00", "12:00"), ("12:00", "17:00")]}, []),
        ({"monday": [("08:00", "12:01"), ("12:00", "17:00")]}, ["monday.1"]),
        ({"monday": [("13:00", "17:00"), ("08:00", "14:00")]}, ["monday.1"]),
        ({"monday": [("20:00", "06:00")], "tuesday": [("06:00", "12:00")]}, []),
        ({"monday": [("20:00", "06:01")], "tuesday": [("06:00", "12:00")]}, ["tuesday.0"]),
        ({"sunday": [("20:00", "06:01")], "monday": [("06:00", "12:00")]}, ["sunday.0"]),
        ({"sunday": [("00:00", "24:00")], "monday": [("00:00", "24:00")]}, []),
        ({"sunday": [("00:00", "00:00")], "monday": [("00:00", "00:00")]}, []),
        ({"friday": [("09:00", "09:00")], "saturday": [("08:59", "10:00")]}, ["saturday.0"]),
    ],
)
def test_a_range_may_touch_the_next_one_but_not_cover_it(
    week: dict[str, list[tuple[str, str]]], named: list[str]
) -> None:
    assert overlapping(week) == named
