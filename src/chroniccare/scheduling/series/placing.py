"""Where each visit of a series goes: at its time, moved to the next best, or nowhere.

Everything here works on what was fetched and locked once for the whole series.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice
from uuid import UUID

from chroniccare.core.errors import FieldError
from chroniccare.core.time import to_local, zone
from chroniccare.scheduling import booking, seating
from chroniccare.scheduling.known import Known
from chroniccare.scheduling.rules import HORIZON, LONGEST
from chroniccare.scheduling.series.rules import Local, Occurrence
from chroniccare.scheduling.slots import actions as search
from chroniccare.scheduling.slots import rules as slots

_LONGEST = LONGEST // timedelta(minutes=1)
_TRIES = 50  # candidates for one visit; all but what this series took itself were free before


@dataclass(frozen=True, slots=True)
class Shift:
    """How far `next_best` may move a visit, and what it keeps first."""

    days: int
    same_weekday: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider who may see the patient, and what is known; the first is the series' own."""

    demand: booking.Demand
    known: Known
    minutes: int


@dataclass(slots=True)
class Placed:
    """What became of one occurrence; `start` is None where there is no place for it."""

    occurrence: Occurrence
    faults: list[FieldError] = field(default_factory=list)
    start: datetime | None = None
    choice: Choice | None = None
    seats: list[seating.Seat] = field(default_factory=list)

    @property
    def is_moved(self) -> bool:
        """Say whether it is at another time, or with another provider, than was wanted."""
        return bool(self.faults)

    @property
    def moved_minutes(self) -> int | None:
        """Return the minutes from the time wanted."""
        if self.start is None:
            return None
        return round((self.start - self.occurrence.instant).total_seconds() / 60)


class Diary:
    """What takes everybody whose lock is held, sorted: a visit looks at its own day only."""

    def __init__(self, held: booking.Held) -> None:
        self._held = held
        self._rows = {one: sorted(standing.taken) for one, standing in held.standing.items()}

    def around(self, first: int, last: int) -> booking.Held:
        """Return what matters from minute `first` to `last`."""
        standing = {}
        for one, rows in self._rows.items():
            near = rows[bisect_left(rows, (first - _LONGEST,)) : bisect_left(rows, (last,))]
            whole = self._held.standing[one]
            standing[one] = seating.Standing(whole.kind, whole.capacity, near)
        return booking.Held(standing, self._held.lanes)

    def take(self, seats: Iterable[seating.Seat]) -> None:
        """Note that `seats` are taken, for the next visit."""
        for one in seats:
            insort(
                self._rows[one.resource_id], seating.Take(one.start, one.end, one.lane, one.lead)
            )


def place(
    choices: Sequence[Choice],
    held: booking.Held,
    occurrences: Sequence[Occurrence],
    *,
    shift: Shift | None,
    now: datetime,
) -> list[Placed]:
    """Return where each of `occurrences` (by time) goes; with `shift`, moved if need be.

    Those that can be at their own time are seated first, so that none is moved onto the time of
    another.
    """
    diary, own = Diary(held), choices[0]
    starts = [one.instant for one in occurrences]
    ruled = booking.rule_faults(own.demand, own.known, starts, own.minutes, now=now)
    placed = [
        Placed(one, list(faults.values())) for one, faults in zip(occurrences, ruled, strict=True)
    ]
    for one in placed:
        if not one.faults:
            one.faults = seat(one, own, diary, one.occurrence.instant)
    pending = [one for one in placed if one.start is None]
    if shift is not None and pending:
        _move(pending, placed, choices, diary, shift=shift, now=now)
    return placed


def seat(one: Placed, choice: Choice, diary: Diary, start: datetime) -> list[FieldError]:
    """Take the seats of a visit at `start`, or return what is not free."""
    here = choice.known.places[choice.demand.facility_id]
    begins = booking.minutes_of(start)
    day, kind = slots.day_of(here, begins), choice.known.type
    near = diary.around(
        min(day[0], begins - kind.before), max(day[1], begins + choice.minutes + kind.after)
    )
    seats, faults = booking.seated(choice.demand, choice.known, near, start, choice.minutes)
    if not faults:
        one.start, one.choice, one.seats = start, choice, seats
        diary.take(seats)
    return faults


def _move(
    pending: Sequence[Placed],
    placed: Sequence[Placed],
    choices: Sequence[Choice],
    diary: Diary,
    *,
    shift: Shift,
    now: datetime,
) -> None:
    """Move each of `pending` to the best time that is free, on a day without another visit."""
    own = choices[0]
    zone_name = own.known.places[own.demand.facility_id].zone
    tz = zone(zone_name)
    days = {to_local(one.start, tz).date() for one in placed if one.start is not None}
    ends = pending[0].occurrence.instant, pending[-1].occurrence.instant
    free = [_free(choice, *ends, shift=shift, now=now) for choice in choices]
    for one in pending:
        best = _ranked(one.occurrence.local, free, zone_name, shift=shift, without=days)
        for number, start in islice(best, _TRIES):
            if not seat(one, choices[number], diary, slots.instant(start)):
                days.add(to_local(slots.instant(start), tz).date())
                break


def _free(
    choice: Choice, first: datetime, last: datetime, *, shift: Shift, now: datetime
) -> list[int]:
    """Return the minutes at which the provider was free before the locks, sorted."""
    begins = max(first - timedelta(days=shift.days + 1), now).date().toordinal()
    ends = (last + timedelta(days=shift.days + 1)).date().toordinal()
    window = slots.Window(begins, ends, booking.minutes_of(now), booking.minutes_of(now + HORIZON))
    wish = booking.wish_of(choice.demand)
    found = search.sweep(choice.known, choice.known.calendars, window, wish, None)
    here = choice.demand.facility_id
    return [at for at, _, place_id, _ in found if place_id == here]


def _ranked(
    local: Local, free: Sequence[Sequence[int]], zone_name: str, *, shift: Shift, without: set[date]
) -> Iterator[tuple[int, int]]:
    """Yield (number of the provider, minute) of the times within `shift`, the best first.

    First counts what is to be kept: the provider, or the day of the week. Then the nearest day is
    the best, and on it the nearest time of day; of two as good the series' own provider, and later.
    """
    day, usual = local.day.toordinal(), local.at.hour * 60 + local.at.minute
    everybody, apart = range(len(free)), range(shift.days + 1)
    if shift.same_weekday:
        rounds = [(everybody, [n for n in apart if n % 7 == 0])]
        rounds += [(everybody, [n for n in apart if n % 7])]
    else:
        rounds = [(everybody[:1], list(apart)), (everybody[1:], list(apart))]
    for numbers, distances in rounds:
        for distance in distances:
            found = []
            for on in {day + distance, day - distance}:
                if date.fromordinal(on) in without:
                    continue
                midnight, end = (slots.minute_of(zone_name, on + n, 0) for n in (0, 1))
                for number in numbers:
                    starts = free[number]
                    near = starts[bisect_left(starts, midnight) : bisect_left(starts, end)]
                    found += [(abs(at - midnight - usual), number, -at) for at in near]
            yield from ((number, -at) for _, number, at in sorted(found))


def in_place_of(choice: Choice, provider_id: UUID, known: Known) -> Choice:
    """Return `choice` with another provider, of whom `known` knows; their own length of visit."""
    demand = replace(choice.demand, provider_id=provider_id)
    return Choice(demand, known, choice.demand.minutes or known.calendars[0].minutes)
