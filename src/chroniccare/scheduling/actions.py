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
from chroniccare.notifications.plan import Visit, cancel_visit, plan_visit
from chroniccare.platform.cache import Listing, Rendered, cache
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import queries, rules
from chroniccare.scheduling.schemas import AppointmentWrite
from chroniccare.webhooks.actions import emit

CACHED_S = 300
LISTED_S = {"patient_id": 300, "provider_id": 3600}


class SlotTaken(Conflict):
    """The time is taken; `details` names the field of each party that is not free."""

    code = "SLOT_TAKEN"
    message = "This time is no longer free."

    def __init__(self, kinds: list[str]) -> None:
        super().__init__(
            details=[
                FieldError(f"{kind}_id", f"the {kind} is not free at this time", "taken")
                for kind in kinds
            ]
        )


class NotOpen(Conflict):
    """The visit has begun, is over or was cancelled, so it cannot be changed."""

    code = "APPOINTMENT_NOT_OPEN"
    message = "The visit has begun, is over or was cancelled; it can no longer be changed."


def key(tenant_id: UUID, appointment_id: UUID) -> str:
    """Return the cache key of one visit."""
    return f"appointment:{tenant_id}:{appointment_id}"


def visits(tenant_id: UUID, field: str, party_id: UUID) -> str:
    """Return the key of the generation of the visits of one patient or provider."""
    return f"{field.removesuffix('_id')}:{tenant_id}:{party_id}:appointments"


async def book(tx: Tx, body: AppointmentWrite) -> queries.Appointment:
    """Book a visit, plan its messages, audit it and emit `appointment.created`.

    Raises:
        Unprocessable: patient, provider, facility or time cannot be booked; the field is named.
        SlotTaken: provider or patient is not free.
        Conflict: others were booking the same parties for more than two seconds.
    """
    parties = await _parties(tx, body)
    minutes = _length(body, parties, now=tx.now)
    appointment_id = new_id()
    await _hold(tx, body, minutes, moving=None)
    visit = await tx.one(
        queries.INSERT, _document(appointment_id, body, minutes), tx.caller.tenant_id, tx.now
    )
    if visit is None:
        raise NotFound
    await occupy(tx, visit)
    await plan_visit(tx, [_messages(visit, parties)])
    await tell(tx, "create", "appointment.created", before=None, after=visit)
    return visit


async def change(tx: Tx, visit: queries.Appointment, body: AppointmentWrite) -> queries.Appointment:
    """Replace `visit`, which this transaction has locked; a new time is booked like a first one.

    Raises:
        NotOpen: the visit has begun, is over or was cancelled.
        Unprocessable: as for `book`; a visit stays with its patient.
        SlotTaken: provider or patient is not free at the new time.
    """
    if visit.status not in rules.OPEN_STATUSES:
        raise NotOpen
    if body.patient_id != visit.patient_id:
        raise Unprocessable.field("patient_id", "a visit stays with its patient", "fixed")
    parties = await _parties(tx, body)
    same_start = body.scheduled_start == visit.scheduled_start
    minutes = _length(body, parties, now=None if same_start else tx.now)
    await _hold(tx, body, minutes, moving=visit)
    await tx.run(queries.RELEASE, visit.id)
    changed = await tx.one(queries.UPDATE, _document(visit.id, body, minutes), tx.now)
    if changed is None:
        raise NotFound
    await occupy(tx, changed)
    if _told(changed) != _told(visit):
        await cancel_visit(tx, visit.id, status="superseded")
        await plan_visit(tx, [_messages(changed, parties)])
    await tell(tx, "update", "appointment.updated", before=visit, after=changed)
    return changed


async def cancel(tx: Tx, visit: queries.Appointment, *, reason: str) -> queries.Appointment:
    """Cancel `visit`, which this transaction has locked; cancelling it again changes nothing.

    Raises:
        StepRefused: the visit has begun, is over or was missed.
    """
    if visit.status == "cancelled":
        await record(tx, action="read", entity_type="appointment", entity_id=visit.id)
        return visit
    rules.next_status("cancel", visit.status)
    cancelled = await tx.one(queries.CANCEL, visit.id, tx.now, reason)
    if cancelled is None:
        raise NotFound
    await tx.run(queries.RELEASE, visit.id)
    await cancel_visit(tx, visit.id)
    await tell(tx, "cancel", "appointment.cancelled", before=visit, after=cancelled)
    return cancelled


async def get(tx: Tx, appointment_id: UUID) -> queries.Appointment:
    """Return one visit.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    visit = await tx.one(queries.GET, appointment_id)
    return _found(visit)


async def get_locked(tx: Tx, appointment_id: UUID) -> queries.Appointment:
    """Return one visit and lock its row; see `get`."""
    visit = await tx.one(queries.GET_FOR_UPDATE, appointment_id)
    return _found(visit)


async def rendered(caller: Caller, appointment_id: UUID) -> Rendered:
    """Return one visit as bytes, from the cache where it can be had; the read is audited.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """

    async def load() -> Rendered:
        async with begin(caller) as tx:
            visit = await get(tx, appointment_id)
        return Rendered(visit.version, wire.dumps(visit))

    found = await cache().through(key(caller.tenant_id, appointment_id), CACHED_S, load)
    await note_read(caller, entity_type="appointment", seen=[appointment_id])
    return found


async def search(
    tx: Tx, *, filters: list[Any], cursor: str | None, limit: int
) -> paging.Page[queries.Appointment]:
    """Return one page of visits by start and id.

    `filters` are patient, provider, facility, status, earliest start and start of the first visit
    no longer wanted (UTC instants), each or None.
    """
    after = paging.decode(cursor, "appointments", filters, [datetime.fromisoformat, UUID])
    await tx.plan_afresh()
    rows = await tx.all(queries.LIST, *filters, *(after or [None, None]), limit + 1)
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
        return Listing([str(visit.id) for visit in found.items], wire.dumps(found))

    if of is None:
        found = await load()
    else:
        what = [*filters, cursor, limit]
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


def _found(visit: queries.Appointment | None) -> queries.Appointment:
    if visit is None:
        raise NotFound("No such appointment.")
    return visit


async def _parties(tx: Tx, body: AppointmentWrite) -> queries.Parties:
    """Return what is known of the three parties, all errors at once when one cannot be booked."""
    parties = await tx.one(
        queries.PARTIES, body.patient_id, body.provider_id, body.facility_id,
        body.appointment_type,
    )  # fmt: skip
    if parties is None:
        raise NotFound
    details = [
        FieldError(f"{name}_id", "no such " + name if active is None else "is not active", code)
        for name, active in (
            ("patient", parties.patient_is_active),
            ("provider", parties.provider_is_active),
            ("facility", parties.facility_is_active),
        )
        if not active
        for code in ("unknown" if active is None else "inactive",)
    ]
    if not details and not parties.works_there:
        details = [FieldError("facility_id", "the provider does not work there", "affiliation")]
    if details:
        raise Unprocessable(details=details)
    return parties


def _length(body: AppointmentWrite, parties: queries.Parties, *, now: datetime | None) -> int:
    """Return the length in minutes; with `now`, check that the start may be booked."""
    if now is not None:
        rules.check_start(body.scheduled_start, now=now)
    return rules.length(
        start=body.scheduled_start, end=body.scheduled_end, minutes=body.duration_minutes,
        default=parties.default_minutes,
    )  # fmt: skip


async def _hold(
    tx: Tx, body: AppointmentWrite, minutes: int, *, moving: queries.Appointment | None
) -> None:
    """Refuse a time that is visibly taken, then lock everybody concerned in one order."""
    resources = [body.provider_id, body.patient_id]
    end = body.scheduled_start + timedelta(minutes=minutes)
    own = moving.id if moving else None
    # Before the locks: whoever wants a slot long taken does not queue behind those who book.
    kinds = await tx.values(queries.BLOCKING, resources, body.scheduled_start, end, own)
    if kinds:
        raise SlotTaken(kinds)
    if moving is not None:
        resources.append(moving.provider_id)
    await tx.values(queries.LOCK, rules.lock_keys(tx.caller.tenant_id, resources))


async def occupy(tx: Tx, visit: queries.Appointment) -> None:
    """Take provider and patient for the time of `visit`, or nobody."""
    resources = [visit.provider_id, visit.patient_id]
    start, end = visit.scheduled_start, visit.scheduled_end
    taken = await tx.run(queries.OCCUPY, tx.caller.tenant_id, resources, start, end, visit.id)
    if taken < len(resources):
        # The exception rolls back the visit and what was taken.
        raise SlotTaken(await tx.values(queries.BLOCKING, resources, start, end, visit.id))


def _document(appointment_id: UUID, body: AppointmentWrite, minutes: int) -> dict[str, Any]:
    document = body.model_dump(exclude={"scheduled_end"})
    return {**document, "id": appointment_id, "duration_minutes": minutes}


def _messages(visit: queries.Appointment, parties: queries.Parties) -> Visit:
    return Visit(
        appointment_id=visit.id,
        version=visit.version,
        patient_id=visit.patient_id,
        provider_id=visit.provider_id,
        starts_at=visit.scheduled_start,
        provider_name=parties.provider_name or "",
        facility_name=parties.facility_name or "",
        facility_zone=parties.facility_zone or "UTC",
    )


def _told(visit: queries.Appointment) -> tuple[datetime, UUID, UUID]:
    """Return what the messages say; when it changes, new messages take the place of the old."""
    return visit.scheduled_start, visit.provider_id, visit.facility_id


async def tell(
    tx: Tx, action: str, event: Any, *, before: queries.Appointment | None,
    after: queries.Appointment,
) -> None:  # fmt: skip
    """Audit and emit a change, and name what it makes stale."""
    await record(
        tx, action=action, entity_type="appointment", entity_id=after.id, before=before, after=after
    )
    await emit(
        tx, event, entity_type="appointment", entity_id=after.id,
        payload={"version": after.version, "status": after.status},
    )  # fmt: skip
    if before is not None:
        tx.bump(visits(tx.caller.tenant_id, "provider_id", before.provider_id))
    stale(tx, after, is_new=before is None)


def stale(tx: Tx, visit: queries.Appointment, *, is_new: bool = False) -> None:
    """Name what a change of `visit` makes stale in the cache."""
    if not is_new:  # nobody can have cached a record that is new
        tx.drop(key(tx.caller.tenant_id, visit.id))
    tx.bump(visits(tx.caller.tenant_id, "patient_id", visit.patient_id))
    tx.bump(visits(tx.caller.tenant_id, "provider_id", visit.provider_id))
