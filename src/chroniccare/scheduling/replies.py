"""What patients ask for in replies and through links: confirmed, accepted, declined.

A reply is read below this slice (`notifications.inbound`), which cannot reach visits; it leaves a
row that says what is wanted, and this loop does it, as the patient. What cannot be done any more
is left to staff.
"""

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, Problem, Unavailable
from chroniccare.notifications.inbound import answers, queries, staff
from chroniccare.notifications.inbound.receiving import ACTIONS as LOOP
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import actions as visits
from chroniccare.scheduling import lifecycle, rules
from chroniccare.scheduling import queries as appointments
from chroniccare.scheduling.telling import messages_of
from chroniccare.scheduling.waitlist import offers
from chroniccare.tasks.actions import close

__all__ = ["LOOP", "Outdated", "check_told", "confirm", "sweep"]

log = logging.getLogger(__name__)

ACTOR = "patient"
"""What the audit calls a patient who answers; `user_id` is then the patient's id."""
_BATCH = 100


class Outdated(Conflict):
    """The visit is not as the patient was told: it was moved, is over or has been cancelled."""

    code = "OUTDATED"
    message = "The visit has changed since the patient was told of it."


async def sweep(tenant_id: UUID) -> int:
    """Do what a tenant's replies ask for, in the order they came; return how many there were."""
    async with begin(_system(tenant_id)) as tx:
        waiting = await tx.all(queries.ACTIONS, _BATCH)
    for one in waiting:
        await _do(tenant_id, one)
    return len(waiting)


def _system(tenant_id: UUID) -> Caller:
    return Caller(tenant_id, None, "system", request_id="replies")


async def _do(tenant_id: UUID, wanted: queries.Action) -> None:
    """Do one thing; what cannot be done for a reason is refused, with that as the code."""
    patient = Caller(tenant_id, wanted.patient_id, ACTOR, request_id=f"reply:{wanted.id}")
    code: str | None = None
    try:
        async with begin(patient) as tx:
            if await tx.one(queries.LOCK_ACTION, wanted.id) is not None:
                await _act(tx, wanted)
    except Problem as error:
        if isinstance(error, Unavailable) or type(error) is Conflict:
            # The database, or somebody who changes the visit just now: again in a moment.
            log.warning("reply waits", extra={"kind": type(error).__name__})
        else:
            code = error.code
    except Exception as error:
        # One that our code cannot handle stands in no other's way; staff learn of it.
        log.exception("reply not followed", extra={"kind": type(error).__name__})
        code = "INTERNAL_ERROR"
    if code is not None:
        async with begin(_system(tenant_id)) as tx:
            if await tx.one(queries.LOCK_ACTION, wanted.id) is not None:
                await _refuse(tx, wanted, code)


async def _act(tx: Tx, wanted: queries.Action) -> None:
    answered = False
    if wanted.action == "confirm":
        visit = await confirm(
            tx, wanted.appointment_id, told_start=wanted.start, asked_at=wanted.received_at
        )
        answered = await _answer(tx, wanted, "reply_confirmed", visit=visit)
    elif wanted.offer_id is not None and wanted.action == "accept":
        # What was booked is said by the visit's own message.
        await offers.accept(tx, wanted.offer_id)
    elif wanted.offer_id is not None:
        await offers.decline(tx, wanted.offer_id)
        answered = await _answer(tx, wanted, "reply_offer_declined")
    await tx.run(queries.SETTLE, wanted.id, "done", None, answered, tx.now)


async def confirm(
    tx: Tx, appointment_id: UUID, *, told_start: datetime | None, asked_at: datetime
) -> appointments.Appointment:
    """Confirm a visit for its patient, who was told that it is at `told_start`.

    Confirming it again changes nothing. A wish for another time that staff have not taken up, from
    before `asked_at`, is over: the patient has changed their mind.

    Raises:
        NotFound: no such visit.
        Outdated: it is at another time by now, or not to come any more.
    """
    visit = await visits.get_locked(tx, appointment_id)
    check_told(visit, told_start, now=tx.now)
    if visit.status == "scheduled":
        visit = await lifecycle.advance(tx, visit, "confirm")
    await close(
        tx, [staff.change_key(visit.id)], outcome="patient_confirmed", opened_by_then=asked_at,
        only=frozenset({"requested"}),
    )  # fmt: skip
    return visit


def check_told(
    visit: appointments.Appointment, told_start: datetime | None, *, now: datetime
) -> None:
    """Check that `visit` is still to come, at the time that its patient was told.

    Raises:
        Outdated: it is not.
    """
    booked = visit.status in rules.BOOKED_STATUSES
    if not booked or visit.scheduled_start != told_start or visit.scheduled_start <= now:
        raise Outdated


async def _refuse(tx: Tx, wanted: queries.Action, code: str) -> None:
    """Say so to the patient, and leave it to staff where a visit is concerned."""
    kind = "reply_outdated" if wanted.action == "confirm" else "reply_offer_over"
    if wanted.action == "confirm" or code == "INTERNAL_ERROR":
        await staff.look_at_visit(
            tx, appointment_id=wanted.appointment_id, patient_id=wanted.patient_id,
            reason=code.lower(),
        )  # fmt: skip
    answered = await _answer(tx, wanted, kind)
    await tx.run(queries.SETTLE, wanted.id, "refused", code, answered, tx.now)


async def _answer(
    tx: Tx, wanted: queries.Action, kind: str, *, visit: appointments.Appointment | None = None
) -> bool:
    data: dict[str, Any] = {}
    if visit is not None:
        [about] = await messages_of(tx, [visit])
        data = {"starts_at": visit.scheduled_start, "zone": about.facility_zone}
    return await answers.plan_answer(
        tx, kind, reply_id=wanted.id, sender=wanted.sender, language="en",
        patient_id=wanted.patient_id, data=data,
    )  # fmt: skip
