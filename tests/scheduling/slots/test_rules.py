"""Free times on paper: against PostgreSQL's multiranges, and at every change of clocks."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroniccare.core.time import to_instant, to_local, zone
from chroniccare.platform.owner import owner_connection
from chroniccare.scheduling.slots import rules as slots
from chroniccare.scheduling.slots.intervals import Interval, intersect, merge, subtract
from tests.core.test_time import ZONES, Change, changes
from tests.scheduling.slots.oracle import Case, by_multiranges, by_sweep

HERE, THERE, SOMEONE = UUID(int=1), UUID(int=2), UUID(int=3)
ALWAYS_OPEN = [slots.Weekly(HERE, day, 0, 1440, 1440, True, 1, None) for day in range(7)]
# Their clocks change at night; all but one do so within the dates below.
CLOCKS = ["America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe"]
FIRST = date(2026, 10, 1).toordinal()
LENGTH = 30


def times(low: int, high: int) -> st.SearchStrategy[int]:
    """Return minutes of the day in fives."""
    return st.integers(low // 5, high // 5).map(lambda five: five * 5)


def ends() -> st.SearchStrategy[tuple[int, int]]:
    """Return start and end that no clock skips: day and night ranges, and whole days."""
    by_day = st.tuples(times(240, 1435), times(245, 1440)).filter(lambda two: two[0] < two[1])
    by_night = st.tuples(times(1080, 1435), times(240, 600))
    return st.one_of(by_day, by_day, by_night, st.just((480, 480)), st.just((0, 1440)))


days = st.integers(FIRST, FIRST + 45)
rules = st.builds(
    lambda place, day, span, step, is_available, first, last, kept: slots.Weekly(
        place, day, span[0], span[1], step, is_available, first, last, *kept
    ),
    st.sampled_from([HERE, HERE, HERE, THERE]),
    st.integers(0, 6),
    ends(),
    st.sampled_from([5, 15, 20, 30, 45, 60, 70]),
    st.sampled_from([True, True, True, False]),
    days | st.just(1),
    st.none() | days,
    st.just((0, None)) | st.tuples(st.integers(1, 2), st.none() | st.integers(0, 20_000)),
)
hours = st.builds(
    lambda day, span: slots.Weekly(HERE, day, span[0], span[1], 1440, True, 1, None),
    st.integers(0, 6),
    ends(),
)
exceptions = st.builds(
    lambda place, day, span, is_available: slots.Dated(place, day, span[0], span[1], is_available),
    st.sampled_from([HERE, THERE, None]),
    days,
    ends() | st.just((None, None)),
    st.booleans(),
)
EPOCH_DAY = date(1970, 1, 1).toordinal()
taken = st.lists(
    st.builds(
        lambda start, length: (start, start + length),
        st.integers((FIRST - EPOCH_DAY) * 1440, (FIRST - EPOCH_DAY + 47) * 1440),
        st.integers(1, 1440),
    ),
    max_size=12,
).map(sorted)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return a calendar of everything at once."""
    first = draw(days)
    busy = draw(taken)
    leads = st.sampled_from([0, 0, 10, 240])
    calendar = slots.Calendar(
        SOMEONE,
        draw(st.sampled_from([5, 15, 25, 30, 60, 90, 240])),
        [HERE],
        draw(st.lists(rules, min_size=1, max_size=8)),
        draw(st.lists(exceptions, max_size=4)),
        busy,
        draw(st.none() | st.integers(0, 3)),
        sorted(start + draw(leads) for start, _ in busy),
    )
    open_ = draw(st.just(ALWAYS_OPEN) | st.lists(hours, max_size=7))
    closed = st.lists(exceptions.filter(lambda one: one.facility_id != THERE), max_size=2)
    place = slots.Place(HERE, draw(st.sampled_from(CLOCKS)), open_, draw(closed))
    low = (first - EPOCH_DAY) * 1440
    window = slots.Window(
        first, first + draw(st.integers(0, 35)), low + draw(st.integers(-3000, 3000)), low + 50_000
    )
    rooms = draw(st.just([]) | st.lists(taken, min_size=1, max_size=4))
    count = draw(st.integers(1, len(rooms))) if rooms else 0
    buffers = st.sampled_from([0, 0, 5, 17, 60])
    return Case(
        calendar, place, draw(taken), window, rooms, count, draw(st.integers(0, 2)), draw(buffers),
        draw(buffers),
    )  # fmt: skip


@pytest.fixture(scope="module")
async def owner(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with owner_connection(database_url) as connection:
        yield connection


@settings(max_examples=500)
@given(case=cases())
async def test_the_sweep_finds_what_multiranges_find(
    owner: "asyncpg.Connection[asyncpg.Record]", case: Case
) -> None:
    assert by_sweep(case) == await by_multiranges(owner, case)


async def test_the_calendars_are_not_empty(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """One calendar of known slots, so that two engines that find nothing do not agree."""
    rule = slots.Weekly(HERE, 4, 540, 600, 30, True, 1, None)  # Thursdays 9 to 10
    calendar = slots.Calendar(SOMEONE, 30, [HERE], [rule], [], [])
    place = slots.Place(HERE, "Asia/Kolkata", ALWAYS_OPEN, [])
    case = Case(calendar, place, [], slots.Window(FIRST, FIRST + 7, 0, 2**31 - 1))
    found = [slots.instant(at).isoformat() for at in by_sweep(case)]
    assert found == [
        "2026-10-01T03:30:00+00:00",
        "2026-10-01T04:00:00+00:00",
        "2026-10-08T03:30:00+00:00",
        "2026-10-08T04:00:00+00:00",
    ]
    assert await by_multiranges(owner, case) == by_sweep(case)


intervals = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda two: (two[0], two[0] + two[1]))
)


def minutes(spans: list[Interval]) -> set[int]:
    return {minute for start, end in spans for minute in range(start, end)}


@settings(max_examples=300)
@given(intervals, intervals)
def test_the_algebra_is_that_of_sets(one: list[Interval], two: list[Interval]) -> None:
    left, right = merge(sorted(one)), merge(sorted(two))
    found = {
        "merge": (left, minutes(one)),
        "subtract": (subtract(left, right), minutes(one) - minutes(two)),
        "intersect": (intersect(left, right), minutes(one) & minutes(two)),
    }
    for name, (spans, wanted) in found.items():
        assert minutes(spans) == wanted, name
        flat = [at for span in spans for at in span]
        assert flat == sorted(flat), name
        assert all(start < end for start, end in spans), name
    assert len({at for span in left for at in span}) == 2 * len(left)  # nothing touches


def find(name: str, day: date, start: int, end: int, *, step: int) -> list[int]:
    """Return the starts of a range of every day, looked for on `day` and its neighbours."""
    first = day.toordinal() - 1
    rules = [slots.Weekly(HERE, number, start, end, step, True, 1, None) for number in range(7)]
    place = slots.Place(HERE, name, ALWAYS_OPEN, [])
    window = slots.Window(first, first + 2, 0, 2**31 - 1)
    return by_sweep(Case(slots.Calendar(SOMEONE, LENGTH, [HERE], rules, [], []), place, [], window))


def check(name: str, change: Change, start: int, end: int, step: int) -> int:
    """Check a daily range around a change of clocks; return the number of slots seen.

    What must be offered is worked out anew, on the wall: each time of the grid that a clock shows,
    at its first occurrence, when the ranges, in elapsed time, still hold the visit.
    """
    tz, day = zone(name), change.wall(change.before).date()
    span = end - start if end > start else end - start + 1440
    midnights = [datetime.combine(day, time()) + timedelta(days=number) for number in range(-2, 3)]

    def at(wall: datetime) -> datetime:
        return to_instant(wall.date(), wall.time(), tz)

    begins = [midnight + timedelta(minutes=start) for midnight in midnights]
    ranges = [(at(begin), at(begin + timedelta(minutes=span))) for begin in begins]
    wanted = set()
    for number, begin in enumerate(begins):
        until = ranges[number][1]
        for later, ended in ranges[number + 1 :]:
            until = ended if later <= until else until  # one range runs into the next
        for step_ in range(0, span, step):
            wall = begin + timedelta(minutes=step_)
            shown = to_local(at(wall), tz).replace(tzinfo=None) == wall
            fits = at(wall) + timedelta(minutes=LENGTH) <= until
            if shown and fits and abs((wall.date() - day).days) <= 1:
                wanted.add(int(at(wall).timestamp()) // 60)
    found = find(name, day, start, end, step=step)
    assert set(found) == wanted, (name, change, start, end, step)
    return len(found)


def test_the_grid_is_the_walls_at_every_change_of_clocks() -> None:
    """Every zone, every change 2024 to 2035."""
    seen = count = 0
    for name in ZONES:
        for change in changes(name):
            count += 1
            wall = change.wall(max(change.before, change.after))
            at = wall.hour * 60 + wall.minute
            early, late = (at - 125) % 1440, (at + 190) % 1440
            seen += check(name, change, 780, 1020, 60)  # afternoon, whichever change it was
            seen += check(name, change, early, late, 45)  # right across the change
    assert count > 4000
    assert seen > 50_000


@settings(max_examples=200)
@given(st.sampled_from([name for name in ZONES if changes(name)]), st.data())
def test_any_range_near_a_change_of_clocks_keeps_to_the_wall(
    name: str, data: st.DataObject
) -> None:
    change = data.draw(st.sampled_from(changes(name)))
    start, end = data.draw(times(0, 1435)), data.draw(times(0, 1440))
    check(name, change, start, end, data.draw(st.sampled_from([20, 30, 45, 60])))


def test_a_zone_never_changes_twice_within_two_days() -> None:
    """Which is what lets a range with as many minutes as its wall count as even."""
    for name in ZONES:
        at = [change.at for change in changes(name)]
        assert all(two - one > timedelta(days=2) for one, two in pairwise(at))


def test_a_repeated_hour_is_offered_once_and_a_skipped_one_not_at_all() -> None:
    autumn, spring = date(2026, 11, 1), date(2026, 3, 8)
    on = "America/New_York"
    found = [slots.instant(at) for at in find(on, autumn, 0, 240, step=60)]
    assert [at.hour for at in found if at.date() == autumn] == [4, 5, 7, 8]  # 1:00 once, as EDT
    found = [slots.instant(at) for at in find(on, spring, 0, 240, step=60)]
    assert [at.hour for at in found if at.date() == spring] == [5, 6, 7]  # no 2:00
    assert found[0].tzinfo is UTC
