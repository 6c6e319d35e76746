"""The waitlist on paper: what fits whom, who is first, and how long a time is kept for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from chroniccare.core.time import to_local, zone
from chroniccare.core.week import minutes as minutes_of
from chroniccare.facilities.rules import DAYS

LEAD = timedelta(minutes=60)
"""A time that starts sooner is offered to nobody by itself."""
ANSWER_LEAD = timedelta(minutes=30)
"""An offer is answered at least so long before the visit starts."""
MIN_OFFER = timedelta(minutes=15)
LAST_CLOCK = timedelta(hours=12)
"""So far behind UTC is the last clock: a day that is over there is over everywhere."""
NEVER_DUE = date(2200, 1, 1)
"""What the table has in place of no due day, later than any."""
URGENCY = {"urgent": 0, "high": 1, "normal": 2, "low": 3}
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Want:
    """What an entry waits for; None, or no days at all, for anything.

    Attributes:
        days: weekdays, and the local times of day between which the visit starts, all on the
            facility's clock; over midnight if `starts_before` is not after `starts_from`.
        before: the start of the later visit that the patient would give up for it (UTC).
    """

    id: UUID
    provider_id: UUID | None
    facility_id: UUID | None
    appointment_type: str | None
    minutes: int | None
    earliest: date | None
    latest: date | None
    days: Sequence[str]
    starts_from: str | None
    starts_before: str | None
    before: datetime | None
    priority: str
    due_on: date | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Time:
    """A free time; `start` is UTC, `zone_name` the facility's zone."""

    provider_id: UUID
    facility_id: UUID
    appointment_type: str
    start: datetime
    minutes: int
    zone_name: str


def fits(want: Want, time: Time) -> bool:
    """Say whether `time` is something that `want` waits for."""
    if want.minutes is not None and want.minutes > time.minutes:
        return False
    return matches(want, time) and _days_fit(want, time)


def matches(want: Want, time: Time) -> bool:
    """Say whether provider, facility, type and date are what `want` waits for."""
    named = (
        (want.provider_id, time.provider_id),
        (want.facility_id, time.facility_id),
        (want.appointment_type, time.appointment_type),
    )
    if any(wish is not None and wish != is_ for wish, is_ in named):
        return False
    if want.before is not None and time.start >= want.before:
        return False
    day = to_local(time.start, zone(time.zone_name)).date()
    return (want.earliest is None or want.earliest <= day) and (
        want.latest is None or day <= want.latest
    )


def _days_fit(want: Want, time: Time) -> bool:
    local = to_local(time.start, zone(time.zone_name))
    at = local.hour * 60 + local.minute
    first = minutes_of(want.starts_from or "00:00")
    behind = minutes_of(want.starts_before or "24:00")
    length = (behind - first) % _DAY or _DAY
    since = (at - first) % _DAY
    # After midnight of a night it is still the evening's day.
    day = local.weekday() if at >= first else (local.weekday() - 1) % len(DAYS)
    return since < length and (not want.days or DAYS[day] in want.days)


def rank(want: Want, time: Time) -> tuple[int, int, int, datetime, UUID]:
    """Return the place of `want` among those that `time` fits; the smallest is first.

    The most urgent first; then who is the most days overdue on the day of the visit; then who can
    take the fewest other times, and fills this one; then who has waited longest; then by id.
    """
    day = to_local(time.start, zone(time.zone_name)).date()
    overdue = max(0, (day - want.due_on).days) if want.due_on is not None else 0
    fit = sum(
        (
            want.provider_id is not None,
            want.facility_id is not None,
            want.appointment_type is not None,
            want.minutes == time.minutes,
        )
    )
    return URGENCY[want.priority], -overdue, -fit, want.created_at, want.id


def ranked(wants: Sequence[Want], time: Time) -> list[Want]:
    """Return those of `wants` that `time` fits, the first in line first."""
    return sorted((want for want in wants if fits(want, time)), key=lambda want: rank(want, time))


def offer_minutes(start: datetime, *, now: datetime, minutes: int) -> int:
    """Return for how many minutes a time is kept for who is offered it; 0 when it is too late."""
    left = start - ANSWER_LEAD - now
    if left < MIN_OFFER:
        return 0
    return min(minutes, int(left.total_seconds()) // 60)
