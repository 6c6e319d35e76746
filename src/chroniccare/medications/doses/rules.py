"""Doses on paper: what a plan is made from and what it comes to, ids, windows, limits.

The rest of the rules by meaning: `rules_slots` (times of a day), `rules_days` (which days),
`rules_expand` (both, on two clocks), `rules_plan` (never two too close, late and missed).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Self
from uuid import UUID

from chroniccare.core.time import to_instant, zone
from chroniccare.core.week import minutes
from chroniccare.medications.dosing.model import Step

DAY = 24 * 60
"""Minutes of a day on the wall."""
SECOND_TIME = 1_000
"""Added to an ordinal each time that a journey lets its time of day come again."""
BY_CLOCK = 10_000
"""Ordinals of interval doses begin here; those of anchored doses lie below."""
_WEEK = 7 * DAY
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_MS = 86_400_000
_LEAST_LATE = timedelta(minutes=60)
_LAST_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Anchors:
    """When the events of somebody's day are, as minutes since midnight.

    The day begins with `wake`: what stands before it on the clock lies on the next date, so every
    value is at least `wake` and less than 24 hours after it.
    """

    wake: int
    breakfast: int
    lunch: int
    dinner: int
    bed: int

    @classmethod
    def of(cls, wake: str, breakfast: str, lunch: str, dinner: str, bed: str) -> Self:
        """Return the anchors for times on the wall, such as "07:00"."""
        first = minutes(wake)
        later = (first + (minutes(at) - first) % DAY for at in (breakfast, lunch, dinner, bed))
        return cls(first, *later)


DEFAULTS = {
    "wake": "07:00",
    "breakfast": "08:00",
    "lunch": "12:00",
    "dinner": "18:00",
    "bed": "22:00",
}
"""The anchors of a clinic that has set none."""


@dataclass(frozen=True, slots=True)
class Clock:
    """By what somebody lives: the zone and the anchors."""

    zone: str
    anchors: Anchors

    def document(self) -> dict[str, Any]:
        """Return it as it is stored."""
        held = self.anchors
        return {
            "zone": self.zone,
            "anchors": [held.wake, held.breakfast, held.lunch, held.dinner, held.bed],
        }

    @classmethod
    def stored(cls, document: dict[str, Any]) -> Self:
        """Return what `document` gave."""
        return cls(document["zone"], Anchors(*document["anchors"]))


@dataclass(frozen=True, slots=True)
class Regimen:
    """One version of how a medication is taken.

    Attributes:
        began: the clock the patient lived by when it was first planned. Interval doses are counted
            from there and a number of doses is counted off there, wherever the patient goes later.
    """

    version: int
    steps: tuple[Step, ...]
    starts_on: date
    ends_on: date | None
    effective_from: datetime
    effective_until: datetime | None
    began: Clock


@dataclass(frozen=True, slots=True)
class Kept:
    """A dose that no plan changes: it is past, reminded of, or settled.

    Attributes:
        at: when it was, or may have been, taken; None: it was not, and keeps nothing away.
        is_open: somebody was reminded of it and has not answered; it stands as long as the
            regimens still have it.
    """

    version: int
    local_date: date
    ordinal: int
    due_at: datetime
    at: datetime | None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A dose to come; see the table `medication_doses`."""

    version: int
    local_date: date
    ordinal: int
    due_at: datetime
    late_at: datetime
    missed_at: datetime
    quantity: Any
    unit: str | None


@lru_cache(maxsize=65_536)
def instant(day: int, minute: int, zone_name: str) -> datetime:
    """Return the UTC instant of a minute of a day in a zone.

    `day` is a proleptic ordinal; `minute` may lie before its midnight or after the next.
    """
    carried, rest = divmod(minute, DAY)
    at = time(rest // 60, rest % 60)
    return to_instant(date.fromordinal(day + carried), at, zone(zone_name))


def clock_ordinal(due_at: datetime) -> int:
    """Return the ordinal of an interval dose: its minute of a week, whatever zone it is seen from.

    A local date lasts 50 hours at most, for who travels, so it is the only one of its date.
    """
    return BY_CLOCK + int(due_at.timestamp()) // 60 % _WEEK


def slot_day(local_date: date, ordinal: int, due_at: datetime) -> int:
    """Return the day by which a dose is known, as a proleptic ordinal.

    It is the local date of an anchored dose. That of an interval dose changes with the zone, and
    the dose does not: here it is UTC's, before the dose was moved away from another, which its
    ordinal tells.
    """
    if ordinal < BY_CLOCK:
        return local_date.toordinal()
    day = due_at.toordinal()
    return day - (day - _EPOCH - (ordinal - BY_CLOCK) // DAY) % 7


def medication_seed(tenant_id: UUID, medication_id: UUID, version: int) -> bytes:
    """Return what the ids of the doses of one regimen are made from."""
    return tenant_id.bytes + medication_id.bytes + version.to_bytes(4)


def dose_id(seed: bytes, local_date: date, ordinal: int, due_at: datetime) -> UUID:
    """Return the id of a dose: UUID version 8 (RFC 9562).

    Its day stands first, so that rows arrive in index order, then a hash of what it is a dose of,
    its day (`slot_day`) and its ordinal.
    """
    day = slot_day(local_date, ordinal, due_at)
    key = seed + day.to_bytes(4) + ordinal.to_bytes(2)
    head = ((day - _EPOCH) * _DAY_MS).to_bytes(6)
    tail = blake2b(key, digest_size=10).digest()
    number = int.from_bytes(head + tail)
    return UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)


def windows(
    due_at: datetime, following: datetime | None, every: timedelta
) -> tuple[datetime, datetime]:
    """Return from when on a dose is late, and when it is inferred to be missed.

    Late after an hour or a quarter of the interval to the next dose, whichever is longer; missed
    after half of it, since taken later it would be nearer to the next dose than to its own time.
    The interval is `every` (the average one) where the next dose is farther away, as before a
    pause. Neither is ever beyond the next dose.
    """
    gap = every if following is None else min(following - due_at, every)
    late = due_at + max(_LEAST_LATE, gap / 4)
    missed = max(late, due_at + gap / 2)
    if following is None:
        return late, missed
    return min(late, following), min(missed, following)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a dose taken as needed comes to, seen against the limits of its regimen.

    Attributes:
        taken: doses in the 24 hours that end with it, itself included.
        most_per_day: the limit in 24 hours; None: none is given.
        minutes_since: since the dose before; None: no dose before is known.
        least_minutes: never two doses closer than this; None: none is given.
    """

    taken: int
    most_per_day: int | None
    minutes_since: int | None
    least_minutes: int | None

    @property
    def warnings(self) -> list[str]:
        """Return `too_many` and `too_soon`, as they hold: it happened, and is not refused."""
        too_many = self.most_per_day is not None and self.taken > self.most_per_day
        too_soon = (
            self.least_minutes is not None
            and self.minutes_since is not None
            and self.minutes_since < self.least_minutes
        )
        return ["too_many"] * too_many + ["too_soon"] * too_soon


def as_needed_verdict(steps: Sequence[Step], taken: Sequence[datetime], at: datetime) -> Verdict:
    """Return what a dose taken at `at` comes to after those `taken`; the strictest limits hold."""
    limits = [step for step in steps if step.as_needed] or list(steps)
    most = [step.most_per_day for step in limits if step.most_per_day is not None]
    least = [step.least_minutes for step in limits if step.least_minutes is not None]
    nearest = min((abs(at - one) for one in taken), default=None)
    return Verdict(
        taken=1 + sum(at - _LAST_DAY < one <= at for one in taken),
        most_per_day=min(most, default=None),
        minutes_since=None if nearest is None else int(nearest.total_seconds() // 60),
        least_minutes=max(least, default=None),
    )
