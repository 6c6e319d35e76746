"""What is known of everybody concerned: fetched in a round trip or two, then worked with on paper.

The search for free times and the booking read the same rows through the same statements, so that
what is offered is what can be booked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from operator import add
from typing import Any
from uuid import UUID

from chroniccare.core.errors import FieldError, Unprocessable
from chroniccare.core.week import minutes as minutes_of
from chroniccare.facilities.rules import DAYS
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import rules, seating
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.slots import queries
from chroniccare.scheduling.slots import rules as slots
from chroniccare.scheduling.slots.intervals import Interval, less

_id = lru_cache(maxsize=4_096)(UUID)
"""A facility's id is read again with each range of each provider."""

FARTHEST = timedelta(hours=14)
"""No clock is further from UTC."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for; days are local dates of the facility.

    Attributes:
        provider_ids: None for anybody.
        minutes: length of the visit; None for the provider's for its type, else the type's.
        first_day: None for today.
        last_day: None for 31 days in all.
        most: how many slots are enough.
        with_ids: providers who must all be there as well.
        resource_ids: rooms and equipment that must be free.
        priority: urgency; see rules.RANKS.
        kept: a visit that is changed keeps its type; it may be one that is not offered any more.
        kept_ids: rooms and equipment that it has; they may have gone out of service.
    """

    provider_ids: Sequence[UUID] | None
    facility_id: UUID | None
    appointment_type: str | None
    minutes: int | None = None
    patient_id: UUID | None = None
    first_day: date | None = None
    last_day: date | None = None
    most: int = 50
    with_ids: Sequence[UUID] = ()
    resource_ids: Sequence[UUID] = ()
    priority: str = "normal"
    kept: bool = False
    kept_ids: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class Type:
    """What the clinic says of a type of visit; without a word, what stands here.

    Attributes:
        minutes: its length.
        before: minutes that providers, rooms and equipment are kept free before it ...
        after: ... and after it.
        notice: it is booked at least so many minutes ahead ...
        horizon: ... and at most so many days.
        needs: (kind, category, count) of the rooms and equipment that it takes.
    """

    minutes: int | None = None
    before: int = 0
    after: int = 0
    notice: int = 0
    horizon: int = rules.HORIZON.days
    needs: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What was fetched: who and where can be booked, and when who is taken.

    Attributes:
        calendars: the providers that are looked for, sorted by id, each with sorted places.
        present: those who must be there as well.
        places: active facilities, by id.
        names: of providers and facilities, by id.
        busy: when the patient is taken.
        rooms: rooms and equipment in service that are named or that the type needs.
        retired: those that are named and have gone out of service.
        window: the days that it is about.
    """

    calendars: list[slots.Calendar]
    present: list[slots.Calendar]
    places: dict[UUID, slots.Place]
    names: dict[UUID, str]
    busy: list[Interval]
    type: Type
    rooms: list[seating.Room]
    retired: list[seating.Room]
    window: slots.Window

    def needs(self, named: Sequence[UUID], facility_id: UUID) -> list[seating.Need]:
        """Return what a visit at the facility needs of rooms and equipment."""
        return seating.needs(self.rooms, named, self.type.needs, facility_id)

    def kept(self, ids: Sequence[UUID], named: Sequence[UUID]) -> list[UUID]:
        """Return those of a visit's rooms and equipment, `ids`, that it keeps when it moves.

        Any other of the category that its type needs will do in place of the rest: of what was not
        `named` when it was booked, and of what has gone out of service.
        """
        wanted = {(kind, category) for kind, category, _ in self.type.needs}
        rooms = [*(room for room in self.rooms if room.id not in named), *self.retired]
        alike = {room.id for room in rooms if (room.kind, room.category) in wanted}
        return [one for one in ids if one not in alike]


async def fetch(tx: Tx, wish: Wish, window: slots.Window) -> Known:
    """Return everything that decides which times of `window` are free.

    Raises:
        Unprocessable: a party is unknown, not active, or does not work there, or the type of visit
            is not offered any more; the field is named.
    """
    first, last = date.fromordinal(window.first), date.fromordinal(window.last)
    midnight = slots.instant(slots.minute_of("UTC", window.first, 0))
    behind = slots.instant(slots.minute_of("UTC", window.last, slots.DAY))
    # A visit that starts last thing on the last day may take a day; buffers reach before the first.
    begins = midnight - FARTHEST - rules.LONGEST_BUFFER
    ends = behind + FARTHEST + timedelta(days=1)
    parts = await tx.all(
        queries.PARTS, wish.provider_ids, wish.facility_id, wish.appointment_type, wish.patient_id,
        first - timedelta(days=1), last + timedelta(days=1), begins, ends, tx.now, wish.with_ids,
    )  # fmt: skip
    faults = _faults(wish, parts)
    kind = next((_type(part) for part in parts if part.kind == "type"), Type())
    rooms: list[queries.Place] = []
    if (kind.needs or wish.resource_ids) and not faults:
        kinds, categories = [need[0] for need in kind.needs], [need[1] for need in kind.needs]
        rooms = await tx.all(
            queries.PLACES, wish.resource_ids, kinds, categories, wish.facility_id, begins, ends,
            tx.now,
        )  # fmt: skip
        faults = _room_faults(wish, rooms)
    if faults:
        raise Unprocessable(details=faults)
    people = {part.id: _calendar(part, wish, kind) for part in parts if part.kind == "provider"}
    wanted = list(people) if wish.provider_ids is None else wish.provider_ids
    return Known(
        [people[one] for one in sorted({*wanted}) if one not in wish.with_ids],
        [people[one] for one in dict.fromkeys(wish.with_ids)],
        {
            part.id: _place(part)
            for part in parts
            if part.kind == "facility" and part.document["is_active"]
        },
        {part.id: part.document["name"] for part in parts if "name" in part.document},
        [span for part in parts if part.kind == "patient" for span in _busy(part)],
        kind,
        [_room(room) for room in rooms if room.is_active],
        [_room(room) for room in rooms if not room.is_active],
        window,
    )


def without(known: Known, visit: Appointment) -> Known:
    """Return `known` as if `visit` took nobody: it may move into a part of its own time."""
    begins = int(visit.scheduled_start.timestamp()) // 60
    ends = int(visit.scheduled_end.timestamp()) // 60
    outer = begins - visit.buffer_before_minutes, ends + visit.buffer_after_minutes

    def freed(calendar: slots.Calendar) -> slots.Calendar:
        if calendar.provider_id not in {visit.provider_id, *visit.additional_provider_ids}:
            return calendar
        return replace(
            calendar, busy=less(calendar.busy, outer), visits=less(calendar.visits, begins)
        )

    return replace(
        known,
        calendars=[freed(one) for one in known.calendars],
        present=[freed(one) for one in known.present],
        busy=less(known.busy, (begins, ends)),
        rooms=[
            replace(room, taken=[span for span in room.taken if span[1:] != outer])
            if room.id in visit.resource_ids
            else room
            for room in known.rooms
        ],
    )


def _faults(wish: Wish, parts: list[queries.Part]) -> list[FieldError]:
    known = {(part.kind, part.id): part.document for part in parts}
    asked = [("provider", "provider_id", one) for one in wish.provider_ids or ()]
    asked += [("provider", "additional_provider_ids", one) for one in wish.with_ids]
    asked += [("facility", "facility_id", wish.facility_id)] if wish.facility_id else []
    asked += [("patient", "patient_id", wish.patient_id)] if wish.patient_id else []
    found: dict[str, FieldError] = {}
    for kind, field, record_id in asked:
        document = known.get((kind, record_id))
        if document is None:
            found[field] = FieldError(field, "no such " + kind, "unknown")
        elif not document["is_active"]:
            found.setdefault(field, FieldError(field, "is not active", "inactive"))
    retired = any(part.kind == "type" and not part.document["is_active"] for part in parts)
    if retired and not wish.kept:
        found["type"] = FieldError("appointment_type", "is not offered any more", "inactive")
    if not found and wish.facility_id and (wish.provider_ids or wish.with_ids):
        for kind, field, record_id in asked:
            places = known[kind, record_id].get("places", ())
            if kind == "provider" and str(wish.facility_id) not in places:
                reason = "the provider does not work there"
                where = "facility_id" if field == "provider_id" else field
                found[where] = FieldError(where, reason, "affiliation")
    return list(found.values())


def _room_faults(wish: Wish, rooms: list[queries.Place]) -> list[FieldError]:
    known = {room.id: room for room in rooms}
    found = []
    for number, one in enumerate(wish.resource_ids):
        room, field = known.get(one), f"resource_ids.{number}"
        if room is None:
            found.append(FieldError(field, "no such room or equipment", "unknown"))
        elif not room.is_active and one not in wish.kept_ids:
            found.append(FieldError(field, "is not active", "inactive"))
        elif wish.facility_id not in {None, room.facility_id}:
            found.append(FieldError(field, "is at another facility", "affiliation"))
    return found


def _type(part: queries.Part) -> Type:
    said = part.document
    needs = tuple((need["kind"], need["category"], need["count"]) for need in said["needs"])
    return Type(
        said["minutes"], said["before"], said["after"], said["notice"], said["horizon"], needs
    )


def _calendar(part: queries.Part, wish: Wish, kind: Type) -> slots.Calendar:
    document = part.document
    return slots.Calendar(
        part.id,
        wish.minutes or document["minutes"] or kind.minutes or rules.DEFAULT_MINUTES,
        sorted(map(_id, document["places"])),
        [slots.Weekly(_id(rule[0]), *rule[1:]) for rule in document["rules"]],
        _dated(document["exceptions"]),
        _busy(part),
        document["daily"],
        () if document["daily"] is None else sorted(map(add, part.busy_from, part.leads)),
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


def _room(room: queries.Place) -> seating.Room:
    taken = list(zip(room.lanes, room.busy_from, room.busy_until, strict=True))
    return seating.Room(
        room.id, room.kind, room.category, room.facility_id, room.capacity, taken, room.version
    )


def _dated(rows: list[list[Any]]) -> list[slots.Dated]:
    return [slots.Dated(_id(row[0]) if row[0] else None, *row[1:]) for row in rows]


def _busy(part: queries.Part) -> list[Interval]:
    return list(zip(part.busy_from, part.busy_until, strict=True))
