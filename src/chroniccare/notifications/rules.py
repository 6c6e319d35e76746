"""What could be worked out on paper: offsets, channels, quiet hours, retries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from chroniccare.core.time import to_instant, to_local
from chroniccare.notifications.rules_categories import INVITING, category_of

REMINDER_OFFSETS_H = (72, 24, 2)
DEFAULT_CHANNELS = ("sms", "email")
SYSTEM_OF = {"sms": "phone", "email": "email", "push": "push"}
"""The kind of contact point that each channel writes to."""

PRIORITIES = ("urgent", "normal", "bulk")

MAX_TRIES = 3
"""Transient failures on a channel before the next channel is tried."""
LAST_TRIES = 24
"""The same where no other channel follows: with pauses of minutes they outlast an outage."""
_BACKOFF_BASE = timedelta(seconds=10)
_BACKOFF_MAX = timedelta(minutes=5)

_USEFUL_LEAD = timedelta(hours=1)
_BEFORE_QUIET = timedelta(hours=1)
_GRACE = timedelta(minutes=30)
_LONGEST_FOLD = timedelta(hours=3)
_NEXT_CHANNEL = timedelta(minutes=30)

ANSWERED_ANYWAY = frozenset({"reply_stopped", "reply_help"})
"""What is said even to a number that asked for no more: that it worked, and how to get help."""
OFFER = "waitlist_offer"
"""A time that is kept for a patient who waits for one."""
LOW_ADHERENCE = "low_adherence"
VISIT_OPEN = frozenset({"scheduled", "confirmed"})
"""States of a visit that still needs a confirmation or a reminder."""
ABOUT_OPEN_VISITS = frozenset(
    {"appointment_confirmation", "appointment_rescheduled", "appointment_reminder"}
)

ANSWERED_BY_LINK = ABOUT_OPEN_VISITS | {"medication_reminder"}
"""In a text message the link of these costs a segment, so it stands there where asked for."""


def visit_states(notification_type: str) -> frozenset[str]:
    """Return the states of its visit in which a message has a point; none: in all of them."""
    if notification_type == OFFER:
        return frozenset({"held"})
    return VISIT_OPEN if notification_type in ABOUT_OPEN_VISITS else frozenset()


Stretch = tuple[time, time]
"""[start, end) of a local day, into the next one if end <= start; 00:00 to 00:00 is all of it."""


class Quiet(Protocol):
    """What says when no reminder is sent; hashable, so that days are worked out once."""

    def on(self, day: date) -> Sequence[Stretch]:
        """Return the quiet stretches that begin on the local `day`."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Local time of day in which no reminder is sent: [start, end), over midnight if end < start.

    The same start and end mean that there are none.
    """

    start: time
    end: time

    def on(self, day: date) -> Sequence[Stretch]:  # noqa: ARG002  the same on every day
        """Return them as a stretch of the day."""
        return () if self.start == self.end else ((self.start, self.end),)


@dataclass(frozen=True, slots=True)
class QuietTogether:
    """Several at once: quiet is what any of them calls quiet."""

    parts: tuple[Quiet, ...]

    def on(self, day: date) -> Sequence[Stretch]:
        """Return the stretches of all of them."""
        return [stretch for part in self.parts for stretch in part.on(day)]


def parse_quiet_hours(text: str) -> QuietHours:
    """Return the quiet hours written as `21:00-08:00`."""
    start, _, end = text.partition("-")
    return QuietHours(time.fromisoformat(start), time.fromisoformat(end))


def quiet_period(at: datetime, zone: ZoneInfo, quiet: Quiet) -> tuple[datetime, datetime] | None:
    """Return the instants [start, end) of the quiet time that holds `at`; None outside of it.

    Stretches that meet are one; what is longer than days is told in parts.
    """
    for start, end in _about(to_local(at, zone).date(), zone, quiet):
        if start <= at < end:
            return start, end
    return None


_DAYS_ABOUT = 4


@lru_cache(maxsize=4096)
def _about(day: date, zone: ZoneInfo, quiet: Quiet) -> list[tuple[datetime, datetime]]:
    """Return the quiet times about a local day in order, those that meet as one."""
    about = [day + timedelta(days=n) for n in range(-_DAYS_ABOUT, _DAYS_ABOUT + 1)]
    spans = sorted(_span(one, zone, stretch) for one in about for stretch in quiet.on(one))
    found: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:  # a change of clocks may leave nothing of it
            found.append((start, end))
    return found


@lru_cache(maxsize=4096)
def _span(day: date, zone: ZoneInfo, stretch: Stretch) -> tuple[datetime, datetime]:
    start, end = stretch
    last = day if start < end else day + timedelta(days=1)
    return to_instant(day, start, zone), _again(to_instant(last, end, zone), zone)


def _again(at: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clock on the wall shows for the last time what it shows at `at`."""
    before = to_local(at, zone)
    soon = to_local(at + _LONGEST_FOLD, zone)
    turned = (before.utcoffset() or timedelta()) - (soon.utcoffset() or timedelta())
    if turned <= timedelta():
        return at
    later = to_local(at + turned, zone)
    return at + turned if later.time() == before.time() else at


def is_reminder(notification_type: str) -> bool:
    """Return whether quiet hours hold it back; what somebody just asked for goes out at once.

    Offers are made outside of quiet hours; one that was delayed into them is not sent any more.
    """
    return (
        notification_type.endswith("_reminder")
        or notification_type in {OFFER, LOW_ADHERENCE}
        or category_of(notification_type) == INVITING
    )


def first_look(
    due: datetime, *, now: datetime, deadline: datetime, zone: ZoneInfo, quiet: Quiet
) -> datetime:
    """Return when to send a reminder that is `due` before `deadline`.

    Inside quiet hours it waits for their end, if that leaves an hour; else it goes out an hour
    before they begin, rather than never: that hour is the room for retries and short outages.
    Where neither can be had it stays due, and delivery decides.
    """
    period = quiet_period(due, zone, quiet)
    if period is None:
        return due
    before, end = period[0] - _BEFORE_QUIET, period[1]
    if end + _USEFUL_LEAD <= deadline:
        return end
    return before if before > now else due


def is_overdue(
    due: datetime, *, now: datetime, planned: datetime, deadline: datetime, zone: ZoneInfo,
    quiet: Quiet,
) -> bool:  # fmt: skip
    """Return whether a reminder may still go out although quiet hours have begun.

    It may in their first half hour, if it was to go out before them (it was `planned` when that
    was still ahead) and is of no use after them.
    """
    period = quiet_period(now, zone, quiet)
    if period is None or now >= period[0] + _GRACE or period[1] + _USEFUL_LEAD <= deadline:
        return False
    return first_look(due, now=planned, deadline=deadline, zone=zone, quiet=quiet) < period[0]


def useful_until(expires_at: datetime) -> datetime:
    """Return until when another channel is still of use to a message that expires then."""
    return expires_at - _NEXT_CHANNEL


def wanted_channels(preferred: list[str] | None) -> list[str]:
    """Return the channels that a patient may be reached on one day: their own, else ours."""
    own = [channel for channel in preferred or () if channel in SYSTEM_OF]
    return own or list(DEFAULT_CHANNELS)


def consents(settings: dict[str, Any], channel: str) -> bool:
    """Return whether the patient lets us use `channel`: anything recorded but `true` is a no."""
    return settings.get(channel, True) is True


def backoff(tries: int, *, jitter: float) -> timedelta:
    """Return the pause after the failure number `tries` (from 1); `jitter` lies in [0, 1).

    Half of it is certain, so that a few tries span seconds even with bad luck.
    """
    return min(_BACKOFF_BASE * (1 << (tries - 1)), _BACKOFF_MAX) * (0.5 + jitter / 2)
