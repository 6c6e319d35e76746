"""Appointments: book, change, cancel, list. No provider and no patient is ever booked twice."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.audit.reads import note_read
from chroniccare.core import paging, wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.notifications.plan import Visit, cancel_visits, plan_cancelled, plan_visit
from chroniccare.platform.cache import Listing, Rendered, cache
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import booking, openings, queries, rules
from chroniccare.scheduling.known import Known, Type
from chroniccare.scheduling.schemas import AppointmentWrite, Override
from chroniccare.scheduling.telling import (
    key,
    messages,
    messages_of,
    sees_telehealth,
    shown,
    tell,
    tell_many,
    visits,
)

CACHED_S = 300
LISTED_S = {"patient_id": 300, "provider_id": 3600}


class LateChange(Conflict):
    """The visit is too near to be cancelled or moved by the clinic's rules."""

    code = "LATE_CHANGE"
    message = "The visit is too near for this change by the clinic's rules."


async def book(
    tx: Tx, body: AppointmentWrite, *, hold_minutes: int | None = None
) -> queries.Appointment:
    """Book or hold a visit, plan its messages, audit it and emit `appointment.created`.

    Raises:
        Unprocessable: patient, provider, facility or time cannot be booked; the field is named.
        SlotTaken: a provider, the patient, or a room or device is not free.
        Conflict: others were booking the same parties for more than two seconds.
        Forbidden: the caller may not set rules aside.
    """
    demand = demanded(body, booking.allowed(tx, body.override))
    start = body.scheduled_start
    rules.check_start(start, now=tx.now)
    known = await booking.know(tx, demand, first=start, last=start)
    minutes = length(body, known)
    [faults] = booking.rule_faults(demand, known, [start], minutes, now=tx.now)
    booking.check(faults)
    booking.check_visibly_free(demand, known, start, minutes)
    held = await booking.stand(tx, demand, known, starts=[start])
    seats, taken = booking.seated(demand, known, held, start, minutes)
    if taken:
        raise booking.refusal(taken, demand, start)
    row = document(new_id(), body, known.type, start=start, minutes=minutes)
    row["resource_ids"] = booking.chosen(demand, seats)
    if hold_minutes is not None:
        until = tx.now + timedelta(minutes=hold_minutes)
        row |= {"status": "held", "held_until": until}
    [visit] = await tx.all(queries.INSERT, [row], tx.caller.tenant_id, tx.now)
    await booking.occupy(tx, {visit.id: seats}, held_until=visit.held_until)
    if visit.status != "held":
        await plan_visit(tx, [_messages(visit, known)])
    await tell(tx, "create", "appointment.created", before=None, after=visit)
    return visit


def demanded(body: AppointmentWrite, allow: frozenset[rules.Rule]) -> booking.Demand:
    """Return whom and what the visit in `body` takes."""
    minutes = body.duration_minutes
    if body.scheduled_end is not None:
        minutes = rules.length(
            start=body.scheduled_start, end=body.scheduled_end, minutes=minutes, default=None
        )
    others = body.additional_provider_ids
    if body.provider_id in others:
        number = others.index(body.provider_id)
        raise Unprocessable.field(
            f"additional_provider_ids.{number}", "is the visit's own provider", "distinct"
        )
    return booking.Demand(
        body.patient_id, body.provider_id, body.facility_id, body.appointment_type, minutes,
        others, body.resource_ids, body.priority, allow,
    )  # fmt: skip


def length(body: AppointmentWrite, known: Known) -> int:
    """Return the length in minutes: as told, else the provider's for the type, else the type's.

    Raises:
        Unprocessable: with its buffers the visit would take more than a day.
    """
    minutes = known.calendars[0].minutes
    around = known.type.before + known.type.after
    if minutes + around > rules.MAX_MINUTES:
        field = "duration_minutes" if body.scheduled_end is None else "scheduled_end"
        raise Unprocessable.field(
            field, f"with {around} minutes of buffers it takes more than a day", "length"
        )
    return minutes


def document(
    appointment_id: UUID, body: AppointmentWrite, kind: Type, *, start: datetime, minutes: int
) -> dict[str, Any]:
    """Return a new visit as the columns it is written to."""
    said = body.model_dump(exclude={"hold_minutes"})
    return {
        **said,
        "id": appointment_id,
        "scheduled_start": start,
        "scheduled_end": start + timedelta(minutes=minutes),
        "duration_minutes": minutes,
        "status": "scheduled",
        "buffer_before_minutes": kind.before,
        "buffer_after_minutes": kind.after,
        "named_resource_ids": body.resource_ids,
        "reschedule_count": 0,
        "sequence": 0,
    }


async def cancel(
    tx: Tx, visit: queries.Appointment, *, reason: str, notify: bool = True,
    override: Override | None = None,
) -> queries.Appointment:  # fmt: skip
    """Cancel `visit`, which this transaction has locked; cancelling it again changes nothing.

    With `notify` the patient is told, unless it has begun or was only held.

    Raises:
        StepRefused: the visit has begun, is over or was missed.
        LateChange: it is too near, and `override` does not allow `late_change`.
    """
    if visit.status == "cancelled":
        await record(tx, action="read", entity_type="appointment", entity_id=visit.id)
        return visit
    rules.next_status("cancel", visit.status)
    allow = booking.allowed(tx, override)
    # Who is checked in is told apart by the start: before it, checking in is no way around this.
    if visit.status != "held" and "late_change" not in allow:
        policy = await tx.one(queries.POLICY) or queries.Policy()
        check_notice(visit, policy.cancel_notice_minutes, now=tx.now)
    [cancelled] = await cancel_many(tx, [visit], reason=reason, notify=notify, override=override)
    return cancelled


def check_notice(visit: queries.Appointment, minutes: int, *, now: datetime) -> None:
    """Check that a visit to come is still far enough away to be changed.

    Raises:
        LateChange: it starts within `minutes`.
    """
    if minutes and now < visit.scheduled_start < now + timedelta(minutes=minutes):
        reason = f"lies within {minutes} minutes; staff can override late_change"
        raise LateChange(details=[FieldError("scheduled_start", reason, "late_change")])


async def cancel_many(
    tx: Tx, several: list[queries.Appointment], *, reason: str, notify: bool,
    override: Override | None = None, handed_on: bool = False,
) -> list[queries.Appointment]:  # fmt: skip
    """Cancel visits whose rows this transaction has locked, and whose state allows it.

    Their time is free again, and their messages are not sent. `override` is kept with them.
    With `handed_on` another visit takes the time in this transaction, so nobody else is offered it.
    """
    ids = [visit.id for visit in several]
    aside = None if override is None else override.model_dump()
    cancelled = await tx.all(queries.CANCEL, ids, tx.now, reason, aside)
    await tx.run(queries.RELEASE_MANY, ids)
    if not handed_on:
        await openings.note(tx, several)
    await cancel_visits(tx, ids)
    before = {visit.id: visit for visit in several}
    if notify:
        told = [one for one in cancelled if before[one.id].status in rules.BOOKED_STATUSES]
        await plan_cancelled(tx, await messages_of(tx, told) if told else [])
    pairs = [(before[one.id], one) for one in cancelled]
    if len(pairs) == 1:
        [(old, new)] = pairs
        await tell(tx, "cancel", "appointment.cancelled", before=old, after=new)
    else:
        await tell_many(tx, "cancel", "appointment.cancelled", pairs)
    return cancelled


async def get(tx: Tx, appointment_id: UUID) -> queries.Appointment:
    """Return one visit.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    visit = await tx.one(queries.GET, appointment_id)
    return booking.found(visit)


async def get_locked(tx: Tx, appointment_id: UUID) -> queries.Appointment:
    """Return one visit and lock its row; see `get`."""
    visit = await tx.one(queries.GET_FOR_UPDATE, appointment_id)
    return booking.found(visit)


async def rendered(caller: Caller, appointment_id: UUID) -> Rendered:
    """Return one visit as bytes, from the cache where it can be had; the read is audited.

    What the caller may not see of it is left out.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """

    async def load() -> Rendered:
        async with begin(caller) as tx:
            visit = await get(tx, appointment_id)
        return Rendered(visit.version, wire.dumps(shown(caller, visit)))

    name = key(caller.tenant_id, appointment_id, telehealth=sees_telehealth(caller))
    found = await cache().through(name, CACHED_S, load)
    await note_read(caller, entity_type="appointment", seen=[appointment_id])
    return found


async def search(
    tx: Tx, *, filters: list[Any], cursor: str | None, limit: int
) -> paging.Page[queries.Appointment]:
    """Return one page of visits by start and id.

    `filters` are patient, facility, status, earliest start and start of the first visit no longer
    wanted (UTC instants), room or equipment, provider, and whether the provider's `own` visits are
    wanted or those that they have `joined`, each or None.
    """
    after = paging.decode(cursor, "appointments", filters, [datetime.fromisoformat, UUID])
    *asked, resource_id, provider_id, role = filters
    await tx.plan_afresh()
    page = [*asked, *(after or [None, None]), limit + 1, resource_id]
    if provider_id is None:
        rows = await tx.all(queries.LIST, *page)
    else:
        rows = await tx.all(queries.LIST_OF_PROVIDER, *page, provider_id, role)
    return paging.page(
        rows, limit, listing="appointments", filters=filters,
        key=lambda row: [row.scheduled_start, row.id],
    )  # fmt: skip


async def listed(
    caller: Caller,
    *,
    filters: list[Any],
    cursor: str | None,
    limit: int,
    of: tuple[str, UUID] | None,
) -> bytes:
    """Return one page of `search` as bytes; what was seen is audited first.

    `of` is the patient or provider (`patient_id` or `provider_id`, and its value) whose list this
    is; such lists are cached.

    Raises:
        NotFound: no such patient or provider.
    """

    async def load() -> Listing:
        async with begin(caller) as tx:
            if of is not None:
                await _check_exists(tx, *of)
            found = await search(tx, filters=filters, cursor=cursor, limit=limit)
        items = [shown(caller, visit) for visit in found.items]
        return Listing(
            [str(visit.id) for visit in items],
            wire.dumps(paging.Page(items, found.next_cursor)),
        )

    if of is None:
        found = await load()
    else:
        what = [*filters, cursor, limit, sees_telehealth(caller)]
        name, ttl_s = visits(caller.tenant_id, *of), LISTED_S[of[0]]
        found = await cache().listed(name, what, ttl_s, load)
    await note_read(caller, entity_type="appointment", seen=found.seen, action="list")
    return found.data


async def _check_exists(tx: Tx, field: str, record_id: UUID) -> None:
    """Check that the patient or provider (`field`) a list is asked for exists.

    Raises:
        NotFound: it does not, or belongs to another tenant.
    """
    if not await tx.value(queries.EXISTS[field], record_id):
        raise NotFound


def _messages(visit: queries.Appointment, known: Known) -> Visit:
    place = known.places[visit.facility_id]
    return messages(
        visit, provider=known.names[visit.provider_id], facility=known.names[place.id],
        zone=place.zone,
    )  # fmt: skip
