"""Free times on paper: weekly rules, dated exceptions, opening hours and visits become slots.

Everything is intervals of whole minutes since 1970 in UTC, `(start, end)` with the end left out,
sorted and apart. Local time becomes minutes in one place, `minute_of`, through the time kernel.
Days are ordinals (`date.toordinal`), times of day minutes since midnight.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from chroniccare.core.time import to_instant, to_local, zone
from chroniccare.scheduling.slots.intervals import (
    Interval,
    intersect,
    merge,
    outside,
    subtract,
)

DAY = 24 * 60


class Weekly(NamedTuple):  # made by the thousand, three times as fast as a frozen dataclass
    """One range that comes back every week, on the clocks of a facility.

    Attributes:
        day_of_week: day on which a range starts, 0 is Sunday.
        start: minutes since midnight, 0 to 1,439.
        end: 0 to 1,440; at or before `start` it lies on the next day.
        step: minutes between the starts of visits, counted from `start`.
        is_available: False sets the range aside.
        first: the first day on which a range may start.
        last: the last such day; None for no end.
        rank: least urgency of a visit that it is kept for, of RANKS in scheduling/rules.py; 0 for
            any.
        release: minutes before which anybody may have what is kept; None for never.
    """

    facility_id: UUID
    day_of_week: int
    start: int
    end: int
    step: int
    is_available: bool
    first: int
    last: int | None
    rank: int = 0
    release: int | None = None


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
        daily: most visits a day; None for no limit.
        visits: starts of the visits that take them, buffers left out, sorted; where `daily` is set.
    """

    provider_id: UUID
    minutes: int
    places: Sequence[UUID]
    rules: Sequence[Weekly]
    exceptions: Sequence[Dated]
    busy: Sequence[Interval]
    daily: int | None = None
    visits: Sequence[int] = ()


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


class Grid(NamedTuple):  # see Weekly
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


@dataclass(frozen=True, slots=True)
class Search:
    """What a visit needs besides its provider.

    Attributes:
        rank: how urgent it is; see RANKS of scheduling/rules.py.
        now: the present minute, which what is kept for urgent visits is released by.
        before: minutes that the provider needs free before it ...
        after: ... and after it; they need not be working hours.
        busy: when the patient is taken, sorted by start.
        present: for each other provider, when they work and are free, sorted and apart.
        blocked: starts at which too few rooms or equipment are free, sorted and apart.
    """

    rank: int = 0
    now: int = 0
    before: int = 0
    after: int = 0
    busy: Sequence[Interval] = ()
    present: Sequence[Sequence[Interval]] = ()
    blocked: Sequence[Interval] = ()


ANY = Search()


def find(
    calendar: Calendar,
    place: Place,
    *,
    hours: Sequence[Interval],
    window: Window,
    search: Search = ANY,
    most: int | None = None,
) -> list[int]:
    """Return the minutes at which a visit with the provider at `place` can start, sorted.

    The provider must work, the facility be open, and nobody taken, buffers included. A start
    stands on the grid of its range, on the wall; a visit may run from one range into the next.

    Args:
        calendar: the provider's.
        place: one of `calendar.places`.
        hours: when the facility is open, from `open_hours`.
        window: which starts are wanted.
        search: what else the visit needs.
        most: how many starts are enough.
    """
    free, grids = working(
        calendar, place, hours=hours, window=window, rank=search.rank, now=search.now
    )
    free = subtract(free, merge(_widened(calendar.busy, search)))
    if search.busy:
        free = subtract(free, merge(search.busy))
    for present in search.present:
        free = intersect(free, present)
    starts = _cut(free, grids, place, calendar.minutes, window)
    blocked = search.blocked
    if full := full_days(calendar, place, window):
        blocked = merge(sorted([*blocked, *full]))
    return outside(starts, blocked)[:most] if blocked else starts[:most]


def full_days(calendar: Calendar, place: Place, window: Window) -> list[Interval]:
    """Return the days of `window` on which the provider has all the visits that a day may have."""
    if calendar.daily is None or len(calendar.visits) < calendar.daily:
        return []
    found = []
    for day in range(window.first, window.last + 1):
        span = minute_of(place.zone, day, 0), minute_of(place.zone, day + 1, 0)
        if started(calendar.visits, span) >= calendar.daily:
            found.append(span)
    return found


def day_of(place: Place, minute: int) -> Interval:
    """Return the local day, midnight to midnight, in which `minute` lies."""
    day = to_local(instant(minute), zone(place.zone)).toordinal()
    return minute_of(place.zone, day, 0), minute_of(place.zone, day + 1, 0)


def started(visits: Sequence[int], span: Interval) -> int:
    """Return how many of `visits`, sorted starts, lie within `span`."""
    return bisect_left(visits, span[1]) - bisect_left(visits, span[0])


def _widened(busy: Sequence[Interval], search: Search) -> Sequence[Interval]:
    """Return what keeps a visit away: what is taken, and the visit's own buffers around it."""
    if not search.before and not search.after:
        return busy
    return [(start - search.after, end + search.before) for start, end in busy]


def working(
    calendar: Calendar,
    place: Place,
    *,
    hours: Sequence[Interval],
    window: Window,
    rank: int = 0,
    now: int = 0,
) -> tuple[list[Interval], list[Grid]]:
    """Return when the provider can be booked at `place`, visits apart, and the grids of starts.

    A weekly range that is set aside takes from the weekly ranges; extra hours add to what is left;
    time off takes from both; then the facility must be open. What is kept for more urgent visits
    than `rank` counts once it is released, by the minute `now`.
    """
    grids: list[Grid] = []
    aside: list[Interval] = []
    for rule in calendar.rules:
        if rule.facility_id == place.id:
            made = _grids(rule.start, rule.end, rule.step, _days(rule, window), place.zone)
            if not rule.is_available:
                aside += [grid.span for grid in made]
            elif rule.rank <= rank:
                grids += made
            elif rule.release is not None:
                grids += _released(made, now + rule.release)
    works = merge(sorted(grid.span for grid in grids))
    if aside:
        works = subtract(works, merge(sorted(aside)))
    added, taken = _exceptions(calendar.exceptions, place, step=calendar.minutes)
    if added:
        grids += added
        works = merge(sorted([*works, *(grid.span for grid in added)]))
    return intersect(subtract(works, taken), hours), grids


def _released(grids: Iterable[Grid], until: int) -> list[Grid]:
    """Return what of `grids` lies before the minute `until`."""
    return [
        grid._replace(span=(grid.span[0], min(grid.span[1], until)))
        for grid in grids
        if grid.span[0] < until
    ]


def _cut(
    free: Sequence[Interval], grids: Iterable[Grid], place: Place, minutes: int, window: Window
) -> list[int]:
    """Return every start on a grid from which `minutes` are free."""
    low = max(minute_of(place.zone, window.first, 0), window.after + 1)
    high = min(minute_of(place.zone, window.last + 1, 0), window.until + 1)
    ends = [end for _, end in free]
    count = len(free)
    found: list[int] = []
    for grid in grids:
        start, end = grid.span
        first, behind = max(start, low), min(end, high)
        at = bisect_right(ends, first)
        while at < count:
            begin, last = free[at]
            if begin >= behind:
                break
            last = min(behind, last - minutes + 1)
            found += _starts(grid, max(first, begin), last)
            at += 1
    return list(dict.fromkeys(sorted(found)))  # ranges may overlap


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


@lru_cache(maxsize=4_096)  # much of the staff works the same hours
def _grids(start: int, end: int, step: int, days: range, zone_name: str) -> tuple[Grid, ...]:
    length = end - start if end > start else end - start + DAY
    found = []
    for day in days:
        span = (minute_of(zone_name, day, start), minute_of(zone_name, day, start + length))
        if span[0] < span[1]:  # a range that clocks skip is none
            found.append(Grid(zone_name, day, start, length, step, span))
    return tuple(found)


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
        grids = _grids(start, end, step, range(one.day, one.day + 1), place.zone)
        if one.is_available:
            added += grids
        else:
            taken += [grid.span for grid in grids]
    return added, merge(sorted(taken))
