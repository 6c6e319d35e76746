"""The search for free times: fetch what is known of everybody, sweep it on paper, a week at a time.

Nothing here is cached, and nothing is promised: the booking alone decides, and answers 409 when
somebody else was quicker.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, NotFound, Unprocessable
from chroniccare.core.time import to_local, zone
from chroniccare.core.week import minutes as minutes_of
from chroniccare.facilities.rules import DAYS
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import queries_slots as queries
from chroniccare.scheduling import rules, slots
from chroniccare.scheduling.intervals import Interval

MAX_DAYS = 92
DEFAULT_DAYS = 31
MAX_PROVIDERS = 200
_CHUNK_DAYS = 7
_TURN = 25  # providers swept before other requests get a turn of the event loop
_FARTHEST = timedelta(hours=14)  # no clock is further from UTC


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for; days are local dates of the facility.

    Attributes:
        provider_ids: None for anybody.
        minutes: length of the visit; None for the provider's for its type, else 30.
        first_day: None for today.
        last_day: None for 31 days in all.
        most: how many slots are enough.
    """

    provider_ids: Sequence[UUID] | None
    facility_id: UUID | None
    appointment_type: str | None
    minutes: int | None
    patient_id: UUID | None
    first_day: date | None
    last_day: date | None
    most: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One time that is free; field order is the wire's."""

    provider_id: UUID
    facility_id: UUID
    start: datetime
    end: datetime
    local_start: datetime
    local_end: datetime
    time_zone: str
    duration_minutes: int


@dataclass(frozen=True, slots=True)
class Known:
    """What one fetch says: who and where can be booked, and when the patient is taken."""

    calendars: list[slots.Calendar]
    places: dict[UUID, slots.Place]
    busy: list[Interval]


async def of_provider(caller: Caller, wish: Wish) -> list[Slot]:
    """Return the free times of the one provider that `wish` names; see `earliest`.

    Raises:
        NotFound: no such provider.
    """
    try:
        return await earliest(caller, wish)
    except Unprocessable as problem:
        if ("provider_id", "unknown") in {(one.field, one.code) for one in problem.details}:
            raise NotFound("No such provider.") from None
        raise


async def earliest(caller: Caller, wish: Wish) -> list[Slot]:
    """Return the earliest slots by start; it stops after the week that has enough of them.

    Raises:
        Unprocessable: the dates are out of order, too far apart or out of reach, or a party is
            unknown, not active, or does not work there; the field is named.
    """
    found: list[Slot] = []
    window: slots.Window | None = None
    while len(found) < wish.most:
        # Only the fetch is in a transaction: no connection is held while we compute.
        async with begin(caller) as tx:
            window = _whole(wish, now=tx.now) if window is None else window
            chunk = _chunk(window)
            known = await fetch(tx, wish, chunk)
        found += await _swept(known, chunk, wish.most - len(found))
        if chunk.last == window.last:
            break
        window = slots.Window(chunk.last + 1, window.last, window.after, window.until)
    if wish.patient_id is not None:  # what is not free tells when the patient is elsewhere
        await note_read(
            caller, entity_type="patient", seen=[wish.patient_id], action="availability"
        )
    return found


async def fetch(tx: Tx, wish: Wish, window: slots.Window) -> Known:
    """Return everything that decides which slots of `window` are free, in one round trip.

    Raises:
        Unprocessable: see `earliest`.
    """
    first, last = date.fromordinal(window.first), date.fromordinal(window.last)
    midnight = slots.instant(slots.minute_of("UTC", window.first, 0))
    behind = slots.instant(slots.minute_of("UTC", window.last, slots.DAY))
    parts = await tx.all(
        queries.PARTS, wish.provider_ids, wish.facility_id, wish.appointment_type, wish.patient_id,
        first - timedelta(days=1), last + timedelta(days=1),
        max(midnight - _FARTHEST, slots.instant(window.after)),
        # A visit that starts last thing on the last day may take a day.
        behind + _FARTHEST + timedelta(days=1),
    )  # fmt: skip
    _check(wish, parts)
    patient = [part for part in parts if part.kind == "patient"]
    return Known(
        [_calendar(part, wish) for part in parts if part.kind == "provider"],
        {
            part.id: _place(part)
            for part in parts
            if part.kind == "facility" and part.document["is_active"]
        },
        [span for part in patient for span in _busy(part)],
    )


def sweep(
    known: Known, calendars: Iterable[slots.Calendar], window: slots.Window, most: int | None
) -> list[tuple[int, UUID, UUID, int]]:
    """Return start, provider, facility and length of each free time, unsorted.

    Of each provider at each facility the first `most` are kept: no later one can be needed.
    """
    hours: dict[UUID, list[Interval]] = {}
    found = []
    for calendar in calendars:
        for place_id in calendar.places:
            place = known.places.get(place_id)
            if place is None:  # not active, or not the one that is wanted
                continue
            if place_id not in hours:
                hours[place_id] = slots.open_hours(place, window)
            starts = slots.find(
                calendar,
                place,
                hours=hours[place_id],
                window=window,
                search=slots.Search(busy=known.busy),
                most=most,
            )
            found += [(at, calendar.provider_id, place_id, calendar.minutes) for at in starts]
    return found


async def _swept(known: Known, window: slots.Window, most: int) -> list[Slot]:
    found: list[tuple[int, UUID, UUID, int]] = []
    for number in range(0, len(known.calendars), _TURN):
        found += sweep(known, known.calendars[number : number + _TURN], window, most)
        await asyncio.sleep(0)
    return [_slot(known, *one) for one in sorted(found)[:most]]


def _slot(known: Known, start: int, provider_id: UUID, facility_id: UUID, minutes: int) -> Slot:
    name = known.places[facility_id].zone
    begin_, end, tz = slots.instant(start), slots.instant(start + minutes), zone(name)
    return Slot(
        provider_id, facility_id, begin_, end, to_local(begin_, tz), to_local(end, tz), name,
        minutes,
    )  # fmt: skip


def _whole(wish: Wish, *, now: datetime) -> slots.Window:
    """Return the window that is asked for.

    Raises:
        Unprocessable: see `earliest`.
    """
    # Somewhere it is still yesterday; what is past is left out anyway.
    today = (now - _FARTHEST).date()
    first = wish.first_day or today
    last = wish.last_day or first + timedelta(days=DEFAULT_DAYS - 1)
    if last < first:
        raise Unprocessable.field("to_date", "lies before from_date", "order")
    if (last - first).days >= MAX_DAYS:
        raise Unprocessable.field("to_date", f"at most {MAX_DAYS} days in all", "range")
    if last < today:
        raise Unprocessable.field("to_date", "lies in the past", "past")
    if first > (now + rules.HORIZON).date():
        raise Unprocessable.field("from_date", "must be within two years", "horizon")
    return slots.Window(
        max(first, today).toordinal(), last.toordinal(), int(now.timestamp()) // 60,
        int((now + rules.HORIZON).timestamp()) // 60,
    )  # fmt: skip


def _chunk(window: slots.Window) -> slots.Window:
    last = min(window.last, window.first + _CHUNK_DAYS - 1)
    return slots.Window(window.first, last, window.after, window.until)


def _check(wish: Wish, parts: list[queries.Part]) -> None:
    known = {(part.kind, part.id): part for part in parts}
    asked = [("provider", one) for one in wish.provider_ids or ()]
    asked += [("facility", wish.facility_id)] if wish.facility_id else []
    asked += [("patient", wish.patient_id)] if wish.patient_id else []
    details = {}
    for kind, record_id in asked:
        part = known.get((kind, record_id))
        if part is None:
            details[kind] = FieldError(f"{kind}_id", "no such " + kind, "unknown")
        elif not part.document["is_active"]:
            details.setdefault(kind, FieldError(f"{kind}_id", "is not active", "inactive"))
    if not details and wish.facility_id and wish.provider_ids:
        works = all(
            str(wish.facility_id) in known["provider", one].document["places"]
            for one in wish.provider_ids
        )
        if not works:
            reason = "the provider does not work there"
            details["facility"] = FieldError("facility_id", reason, "affiliation")
    if details:
        raise Unprocessable(details=list(details.values()))


def _calendar(part: queries.Part, wish: Wish) -> slots.Calendar:
    document = part.document
    return slots.Calendar(
        part.id,
        wish.minutes or document["minutes"] or rules.DEFAULT_MINUTES,
        [UUID(place) for place in document["places"]],
        [slots.Weekly(UUID(rule[0]), *rule[1:]) for rule in document["rules"]],
        _dated(document["exceptions"]),
        _busy(part),
    )


def _place(part: queries.Part) -> slots.Place:
    hours = [
        slots.Weekly(
            part.id, (DAYS.index(day) + 1) % 7, minutes_of(span["open"]), minutes_of(span["close"]),
            step=slots.DAY, is_available=True, first=1, last=None,
        )
        for day, spans in part.document["hours"].items()
        for span in spans
    ]  # fmt: skip
    return slots.Place(part.id, part.document["zone"], hours, _dated(part.document["exceptions"]))


def _dated(rows: list[list[Any]]) -> list[slots.Dated]:
    return [slots.Dated(UUID(row[0]) if row[0] else None, *row[1:]) for row in rows]


def _busy(part: queries.Part) -> list[Interval]:
    return list(zip(part.busy_from, part.busy_until, strict=True))
