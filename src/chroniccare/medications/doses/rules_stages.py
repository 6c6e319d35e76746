"""The instructions of a regimen where they stand: from which day to which, and how far apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby

from chroniccare.core.time import to_local, zone
from chroniccare.medications.doses.rules import DAY, Anchors, Clock, Regimen, instant
from chroniccare.medications.doses.rules_days import days_per_day, dose_days, least_days
from chroniccare.medications.doses.rules_slots import count, slots
from chroniccare.medications.dosing.model import Repeat, Step

_SECONDS = {"min": 60, "h": 3600}
_LOOKED_AHEAD = 31
"""Days that are looked at at once where doses are counted off."""
_NEVER = 100 * 366
"""Days after which a number of doses that never falls due is no longer counted off."""


@dataclass(frozen=True, slots=True)
class Part:
    """One instruction where it stands in its regimen; days are proleptic ordinals.

    Attributes:
        base: ordinal of its first slot.
        last: its last day; None: it has none.
        until: the last dose of those counted off: day and minute by the clock it began with, or
            for an interval its number; None: they are not counted.
    """

    step: Step
    repeat: Repeat
    base: int
    first: int
    last: int | None
    until: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Stage:
    """Instructions that hold side by side.

    Attributes:
        last: the last day of the last of them; None: they have none.
        every: the average interval between their doses.
        nearest: the shortest interval that they prescribe, on the wall.
        nearest_first: the same on their first day, with the last dose of the stage before.
    """

    parts: tuple[Part, ...]
    first: int
    last: int | None
    every: timedelta
    nearest: timedelta
    nearest_first: timedelta


def interval(repeat: Repeat) -> timedelta:
    """Return the elapsed time between two interval doses."""
    seconds = int(repeat.period * _SECONDS[repeat.unit]) // max(1, repeat.frequency)
    return timedelta(seconds=max(60, seconds))


def origin(part: Part, began: Clock) -> datetime:
    """Return the instant that interval doses are counted from.

    It is the first time or event said, or else that of waking up, on the part's first day.
    """
    repeat = part.repeat
    said = bool(repeat.times or repeat.when)
    minute = slots(repeat, began.anchors)[0][1] if said else began.anchors.wake
    return instant(part.first, minute, began.zone)


def stages(regimen: Regimen, anchors: Anchors) -> list[Stage]:
    """Return the stages of a regimen, one after the other; what is taken as needed has none."""
    found: list[Stage] = []
    first, base = regimen.starts_on.toordinal(), 0
    end = None if regimen.ends_on is None else regimen.ends_on.toordinal()
    before: tuple[Step, ...] = ()
    ordered = sorted(regimen.steps, key=lambda step: step.sequence)
    for _, group in groupby(ordered, key=lambda step: step.sequence):
        together = tuple(group)
        parts, lasts = [], list[int | None]()
        for step in together:
            part, last = _part(regimen, step, base, first, end)
            lasts.append(last)
            if part is not None:
                base += count(part.repeat)
                parts.append(part)
        known = [last for last in lasts if last is not None]
        last = max(known) if len(known) == len(lasts) else None
        if parts:
            every, nearest, nearest_first = _distances(together, before, anchors)
            found.append(Stage(tuple(parts), first, last, every, nearest, nearest_first))
        if last is None or (end is not None and last >= end):
            break
        first, before = last + 1, together
    return found


def _part(
    regimen: Regimen, step: Step, base: int, first: int, end: int | None
) -> tuple[Part | None, int | None]:
    """Return an instruction where it stands, and its last day."""
    last = end if step.days is None else first + step.days - 1
    if last is not None and end is not None:
        last = min(last, end)
    if step.repeat is None:
        return None, last
    part = Part(step, step.repeat, base, first, last, None)
    if step.repeat.count is None:
        return part, last
    until, counted = _counted(regimen, part)
    day = counted if last is None else min(last, counted)
    return Part(step, step.repeat, base, first, last, until), day


def _counted(regimen: Regimen, part: Part) -> tuple[tuple[int, int], int]:
    """Return the last of so many doses, and its day, by the clock that they began with."""
    repeat, began = part.repeat, regimen.began
    wanted = repeat.count or 1
    if repeat.is_interval:
        start, step = origin(part, began), interval(repeat)
        skipped = max(0, -((start - regimen.effective_from) // step))
        last = skipped + wanted - 1
        return (last, 0), to_local(start + last * step, zone(began.zone)).date().toordinal()
    low, left, found = part.first, wanted, (part.first - 1, 0)
    while left and low < part.first + _NEVER and (part.last is None or low <= part.last):
        high = low + _LOOKED_AHEAD
        days = dose_days(repeat, part.step.cycle, first=part.first, low=low, high=high)
        for day, minute in _falling(days, repeat, regimen):
            found, left = (day, minute), left - 1
            if not left:
                break
        low = high + 1
    return found, found[0]


def _falling(days: list[int], repeat: Repeat, regimen: Regimen) -> "list[tuple[int, int]]":
    """Return day and minute of the doses of `days` that fall into the regimen."""
    began = regimen.began
    return [
        (day, minute)
        for day in days
        for _, minute in slots(repeat, began.anchors)
        if instant(day, minute, began.zone) >= regimen.effective_from
    ]


@lru_cache(maxsize=4096)
def _distances(
    together: tuple[Step, ...], before: tuple[Step, ...], anchors: Anchors
) -> tuple[timedelta, timedelta, timedelta]:
    """Return the average interval, the shortest, and the shortest on the first day."""
    a_day, shortest, at, apart = 0.0, list[timedelta](), set[int](), list[int]()
    for step in together:
        repeat = step.repeat
        if repeat is None:
            continue
        if repeat.is_interval:
            a_day += timedelta(days=1) / interval(repeat)
            shortest.append(interval(repeat))
        else:
            found = [minute for _, minute in slots(repeat, anchors)]
            a_day += len(found) * days_per_day(repeat)
            at.update(found)
            apart.append(least_days(repeat))
    if at:
        days = apart[0] if len(apart) == 1 else 1  # side by side they may fall on any day
        shortest.append(timedelta(minutes=_nearest(sorted(at), days)))
    nearest = min(shortest)
    first = nearest
    last = _last_minute(before, anchors)
    if at and last is not None:
        first = min(nearest, timedelta(minutes=max(1, min(at) + DAY - last)))
    return timedelta(days=1) / a_day, nearest, first


def _nearest(at: list[int], days: int) -> int:
    """Return the fewest minutes from one slot to the next, over the end of the day as well."""
    following = [*at[1:], at[0] + DAY * days]
    return max(1, min(later - one for one, later in zip(at, following, strict=True)))


def _last_minute(steps: Sequence[Step], anchors: Anchors) -> int | None:
    """Return the last slot of a day of anchored instructions."""
    found = [
        slots(step.repeat, anchors)[-1][1]
        for step in steps
        if step.repeat is not None and not step.repeat.is_interval
    ]
    return max(found, default=None)


def day_of(moment: datetime, zone_name: str) -> int:
    """Return the local day of an instant, as a proleptic ordinal."""
    return local_date(moment, zone_name).toordinal()


def local_date(moment: datetime, zone_name: str) -> date:
    """Return the date on the wall of a zone."""
    return to_local(moment, zone(zone_name)).date()
