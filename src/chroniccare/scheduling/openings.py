"""Times that are free again are noted for the waitlist, in the transaction that frees them.

Everything that frees a time to come passes here: a visit or a group session that is cancelled, or
moved away, and a hold that is given up or lapses. A loop offers the time to who waits for it; see
docs/waitlist.md.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import queries

LOOP = "waitlist"
"""What to wake when there is something to offer."""


class Time(Protocol):
    """When a provider was taken, and what for: a visit, or a group session."""

    @property
    def provider_id(self) -> UUID: ...  # noqa: D102
    @property
    def facility_id(self) -> UUID: ...  # noqa: D102
    @property
    def appointment_type(self) -> str: ...  # noqa: D102
    @property
    def scheduled_start(self) -> datetime: ...  # noqa: D102
    @property
    def duration_minutes(self) -> int: ...  # noqa: D102


async def note(tx: Tx, freed: Iterable[queries.Appointment]) -> None:
    """Note the times of visits as they were, where somebody waits for such a time.

    A seat in a group session frees nobody's time; the session goes on.
    """
    await note_times(tx, [visit for visit in freed if visit.group_session_id is None])


async def note_times(tx: Tx, freed: Iterable[Time]) -> None:
    """Note times that a provider has free again."""
    rows = [
        {
            "id": new_id(),
            "provider_id": time.provider_id,
            "facility_id": time.facility_id,
            "appointment_type": time.appointment_type,
            "starts_at": time.scheduled_start,
            "duration_minutes": time.duration_minutes,
        }
        for time in freed
        if time.scheduled_start > tx.now
    ]
    if rows and await tx.run(queries.NOTE_OPENINGS, rows, tx.caller.tenant_id, tx.now):
        tx.wake(LOOP)
