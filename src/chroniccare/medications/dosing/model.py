"""A regimen as the planner reads it: what a list of FHIR Dosage comes to. No I/O, no clock."""

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Literal

PeriodUnit = Literal["min", "h", "d", "wk", "mo"]
DayOfWeek = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Event = Literal[
    "MORN", "NOON", "AFT", "EVE", "NIGHT", "HS", "WAKE",
    "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV",
]  # fmt: skip
"""FHIR EventTiming: what a dose is anchored to; C is a meal, M breakfast, D lunch, V dinner."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """FHIR Timing.repeat: `frequency` times every `period` `unit`.

    A `unit` of hours or minutes keeps elapsed time from the first dose on; all others are anchored:
    they keep the time on the wall. Anchored doses are at `times`, or at the anchors of `when` moved
    by `offset_minutes`, or, with neither, at the anchors that the frequency of the day implies.

    Attributes:
        days: only on these days of the week; empty: on all.
        times: times of day on the wall.
        when: events of the day that it is anchored to.
        offset_minutes: before (for AC...) or after (for PC...) the event; >= 0.
        count: doses in all, at most.
    """

    frequency: int = 1
    period: Decimal = Decimal(1)
    unit: PeriodUnit = "d"
    days: tuple[DayOfWeek, ...] = ()
    times: tuple[time, ...] = ()
    when: tuple[Event, ...] = ()
    offset_minutes: int = 0
    count: int | None = None

    @property
    def is_interval(self) -> bool:
        """Return whether elapsed time is kept, not the time on the wall."""
        return self.unit in {"h", "min"}


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a regimen; those of a taper follow each other by `sequence`.

    Instructions of the same `sequence` hold side by side (one tablet in the morning, two at night).

    Attributes:
        sequence: from 1; the next begins when all of this one are over.
        repeat: None for what is taken as needed.
        quantity: per dose, in `unit`; None: not said.
        days: how long it holds, in local days from its first; None: to the end of the regimen.
        cycle: days on and days off, repeated from its first day; None: every day.
        most_per_day: FHIR maxDosePerPeriod as doses in 24 hours; None: no limit given.
        least_minutes: never two doses closer than this; None: the planner's rule.
    """

    sequence: int = 1
    repeat: Repeat | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    days: int | None = None
    cycle: tuple[int, int] | None = None
    most_per_day: int | None = None
    least_minutes: int | None = None

    @property
    def as_needed(self) -> bool:
        """Return whether it is taken as needed, and so never planned."""
        return self.repeat is None
