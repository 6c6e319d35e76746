"""Recalls on paper: local days, when a patient is called again, how old somebody is, a rate."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal

from chroniccare.core.time import to_instant, to_local, zone, zone_names

LEASE = timedelta(minutes=15)
"""How long a claim lasts unless the outcome of the call is written before."""
LISTED_DAYS = 365
"""Who is overdue for longer is no longer on the worklist."""
EARLIEST_DUE = timedelta(days=3653)
LATEST_DUE = timedelta(days=1827)

Outcome = Literal["agreed_to_visit", "remind_to_call_later", "no_answer", "removed"]
OUTCOMES: tuple[Outcome, ...] = ("agreed_to_visit", "remind_to_call_later", "no_answer", "removed")
_AGAIN_DAYS = {"agreed_to_visit": 30, "remind_to_call_later": 7}
_PATIENT_AFTER = 3
_UNANSWERED_DAYS = (1, 7)


@dataclass(frozen=True, slots=True)
class Days:
    """Which day it is where: `day` everywhere but in the zones named.

    Attributes:
        day: the day in UTC.
        behind: zones in which it is still the day before.
        ahead: zones in which it is the day after already.
    """

    day: date
    behind: list[str]
    ahead: list[str]


def local_days(now: datetime) -> Days:
    """Return which day it is in every zone there is at `now`, in UTC."""
    # Clocks differ by whole minutes, so one answer is good for all of a minute.
    return _local_days(now.replace(second=0, microsecond=0))


@lru_cache(maxsize=8)
def _local_days(now: datetime) -> Days:
    day, behind, ahead = now.date(), list[str](), list[str]()
    for name in sorted(zone_names()):
        local = to_local(now, zone(name)).date()
        if local != day:
            (behind if local < day else ahead).append(name)
    return Days(day, behind, ahead)


def today(now: datetime, zone_name: str) -> date:
    """Return the day on the calendar in a zone at `now`."""
    return to_local(now, zone(zone_name)).date()


def begin_of(day: date, zone_name: str) -> datetime:
    """Return the UTC instant at which `day` begins in a zone."""
    return to_instant(day, time(), zone(zone_name))


def call_again_on(
    outcome: Outcome, *, today: date, unanswered: int, wanted: date | None
) -> date | None:
    """Return the first day on which the patient is on the worklist again; None: never.

    `unanswered` counts the calls in a row that nobody answered, this one included: the first two
    are repeated the next day, later ones after a week. `wanted` is the day the patient asked for.
    """
    if outcome == "removed":
        return None
    if outcome == "no_answer":
        days = _UNANSWERED_DAYS[unanswered >= _PATIENT_AFTER]
    else:
        days = _AGAIN_DAYS[outcome]
    return wanted or today + timedelta(days=days)


def age(birth: date, *, today: date) -> int:
    """Return the completed years of life; who is born on 29 February has it on 1 March."""
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def percent(numerator: int, denominator: int) -> float | None:
    """Return a share in percent with one decimal; None of nothing."""
    return round(100 * numerator / denominator, 1) if denominator else None
