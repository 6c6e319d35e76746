"""Availability on paper: weekly rules that collide, and the visits that a change strands."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from chroniccare.core.week import minutes, overlap, stretch
from chroniccare.facilities.rules import DAYS
from chroniccare.scheduling.slots import rules as slots
from chroniccare.scheduling.slots.intervals import FAR, Interval, covers

_NEVER = date.max.toordinal()


@dataclass(frozen=True, slots=True)
class Weekly:
    """When one weekly rule holds.

    Attributes:
        day_of_week: 0 is Sunday, 6 Saturday.
        start_time: wall-clock time, "00:00" to "23:59".
        end_time: "00:00" to "24:00"; at or before `start_time` it lies on the next day.
        first: the first day on which the rule may start a range.
        last: the last such day; None for no end.
    """

    day_of_week: int
    start_time: str
    end_time: str
    first: date
    last: date | None


def collide(one: Weekly, two: Weekly) -> bool:
    """Say whether there is a minute that falls under both rules.

    Dates count by the day on which a range starts: a night that starts on a rule's last day still
    reaches into the morning after.
    """
    spans = (stretch(rule.day_of_week, rule.start_time, rule.end_time) for rule in (one, two))
    if not overlap(*spans):
        return False
    # Ranges last at most a day, so those that meet start on the same day or on neighbouring days.
    apart = (two.day_of_week - one.day_of_week + 1) % 7 - 1
    first = max(one.first.toordinal(), two.first.toordinal() - apart)
    last = min(_last(one), _last(two) - apart)
    # Ordinal 1 is a Monday, so an ordinal modulo 7 is the day of the week with 0 for Sunday.
    return first + (one.day_of_week - first) % 7 <= last


def collisions(rules: Sequence[Weekly]) -> list[tuple[int, int]]:
    """Return (earlier, later) for each rule that collides with one before it in the list."""
    found = []
    for later, two in enumerate(rules):
        for earlier, one in enumerate(rules[:later]):
            if collide(one, two):
                found.append((earlier, later))
                break
    return found


def _last(rule: Weekly) -> int:
    return _NEVER if rule.last is None else rule.last.toordinal()


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit that is booked.

    Attributes:
        provider_ids: whose hours it must lie in.
        start: minutes since 1970 in UTC, rounded down.
        end: the same, rounded up.
    """

    id: UUID
    facility_id: UUID
    provider_ids: Sequence[UUID]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hours:
    """What says when visits can be booked; a facility that takes none is not among `places`."""

    calendars: Mapping[UUID, slots.Calendar]
    places: Mapping[UUID, slots.Place]


def stranded(visits: Sequence[Visit], before: Hours, after: Hours) -> set[UUID]:
    """Return the ids of the visits that lay in hours that can be booked, and no longer do.

    A visit that lay outside before, because staff set the hours aside for it, is not stranded by
    what changes now. Ranges that are kept for urgent visits count as hours for every visit: who
    may book them says nothing about a visit that is there.
    """
    if not visits:
        return set()
    window = _window(visits)
    had, has = _Bookable(before, window), _Bookable(after, window)
    return {
        visit.id
        for visit in visits
        for provider_id in visit.provider_ids
        if had.holds(visit, provider_id) and not has.holds(visit, provider_id)
    }


def open_week(
    facility_id: UUID, hours: Mapping[str, Sequence[Mapping[str, str]]]
) -> list[slots.Weekly]:
    """Return a facility's operating hours as weekly ranges."""
    return [
        slots.Weekly(
            facility_id, (DAYS.index(day) + 1) % 7, minutes(span["open"]), minutes(span["close"]),
            step=slots.DAY, is_available=True, first=1, last=None,
        )
        for day, spans in hours.items()
        for span in spans
    ]  # fmt: skip


def dated(
    facility_id: UUID | None, day: date, start: str | None, end: str | None, *, is_available: bool
) -> slots.Dated:
    """Return one exception as numbers."""
    at = None if start is None else minutes(start)
    until = None if end is None else minutes(end)
    return slots.Dated(facility_id, day.toordinal(), at, until, is_available)


def with_calendar(
    hours: Hours, provider_id: UUID, change: Callable[[slots.Calendar], slots.Calendar]
) -> Hours:
    """Return `hours` after a change of a provider's calendar."""
    changed = {
        known: change(calendar) if known == provider_id else calendar
        for known, calendar in hours.calendars.items()
    }
    return replace(hours, calendars=changed)


def with_place(
    hours: Hours, facility_id: UUID, change: Callable[[slots.Place], slots.Place | None]
) -> Hours:
    """Return `hours` after a change of a facility; None closes it for good."""
    changed = {
        known: change(place) if known == facility_id else place
        for known, place in hours.places.items()
    }
    return replace(hours, places={key: place for key, place in changed.items() if place})


class _Bookable:
    """The bookable hours of each provider at each facility, worked out when they are asked for."""

    def __init__(self, hours: Hours, window: slots.Window) -> None:
        self.hours = hours
        self.window = window
        self.opened: dict[UUID, list[Interval]] = {}
        self.spans: dict[tuple[UUID, UUID], list[Interval]] = {}

    def holds(self, visit: Visit, provider_id: UUID) -> bool:
        """Say whether the whole visit lies in hours in which the provider can be booked there."""
        pair = (provider_id, visit.facility_id)
        if pair not in self.spans:
            self.spans[pair] = self._work_out(*pair)
        return covers(self.spans[pair], visit.start, visit.end)

    def _work_out(self, provider_id: UUID, facility_id: UUID) -> list[Interval]:
        calendar = self.hours.calendars.get(provider_id)
        place = self.hours.places.get(facility_id)
        if calendar is None or place is None:
            return []
        if facility_id not in self.opened:
            self.opened[facility_id] = slots.open_hours(place, self.window)
        hours = self.opened[facility_id]
        return slots.working(calendar, place, hours=hours, window=self.window)[0]


def _window(visits: Iterable[Visit]) -> slots.Window:
    """Return the days on which any clock can show a part of the visits."""
    epoch = date(1970, 1, 1).toordinal()
    days = [epoch + minute // slots.DAY for visit in visits for minute in (visit.start, visit.end)]
    return slots.Window(min(days) - 1, max(days) + 1, -FAR, FAR)
