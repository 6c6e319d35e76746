"""Which reminder of doses a reply answers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

ANSWERABLE = timedelta(hours=24)
"""How long a reminder of doses can be answered, or its answer corrected."""


@dataclass(frozen=True, slots=True)
class DosePrompt:
    """Doses due together that the number was reminded of.

    `notification_id` is the message that it got, as the patient or for them; `is_open`: a dose of
    it is still to be taken.
    """

    notification_id: UUID
    patient_id: UUID
    is_open: bool
    asked_at: datetime


def meant_doses(doses: Sequence[DosePrompt]) -> DosePrompt | Literal["several"] | None:
    """Return the reminder that a reply about doses answers; several: whose, nobody knows.

    Of one patient the last one with a dose that is open, else the last, whose answer it corrects.
    """
    among = [one for one in doses if one.is_open] or list(doses)
    if len({one.patient_id for one in among}) > 1:
        return "several"
    return max(among, key=lambda one: (one.asked_at, one.notification_id), default=None)
