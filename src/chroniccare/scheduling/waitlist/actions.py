"""Entries of the waitlist: put a patient on it, change what they wait for, take them off."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record, record_many
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling.queries import KEEP
from chroniccare.scheduling.waitlist import queries, rules
from chroniccare.scheduling.waitlist.schemas import WaitlistWrite
from chroniccare.webhooks.actions import emit_many

ENTITY = "waitlist_entry"
BATCH = 200


class Closed(Conflict):
    """The entry is booked, expired or removed, so nothing of it can be changed."""

    code = "WAITLIST_CLOSED"
    message = "The entry is closed: it was booked, has expired or was removed."


async def create(tx: Tx, body: WaitlistWrite) -> queries.Entry:
    """Put a patient on the waitlist.

    Raises:
        Unprocessable: a party is unknown or not active, the provider does not work at the
            facility, the dates are out of order or over, or the later visit cannot be moved up.
    """
    row = {**await _checked(tx, body), "id": new_id()}
    [made] = await tx.all(queries.INSERT, row, tx.caller.tenant_id, tx.now)
    await tell(tx, "create", before=None, after=made)
    return made


async def update(tx: Tx, entry: queries.Entry, body: WaitlistWrite) -> queries.Entry:
    """Replace what `entry`, which this transaction has locked, waits for.

    Raises:
        Closed: it does not wait any more.
        Unprocessable: see `create`; an entry stays with its patient.
    """
    check_open(entry)
    if body.patient_id != entry.patient_id:
        raise Unprocessable.field("patient_id", "an entry stays with its patient", "fixed")
    row = {**await _checked(tx, body), "id": entry.id}
    [changed] = await tx.all(queries.UPDATE, row, tx.now)
    await tell(tx, "update", before=entry, after=changed)
    return changed


async def enter(
    tx: Tx, entry: queries.Entry, status: str, *, action: str, booked: UUID | None = None
) -> queries.Entry:
    """Bring `entry`, which this transaction has locked, into `status`."""
    [changed] = await tx.all(
        queries.ENTER, entry.id, status, booked or entry.booked_appointment_id, tx.now
    )
    await tell(tx, action, before=entry, after=changed)
    return changed


async def get(tx: Tx, entry_id: UUID) -> queries.Entry:
    """Return one entry.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    entry = await tx.one(queries.GET, entry_id)
    return _found(entry)


async def get_locked(tx: Tx, entry_id: UUID) -> queries.Entry:
    """Return one entry and lock its row; see `get`.

    Whoever changes an offer locks its entry first, then the offer, then the visits.
    """
    entry = await tx.one(queries.GET_FOR_UPDATE, entry_id)
    return _found(entry)


async def search(
    tx: Tx, *, filters: list[Any], cursor: str | None, limit: int
) -> paging.Page[queries.Entry]:
    """Return one page: the most urgent first, then what is due first, then who waits longest.

    `filters` are status, patient, provider and facility, each or None.
    """
    parsers = [_urgency, date.fromisoformat, datetime.fromisoformat, UUID]
    after = paging.decode(cursor, "waitlist", filters, parsers)
    await tx.plan_afresh()
    rows = await tx.all(queries.LIST, *filters, *(after or [None] * 4), limit + 1)
    return paging.page(rows, limit, listing="waitlist", filters=filters, key=_place)


async def tidy(tx: Tx) -> int:
    """Close entries that have lost their point, and those whose patient booked by themselves.

    Returns:
        How many; at most a batch of each.
    """
    over = (tx.now - rules.LAST_CLOCK).date()
    moot = await tx.all(queries.CLOSE_MOOT, tx.now, over, BATCH)
    changed: dict[UUID, tuple[Any, Any]] = {
        one.id: (
            {"status": "waiting", "version": one.version - 1},
            {"status": one.status, "version": one.version},
        )
        for one in moot
    }
    if changed:
        await record_many(tx, action="close", entity_type=ENTITY, changed=changed)
    expired = {one.id: payload(one) for one in moot if one.status == "expired"}
    if expired:
        await emit_many(tx, "waitlist.expired", entity_type=ENTITY, payloads=expired)
    return len(moot) + await _book_own(tx)


async def _book_own(tx: Tx) -> int:
    visits = await tx.all(queries.OWN_VISITS, tx.now)
    if not visits:
        return 0
    ids = list({visit.entry for visit in visits})
    entries = await tx.all(queries.THESE_WAITING, ids[:BATCH])
    booked = 0
    for entry in entries:
        fitting = [
            visit.appointment_id
            for visit in visits
            if visit.entry == entry.id and rules.matches(want_of(entry), _time(visit))
        ]
        if fitting:
            await enter(tx, entry, "booked", action="close", booked=fitting[0])
            booked += 1
    return booked


def want_of(entry: queries.Entry | queries.Candidate) -> rules.Want:
    """Return what `entry` waits for."""
    if isinstance(entry, queries.Candidate):
        minutes, before = entry.minutes, entry.before
    else:
        minutes, before = entry.duration_minutes, None
    return rules.Want(
        entry.id, entry.provider_id, entry.facility_id, entry.appointment_type, minutes,
        entry.earliest, entry.latest, entry.days, entry.starts_from, entry.starts_before, before,
        entry.priority, entry.due_on, entry.created_at,
    )  # fmt: skip


def payload(entry: queries.Entry) -> dict[str, Any]:
    """Return what an event says of `entry`."""
    return {"version": entry.version, "status": entry.status}


def check_open(entry: queries.Entry) -> None:
    """Check that `entry` still waits, or has an open offer.

    Raises:
        Closed: it does not.
    """
    if entry.status not in {"waiting", "offered"}:
        raise Closed(details=[FieldError("status", f"is {entry.status}", entry.status)])


async def tell(tx: Tx, action: str, *, before: queries.Entry | None, after: queries.Entry) -> None:
    """Audit a change of an entry."""
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=after.id, before=before, after=after
    )


async def _checked(tx: Tx, body: WaitlistWrite) -> dict[str, Any]:
    """Return `body` as columns, with what it takes over from the later visit.

    Raises:
        Unprocessable: see `create`.
    """
    providers = [body.provider_id] if body.provider_id else []
    await tx.value(KEEP, body.patient_id, providers, body.facility_id)
    [known] = await tx.all(
        queries.PARTIES, body.patient_id, body.provider_id, body.facility_id,
        body.appointment_type, body.appointment_id, tx.now,
    )  # fmt: skip
    faults = [*_party_faults(body, known), *_date_faults(body, tx.now)]
    if faults:
        raise Unprocessable(details=faults)
    row = body.model_dump()
    row["appointment_type"] = body.appointment_type or known.visit_type
    row["duration_minutes"] = body.duration_minutes or known.visit_minutes
    return row


def _party_faults(body: WaitlistWrite, known: queries.Parties) -> list[FieldError]:
    asked = [
        ("patient_id", body.patient_id, known.patient),
        ("provider_id", body.provider_id, known.provider),
        ("facility_id", body.facility_id, known.facility),
    ]
    found = [
        FieldError(field, "no such " + field.removesuffix("_id"), "unknown")
        if active is None
        else FieldError(field, "is not active", "inactive")
        for field, named, active in asked
        if named is not None and not active
    ]
    if known.type_ is False:
        found.append(FieldError("appointment_type", "is not offered any more", "inactive"))
    if not found and not known.works_there:
        found.append(FieldError("facility_id", "the provider does not work there", "affiliation"))
    if body.appointment_id is not None:
        found += _visit_faults(body, known)
    return found


def _visit_faults(body: WaitlistWrite, known: queries.Parties) -> list[FieldError]:
    field = "appointment_id"
    if known.visit_patient is None:
        return [FieldError(field, "no such appointment", "unknown")]
    if known.visit_patient != body.patient_id:
        return [FieldError(field, "is another patient's visit", "patient")]
    if not known.visit_bookable:
        reason = "is not booked, has begun or is a seat in a group session"
        return [FieldError(field, reason, "state")]
    if body.appointment_type not in {None, known.visit_type}:
        return [FieldError("appointment_type", "differs from the later visit's", "fixed")]
    if body.duration_minutes not in {None, known.visit_minutes}:
        return [FieldError("duration_minutes", "differs from the later visit's", "fixed")]
    return []


def _date_faults(body: WaitlistWrite, now: datetime) -> list[FieldError]:
    found = []
    if body.latest is not None and body.latest < (now - rules.LAST_CLOCK).date():
        found.append(FieldError("latest", "lies in the past", "past"))
    if body.earliest is not None and body.latest is not None and body.latest < body.earliest:
        found.append(FieldError("latest", "lies before earliest", "order"))
    return found


def _time(visit: queries.OwnVisit) -> rules.Time:
    return rules.Time(
        visit.provider_id, visit.facility_id, visit.appointment_type, visit.scheduled_start,
        visit.duration_minutes, visit.zone,
    )  # fmt: skip


def _place(entry: queries.Entry) -> list[Any]:
    due = entry.due_on or rules.NEVER_DUE
    return [rules.URGENCY[entry.priority], due, entry.created_at, entry.id]


def _urgency(text: Any) -> int:
    if text not in rules.URGENCY.values():
        raise ValueError
    return int(text)


def _found(entry: queries.Entry | None) -> queries.Entry:
    if entry is None:
        raise NotFound("No such entry of the waitlist.")
    return entry
