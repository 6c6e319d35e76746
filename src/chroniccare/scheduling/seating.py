"""Who and what a visit takes, in which lane: worked out on paper, under the locks of everybody.

A lane is one of several visits that may take a resource at the same time. A room or device has as
many as its capacity; a patient has one; a provider has one, and more for visits that staff book
over others. Times are minutes since 1970 in UTC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple
from uuid import UUID

from chroniccare.core.errors import FieldError
from chroniccare.scheduling.slots.intervals import FAR, Interval, intersect, merge

PEOPLE = frozenset({"provider", "patient"})
Lanes = Sequence[Sequence[Interval]]


@dataclass(frozen=True, slots=True)
class Room:
    """A room or a device that a visit may take.

    Attributes:
        taken: (lane, start, end) of what takes it, by start.
    """

    id: UUID
    kind: str
    category: str
    facility_id: UUID
    capacity: int
    taken: Sequence[tuple[int, int, int]]
    version: int = 1


class Take(NamedTuple):
    """One visit that takes a resource: from `start` to `end`, buffers included, in its lane.

    `lead` are the minutes of buffer at its start: a visit counts for the day on which it starts
    itself.
    """

    start: int
    end: int
    lane: int = 0
    lead: int = 0


@dataclass(frozen=True, slots=True)
class Need:
    """So many of these rooms or devices are needed at once."""

    rooms: Sequence[Room]
    count: int
    field: str
    what: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing that a visit takes: `count` of `candidates`, from `start` to `end`.

    `lead` is the part of it before the visit itself.
    """

    candidates: Sequence[UUID]
    count: int
    start: int
    end: int
    field: str
    what: str
    lead: int = 0


@dataclass(frozen=True, slots=True)
class Seat:
    """One resource in one lane, from `start` to `end`, `lead` minutes of that before the visit."""

    resource_id: UUID
    lane: int
    start: int
    end: int
    lead: int = 0


@dataclass(slots=True)
class Standing:
    """A resource whose lock is held, and what takes it."""

    kind: str
    capacity: int
    taken: list[Take]
    version: int = 1

    def visits(self, day: Interval) -> int:
        """Return how many visits that take it start within `day`."""
        return sum(day[0] <= one.start + one.lead < day[1] for one in self.taken)


def needs(
    rooms: Iterable[Room],
    named: Sequence[UUID],
    wanted: Sequence[tuple[str, str, int]],
    facility_id: UUID,
) -> list[Need]:
    """Return what a visit at the facility needs of `rooms`: the `named`, and the rest of `wanted`.

    `wanted` are (kind, category, count) of its type; a named room of the category counts.
    """
    here = [room for room in rooms if room.facility_id == facility_id]
    by_id = {room.id: room for room in here}
    found = [
        Need([by_id[one]] if one in by_id else [], 1, f"resource_ids.{number}", "it")
        for number, one in enumerate(named)
    ]
    for kind, category, count in wanted:
        alike = [room for room in here if (room.kind, room.category) == (kind, category)]
        others = [room for room in alike if room.id not in named]
        left = count - (len(alike) - len(others))
        if left > 0:
            found.append(Need(others, left, "resource_ids", f"{kind} of category {category}"))
    return found


def units(room: Room) -> list[list[Interval]]:
    """Return when each lane of `room` is taken."""
    found: list[list[Interval]] = [[] for _ in range(room.capacity)]
    for lane, start, end in room.taken:
        if lane < room.capacity:
            found[lane].append((start, end))
    return found


def scarce(
    rooms: Sequence[Lanes], count: int, *, minutes: int, before: int, after: int
) -> list[Interval]:
    """Return the starts at which fewer than `count` of `rooms` are free for the whole visit.

    `rooms` are when each lane of each room or device is taken, sorted; a room is free when one
    lane is.
    Counting how many are free at each minute would not do: two rooms, or two lanes, can take turns
    in being free without either being so throughout.
    """
    spare = len(rooms) - count
    if spare < 0:
        return [(-FAR, FAR)]
    begins: list[int] = []
    ends: list[int] = []
    for lanes in rooms:
        several = [
            merge([(start - minutes - after + 1, end + before) for start, end in busy])
            for busy in lanes
        ]
        for start, end in reduce(intersect, several):
            begins.append(start)
            ends.append(end)
    begins.sort()
    ends.sort()
    # More than `spare` rooms are taken at a minute if, of all that has begun by then, the last but
    # `spare` has not ended: one interval for each beginning.
    return merge(
        (begin, end) for begin, end in zip(begins[spare:], ends, strict=False) if begin < end
    )


def free_lane(standing: Standing, start: int, end: int, *, extra: int) -> int | None:
    """Return the lowest lane that is free from `start` to `end`; None for none.

    `extra` lanes of a provider are open to visits that may be booked over others; any other visit
    needs the provider, and every visit its patient, to itself.
    """
    over = {one.lane for one in standing.taken if one.start < end and start < one.end}
    if standing.kind not in PEOPLE:
        lanes = standing.capacity
    elif not over:
        return 0
    else:
        lanes = extra + 1 if standing.kind == "provider" and extra else 0
    return next((lane for lane in range(lanes) if lane not in over), None)


def seat(
    asks: Iterable[Ask], standing: dict[UUID, Standing], *, extra: int
) -> tuple[list[Seat], list[FieldError]]:
    """Return the seats of a visit, or what of `asks` cannot be had; `standing` stays as it is."""
    found: list[Seat] = []
    faults: dict[str, FieldError] = {}
    for ask in asks:
        left = ask.count
        for one in ask.candidates:
            if not left:
                break
            if any(seated.resource_id == one for seated in found):
                continue
            lane = free_lane(standing[one], ask.start, ask.end, extra=extra)
            if lane is not None:
                found.append(Seat(one, lane, ask.start, ask.end, ask.lead))
                left -= 1
        if left:
            faults[ask.field] = FieldError(ask.field, f"{ask.what} is not free then", "taken")
    return ([], list(faults.values())) if faults else (found, [])
