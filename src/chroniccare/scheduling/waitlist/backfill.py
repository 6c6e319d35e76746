"""Times that became free are offered to who waits for them: one patient at a time, never to all.

    sweep       settle offers that are over, close entries that have lost their point,
                then take every time that is due, each in a transaction of its own:
    one time    lock its row -> rank who it fits -> lock the first -> hold, offer, tell -> row done

An offer that is declined or expires gives up its hold, and that notes the time again: the next in
line is found in the same way as the first. A worker that dies in between leaves either the row or
the offer, never both and never neither.
"""

import logging
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, Unprocessable
from chroniccare.notifications.plan import reachable
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.booking import SlotTaken
from chroniccare.scheduling.waitlist import actions, offers, queries, rules

log = logging.getLogger(__name__)

_JOB = "waitlist"
_BATCH = 200
_AT_ONCE = 50
_MOST_TRIES = 20
"""So many patients in line may turn out not to be bookable before a time is given up."""


async def sweep(tenant_id: UUID) -> int:
    """Do what is due on a tenant's waitlist; return how many offers were made."""
    await _settle(tenant_id)
    closed = actions.BATCH
    while closed >= actions.BATCH:
        async with begin(system(tenant_id, job=_JOB)) as tx:
            closed = await actions.tidy(tx)
    async with begin(system(tenant_id, job=_JOB)) as tx:
        due = await tx.values(queries.DUE, tx.now, _BATCH)
    made = 0
    for opening_id in due:
        made += await _fill(tenant_id, opening_id)
    return made


async def _settle(tenant_id: UUID) -> None:
    """Settle offers that are over; each alone, so that none waits for another's locks."""
    async with begin(system(tenant_id, job=_JOB)) as tx:
        entries = await tx.values(queries.OVERDUE_ENTRIES, tx.now, _BATCH)
    for entry_id in entries:
        # Whoever keeps a visit locked for long is answering: the next round sees what they said.
        with suppress(Conflict):
            async with begin(system(tenant_id, job=_JOB)) as tx:
                await offers.settle_overdue(tx, entry_id)


async def _fill(tenant_id: UUID, opening_id: UUID) -> bool:
    """Offer one time to the first in line who can be booked; say whether somebody was."""
    passed: set[UUID] = set()
    for _ in range(_MOST_TRIES):
        tried: list[UUID] = []
        try:
            async with begin(system(tenant_id, job=_JOB)) as tx:
                return await _offer(tx, opening_id, passed, tried)
        except (SlotTaken, Unprocessable) as refusal:
            # Everything of this try is rolled back; the booking has the last word on who fits.
            passed.update(tried)
            log.info(
                "waitlist entry passed over",
                extra={"opening_id": str(opening_id), "kind": type(refusal).__name__},
            )
        except Conflict:
            return False  # somebody is booking the same parties: the row stays for the next round
    async with begin(system(tenant_id, job=_JOB)) as tx:
        await tx.run(queries.DONE, opening_id)
    return False


async def _offer(tx: Tx, opening_id: UUID, passed: set[UUID], tried: list[UUID]) -> bool:
    """Make the offer; say whether it was made.

    `tried` names whom it was made to, also when the booking refuses it.
    """
    opening = await tx.one(queries.CLAIM, opening_id, tx.now)
    if opening is None:
        return False
    turn = await _next(tx, opening, passed)
    if turn is None:
        await tx.run(queries.DONE, opening.id)
        return False
    first, until = turn
    if until is not None:  # they keep their turn: nobody is passed over for being asleep
        await tx.run(queries.POSTPONE, opening.id, until)
        return False
    entry = await tx.one(queries.GET_FOR_UPDATE, first)
    tried.append(first)
    if entry is None or entry.status != "waiting":
        raise Unprocessable  # taken off the list, or offered another time, a moment ago
    time = offers.Time(
        opening.provider_id, opening.facility_id, opening.appointment_type, opening.starts_at,
        entry.duration_minutes or opening.duration_minutes,
    )  # fmt: skip
    await offers.make(tx, entry, time, opening_id=opening.id, notify=True)
    await tx.run(queries.DONE, opening.id)
    return True


async def _next(
    tx: Tx, opening: queries.Opening, passed: set[UUID]
) -> tuple[UUID, datetime | None] | None:
    """Return the entry that is next in line, and until when its patient has quiet hours.

    Passed over is who cannot be written to, and who would wake too late.
    """
    if opening.starts_at < tx.now + rules.LEAD:
        return None
    rows = await tx.all(
        queries.CANDIDATES, opening.provider_id, opening.facility_id, opening.appointment_type,
        opening.starts_at,
    )  # fmt: skip
    time = rules.Time(
        opening.provider_id, opening.facility_id, opening.appointment_type, opening.starts_at,
        opening.duration_minutes, opening.zone,
    )  # fmt: skip
    patients = {row.id: row.patient_id for row in rows if row.id not in passed}
    line = rules.ranked([actions.want_of(row) for row in rows if row.id in patients], time)
    for number in range(0, len(line), _AT_ONCE):
        some = line[number : number + _AT_ONCE]
        asleep = await reachable(tx, sorted({patients[want.id] for want in some}))
        for want in some:
            until = asleep.get(patients[want.id])
            late = until is not None and until + rules.LEAD > opening.starts_at
            if patients[want.id] in asleep and not late:
                return want.id, until
    return None
