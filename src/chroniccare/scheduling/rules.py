"""Visits on paper: length, time, states and their steps, and the order in which locks are taken."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from chroniccare.core.errors import Conflict, FieldError, Unprocessable

DEFAULT_MINUTES = 30
MIN_MINUTES = 5
MAX_MINUTES = 1440
HORIZON = timedelta(days=731)
LONGEST_BUFFER = timedelta(hours=4)
LONGEST = timedelta(hours=24)
"""No visit or session takes anybody for longer, buffers included."""

OPEN_STATUSES = frozenset({"held", "scheduled", "confirmed"})
"""A visit in one of these can still be changed."""
BOOKED_STATUSES = frozenset({"scheduled", "confirmed"})
"""A visit in one of these is expected: the patient has been told."""
FREE_STATUSES = frozenset({"cancelled", "no_show"})
"""A visit in one of these takes nobody's time."""
LAPSED = "The hold lapsed."
"""Why a held visit was cancelled that nobody booked in time."""
CHECK_IN_WITHIN = timedelta(hours=12)
"""How long before its start, and after its end, the patient of a visit can be checked in."""

RANKS = {"low": 0, "normal": 0, "high": 1, "urgent": 2}
"""How urgent a visit of each priority is; times kept for urgent visits name the least rank."""

Rule = Literal[
    "outside_availability",
    "short_notice",
    "beyond_horizon",
    "daily_maximum",
    "overbook",
    "late_change",
    "reschedule_limit",
]
"""What staff with the scope `appointments:override` can set aside, with a reason."""

Step = Literal["book", "confirm", "check_in", "start", "complete", "no_show", "cancel"]

STEPS: dict[Step, tuple[frozenset[str], str]] = {
    "book": (frozenset({"held"}), "scheduled"),
    "confirm": (frozenset({"scheduled"}), "confirmed"),
    "check_in": (frozenset({"scheduled", "confirmed"}), "checked_in"),
    "start": (frozenset({"checked_in"}), "in_progress"),
    # From checked_in as well: many clinics do not note when a visit begins.
    "complete": (frozenset({"checked_in", "in_progress"}), "completed"),
    # Not from checked_in: who came and left again is cancelled, with that as the reason.
    "no_show": (frozenset({"scheduled", "confirmed"}), "no_show"),
    "cancel": (frozenset({"held", "scheduled", "confirmed", "checked_in"}), "cancelled"),
}
"""Every step there is: the states it can be taken from, and the state it leads to."""
UNDO: dict[str, tuple[str, ...]] = {
    "checked_in": ("confirmed", "scheduled"),
    "in_progress": ("checked_in",),
    "completed": ("in_progress", "checked_in"),
    "no_show": ("confirmed", "scheduled"),
}
"""Every state that can be undone: where it goes back to, the first that the visit has been in."""
STAMPS = {
    "confirmed": "confirmed_at",
    "checked_in": "checked_in_at",
    "in_progress": "started_at",
    "completed": "completed_at",
    "no_show": "no_show_at",
}
"""The field that holds when a visit entered a state."""
_DONE = {
    "book": "booked",
    "confirm": "confirmed",
    "check_in": "checked in",
    "start": "started",
    "complete": "completed",
    "no_show": "marked as a no-show",
    "cancel": "cancelled",
    "undo": "taken a step back",
}


class StepRefused(Conflict):
    """The visit is in a state from which this step cannot be taken; the message names both."""

    code = "APPOINTMENT_STATE"

    def __init__(self, step: Step | Literal["undo"], status: str) -> None:
        state = status.replace("_", " ")
        super().__init__(
            f"The visit is {state}; it cannot be {_DONE[step]}.",
            details=[FieldError("status", f"is {state}", status)],
        )


def next_status(step: Step, status: str) -> str:
    """Return the state that `step` leads to from `status`.

    Raises:
        StepRefused: not from this one.
    """
    sources, target = STEPS[step]
    if status not in sources:
        raise StepRefused(step, status)
    return target


def status_before(status: str, been: set[str]) -> str:
    """Return the state that undoing `status` goes back to; `been` are the states with a stamp.

    Raises:
        StepRefused: this state cannot be undone.
    """
    if status not in UNDO:
        raise StepRefused("undo", status)
    *others, last = UNDO[status]
    return next((state for state in others if state in been), last)


def check_step_time(step: Step, *, start: datetime, end: datetime, now: datetime) -> None:
    """Check that `step` may be taken now with a visit from `start` to `end`.

    Raises:
        Unprocessable: checking in more than 12 hours before the start or after the end, or
            marking as a no-show before the start has passed.
    """
    if step == "check_in" and not start - CHECK_IN_WITHIN <= now <= end + CHECK_IN_WITHIN:
        raise Unprocessable.field(
            "scheduled_start", "check-in is open from 12 hours before to 12 hours after", "window"
        )
    if step == "no_show" and now <= start:
        raise Unprocessable.field("scheduled_start", "has not passed yet", "future")


def length(
    *, start: datetime, end: datetime | None, minutes: int | None, default: int | None
) -> int:
    """Return the visit's length in minutes: from its end, as told, or the provider's default.

    Raises:
        Unprocessable: the end is not after the start, is not on a whole minute from it, lies more
            than a day later, or disagrees with the minutes told.
    """
    if end is None:
        return minutes or default or DEFAULT_MINUTES
    seconds = (end - start).total_seconds()
    if seconds <= 0:
        raise Unprocessable.field("scheduled_end", "must be after scheduled_start", "order")
    if seconds % 60 or not MIN_MINUTES * 60 <= seconds <= MAX_MINUTES * 60:
        raise Unprocessable.field(
            "scheduled_end", "must be 5 to 1440 whole minutes after scheduled_start", "length"
        )
    if minutes is not None and minutes * 60 != seconds:
        raise Unprocessable.field("duration_minutes", "disagrees with scheduled_end", "length")
    return int(seconds // 60)


def check_start(start: datetime, *, now: datetime) -> None:
    """Check that a visit may begin at `start`.

    Raises:
        Unprocessable: it lies in the past or more than two years ahead, or not on a whole minute.
    """
    if start.second or start.microsecond:
        raise Unprocessable.field("scheduled_start", "must be on a whole minute", "minute")
    if start <= now:
        raise Unprocessable.field("scheduled_start", "must be in the future", "past")
    if start > now + HORIZON:
        raise Unprocessable.field("scheduled_start", "must be within two years", "horizon")


def lock_keys(tenant_id: UUID, resource_ids: Iterable[UUID]) -> list[int]:
    """Return the advisory lock of each resource, sorted: everyone locks in the same order."""
    return sorted({_lock_key(tenant_id, resource_id) for resource_id in resource_ids})


def _lock_key(tenant_id: UUID, resource_id: UUID) -> int:
    digest = hashlib.blake2b(tenant_id.bytes + resource_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
