"""Seats in a group session: ordinary visits that take their patient's time and nobody else's."""

from typing import Any
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core import paging
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.notifications.plan import plan_visit
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import booking, seating
from chroniccare.scheduling import queries as visits
from chroniccare.scheduling.groups import queries
from chroniccare.scheduling.groups.actions import check_open, get, get_locked
from chroniccare.scheduling.groups.schemas import SeatWrite
from chroniccare.scheduling.telling import messages_of, tell


class GroupFull(Conflict):
    """Every seat of the session is taken."""

    code = "GROUP_FULL"
    message = "Every seat in this group session is taken."


class SeatedAlready(Conflict):
    """The patient has a seat in the session."""

    code = "ALREADY_SEATED"
    message = "The patient has a seat in this group session."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("patient_id", "has a seat already", "taken")])


async def book(tx: Tx, session_id: UUID, body: SeatWrite) -> visits.Appointment:
    """Give a patient a seat, plan its messages, audit it and emit `appointment.created`.

    Raises:
        NotFound: no such group session.
        GroupNotOpen: it has begun or was cancelled.
        GroupFull: every seat is taken.
        SeatedAlready: the patient has one.
        Unprocessable: the patient is unknown or not active.
        SlotTaken: the patient has another visit then.
    """
    # Before the lock: whoever comes long after the last seat does not queue for it.
    _check_room(await get(tx, session_id), tx)
    await _check_patient(tx, body.patient_id)
    session = await get_locked(tx, session_id)
    # Behind the session, before the patient's lock, as every booking does: who changes hours has
    # the provider's row and then wants the locks of everybody whose visit is to be moved.
    await tx.value(visits.KEEP, body.patient_id, [session.provider_id], session.facility_id)
    if await tx.value(queries.HAS_SEAT, session.id, body.patient_id):
        raise SeatedAlready
    _check_room(session, tx)
    taken = await _seated(tx, session, body.patient_id)
    row = _document(session, body)
    [visit] = await tx.all(visits.INSERT, [row], tx.caller.tenant_id, tx.now)
    await booking.occupy(tx, {visit.id: taken})
    await plan_visit(tx, await messages_of(tx, [visit]))
    await tell(tx, "create", "appointment.created", before=None, after=visit)
    return visit


async def listed(
    caller: Caller, session_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[visits.Appointment]:
    """Return one page of the seats of a session, cancelled ones too; what was seen is audited.

    Raises:
        NotFound: no such group session.
    """
    after = paging.decode(cursor, "seats", [session_id], [UUID]) or [None]
    async with begin(caller) as tx:
        await get(tx, session_id)
        rows = await tx.all(queries.LIST_SEATS, session_id, *after, limit + 1)
    found = paging.page(
        rows, limit, listing="seats", filters=[session_id], key=lambda row: [row.id]
    )
    seen = [visit.id for visit in found.items]
    await note_read(caller, entity_type="appointment", seen=seen, action="list")
    return found


def _check_room(session: queries.GroupSession, tx: Tx) -> None:
    check_open(session, now=tx.now)
    if session.seats_taken >= session.seats:
        raise GroupFull


async def _check_patient(tx: Tx, patient_id: UUID) -> None:
    active = await tx.value(queries.PATIENT, patient_id)
    if active is None:
        raise Unprocessable.field("patient_id", "no such patient", "unknown")
    if not active:
        raise Unprocessable.field("patient_id", "is not active", "inactive")


async def _seated(tx: Tx, session: queries.GroupSession, patient_id: UUID) -> list[seating.Seat]:
    """Lock the patient and return what the seat takes: the time of the session, no buffers."""
    start, end = session.scheduled_start, session.scheduled_end
    standing = await booking.locked(tx, [patient_id], spans=[(start, end)])
    ask = seating.Ask(
        [patient_id], 1, booking.minutes_of(start), booking.minutes_of(end), "patient_id",
        "the patient",
    )  # fmt: skip
    taken, faults = seating.seat([ask], standing, extra=0)
    if faults:
        raise booking.SlotTaken(faults)
    return taken


def _document(session: queries.GroupSession, body: SeatWrite) -> dict[str, Any]:
    """Return a new seat as the columns it is written to."""
    return {
        **body.model_dump(),
        "id": new_id(),
        "group_session_id": session.id,
        "provider_id": session.provider_id,
        "facility_id": session.facility_id,
        "appointment_type": session.appointment_type,
        "scheduled_start": session.scheduled_start,
        "scheduled_end": session.scheduled_end,
        "duration_minutes": session.duration_minutes,
        "buffer_before_minutes": session.buffer_before_minutes,
        "buffer_after_minutes": session.buffer_after_minutes,
        "status": "scheduled",
        # The session takes them, not each seat.
        "additional_provider_ids": [],
        "resource_ids": [],
        "reschedule_count": 0,
        "sequence": 0,
    }
