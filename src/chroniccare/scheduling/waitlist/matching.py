"""What is free already and fits an entry: shown to staff, who book or offer it while they speak.

The loop offers only what becomes free. Time that nobody has taken is the front desk's to give: it
would be held, and patients written to, for every entry that would have been booked by hand.
"""

import asyncio
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Self

from chroniccare.audit.actions import record
from chroniccare.core.errors import Unprocessable
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import queries as visits
from chroniccare.scheduling import rules as visit_rules
from chroniccare.scheduling.known import FARTHEST, Wish, fetch
from chroniccare.scheduling.slots import actions as search
from chroniccare.scheduling.slots import rules as slots
from chroniccare.scheduling.waitlist import actions, queries, rules
from chroniccare.scheduling.waitlist.schemas import WaitlistWrite

MOST = 3
WITHIN_DAYS = 31
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Made(queries.Entry):
    """A new entry, and what fits it already."""

    free_times: list[search.Slot]

    @classmethod
    def of(cls, entry: queries.Entry, free_times: list[search.Slot]) -> Self:
        """Return `entry` with these times."""
        said = {field.name: getattr(entry, field.name) for field in fields(entry)}
        return cls(**said, free_times=free_times)


async def create(tx: Tx, body: WaitlistWrite) -> Made:
    """Put a patient on the waitlist; see `actions.create` and `free`."""
    entry = await actions.create(tx, body)
    return Made.of(entry, await free(tx, entry))


async def free(tx: Tx, entry: queries.Entry) -> list[search.Slot]:
    """Return the earliest times that are free and fit `entry`, of 31 days; the read is audited.

    The later visit of the entry brings its people, and at its own facility the rooms that were
    named. Nothing is held: booking or offering one decides.
    """
    await record(tx, action="availability", entity_type="patient", entity_id=entry.patient_id)
    later = None
    if entry.appointment_id is not None:
        later = await tx.one(visits.GET, entry.appointment_id)
    want = actions.want_of(entry)
    if later is not None:
        want = replace(want, before=later.scheduled_start)
    wish = _wish(entry, later)
    first = max(entry.earliest or tx.now.date(), (tx.now - FARTHEST).date())
    last = min(first + timedelta(days=WITHIN_DAYS - 1), (tx.now + visit_rules.HORIZON).date())
    last = min(last, entry.latest or last)
    found: list[search.Slot] = []
    for day in range(first.toordinal(), last.toordinal() + 1, _WEEK):
        window = slots.Window(
            day, min(day + _WEEK - 1, last.toordinal()), int(tx.now.timestamp()) // 60,
            int((tx.now + visit_rules.HORIZON).timestamp()) // 60,
        )  # fmt: skip
        found += await _of_week(tx, wish, window, want, MOST - len(found))
        if len(found) == MOST:
            break
        await asyncio.sleep(0)  # other requests get their turn
    return found


async def _of_week(
    tx: Tx, wish: Wish, window: slots.Window, want: rules.Want, most: int
) -> list[search.Slot]:
    try:
        known = await fetch(tx, wish, window)
    except Unprocessable:  # somebody, or the type of visit, takes no more visits
        return []
    found: list[search.Slot] = []
    for one in search.sweep(known, known.calendars, window, wish, None):
        slot = search.slot(known, *one)
        time = rules.Time(
            slot.provider_id, slot.facility_id, wish.appointment_type or "", slot.start,
            slot.duration_minutes, slot.time_zone,
        )  # fmt: skip
        if rules.fits(want, time):
            found.append(slot)
        if len(found) == most:
            break
    return found


def _wish(entry: queries.Entry, later: visits.Appointment | None) -> Wish:
    wish = Wish(
        None if entry.provider_id is None else [entry.provider_id], entry.facility_id,
        entry.appointment_type, entry.duration_minutes, entry.patient_id, priority=entry.priority,
    )  # fmt: skip
    if later is None:
        return wish
    others = [one for one in later.additional_provider_ids if one != entry.provider_id]
    rooms = later.named_resource_ids if entry.facility_id == later.facility_id else ()
    return replace(
        wish, with_ids=others, resource_ids=rooms, kept=True, kept_ids=later.resource_ids
    )
