"""The next best time of a visit that a change of hours has stranded.

The same facility comes first, then what lies nearest to the time that the visit had.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.core.errors import Unprocessable
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import booking
from chroniccare.scheduling import queries as visits
from chroniccare.scheduling import rules as visit_rules
from chroniccare.scheduling.actions import LateChange
from chroniccare.scheduling.availability import queries
from chroniccare.scheduling.known import Wish, fetch, without
from chroniccare.scheduling.moving import MovedTooOften, reschedule
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.slots import actions as search
from chroniccare.scheduling.slots import rules as slots

WITHIN_DAYS = 30
"""No visit is moved further than this."""
_LOOKS = ((True, 7), (True, WITHIN_DAYS), (False, 7), (False, WITHIN_DAYS))
_TRIES = 3  # what is free on paper is refused only where a rule of booking has more to say

Free = tuple[int, UUID]


async def lock(tx: Tx, several: list[Appointment]) -> None:
    """Lock everybody and everything that the visits take or may take, in the one order.

    Locked one visit after the other, they could be waited for in a circle with another booking;
    and so could a row that a booking keeps, if it were kept behind the locks.
    """
    taken = {one for visit in several for one in booking.everybody(visit)}
    providers = {visit.provider_id for visit in several}
    await tx.value(queries.KEEP_ALL, list(taken), list(providers))
    rooms = await tx.values(queries.ROOMS, list(providers))
    keys = visit_rules.lock_keys(tx.caller.tenant_id, [*taken, *rooms])
    await tx.values(visits.LOCK, keys)


async def move(tx: Tx, visit: Appointment) -> Appointment | None:
    """Move `visit`, whose row and parties this transaction has locked; None where it cannot be.

    A seat in a group session is not moved by itself, and the clinic's rules of how late and how
    often a visit may be moved hold here too.
    """
    if visit.group_session_id is not None:
        return None
    tried: set[Free] = set()
    for same_place, days in _LOOKS:
        free = await _free(tx, visit, days=days, same_place=same_place)
        for at, facility_id in [one for one in free if one not in tried][:_TRIES]:
            tried.add((at, facility_id))
            try:
                return await reschedule(tx, visit, start=slots.instant(at), facility_id=facility_id)
            except (LateChange, MovedTooOften):
                return None
            except booking.SlotTaken as taken:
                if not taken.details:  # not refused before, but while the time was being taken
                    raise
            except Unprocessable:
                continue
    return None


async def _free(tx: Tx, visit: Appointment, *, days: int, same_place: bool) -> list[Free]:
    """Return the free times around that of `visit`, the nearest first."""
    wish = Wish(
        [visit.provider_id], visit.facility_id if same_place else None, visit.appointment_type,
        visit.duration_minutes, visit.patient_id, with_ids=visit.additional_provider_ids,
        # Rooms are the facility's, and chosen afresh at another one.
        resource_ids=visit.resource_ids if same_place else (), priority=visit.priority,
        kept=True, kept_ids=visit.resource_ids,
    )  # fmt: skip
    window = _window(visit.scheduled_start, days, now=tx.now)
    if window.last < window.first:
        return []
    try:
        known = without(await fetch(tx, wish, window), visit)
    except Unprocessable:  # somebody, or the type of visit, takes no more visits
        return []
    wish = replace(wish, resource_ids=known.kept(wish.resource_ids, visit.named_resource_ids))
    found = search.sweep(known, known.calendars, window, wish, None)
    was = booking.minutes_of(visit.scheduled_start)
    free = [(at, place) for at, _, place, _ in found if same_place or place != visit.facility_id]
    return sorted(free, key=lambda one: (abs(one[0] - was), one))


def _window(start: datetime, days: int, *, now: datetime) -> slots.Window:
    first = max(start - timedelta(days=days), now)
    last = start + timedelta(days=days)
    until = min(last, now + visit_rules.HORIZON)
    return slots.Window(
        (first - timedelta(days=1)).toordinal(), (last + timedelta(days=1)).toordinal(),
        booking.minutes_of(first), booking.minutes_of(until),
    )  # fmt: skip
