"""Group sessions: plan, change, cancel. The session takes provider and rooms like one visit.

Whoever changes a session or takes a seat in it locks the session first, then visits' rows, then
everybody concerned as every booking does: in this order nobody waits in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.notifications.plan import cancel_visits, plan_visit
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import booking, openings, rules, seating
from chroniccare.scheduling import queries as visits
from chroniccare.scheduling.actions import cancel_many, check_notice
from chroniccare.scheduling.groups import queries
from chroniccare.scheduling.groups.schemas import GroupSessionWrite
from chroniccare.scheduling.known import Known
from chroniccare.scheduling.moving import count
from chroniccare.scheduling.schemas import Override
from chroniccare.scheduling.telling import messages_of, said, tell_many
from chroniccare.webhooks.actions import EventType, emit


class GroupNotOpen(Conflict):
    """The session has begun, or was cancelled."""

    code = "GROUP_NOT_OPEN"
    message = "The group session has begun or was cancelled; it can no longer be changed."


class SeatsTaken(Conflict):
    """More patients have a seat than there would be."""

    code = "SEATS_TAKEN"
    message = "More patients have a seat than there would be."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("seats", "more than that are taken", "taken")])


class AttendeesBusy(booking.SlotTaken):
    """Patients of the session have another visit at its new time; `data` names their seats."""

    def __init__(self, appointment_ids: list[UUID]) -> None:
        reason = "patients who have a seat are not free then"
        super().__init__([FieldError("appointments", reason, "taken")])
        self.data = {"appointment_ids": appointment_ids}


async def create(tx: Tx, body: GroupSessionWrite) -> queries.GroupSession:
    """Plan a group session; it takes providers, rooms and equipment, and nobody has a seat yet.

    Raises:
        Unprocessable: provider, facility or time cannot be booked; the field is named.
        SlotTaken: a provider, room or device is not free.
        Forbidden: the caller may not set rules aside.
    """
    demand, start = _demand(tx, body), body.scheduled_start
    rules.check_start(start, now=tx.now)
    known = await booking.know(tx, demand, first=start, last=start)
    row = _row(body, known)
    _check_rules(demand, known, row, now=tx.now)
    booking.check_visibly_free(demand, known, start, row["duration_minutes"])
    held = await booking.stand(tx, demand, known, starts=[start])
    seats = _seated(demand, known, held, row)
    inserted = await tx.one(queries.INSERT, new_id(), row, tx.caller.tenant_id, tx.now)
    made = found(inserted)
    await booking.occupy(tx, {made.id: seats}, column="group_session_id")
    await _tell(tx, "create", "group_session.created", before=None, after=made)
    return made


async def change(
    tx: Tx, session: queries.GroupSession, body: GroupSessionWrite
) -> queries.GroupSession:
    """Replace `session`, which this transaction has locked; every seat moves with it, or none.

    Patients who have a seat are told of a new time, provider or place.

    Raises:
        GroupNotOpen: it has begun, somebody is checked in already, or it was cancelled.
        SeatsTaken: more patients have a seat than there would be.
        Unprocessable, SlotTaken, Forbidden: as for `create`.
        AttendeesBusy: a patient who has a seat has another visit then.
        LateChange: it is too near to be moved by the clinic's rules.
    """
    check_open(session, now=tx.now)
    if body.seats < session.seats_taken:
        raise SeatsTaken
    seats = await tx.all(queries.SEATS_LOCKED, session.id)
    demand = replace(_demand(tx, body), prefer=session.resource_ids)
    start = body.scheduled_start
    if start != session.scheduled_start:
        rules.check_start(start, now=tx.now)
    known = await booking.know(tx, demand, first=start, last=start)
    row = _row(body, known)
    row["override"] = row["override"] or session.override
    if _differs(session, row, _WHEN):
        _check_rules(demand, known, row, now=tx.now)
    if _differs(session, row, (*_WHEN, "resource_ids")):
        await _move(tx, session, seats, demand=demand, known=known, row=row)
    updated = await tx.one(queries.UPDATE, session.id, row, tx.now)
    changed = found(updated)
    await _tell(tx, "update", "group_session.updated", before=session, after=changed)
    return changed


async def cancel(
    tx: Tx, session: queries.GroupSession, *, reason: str, notify: bool, override: Override | None
) -> queries.GroupSession:
    """Cancel `session`, which this transaction has locked, and every seat in it.

    Cancelling it again changes nothing. With `notify` the patients are told.

    Raises:
        GroupNotOpen: it has begun, or somebody is checked in already.
        LateChange: it is too near, and `override` does not allow `late_change`.
    """
    if session.status == "cancelled":
        return session
    allow = booking.allowed(tx, override)
    check_open(session, now=tx.now)
    seats = await tx.all(queries.SEATS_LOCKED, session.id)
    _check_waiting(seats)
    if seats and "late_change" not in allow:
        policy = await tx.one(visits.POLICY) or visits.Policy()
        check_notice(seats[0], policy.cancel_notice_minutes, now=tx.now)
    if seats:
        await cancel_many(tx, seats, reason=reason, notify=notify)
    await tx.run(queries.RELEASE, session.id)
    await openings.note_times(tx, [session])
    updated = await tx.one(queries.CANCEL, session.id, tx.now, reason)
    cancelled = found(updated)
    await _tell(tx, "cancel", "group_session.cancelled", before=session, after=cancelled)
    return cancelled


async def get(tx: Tx, session_id: UUID) -> queries.GroupSession:
    """Return one group session.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    session = await tx.one(queries.GET, session_id)
    return found(session)


async def get_locked(tx: Tx, session_id: UUID) -> queries.GroupSession:
    """Return one group session, in which nobody takes a seat until this commits; see `get`."""
    await get(tx, session_id)  # before the lock: no other id is locked for the asking
    await tx.values(visits.LOCK, rules.lock_keys(tx.caller.tenant_id, [session_id]))
    session = await tx.one(queries.GET_LOCKED, session_id)
    return found(session)


async def search(
    tx: Tx, *, filters: list[Any], cursor: str | None, limit: int
) -> paging.Page[queries.GroupSession]:
    """Return one page of group sessions by start and id.

    `filters` are provider, facility, status, earliest start and start of the first session no
    longer wanted (UTC instants), each or None.
    """
    after = paging.decode(cursor, "group-sessions", filters, [datetime.fromisoformat, UUID])
    await tx.plan_afresh()
    rows = await tx.all(queries.LIST, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing="group-sessions", filters=filters,
        key=lambda row: [row.scheduled_start, row.id],
    )  # fmt: skip


def check_open(session: queries.GroupSession, *, now: datetime) -> None:
    """Check that `session` is to come.

    Raises:
        GroupNotOpen: it is not.
    """
    if session.status != "scheduled" or session.scheduled_start <= now:
        raise GroupNotOpen


def found(session: queries.GroupSession | None) -> queries.GroupSession:
    """Return `session`.

    Raises:
        NotFound: there is none.
    """
    if session is None:
        raise NotFound("No such group session.")
    return session


def _check_waiting(seats: Iterable[visits.Appointment]) -> None:
    if any(seat.status not in rules.OPEN_STATUSES for seat in seats):
        raise GroupNotOpen


def _demand(tx: Tx, body: GroupSessionWrite) -> booking.Demand:
    others = body.additional_provider_ids
    if body.provider_id in others:
        field = f"additional_provider_ids.{others.index(body.provider_id)}"
        raise Unprocessable.field(field, "is the session's own provider", "distinct")
    return booking.Demand(
        None, body.provider_id, body.facility_id, body.appointment_type, body.duration_minutes,
        others, body.resource_ids, allow=booking.allowed(tx, body.override),
    )  # fmt: skip


def _row(body: GroupSessionWrite, known: Known) -> dict[str, Any]:
    """Return the session as the columns it is written to.

    Raises:
        Unprocessable: with its buffers it would take more than a day.
    """
    minutes, kind = known.calendars[0].minutes, known.type
    around = kind.before + kind.after
    if minutes + around > rules.MAX_MINUTES:
        reason = f"with {around} minutes of buffers it takes more than a day"
        raise Unprocessable.field("duration_minutes", reason, "length")
    return {
        **body.model_dump(),
        "scheduled_end": body.scheduled_start + timedelta(minutes=minutes),
        "duration_minutes": minutes,
        "buffer_before_minutes": kind.before,
        "buffer_after_minutes": kind.after,
    }


_WHEN = (
    "scheduled_start", "scheduled_end", "provider_id", "facility_id", "appointment_type",
    "buffer_before_minutes", "buffer_after_minutes", "additional_provider_ids",
)  # fmt: skip


def _differs(session: queries.GroupSession, row: dict[str, Any], names: Iterable[str]) -> bool:
    def plain(value: Any) -> Any:
        return set(value) if isinstance(value, list) else value

    return any(plain(row[name]) != plain(getattr(session, name)) for name in names)


def _check_rules(
    demand: booking.Demand, known: Known, row: dict[str, Any], *, now: datetime
) -> None:
    start = row["scheduled_start"]
    [faults] = booking.rule_faults(demand, known, [start], row["duration_minutes"], now=now)
    booking.check(faults)


def _seated(
    demand: booking.Demand, known: Known, held: booking.Held, row: dict[str, Any]
) -> list[seating.Seat]:
    """Return what the session takes, and note in `row` the rooms that were chosen.

    Raises:
        SlotTaken: a provider, room or device is not free.
    """
    start, minutes = row["scheduled_start"], row["duration_minutes"]
    taken, faults = booking.seated(demand, known, held, start, minutes)
    if faults:
        raise booking.refusal(faults, demand, start)
    row["resource_ids"] = booking.chosen(demand, taken)
    return taken


async def _move(
    tx: Tx,
    session: queries.GroupSession,
    seats: list[visits.Appointment],
    *,
    demand: booking.Demand,
    known: Known,
    row: dict[str, Any],
) -> None:
    """Take what the session takes as it will be (`row`), and its patients with it."""
    moved = [(seat, _moved(seat, row)) for seat in seats]
    news = [(seat, after) for seat, after in moved if after != asdict(seat)]
    if news:
        _check_waiting(seats)
        await _check_policy(tx, news, demand.allow)
    # Given up before it is taken again: the session does not stand in its own way.
    await tx.run(queries.RELEASE, session.id)
    await tx.run(visits.RELEASE_MANY, [seat.id for seat, _ in news])
    if _differs(session, row, ("scheduled_start", "provider_id")):
        await openings.note_times(tx, [session])
    start = row["scheduled_start"]
    patients = [seat.patient_id for seat, _ in news]
    held = await booking.stand(tx, demand, known, starts=[start], besides=patients)
    takes = _seated(demand, known, held, row)
    theirs = _patients([seat for seat, _ in news], held, row)
    await booking.occupy(tx, {session.id: takes}, column="group_session_id")
    if news:
        changed = await tx.all(visits.UPDATE, [after for _, after in news], tx.now)
        await booking.occupy(tx, theirs)
        await _tell_patients(tx, {seat.id: seat for seat, _ in news}, changed)


def _moved(seat: visits.Appointment, row: dict[str, Any]) -> dict[str, Any]:
    """Return `seat` as it will be when its session is as in `row`."""
    names = (
        "scheduled_start", "scheduled_end", "duration_minutes", "provider_id", "facility_id",
        "appointment_type", "buffer_before_minutes", "buffer_after_minutes",
    )  # fmt: skip
    after = {**asdict(seat), **{name: row[name] for name in names}}
    count(seat, after)
    return after


async def _check_policy(
    tx: Tx,
    news: Sequence[tuple[visits.Appointment, dict[str, Any]]],
    allow: frozenset[rules.Rule],
) -> None:
    """Check that the clinic's rules let patients be told something new so late."""
    seat, after = news[0]  # all move alike
    if after["sequence"] != seat.sequence and "late_change" not in allow:
        policy = await tx.one(visits.POLICY) or visits.Policy()
        check_notice(seat, policy.reschedule_notice_minutes, now=tx.now)


def _patients(
    seats: Iterable[visits.Appointment], held: booking.Held, row: dict[str, Any]
) -> dict[UUID, list[seating.Seat]]:
    """Return what each seat takes of its patient.

    Raises:
        AttendeesBusy: some have another visit then.
    """
    begins, ends = (booking.minutes_of(row[name]) for name in ("scheduled_start", "scheduled_end"))
    theirs, busy = {}, []
    for one in seats:
        ask = seating.Ask([one.patient_id], 1, begins, ends, "patient_id", "the patient")
        theirs[one.id], faults = seating.seat([ask], held.standing, extra=0)
        if faults:
            busy.append(one.id)
    if busy:
        raise AttendeesBusy(busy)
    return theirs


async def _tell_patients(
    tx: Tx, before: Mapping[UUID, visits.Appointment], changed: Iterable[visits.Appointment]
) -> None:
    """Plan new messages for who must know, and audit and emit that visits were moved."""
    pairs = [(before[one.id], one) for one in changed]
    told = [after for seat, after in pairs if said(seat) != said(after)]
    if told:
        await cancel_visits(tx, [one.id for one in told], status="superseded")
        await plan_visit(tx, await messages_of(tx, told, moved=True))
    await tell_many(tx, "reschedule", "appointment.updated", pairs)


async def _tell(
    tx: Tx, action: str, event: EventType, *, before: queries.GroupSession | None,
    after: queries.GroupSession,
) -> None:  # fmt: skip
    await record(
        tx, action=action, entity_type="group_session", entity_id=after.id, before=before,
        after=after,
    )  # fmt: skip
    await emit(
        tx, event, entity_type="group_session", entity_id=after.id,
        payload={"version": after.version, "status": after.status},
    )  # fmt: skip
