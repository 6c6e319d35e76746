"""Free times on paper: weekly rules, dated exceptions, opening hours and visits become slots.

Everything is intervals of whole minutes since 1970 in UTC, `(start, end)` with the end left out,
sorted and apart. Local time becomes minutes in one place, `minute_of`, through the time kernel.
Days are ordinals (`date.toordinal`), times of day minutes since midnight.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from chroniccare.core.time import to_instant, to_local, zone

DAY = 24 * 60

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Weekly:
    """One range that comes back every week, on the clocks of a facility.

    Attributes:
        day_of_week: day on which a range starts, 0 is Sunday.
        start: minutes since midnight, 0 to 1,439.
        end: 0 to 1,440; at or before `start` it lies on the next day.
        step: minutes between the starts of visits, counted from `start`.
        is_available: False sets the range aside.
        first: the first day on which a range may start.
        last: the last such day; None for no end.
    """

    facility_id: UUID
    day_of_week: int
    start: int
    end: int
    step: int
    is_available: bool
    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Dated:
    """One exception: hours added to a day, or taken from it.

    Attributes:
        facility_id: where; None for every facility.
        start: as in `Weekly`; None, and `end` too, for the whole day.
    """

    facility_id: UUID | None
    day: int
    start: int | None
    end: int | None
    is_available: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A facility: its IANA zone, the week it is open, and its own exceptions."""

    id: UUID
    zone: str
    hours: Sequence[Weekly]
    exceptions: Sequence[Dated]


@dataclass(frozen=True, slots=True)
class Calendar:
    """A provider: where and when they work, how long a visit takes, and when they are taken.

    Attributes:
        minutes: length of the visit that is looked for.
        busy: sorted by start; they may overlap.
    """

    provider_id: UUID
    minutes: int
    places: Sequence[UUID]
    rules: Sequence[Weekly]
    exceptions: Sequence[Dated]
    busy: Sequence[Interval]


@dataclass(frozen=True, slots=True)
class Window:
    """Which starts are wanted.

    Attributes:
        first: first local day of a start.
        last: last local day of a start.
        after: a start lies behind this minute ...
        until: ... and not behind this one.
    """

    first: int
    last: int
    after: int
    until: int


class Grid(NamedTuple):  # made by the ten thousand, three times as fast as a frozen dataclass
    """One range on one day, and the starts that it offers.

    Attributes:
        wall: minutes since the day's midnight at which the range starts.
        length: its minutes on the clock.
        span: its minutes in UTC.
    """

    zone: str
    day: int
    wall: int
    length: int
    step: int
    span: Interval


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """Return sorted intervals joined where they overlap or touch."""
    found: list[Interval] = []
    begun, ended = 0, -1
    for start, end in intervals:
        if start > ended:
            if ended > begun:
                found.append((begun, ended))
            begun, ended = start, end
        elif end > ended:
            ended = end
    if ended > begun:
        found.append((begun, ended))
    return found


def subtract(one: Sequence[Interval], two: Sequence[Interval]) -> list[Interval]:
    """Return what of `one` is not in `two`."""
    found = []
    at, count = 0, len(two)
    for start, end in one:
        while at < count and two[at][1] <= start:
            at += 1
        step, left = at, start
        while step < count and two[step][0] < end:
            if two[step][0] > left:
                found.append((left, two[step][0]))
            left = two[step][1]
            step += 1
        if left < end:
            found.append((left, end))
    return found


def intersect(one: Sequence[Interval], two: Sequence[Interval]) -> list[Interval]:
    """Return what is in both."""
    found = []
    left = right = 0
    while left < len(one) and right < len(two):
        start = max(one[left][0], two[right][0])
        end = min(one[left][1], two[right][1])
        if start < end:
            found.append((start, end))
        if one[left][1] < two[right][1]:
            left += 1
        else:
            right += 1
    return found


@lru_cache(maxsize=32_768)
def minute_of(zone_name: str, day: int, at: int) -> int:
    """Return the minute at which a clock in the zone shows `at` minutes past the day's midnight.

    `at` may reach into later days. Times that clocks skip or repeat are what core/time.py says.
    """
    days, minutes = divmod(at, DAY)
    on, wall = date.fromordinal(day + days), time(minutes // 60, minutes % 60)
    return int(to_instant(on, wall, zone(zone_name)).timestamp()) // 60


def instant(minute: int) -> datetime:
    """Return the UTC instant of `minute`."""
    return datetime.fromtimestamp(minute * 60, UTC)


def open_hours(place: Place, window: Window) -> list[Interval]:
    """Return when a facility is open around `window`: its week, and its exceptions."""
    week = [
        grid.span
        for rule in place.hours
        for grid in _grids(rule.start, rule.end, rule.step, _days(rule, window), place.zone)
    ]
    added, taken = _exceptions(place.exceptions, place, step=DAY)
    return subtract(merge(sorted([*week, *(grid.span for grid in added)])), taken)


def find(
    calendar: Calendar,
    place: Place,
    *,
    hours: Sequence[Interval],
    window: Window,
    busy: Sequence[Interval] = (),
    most: int | None = None,
) -> list[int]:
    """Return the minutes at which a visit with the provider at `place` can start, sorted.

    A weekly range that is set aside takes from the weekly ranges; extra hours add to what is left;
    time off takes from both. Then the facility must be open, and nobody taken. A start stands on
    the grid of its range, on the wall; a visit may run from one range into the next.

    Args:
        calendar: the provider's.
        place: one of `calendar.places`.
        hours: when the facility is open, from `open_hours`.
        window: which starts are wanted.
        busy: when the patient is taken, sorted by start.
        most: how many starts are enough.
    """
    grids: list[Grid] = []
    aside: list[Interval] = []
    for rule in calendar.rules:
        if rule.facility_id == place.id:
            made = _grids(rule.start, rule.end, rule.step, _days(rule, window), place.zone)
            if rule.is_available:
                grids += made
            else:
                aside += [grid.span for grid in made]
    works = merge(sorted(grid.span for grid in grids))
    if aside:
        works = subtract(works, merge(sorted(aside)))
    added, taken = _exceptions(calendar.exceptions, place, step=calendar.minutes)
    if added:
        grids += added
        works = merge(sorted([*works, *(grid.span for grid in added)]))
    free = intersect(subtract(works, taken), hours)
    free = subtract(free, merge(calendar.busy))
    if busy:
        free = subtract(free, merge(busy))
    return _cut(free, grids, place, calendar.minutes, window)[:most]


def _cut(
    free: Sequence[Interval], grids: Iterable[Grid], place: Place, minutes: int, window: Window
) -> list[int]:
    """Return every start on a grid from which `minutes` are free."""
    low = max(minute_of(place.zone, window.first, 0), window.after + 1)
    high = min(minute_of(place.zone, window.last + 1, 0), window.until + 1)
    ends = [end for _, end in free]
    found: set[int] = set()
    for grid in grids:
        start, end = grid.span
        first, behind = max(start, low), min(end, high)
        at = bisect_right(ends, first)
        while at < len(free) and free[at][0] < behind:
            begin = max(first, free[at][0])
            last = min(behind, free[at][1] - minutes + 1)
            if begin < last:
                found.update(_starts(grid, begin, last))
            at += 1
    return sorted(found)


def _starts(grid: Grid, low: int, high: int) -> Iterable[int]:
    """Return the starts of `grid` from `low` to before `high`."""
    start, end = grid.span
    if end - start == grid.length:  # clocks run evenly, so the grid is one in UTC as well
        return range(low + (start - low) % grid.step, high, grid.step)
    return (minute for minute in _uneven(grid) if low <= minute < high)


def _uneven(grid: Grid) -> Iterator[int]:
    """Yield the starts of a range in which clocks change: none that clocks skip."""
    for at in range(grid.wall, grid.wall + grid.length, grid.step):
        minute = minute_of(grid.zone, grid.day, at)
        shown = to_local(instant(minute), zone(grid.zone))
        if shown.hour * 60 + shown.minute == at % DAY:
            yield minute


def _days(rule: Weekly, window: Window) -> range:
    """Return the days of `window` on which a range starts; last night's and tomorrow's count."""
    first = max(rule.first, window.first - 1)
    last = window.last + 1 if rule.last is None else min(rule.last, window.last + 1)
    # Ordinal 1 is a Monday, so an ordinal modulo 7 is the day of the week with 0 for Sunday.
    return range(first + (rule.day_of_week - first) % 7, last + 1, 7)


def _grids(start: int, end: int, step: int, days: Iterable[int], zone_name: str) -> list[Grid]:
    length = end - start if end > start else end - start + DAY
    found = []
    for day in days:
        span = (minute_of(zone_name, day, start), minute_of(zone_name, day, start + length))
        if span[0] < span[1]:  # a range that clocks skip is none
            found.append(Grid(zone_name, day, start, length, step, span))
    return found


def _exceptions(
    dated: Sequence[Dated], place: Place, *, step: int
) -> tuple[list[Grid], list[Interval]]:
    """Return the hours that exceptions add at `place`, and the time they take."""
    added: list[Grid] = []
    taken: list[Interval] = []
    for one in dated:
        if one.facility_id not in {None, place.id}:
            continue
        start, end = (0, DAY) if one.start is None or one.end is None else (one.start, one.end)
        grids = _grids(start, end, step, (one.day,), place.zone)
        if one.is_available:
            added += grids
        else:
            taken += [grid.span for grid in grids]
    return added, merge(sorted(taken))
