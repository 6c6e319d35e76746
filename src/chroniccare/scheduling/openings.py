"""Times that are free again are noted for the waitlist, in the transaction that frees them.

Everything that frees a time to come passes here: a visit that is cancelled, or moved away, and a
hold that is given up or lapses. A loop offers the time to who waits for it; see docs/waitlist.md.
"""

from collections.abc import Iterable

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import queries

LOOP = "waitlist"
"""What to wake when there is something to offer."""


async def note(tx: Tx, freed: Iterable[queries.Appointment]) -> None:
    """Note the times of visits as they were, where somebody waits for such a time.

    A seat in a group session frees nobody's time; the session goes on.
    """
    rows = [
        {
            "id": new_id(),
            "provider_id": visit.provider_id,
            "facility_id": visit.facility_id,
            "appointment_type": visit.appointment_type,
            "starts_at": visit.scheduled_start,
            "duration_minutes": visit.duration_minutes,
        }
        for visit in freed
        if visit.group_session_id is None and visit.scheduled_start > tx.now
    ]
    if rows and await tx.run(queries.NOTE_OPENINGS, rows, tx.caller.tenant_id, tx.now):
        tx.wake(LOOP)
