"""Prescriptions on paper: states and their steps, and days that go together."""

from datetime import date, datetime, time, timedelta
from typing import Literal

from chroniccare.core.errors import Conflict, FieldError
from chroniccare.core.time import to_instant, to_local, zone

EARLIEST_START = timedelta(days=3653)
LATEST_START = timedelta(days=731)
LONGEST = timedelta(days=3653)
LONGEST_HOLD = timedelta(days=366)

OPEN_STATUSES = frozenset({"draft", "active", "on_hold"})
"""A prescription in one of these can still be changed."""

Step = Literal["activate", "hold", "resume", "complete", "stop"]

STEPS: dict[Step, tuple[frozenset[str], str]] = {
    "activate": (frozenset({"draft"}), "active"),
    "hold": (frozenset({"active"}), "on_hold"),
    "resume": (frozenset({"on_hold"}), "active"),
    "complete": (frozenset({"active", "on_hold"}), "completed"),
    "stop": (frozenset({"draft", "active", "on_hold"}), "stopped"),
}
"""Every step there is: the states it can be taken from, and the state it leads to."""
_DONE = {
    "activate": "activated",
    "hold": "put on hold",
    "resume": "resumed",
    "complete": "completed",
    "stop": "stopped",
    "change": "changed",
}


class StepRefused(Conflict):
    """The prescription is in a state from which this cannot be done; the message names both."""

    code = "MEDICATION_STATE"

    def __init__(self, step: Step | Literal["change"], status: str) -> None:
        state = status.replace("_", " ")
        super().__init__(
            f"The prescription is {state}; it cannot be {_DONE[step]}.",
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


def today(now: datetime, zone_name: str) -> date:
    """Return the day on the patient's calendar at `now`."""
    return to_local(now, zone(zone_name)).date()


def begin_of(day: date, zone_name: str) -> datetime:
    """Return the UTC instant at which a local day begins."""
    return to_instant(day, time(), zone(zone_name))


def latest_today(now: datetime) -> date:
    """Return the latest day that it is anywhere: nowhere do clocks run more than 14 hours ahead."""
    return (now + timedelta(hours=14)).date()


def end_of(start: date, length: int | None) -> date | None:
    """Return the last day of what begins on `start` and lasts `length` days; None without end."""
    return None if length is None else start + timedelta(days=length - 1)


def day_faults(
    *, start: date, end: date | None, is_ongoing: bool, told_end: date | None, today: date
) -> list[FieldError]:
    """Return what is wrong with the days of a prescription.

    `end` is the last day as the client gives it, `told_end` as the instructions come to it.
    """
    faults = []
    if not today - EARLIEST_START <= start <= today + LATEST_START:
        faults.append(
            FieldError("start_date", "must be at most ten years ago or two years ahead", "range")
        )
    if end is not None and end < start:
        faults.append(FieldError("end_date", "must not be before start_date", "order"))
    elif end is not None and end > start + LONGEST:
        faults.append(FieldError("end_date", "must be at most ten years after the start", "range"))
    elif end is not None and told_end is not None and end < told_end:
        faults.append(FieldError("end_date", "is before the instructions end", "order"))
    if is_ongoing and (end is not None or told_end is not None):
        faults.append(FieldError("is_ongoing", "is said, but there is an end", "end"))
    last = end or told_end
    if last is not None and start <= last < today:
        faults.append(FieldError("end_date", "has passed", "past"))
    return faults
