"""Until when a supply lasts, and when that is told. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from chroniccare.core.time import to_instant
from chroniccare.medications.fills.model import Dispensed

Kind = Literal["first_fill", "refill", "emergency"]

REMIND_DAYS = (7, 3, 0)
"""Days before the last day of a supply on which its patient is told."""
RENEW_DAYS = REMIND_DAYS[0]
"""The same for the prescriber, where no refill is left."""
AHEAD_DAYS = REMIND_DAYS[0] + 1
_AT = time(10)
"""On the clock where the patient lives: shops are open, and there is a day left to act."""
_LAST_FOR = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Supply:
    """What fills come to.

    Attributes:
        run_out_on: last day that is covered.
        carried_days: days that were left when the last fill came, or the last ones of one day.
    """

    run_out_on: date
    carried_days: int


def supply(fills: Sequence[Dispensed]) -> Supply | None:
    """Return what `fills` come to if a day's worth is used each day; None for no fill.

    What is left when the next fill comes is used first.
    """
    days: dict[date, int] = {}
    for fill in fills:
        days[fill.filled_on] = days.get(fill.filled_on, 0) + fill.days_supply
    empty_on: date | None = None
    carried = 0
    for day in sorted(days):
        carried = 0 if empty_on is None else max((empty_on - day).days, 0)
        empty_on = day + timedelta(days=carried + days[day])
    return None if empty_on is None else Supply(empty_on - timedelta(days=1), carried)


def days_left(run_out_on: date, today: date) -> int:
    """Return for how many days from `today` on, with it, the supply lasts."""
    return max((run_out_on - today).days + 1, 0)


@dataclass(frozen=True, slots=True)
class Reminder:
    """A message `days` before the last day of a supply: when, and until when it has a point."""

    days: int
    at: datetime
    until: datetime


def reminders(
    run_out_on: date, *, filled_at: datetime, now: datetime, home: ZoneInfo
) -> list[Reminder]:
    """Return the messages about a supply that still have a point.

    None for a day that had passed when the fill was recorded: who has just been to the pharmacy is
    not told to go.
    """
    at = [to_instant(run_out_on - timedelta(days=days), _AT, home) for days in REMIND_DAYS]
    spans = pairwise([*at, at[-1] + _LAST_FOR])
    return [
        Reminder(days, start, end)
        for days, (start, end) in zip(REMIND_DAYS, spans, strict=True)
        if start > filled_at and end > now
    ]


def uses_refill(kind: Kind) -> bool:
    """Return whether a fill of this kind takes one of the prescription's refills."""
    return kind == "refill"
