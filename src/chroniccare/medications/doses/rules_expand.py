"""A regimen on its two clocks: anchored doses keep the time on the wall, others elapsed time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chroniccare.medications.doses.rules import Clock, Regimen, clock_ordinal, instant
from chroniccare.medications.doses.rules_days import dose_days, weekday
from chroniccare.medications.doses.rules_slots import slots
from chroniccare.medications.doses.rules_stages import (
    Part,
    Stage,
    day_of,
    interval,
    local_date,
    origin,
)

_AROUND = 2
"""Slots lie up to so many days after the midnight of their day, or before it."""


@dataclass(slots=True)
class Due:
    """A dose as the regimen alone would have it.

    Attributes:
        least: how far from the dose before it must stay.
        every: the average interval around it.
    """

    due_at: datetime
    local_date: date
    ordinal: int
    version: int
    quantity: Any
    unit: str | None
    least: timedelta
    every: timedelta


def expand(
    regimen: Regimen, laid: list[Stage], clock: Clock, *, after: datetime, until: datetime
) -> list[Due]:
    """Return the doses due after `after` and before `until`, the earliest first.

    Doses of instructions side by side that fall on one minute of a day are one dose: the
    quantities add up where the unit is the same, and are left out where it is not.
    """
    if regimen.effective_until is not None:
        until = min(until, regimen.effective_until)
    if max(after, regimen.effective_from) >= until:
        return []
    found: list[Due] = []
    for stage in laid:
        together: dict[tuple[int, int], Due] = {}
        for part in stage.parts:
            if part.repeat.is_interval:
                found += _by_interval(regimen, stage, part, clock, after=after, until=until)
                continue
            for day, minute, dose in _anchored(
                regimen, stage, part, clock, after=after, until=until
            ):
                there = together.setdefault((day, minute), dose)
                if there is not dose:
                    _add(there, dose)
        found += together.values()
    found.sort(key=lambda dose: (dose.due_at, dose.ordinal))
    return found


def _add(one: Due, other: Due) -> None:
    known = one.quantity is not None and other.quantity is not None and one.unit == other.unit
    one.quantity = one.quantity + other.quantity if known else None
    one.unit = one.unit if known else None
    one.least = max(one.least, other.least)


def _anchored(
    regimen: Regimen, stage: Stage, part: Part, clock: Clock, *, after: datetime, until: datetime
) -> Iterator[tuple[int, int, Due]]:
    """Yield the doses of one instruction with their day and minute on the wall."""
    low = day_of(max(after, regimen.effective_from), clock.zone) - _AROUND
    high = day_of(until, clock.zone) + _AROUND
    if part.last is not None:
        high = min(high, part.last)
    if part.until is not None:
        high = min(high, part.until[0])
    step, zone_name = part.step, clock.zone
    at = slots(part.repeat, clock.anchors)
    began = dict(slots(part.repeat, regimen.began.anchors))
    since = regimen.effective_from
    for day in dose_days(part.repeat, step.cycle, first=part.first, low=low, high=high):
        least = _least(stage, part, is_first=day == stage.first)
        on = date.fromordinal(day)
        for number, minute in at:
            due_at = instant(day, minute, zone_name)
            if not after < due_at < until or due_at < since:
                continue
            if part.until is not None and (day, began.get(number, minute)) > part.until:
                continue
            yield day, minute, Due(
                due_at, on, part.base + number, regimen.version, step.quantity, step.unit, least,
                stage.every,
            )  # fmt: skip


def _least(stage: Stage, part: Part, *, is_first: bool) -> timedelta:
    """Return how far a dose must stay from the one before: half of the shortest prescribed."""
    if part.step.least_minutes is not None:
        return timedelta(minutes=part.step.least_minutes)
    return (stage.nearest_first if is_first else stage.nearest) / 2


def _by_interval(
    regimen: Regimen, stage: Stage, part: Part, clock: Clock, *, after: datetime, until: datetime
) -> Iterator[Due]:
    """Yield the doses that keep elapsed time from the first on; no zone moves them.

    Days of the week, cycles and the last day are those of the zone in which it began.
    """
    began, gap, step = regimen.began, interval(part.repeat), part.step
    start = origin(part, began)
    if part.last is not None:
        until = min(until, instant(part.last + 1, 0, began.zone))
    low = max(after, regimen.effective_from)
    number = max(0, (low - start) // gap)
    least = _least(stage, part, is_first=False)
    while (due_at := start + number * gap) < until:
        counted_off = part.until is not None and number > part.until[0]
        if counted_off:
            return
        number += 1
        if due_at <= after or due_at < regimen.effective_from or not _is_on(part, due_at, began):
            continue
        yield Due(
            due_at, local_date(due_at, clock.zone), clock_ordinal(due_at), regimen.version,
            step.quantity, step.unit, least, stage.every,
        )  # fmt: skip


def _is_on(part: Part, due_at: datetime, began: Clock) -> bool:
    cycle, days = part.step.cycle, part.repeat.days
    if cycle is None and not days:
        return True
    day = day_of(due_at, began.zone)
    if days and weekday(day) not in days:
        return False
    return cycle is None or (day - part.first) % sum(cycle) < cycle[0]
