"""Free times on paper: weekly rules become slots, and what is taken is left out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from chroniccare.core.time import to_instant, to_local

_MIDNIGHT = "24:00"
_AWAKE = (time(9), time(20))


@dataclass(frozen=True, slots=True)
class Hours:
    """One weekly rule of one provider, in the zone of the facility; 0 is Sunday."""

    provider_id: UUID
    facility_id: UUID
    zone: ZoneInfo
    day_of_week: int
    start: str
    end: str
    slot_minutes: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A time at which a provider can be booked, as UTC instants."""

    provider_id: UUID
    facility_id: UUID
    start: datetime
    end: datetime


@dataclass(slots=True)
class Diary:
    """Who is taken when."""

    taken: dict[UUID, list[tuple[datetime, datetime]]]

    def is_free(self, who: UUID, start: datetime, end: datetime) -> bool:
        """Say whether nothing of `who` overlaps [start, end)."""
        return all(end <= other or start >= until for other, until in self.taken.get(who, ()))

    def take(self, who: UUID, start: datetime, end: datetime) -> None:
        """Note that `who` is taken."""
        self.taken.setdefault(who, []).append((start, end))

    def fits(self, slot: Slot, patient_id: UUID) -> bool:
        """Say whether provider and patient are free."""
        return all(
            self.is_free(who, slot.start, slot.end) for who in (slot.provider_id, patient_id)
        )

    def book(self, slot: Slot, patient_id: UUID) -> None:
        """Note that provider and patient are taken."""
        for who in (slot.provider_id, patient_id):
            self.take(who, slot.start, slot.end)


def slots(hours: Iterable[Hours], first: date, days: int) -> Iterator[Slot]:
    """Yield every slot that starts in `days` days from `first`, by the facility's calendar."""
    by_day: dict[int, list[Hours]] = {}
    for rule in hours:
        by_day.setdefault(rule.day_of_week, []).append(rule)
    for number in range(days):
        day = first + timedelta(days=number)
        for rule in by_day.get(day.isoweekday() % 7, []):
            start, end = span(rule, day)
            length = timedelta(minutes=rule.slot_minutes)
            while start + length <= end:
                yield Slot(rule.provider_id, rule.facility_id, start, start + length)
                start += length


def span(rule: Hours, day: date) -> tuple[datetime, datetime]:
    """Return when the rule's range of `day` begins and ends."""
    overnight = rule.end == _MIDNIGHT or rule.end <= rule.start
    last = day + timedelta(days=1) if overnight else day
    end = time(0) if rule.end == _MIDNIGHT else time.fromisoformat(rule.end)
    return (
        to_instant(day, time.fromisoformat(rule.start), rule.zone),
        to_instant(last, end, rule.zone),
    )


def is_on_call(rule: Hours) -> bool:
    """Say whether the rule covers its whole day."""
    return (rule.start, rule.end) == ("00:00", _MIDNIGHT)


def is_awake(zone: ZoneInfo, at: datetime) -> bool:
    """Say whether a reminder may arrive: between 9 and 20 h where the patient lives."""
    return _AWAKE[0] <= to_local(at, zone).time() < _AWAKE[1]
