"""Doses as reminders and replies see them; instants are UTC."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose that is still to be told of."""

    id: UUID
    patient_id: UUID
    due_at: datetime
    missed_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A dose that somebody was reminded of, as it is now."""

    id: UUID
    state: str
    source: str | None
    missed_at: datetime
