"""The life of a visit after it is booked: each step, its undo, and no-shows that nobody marked.

Which step is allowed from which state stands in `rules.STEPS` and `rules.UNDO`.
"""

from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.audit.actions import record_many
from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, FieldError, NotFound
from chroniccare.notifications.plan import cancel_visit, cancel_visits, plan_visit, restore_visit
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import queries, rules
from chroniccare.scheduling.retaking import occupy_again
from chroniccare.scheduling.telling import messages_of, stale, tell
from chroniccare.webhooks.actions import EventType, emit_many

_BATCH = 200
_EVENTS: dict[rules.Step, EventType] = {
    "check_in": "appointment.checked_in",
    "complete": "appointment.completed",
    "no_show": "appointment.no_show",
}
_MOOT = frozenset({"completed", "no_show"})
"""States in which a reminder has lost its point."""


class UndoExpired(Conflict):
    """The visit's last step lies too far back to be undone."""

    code = "UNDO_EXPIRED"


class HoldExpired(Conflict):
    """The time was held until a moment that has passed."""

    code = "HOLD_EXPIRED"
    message = "The hold has lapsed; its time may be somebody else's. Look for a time again."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("held_until", "has passed", "expired")])


async def take_up(tx: Tx, visit: queries.Appointment) -> queries.Appointment:
    """Book a visit that is held, whose row this transaction has locked, and plan its messages.

    Raises:
        HoldExpired: its time was held no longer than until now.
        StepRefused: it is not held.
        Unprocessable: its start has passed.
    """
    lapsed = visit.held_until is not None and visit.held_until <= tx.now
    # Whoever wanted its time meanwhile has cancelled it: to the client that is the same.
    if lapsed or (visit.status == "cancelled" and visit.cancellation_reason == rules.LAPSED):
        raise HoldExpired
    status = rules.next_status("book", visit.status)
    rules.check_start(visit.scheduled_start, now=tx.now)
    changed = await _enter(tx, visit, status, {})
    await tx.run(queries.KEEP_HELD, visit.id)
    await plan_visit(tx, await messages_of(tx, [changed]))
    await tell(tx, "book", "appointment.updated", before=visit, after=changed)
    return changed


async def advance(tx: Tx, visit: queries.Appointment, step: rules.Step) -> queries.Appointment:
    """Take `step` with `visit`, which this transaction has locked; to cancel has its own action.

    Raises:
        StepRefused: not from the state the visit is in.
        Unprocessable: not at this time.
    """
    status = rules.next_status(step, visit.status)
    rules.check_step_time(step, start=visit.scheduled_start, end=visit.scheduled_end, now=tx.now)
    changed = await _enter(tx, visit, status, {rules.STAMPS[status]: tx.now})
    if status in rules.FREE_STATUSES:
        await tx.run(queries.RELEASE, visit.id)
    if status in _MOOT:
        await cancel_visit(tx, visit.id)
    event = _EVENTS.get(step, "appointment.updated")
    await tell(tx, step, event, before=visit, after=changed)
    return changed


async def undo(tx: Tx, visit: queries.Appointment) -> queries.Appointment:
    """Take back the last step of `visit`, which this transaction has locked.

    Raises:
        StepRefused: the state it is in cannot be undone.
        UndoExpired: it has been in it for `CHRONICCARE_UNDO_MINUTES` or longer.
        SlotTaken: it was a no-show, and its time has been given to somebody else.
    """
    stamps = _stamps(visit)
    been = {state for state, name in rules.STAMPS.items() if stamps[name] is not None}
    status = rules.status_before(visit.status, been)
    left = rules.STAMPS[visit.status]
    minutes, entered = tx.settings.undo_minutes, stamps[left]
    if entered is None or tx.now - entered >= timedelta(minutes=minutes):
        raise UndoExpired(
            f"The visit is {visit.status.replace('_', ' ')} for {minutes} minutes or"
            " longer; that can no longer be undone."
        )
    changed = await _enter(tx, visit, status, {left: None})
    if visit.status in rules.FREE_STATUSES:
        await occupy_again(tx, changed)
    if status in rules.OPEN_STATUSES:
        await restore_visit(tx, visit.id)
    await tell(tx, "undo", "appointment.updated", before=visit, after=changed)
    return changed


async def mark_no_shows(tenant_id: UUID) -> int:
    """Mark a tenant's visits that ended a grace time ago and nobody came to; return how many.

    A visit that was changed within the grace time is left alone, so that staff who undo a no-show
    have as long to check the patient in.
    """
    count, marked = 0, _BATCH
    while marked == _BATCH:
        async with begin(system(tenant_id, job="lifecycle")) as tx:
            marked = await _mark_batch(tx)
        count += marked
    return count


async def _mark_batch(tx: Tx) -> int:
    before = tx.now - timedelta(minutes=tx.settings.no_show_grace_minutes)
    missed = await tx.all(queries.MARK_NO_SHOWS, tx.now, before, _BATCH)
    if not missed:
        return 0
    ids = [visit.id for visit in missed]
    await tx.run(queries.RELEASE_MANY, ids)
    await cancel_visits(tx, ids)
    changed = {visit.id: (_expected(visit), _marked(visit)) for visit in missed}
    await record_many(tx, action="no_show", entity_type="appointment", changed=changed)
    payloads = {visit.id: {"version": visit.version, "status": visit.status} for visit in missed}
    await emit_many(tx, "appointment.no_show", entity_type="appointment", payloads=payloads)
    for visit in missed:
        stale(tx, visit)
    return len(missed)


async def _enter(
    tx: Tx, visit: queries.Appointment, status: str, stamped: dict[str, datetime | None]
) -> queries.Appointment:
    document = {**_stamps(visit), **stamped, "status": status}
    changed = await tx.one(queries.STEP, visit.id, document, tx.now)
    if changed is None:
        raise NotFound
    return changed


def _stamps(visit: queries.Appointment) -> dict[str, datetime | None]:
    return {name: getattr(visit, name) for name in rules.STAMPS.values()}


def _expected(visit: queries.Appointment) -> dict[str, object]:
    """Return what was different before `visit` became a no-show."""
    status = "scheduled" if visit.confirmed_at is None else "confirmed"
    return {"status": status, "no_show_at": None, "version": visit.version - 1}


def _marked(visit: queries.Appointment) -> dict[str, object]:
    return {"status": visit.status, "no_show_at": visit.no_show_at, "version": visit.version}
