"""Plans on paper: the steps in force, the patient's channels among them, and when one is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from chroniccare.notifications.rules import DEFAULT_CHANNELS, OFFER, SYSTEM_OF, useful_until

Evidence = Literal["accepted", "delivered"]

_DEFAULT_MINUTES = 60
_HURRIED: Mapping[str, int] = {OFFER: 10, "medication_reminder": 15}
LEAST = timedelta(minutes=5)
"""No step waits for less."""


@dataclass(frozen=True, slots=True)
class Step:
    """One channel of a plan: how long is waited for `evidence` before the next one follows.

    `accepted`: a provider took it. `delivered`: its receipt says that it arrived.
    """

    channel: str
    timeout_minutes: int
    evidence: Evidence


def steps(stored: Sequence[Mapping[str, Any]] | None, notification_type: str) -> tuple[Step, ...]:
    """Return the steps in force: the clinic's own, else SMS and then email."""
    if stored is not None:
        return tuple(
            Step(one["channel"], one["timeout_minutes"], one["evidence"]) for one in stored
        )
    minutes = _HURRIED.get(notification_type, _DEFAULT_MINUTES)
    return tuple(Step(channel, minutes, "delivered") for channel in DEFAULT_CHANNELS)


def merged(
    stored: Sequence[Mapping[str, Any]], planned: Sequence[str], preferred: Sequence[str] | None
) -> list[str]:
    """Return the channels of a clinic's own plan for one patient, in order.

    A patient who has chosen channels keeps their order, among those of the plan; one who chose
    none of them keeps the choice: a plan never takes away what a patient asked for. Without a
    choice the plan's order holds. `planned` are the channels the message was planned with.
    """
    own = [channel for channel in preferred or () if channel in SYSTEM_OF]
    wished = [channel for channel in planned if channel in own]
    allowed = [one["channel"] for one in stored]
    if wished:
        return [channel for channel in wished if channel in allowed] or wished
    return allowed


def evidence_due(
    step: Step | None, *, now: datetime, expires_at: datetime | None
) -> datetime | None:
    """Return until when an accepted message waits to be delivered; None where it does not.

    The wait is shortened so that the next channel is still of use; where that leaves no five
    minutes, nothing follows.
    """
    if step is None or step.evidence != "delivered":
        return None
    due = now + timedelta(minutes=step.timeout_minutes)
    if expires_at is None:
        return due
    latest = useful_until(expires_at)
    return None if latest < now + LEAST else min(due, latest)
