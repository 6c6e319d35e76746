"""What every booking goes through: the rules, the locks, the seats. See docs/scheduling.md.

    known   = await know(tx, demand, ...)      rows kept, rules and busy times read
    check(...)                                 availability, notice, horizon: 422
    standing = await stand(tx, ...)            everybody locked, in one order, and read again
    seats   = seated(...)                      lanes chosen, or 409
    await occupy(tx, ...)                      one insert; the constraint has the last word

Visits, series and group sessions are booked by these same steps, one or many at a time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import compress
from typing import Any
from uuid import UUID

from chroniccare.core.errors import Conflict, FieldError, Forbidden, NotFound, Unprocessable
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import lapse, queries, rules, seating
from chroniccare.scheduling.known import FARTHEST, Known, Wish, fetch
from chroniccare.scheduling.schemas import Override
from chroniccare.scheduling.slots import rules as slots
from chroniccare.scheduling.slots.intervals import covers

SCOPE = "appointments:override"


class SlotTaken(Conflict):
    """The time is taken; `details` names the field of each party that is not free.

    `wanted` is what was to be booked and when, and `seen` what was known of everybody then, from
    which `search.offering` makes `data.alternatives`; `moving` is the visit that would give way.
    """

    code = "SLOT_TAKEN"
    message = "This time is no longer free."

    def __init__(
        self, details: list[FieldError] | None = None, wanted: "Wanted | None" = None,
        seen: Known | None = None, moving: queries.Appointment | None = None,
    ) -> None:  # fmt: skip
        super().__init__(details=details)
        self.wanted = wanted
        self.seen = seen
        self.moving = moving


class DayFull(SlotTaken):
    """The provider has all the visits that a day may have."""

    code = "DAY_FULL"
    message = "The provider has no more visits to give on this day."


@dataclass(frozen=True, slots=True)
class Demand:
    """Whom and what a visit takes, whenever it is.

    Attributes:
        patient_id: None for a group session, whose patients each take a seat.
        minutes: its length; None for the provider's for its type.
        allow: the rules that are set aside.
        prefer: rooms and equipment to choose first, where there is a choice.
        kept: it is a visit that keeps its type, which may be one that is not offered any more.
    """

    patient_id: UUID | None
    provider_id: UUID
    facility_id: UUID
    appointment_type: str
    minutes: int | None = None
    with_ids: Sequence[UUID] = ()
    resource_ids: Sequence[UUID] = ()
    priority: str = "normal"
    allow: frozenset[rules.Rule] = frozenset()
    prefer: Sequence[UUID] = ()
    kept: bool = False


Wanted = tuple[Demand, datetime]


@dataclass(frozen=True, slots=True)
class Held:
    """Everybody's locks, and what stands behind them."""

    standing: dict[UUID, seating.Standing]
    lanes: int


def allowed(tx: Tx, override: Override | None) -> frozenset[rules.Rule]:
    """Return the rules that the caller sets aside.

    Raises:
        Forbidden: the caller may not.
    """
    if override is None:
        return frozenset()
    if tx.caller.actor_type != "system" and SCOPE not in tx.caller.scopes:
        raise Forbidden(f"Setting rules aside needs the scope {SCOPE}.")
    return frozenset(override.allow)


async def know(tx: Tx, demand: Demand, *, first: datetime, last: datetime) -> Known:
    """Return what decides over visits that start from `first` to `last`.

    Patient, providers and facility stay as they are until the commit: whoever changes their hours
    waits for this transaction, and then sees what it booked.

    Raises:
        Unprocessable: one of them is unknown, not active or does not work there.
    """
    people = [demand.provider_id, *demand.with_ids]
    await tx.value(queries.KEEP, demand.patient_id, people, demand.facility_id)
    return await fetch(tx, wish_of(demand), _window(tx.now, first, last))


def wish_of(demand: Demand) -> Wish:
    """Return `demand` as something to look for."""
    return Wish(
        [demand.provider_id], demand.facility_id, demand.appointment_type, demand.minutes,
        demand.patient_id, with_ids=demand.with_ids, resource_ids=demand.resource_ids,
        priority=demand.priority, kept=demand.kept, kept_ids=demand.prefer,
    )  # fmt: skip


def minutes_of(instant: datetime) -> int:
    """Return the minutes since 1970 of an instant on a whole minute."""
    return int(instant.timestamp()) // 60


def _window(now: datetime, first: datetime, last: datetime) -> slots.Window:
    begins, ends = (first - FARTHEST).date(), (last + FARTHEST).date()
    until = minutes_of(now + rules.HORIZON)
    return slots.Window(begins.toordinal(), ends.toordinal(), minutes_of(now), until)


def rule_faults(
    demand: Demand, known: Known, starts: Sequence[datetime], minutes: int, *, now: datetime
) -> list[dict[rules.Rule, FieldError]]:
    """Return, for each of `starts` (UTC, sorted), the rules that a visit then would break.

    What `demand` sets aside is left out. It is worked out once for all starts. Notice and horizon
    count from the minute that has begun, as in the search.
    """
    place = known.places[demand.facility_id]
    window = _window(now, starts[0], starts[-1])
    hours = slots.open_hours(place, window)
    rank, kind = rules.RANKS[demand.priority], known.type
    free = {
        calendar.provider_id: slots.working(
            calendar, place, hours=hours, window=window, rank=rank, now=window.after
        )[0]
        for calendar in [*known.calendars, *known.present]
    }
    found = []
    for start in starts:
        faults: dict[rules.Rule, FieldError] = {}
        at = minutes_of(start)
        away = [one for one, times in free.items() if not covers(times, at, at + minutes)]
        if away:
            closed = not covers(hours, at, at + minutes)
            reason = "the facility is closed then" if closed else "is outside of their hours"
            field = "scheduled_start"
            if not closed and demand.provider_id not in away:
                field, reason = "additional_provider_ids", "one of them does not work then"
            faults["outside_availability"] = FieldError(field, reason, "availability")
        if at < window.after + kind.notice:
            reason = f"this type is booked at least {kind.notice} minutes ahead"
            faults["short_notice"] = FieldError("scheduled_start", reason, "notice")
        if at > window.after + kind.horizon * slots.DAY:
            reason = f"this type is booked at most {kind.horizon} days ahead"
            faults["beyond_horizon"] = FieldError("scheduled_start", reason, "horizon")
        found.append({rule: one for rule, one in faults.items() if rule not in demand.allow})
    return found


def asks(demand: Demand, known: Known, start: datetime, minutes: int) -> list[seating.Ask]:
    """Return what a visit at `start` takes; all but the patient with the type's buffers around."""
    begins, ends = minutes_of(start), minutes_of(start) + minutes
    lead = known.type.before
    outer = begins - lead, ends + known.type.after
    found = [seating.Ask([demand.provider_id], 1, *outer, "provider_id", "the provider", lead)]
    found += [
        seating.Ask([one], 1, *outer, f"additional_provider_ids.{number}", "this provider", lead)
        for number, one in enumerate(demand.with_ids)
    ]
    if demand.patient_id is not None:
        found.append(seating.Ask([demand.patient_id], 1, begins, ends, "patient_id", "the patient"))
    for need in known.needs(demand.resource_ids, demand.facility_id):
        ids = sorted((room.id for room in need.rooms), key=lambda one: one not in demand.prefer)
        found.append(seating.Ask(ids, need.count, *outer, need.field, need.what, lead))
    return found


def check_visibly_free(demand: Demand, known: Known, start: datetime, minutes: int) -> None:
    """Refuse a time that is visibly taken before anybody is locked.

    Whoever wants a slot long taken does not queue behind those who book.

    Raises:
        SlotTaken: a provider, the patient, or a room or device is not free.
    """
    seen = {
        calendar.provider_id: seating.Standing(
            "provider", 1, [seating.Take(*span) for span in calendar.busy]
        )
        for calendar in [*known.calendars, *known.present]
    }
    if demand.patient_id is not None:
        taken = [seating.Take(*span) for span in known.busy]
        seen[demand.patient_id] = seating.Standing("patient", 1, taken)
    for room in known.rooms:
        taken = [seating.Take(start, end, lane) for lane, start, end in room.taken]
        seen[room.id] = seating.Standing(room.kind, room.capacity, taken)
    # Which lanes are taken is not known of people here: any overbooking is left to the locks.
    wanted = asks(demand, known, start, minutes)
    if "overbook" in demand.allow:
        providers = {demand.provider_id, *demand.with_ids}
        wanted = [ask for ask in wanted if providers.isdisjoint(ask.candidates)]
    _, faults = seating.seat(wanted, seen, extra=0)
    if faults:
        raise SlotTaken(faults, (demand, start), known)


async def stand(
    tx: Tx,
    demand: Demand,
    known: Known,
    *,
    starts: Iterable[datetime],
    around: timedelta = timedelta(),
    moving: Iterable[queries.Appointment] = (),
    besides: Iterable[UUID] = (),
) -> Held:
    """Lock everybody whom visits at `starts` may take, and say what takes them on those days.

    A visit may lie `around` its start as well. `moving` are visits that give way, `besides` more
    resources to lock.

    Raises:
        Conflict: others kept them locked for more than two seconds, or changed a room meanwhile.
    """
    rooms = {room.id: room.version for need in known.needs(demand.resource_ids, demand.facility_id)
             for room in need.rooms}  # fmt: skip
    ids = {demand.provider_id, *demand.with_ids, *rooms, *besides}
    if demand.patient_id is not None:
        ids.add(demand.patient_id)
    moving = list(moving)
    lanes = await extra_lanes(tx) if "overbook" in demand.allow else 0
    spans = _spans(known.places[demand.facility_id], starts, around)
    standing = await locked(
        tx, ids, also=[one for visit in moving for one in everybody(visit)], spans=spans,
        moving=[visit.id for visit in moving],
    )  # fmt: skip
    if any(one not in standing or standing[one].version != rooms[one] for one in rooms):
        raise Conflict("A room or device was changed at this moment; try again.")
    return Held(standing, lanes)


def _spans(
    place: slots.Place, starts: Iterable[datetime], around: timedelta
) -> list[tuple[datetime, datetime]]:
    """Return the times that matter to visits at `starts`: their local days, and a day after each.

    They lie further apart than a visit is long.
    """
    found: list[tuple[datetime, datetime]] = []
    for start in sorted(starts):
        low, high = start - around, start + around
        first = min(slots.instant(slots.day_of(place, minutes_of(low))[0]),
                    low - rules.LONGEST_BUFFER)  # fmt: skip
        last = max(slots.instant(slots.day_of(place, minutes_of(high))[1]), high + rules.LONGEST)
        if found and first - rules.LONGEST <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


async def extra_lanes(tx: Tx) -> int:
    """Return how many visits of a provider may be booked over another."""
    policy = await tx.one(queries.POLICY)
    return (policy or queries.Policy()).overbooking_lanes


async def locked(
    tx: Tx, ids: Iterable[UUID], *, also: Iterable[UUID] = (),
    spans: Sequence[tuple[datetime, datetime]], moving: Sequence[UUID] = (),
) -> dict[UUID, seating.Standing]:  # fmt: skip
    """Lock `ids` and `also`, in the one order, and return what takes `ids` in `spans`.

    `spans` lie more than a day apart. Holds that have lapsed are given up on the way.
    """
    ids = sorted(ids)
    await tx.values(queries.LOCK, rules.lock_keys(tx.caller.tenant_id, [*ids, *also]))
    firsts, lasts = [one[0] for one in spans], [one[1] for one in spans]
    rows = await tx.all(queries.TAKEN, ids, firsts, lasts, moving, tx.now)
    lapsed = {one for row in rows for one in row.held_by if one is not None}
    gone = await lapse.give_up(tx, sorted(lapsed)) if lapsed else set()
    found = {}
    for row in rows:
        takes: Iterable[seating.Take] = map(
            seating.Take, row.starts, row.ends, row.lanes, row.leads
        )
        if gone:
            takes = compress(takes, [one not in gone for one in row.held_by])
        found[row.id] = seating.Standing(row.kind, row.capacity, list(takes), row.version)
    return found


def everybody(visit: queries.Appointment) -> list[UUID]:
    """Return every resource that `visit` takes."""
    return [
        visit.provider_id, visit.patient_id, *visit.additional_provider_ids, *visit.resource_ids
    ]  # fmt: skip


def seated(
    demand: Demand, known: Known, held: Held, start: datetime, minutes: int
) -> tuple[list[seating.Seat], list[FieldError]]:
    """Return the seats of a visit at `start`, or what is not free; the first of all, the day."""
    place = known.places[demand.facility_id]
    if "daily_maximum" not in demand.allow:
        span = slots.day_of(place, minutes_of(start))
        for field, calendar in [
            ("provider_id", known.calendars[0]),
            *(("additional_provider_ids", one) for one in known.present),
        ]:
            count = held.standing[calendar.provider_id].visits(span)
            if calendar.daily is not None and count >= calendar.daily:
                reason = f"has {calendar.daily} visits on this day, the most there may be"
                return [], [FieldError(field, reason, "daily_maximum")]
    return seating.seat(asks(demand, known, start, minutes), held.standing, extra=held.lanes)


def refusal(
    faults: list[FieldError], demand: Demand, start: datetime,
    moving: queries.Appointment | None = None,
) -> SlotTaken:  # fmt: skip
    """Return the error for what `seated` found."""
    full = any(fault.code == "daily_maximum" for fault in faults)
    return (DayFull if full else SlotTaken)(faults, (demand, start), moving=moving)


def check(faults: dict[rules.Rule, FieldError]) -> None:
    """Refuse a visit that breaks a rule.

    Raises:
        Unprocessable: every rule that it breaks is named.
    """
    if faults:
        raise Unprocessable(details=list(faults.values()))


async def occupy(
    tx: Tx, seats: dict[UUID, list[seating.Seat]], *, column: str = "appointment_id",
    held_until: datetime | None = None,
) -> None:  # fmt: skip
    """Take the seats of each visit (or group session: `column`), or none of them.

    Raises:
        SlotTaken: somebody took one without its lock; the exception rolls everything back.
    """
    rows: list[dict[str, Any]] = [
        {
            column: visit_id, "resource_id": seat.resource_id, "lane": seat.lane,
            "begins": seat.start, "ends": seat.end, "lead": seat.lead, "held_until": held_until,
        }
        for visit_id, taken in seats.items()
        for seat in taken
    ]  # fmt: skip
    if await tx.run(queries.OCCUPY, rows, tx.caller.tenant_id) < len(rows):
        raise SlotTaken


def chosen(demand: Demand, seats: Iterable[seating.Seat]) -> list[UUID]:
    """Return the rooms and equipment among `seats`: those named, then those that were chosen."""
    people = {demand.provider_id, demand.patient_id, *demand.with_ids}
    return [seat.resource_id for seat in seats if seat.resource_id not in people]


def found(visit: queries.Appointment | None) -> queries.Appointment:
    """Return `visit`.

    Raises:
        NotFound: there is none.
    """
    if visit is None:
        raise NotFound("No such appointment.")
    return visit
