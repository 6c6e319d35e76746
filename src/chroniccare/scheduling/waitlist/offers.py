"""One time kept for one patient: offered, accepted, declined, expired, withdrawn.

An offer is a held visit, a row that says for whom and until when, and a message, all written in
one transaction. Every change locks the entry first, then the offer, then the visits.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.notifications.plan import cancel_visit, plan_offer, sleeping_until
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import actions as visits
from chroniccare.scheduling import booking, lapse, lifecycle, moving
from chroniccare.scheduling import queries as appointments
from chroniccare.scheduling import rules as visit_rules
from chroniccare.scheduling.schemas import AppointmentWrite
from chroniccare.scheduling.telling import messages_of
from chroniccare.scheduling.waitlist import actions, queries, rules
from chroniccare.scheduling.waitlist.schemas import OfferWrite
from chroniccare.webhooks.actions import EventType, emit

ENTITY = "waitlist_offer"
_DEFAULT_MINUTES = 60
_MOVED_UP = "Another visit of the patient was moved up to this time."
_DECLINED = "The patient declined the offer."
_WITHDRAWN = "The offer was withdrawn."
_GRANTED: frozenset[visit_rules.Rule] = frozenset(
    {"short_notice", "late_change", "reschedule_limit"}
)
"""What the clinic has set aside by offering the time: asking again could refuse what it offered."""


class OfferExpired(Conflict):
    """The offer was open until a moment that has passed."""

    code = "OFFER_EXPIRED"
    message = "The offer has expired; its time may be somebody else's."


class OfferClosed(Conflict):
    """The offer was accepted, declined or withdrawn before."""

    code = "OFFER_CLOSED"
    message = "The offer is closed already."


class AlreadyOffered(Conflict):
    """The patient has an open offer; there is one at a time."""

    code = "ALREADY_OFFERED"
    message = "The patient has an open offer; withdraw it or wait for its outcome."


@dataclass(frozen=True, slots=True)
class Time:
    """What is offered; None for the provider's length for the type."""

    provider_id: UUID
    facility_id: UUID
    appointment_type: str
    start: datetime
    minutes: int | None


async def by_hand(tx: Tx, entry: queries.Entry, body: OfferWrite) -> queries.Offer:
    """Offer a free time that staff have chosen; the entry's preferences are not asked.

    Raises:
        Closed, AlreadyOffered: the entry does not wait.
        Unprocessable: it is too late for an offer, the patient sleeps, or as for booking.
        SlotTaken: the time is not free.
    """
    entry = await _without_lapsed(tx, entry)
    actions.check_open(entry)
    if entry.status == "offered":
        raise AlreadyOffered
    kind = body.appointment_type or entry.appointment_type
    if kind is None:
        raise Unprocessable.field("appointment_type", "the entry names none either", "missing")
    if body.notify_patient and await sleeping_until(tx, entry.patient_id) is not None:
        reason = "the patient has quiet hours now; send false when they are on the phone"
        raise Unprocessable.field("notify_patient", reason, "quiet_hours")
    time = Time(
        body.provider_id, body.facility_id, kind, body.scheduled_start,
        body.duration_minutes or entry.duration_minutes,
    )  # fmt: skip
    return await make(tx, entry, time, opening_id=None, notify=body.notify_patient)


async def make(
    tx: Tx, entry: queries.Entry, time: Time, *, opening_id: UUID | None, notify: bool
) -> queries.Offer:
    """Hold `time` for the patient of `entry`, which this transaction has locked, and tell them.

    Raises:
        Unprocessable, SlotTaken: see `by_hand`.
    """
    minutes = await tx.value(queries.OFFER_MINUTES) or _DEFAULT_MINUTES
    minutes = rules.offer_minutes(time.start, now=tx.now, minutes=minutes)
    if not minutes:
        reason = "starts too soon to be offered; book it instead"
        raise Unprocessable.field("scheduled_start", reason, "notice")
    held = await visits.book(tx, await _visit(tx, entry, time), hold_minutes=minutes)
    [offer] = await tx.all(queries.INSERT_OFFER, new_id(), entry.id, opening_id, held.id, tx.now)
    await record(
        tx, action="create", entity_type=ENTITY, entity_id=offer.id, before=None, after=offer
    )
    offered = await actions.enter(tx, entry, "offered", action="offer")
    if notify:
        [about] = await messages_of(tx, [held])
        await plan_offer(tx, about, offer_id=offer.id, until=offer.expires_at)
    await _emit(tx, "waitlist.offered", offered, offer)
    return offer


async def _visit(tx: Tx, entry: queries.Entry, time: Time) -> AppointmentWrite:
    """Return the visit to hold; it takes the people and things of the visit that is moved up."""
    body = AppointmentWrite(
        patient_id=entry.patient_id,
        provider_id=time.provider_id,
        facility_id=time.facility_id,
        appointment_type=time.appointment_type,
        scheduled_start=time.start,
        duration_minutes=time.minutes,
        priority=entry.priority,  # type: ignore[arg-type]  # the column has a CHECK
    )
    if entry.appointment_id is None:
        return body
    later = await visits.get(tx, entry.appointment_id)
    others = [one for one in later.additional_provider_ids if one != time.provider_id]
    rooms: list[UUID] = []
    if later.resource_ids and later.facility_id == time.facility_id:
        demand = visits.demanded(
            body.model_copy(update={"resource_ids": later.resource_ids}), frozenset()
        )
        known = await booking.know(tx, demand, first=time.start, last=time.start)
        rooms = known.kept(later.resource_ids, later.named_resource_ids)
    return body.model_copy(update={"additional_provider_ids": others, "resource_ids": rooms})


async def accept(tx: Tx, offer_id: UUID) -> queries.Offer:
    """Book what is held, or move the later visit there; accepting again changes nothing.

    Raises:
        NotFound: no such offer.
        OfferExpired, OfferClosed: it is over.
    """
    entry, offer = await locked(tx, offer_id)
    if offer.outcome == "accepted":
        await record(tx, action="read", entity_type=ENTITY, entity_id=offer.id)
        return offer
    held, later = await _open_visits(tx, entry, offer)
    await cancel_visit(tx, held.id)
    booked = held.id
    if held.status != "held":
        pass  # staff have booked it by its own address
    elif later is None:
        await lifecycle.take_up(tx, held)
    else:
        booked = await _move_up(tx, later, held)
    return await _settle(tx, entry, offer, "accepted", booked=booked)


async def decline(tx: Tx, offer_id: UUID) -> queries.Offer:
    """Give the time up, for the next in line; declining again changes nothing.

    Raises:
        NotFound: no such offer.
        OfferExpired, OfferClosed: it is over.
    """
    entry, offer = await locked(tx, offer_id)
    if offer.outcome == "declined":
        await record(tx, action="read", entity_type=ENTITY, entity_id=offer.id)
        return offer
    held, _ = await _open_visits(tx, entry, offer)
    if held.status != "held":
        raise OfferClosed
    settled = await _settle(tx, entry, offer, "declined")
    await visits.cancel_many(tx, [held], reason=_DECLINED, notify=False)
    return settled


async def remove(tx: Tx, entry: queries.Entry) -> queries.Entry:
    """Take `entry`, which this transaction has locked, off the list; an open offer is withdrawn.

    Removing it again changes nothing.

    Raises:
        Closed: it was booked or has expired.
    """
    if entry.status == "removed":
        await record(tx, action="read", entity_type=actions.ENTITY, entity_id=entry.id)
        return entry
    entry = await _without_lapsed(tx, entry)
    actions.check_open(entry)
    removed = await actions.enter(tx, entry, "removed", action="remove")
    offer = await tx.one(queries.OPEN_OFFER, entry.id)
    if offer is not None:
        await _close(tx, offer, "withdrawn")
        held = await visits.get_locked(tx, offer.appointment_id)
        if held.status == "held":
            await visits.cancel_many(tx, [held], reason=_WITHDRAWN, notify=False)
    return removed


async def settle_overdue(tx: Tx, entry_id: UUID) -> bool:
    """Settle the offer of an entry that is over, though nobody said so; say whether it was.

    An entry that somebody is changing at this moment is left to them.
    """
    entry = await tx.one(queries.LOCK_ENTRY, entry_id)
    if entry is None:
        return False
    return (await _without_lapsed(tx, entry)).version > entry.version


async def _without_lapsed(tx: Tx, entry: queries.Entry) -> queries.Entry:
    """Return `entry`, which is locked, with an offer settled that is over."""
    offer = await tx.one(queries.OPEN_OFFER, entry.id)
    if offer is None:
        return entry
    if offer.expires_at <= tx.now:
        await lapse.give_up(tx, [offer.appointment_id])
    held = await visits.get_locked(tx, offer.appointment_id)
    outcome = _outcome(held)
    if outcome == "open":
        return entry
    booked = held.id if outcome == "accepted" else None
    await _settle(tx, entry, offer, outcome, booked=booked)
    return await actions.get(tx, entry.id)


def _outcome(held: appointments.Appointment) -> str:
    """Return what the visit that holds the time says of the offer."""
    if held.status == "held":
        return "open"
    if held.status != "cancelled":
        return "accepted"
    return "expired" if held.cancellation_reason == visit_rules.LAPSED else "withdrawn"


async def get(tx: Tx, offer_id: UUID) -> queries.Offer:
    """Return one offer.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    offer = await tx.one(queries.GET_OFFER, offer_id)
    if offer is None:
        raise NotFound("No such offer.")
    return offer


async def history(
    tx: Tx, entry_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.Offer]:
    """Return one page of the offers of an entry, the newest first.

    Raises:
        NotFound: no such entry.
    """
    listing, filters = "waitlist-offers", [entry_id]
    after = paging.decode(cursor, listing, filters, [datetime.fromisoformat, UUID])
    await actions.get(tx, entry_id)
    rows = await tx.all(queries.LIST_OFFERS, entry_id, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=listing, filters=filters, key=lambda row: [row.offered_at, row.id]
    )


async def locked(tx: Tx, offer_id: UUID) -> tuple[queries.Entry, queries.Offer]:
    """Return an offer and its entry, both locked in the one order.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    seen = await get(tx, offer_id)
    entry = await actions.get_locked(tx, seen.entry_id)
    [offer] = await tx.all(queries.GET_OFFER_FOR_UPDATE, offer_id)
    return entry, offer


async def _open_visits(
    tx: Tx, entry: queries.Entry, offer: queries.Offer
) -> tuple[appointments.Appointment, appointments.Appointment | None]:
    """Return the held visit of an open offer and the later one to move there, both locked.

    Raises:
        OfferExpired, OfferClosed: the offer is over.
    """
    if offer.outcome == "expired" or (offer.outcome == "open" and offer.expires_at <= tx.now):
        raise OfferExpired
    if offer.outcome != "open":
        raise OfferClosed(details=[FieldError("outcome", f"is {offer.outcome}", offer.outcome)])
    ids = {offer.appointment_id, entry.appointment_id or offer.appointment_id}
    rows = {one: await visits.get_locked(tx, one) for one in sorted(ids)}
    held = rows[offer.appointment_id]
    outcome = _outcome(held)
    if outcome in {"expired", "withdrawn"}:
        raise OfferExpired if outcome == "expired" else OfferClosed
    later = rows[entry.appointment_id] if entry.appointment_id is not None else None
    if later is not None and (
        later.status not in visit_rules.BOOKED_STATUSES
        or later.scheduled_start <= held.scheduled_start
    ):
        later = None  # it was cancelled or moved meanwhile: what is held is booked by itself
    return held, later


async def _move_up(tx: Tx, later: appointments.Appointment, held: appointments.Appointment) -> UUID:
    """Move `later` to the time of `held`, which gives way to it, and return its id.

    The visit keeps its id, its series and its history, and the patient's calendar moves it too;
    two visits, one of them cancelled, would lose that. Nobody can come between: until the commit
    everybody else sees the time held.
    """
    await visits.cancel_many(tx, [held], reason=_MOVED_UP, notify=False, handed_on=True)
    said = {name: getattr(later, name) for name in AppointmentWrite.model_fields
            if name not in {"scheduled_end", "override"}}  # fmt: skip
    kept = (
        "provider_id", "facility_id", "scheduled_start", "duration_minutes",
        "additional_provider_ids", "resource_ids",
    )  # fmt: skip
    told = {**said, **{name: getattr(held, name) for name in kept}}
    # Not validated once more: with what its type needs, a visit may have more rooms than one names.
    body = AppointmentWrite.model_construct(**told)
    changed = await moving.change(tx, later, body, granted=_GRANTED, named=later.named_resource_ids)
    return changed.id


async def _settle(
    tx: Tx, entry: queries.Entry, offer: queries.Offer, outcome: str, *, booked: UUID | None = None
) -> queries.Offer:
    """Close `offer` and say of `entry` what became of it; both are locked."""
    status = "booked" if booked is not None else "waiting"
    changed = await actions.enter(tx, entry, status, action=outcome, booked=booked)
    settled = await _close(tx, offer, outcome)
    if outcome == "accepted":
        await _emit(tx, "waitlist.accepted", changed, settled)
    elif outcome == "expired":
        await _emit(tx, "waitlist.expired", changed, settled)
    return settled


async def _close(tx: Tx, offer: queries.Offer, outcome: str) -> queries.Offer:
    [settled] = await tx.all(queries.SETTLE, offer.id, outcome, tx.now)
    await record(
        tx, action=outcome, entity_type=ENTITY, entity_id=offer.id, before=offer, after=settled
    )
    return settled


async def _emit(tx: Tx, event: EventType, entry: queries.Entry, offer: queries.Offer) -> None:
    said = {**actions.payload(entry), "offer_id": offer.id, "outcome": offer.outcome}
    await emit(tx, event, entity_type=actions.ENTITY, entity_id=entry.id, payload=said)
