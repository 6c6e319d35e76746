"""The search for free times: fetch what is known of everybody, sweep it on paper, a week at a time.

Nothing here is cached, and nothing is promised: the booking alone decides, and answers 409 when
somebody else was quicker.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nsmallest
from operator import itemgetter
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound, Problem, Unprocessable
from chroniccare.core.time import to_local, zone
from chroniccare.platform.postgres import begin
from chroniccare.scheduling import rules as visit_rules
from chroniccare.scheduling import seating
from chroniccare.scheduling.booking import SlotTaken, wish_of
from chroniccare.scheduling.known import FARTHEST, Known, Wish, fetch, without
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.slots import rules
from chroniccare.scheduling.slots.intervals import Interval, merge, subtract

MAX_DAYS = 92
DEFAULT_DAYS = 31
MAX_PROVIDERS = 200
_CHUNK_DAYS = 7
_START = itemgetter(0)  # enough: providers and their places are gone through in order
_TURN = 25  # providers swept before other requests get a turn of the event loop


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
    window: rules.Window | None = None
    while len(found) < wish.most:
        # Only the fetch is in a transaction: no connection is held while we compute.
        async with begin(caller) as tx:
            window = _whole(wish, now=tx.now) if window is None else window
            chunk = _chunk(window)
            known = await fetch(tx, wish, chunk)
        found += await _swept(known, chunk, wish, wish.most - len(found))
        if chunk.last == window.last:
            break
        window = rules.Window(chunk.last + 1, window.last, window.after, window.until)
    if wish.patient_id is not None:  # what is not free tells when the patient is elsewhere
        await note_read(
            caller, entity_type="patient", seen=[wish.patient_id], action="availability"
        )
    return found


def sweep(
    known: Known,
    calendars: Iterable[rules.Calendar],
    window: rules.Window,
    wish: Wish,
    most: int | None,
) -> list[tuple[int, UUID, UUID, int]]:
    """Return start, provider, facility and length of each free time, sorted.

    `calendars` are some of `known.calendars`, in their order. Of each provider at each facility the
    first `most` are kept: no later one can be needed.
    """
    searches: dict[tuple[UUID, int], tuple[list[Interval], rules.Search]] = {}
    found = []
    for calendar in calendars:
        for place_id in calendar.places:
            place = known.places.get(place_id)
            if place is None:  # not active, or not the one that is wanted
                continue
            name = (place_id, calendar.minutes)
            if name not in searches:
                searches[name] = _needed(known, place, calendar.minutes, window, wish)
            hours, search = searches[name]
            starts = rules.find(
                calendar, place, hours=hours, window=_bounded(known, window), search=search,
                most=most,
            )  # fmt: skip
            found += [(at, calendar.provider_id, place_id, calendar.minutes) for at in starts]
    return sorted(found, key=_START)


def _needed(
    known: Known, place: rules.Place, minutes: int, window: rules.Window, wish: Wish
) -> tuple[list[Interval], rules.Search]:
    """Return when `place` is open, and what a visit of `minutes` there needs besides a provider."""
    hours, now, kind = rules.open_hours(place, window), window.after, known.type
    rank = visit_rules.RANKS[wish.priority]
    present = []
    for calendar in known.present:
        free, _ = rules.working(calendar, place, hours=hours, window=window, rank=rank, now=now)
        if place.id not in calendar.places:  # extra hours may be for every facility of theirs
            free = []
        busy = [(start - kind.after, end + kind.before) for start, end in calendar.busy]
        present.append(subtract(free, merge(busy)))
    blocked: list[Interval] = []
    for needed in known.needs(wish.resource_ids, place.id):
        rooms = [seating.units(room) for room in needed.rooms]
        blocked += seating.scarce(
            rooms, needed.count, minutes=minutes, before=kind.before, after=kind.after
        )
    for calendar in known.present:
        blocked += rules.full_days(calendar, place, window)
    return hours, rules.Search(
        rank, now, kind.before, kind.after, known.busy, present, merge(sorted(blocked))
    )


def _bounded(known: Known, window: rules.Window) -> rules.Window:
    """Return `window` within the notice and the horizon of the type of visit."""
    now = window.after
    notice, horizon = known.type.notice, known.type.horizon
    after = max(now, now + notice - 1)  # a start exactly at the end of the notice is in time
    return rules.Window(
        window.first, window.last, after, min(window.until, now + horizon * rules.DAY)
    )


@asynccontextmanager
async def offering(caller: Caller) -> AsyncIterator[None]:
    """Add the three nearest free times to a SlotTaken that is raised inside."""
    try:
        yield
    except SlotTaken as taken:
        if taken.wanted is not None:
            demand, start = taken.wanted
            with suppress(Problem):  # without other times it is still the answer
                wish = wish_of(demand)
                found = await nearest(caller, wish, start, seen=taken.seen, moving=taken.moving)
                taken.data = {"alternatives": found}
        raise


async def nearest(
    caller: Caller, wish: Wish, at: datetime, *, most: int = 3, seen: Known | None = None,
    moving: Appointment | None = None,
) -> list[Slot]:  # fmt: skip
    """Return the free times that lie nearest to `at`, of that week and the next; by start.

    A visit that is `moving` may take a part of its own time, but stays not where it is.

    What the booking has `seen` comes first, then the days around, and mostly that is enough: many
    are refused the same time at once, and each of them waits for this.
    """
    minute = int(at.timestamp()) // 60
    best: list[tuple[int, UUID, UUID, int]] = []
    for days in (0, 1, 2 * _CHUNK_DAYS):
        known = seen if not days else await _around(caller, wish, at, days=days)
        if known is None:
            continue
        if moving is not None:
            known = without(known, moving)
        found = sweep(known, known.calendars, known.window, wish, None)
        found = [one for one in found if moving is None or one[:2] != _place(moving)]
        best = nsmallest(most, found, key=lambda one: (abs(one[0] - minute), one))
        if len(best) == most and abs(best[-1][0] - minute) <= _sure(known, minute):
            break
    return [] if known is None else [slot(known, *one) for one in sorted(best)]


def _place(visit: Appointment) -> tuple[int, UUID]:
    return int(visit.scheduled_start.timestamp()) // 60, visit.provider_id


async def _around(caller: Caller, wish: Wish, at: datetime, *, days: int) -> Known | None:
    """Fetch the days around `at`, fewer before it; None when somebody has gone."""
    async with begin(caller) as tx:
        day = max(at, tx.now).date()
        first = max(day - timedelta(days=min(days, 2)), (tx.now - FARTHEST).date())
        window = rules.Window(
            first.toordinal(), day.toordinal() + days, int(tx.now.timestamp()) // 60,
            int((tx.now + visit_rules.HORIZON).timestamp()) // 60,
        )  # fmt: skip
        with suppress(Unprocessable):
            return await fetch(tx, wish, window)
    return None


def _sure(known: Known, minute: int) -> int:
    """Return how many minutes from `minute` on, either way, everything free is in the window."""
    window = known.window
    zones = {place.zone for place in known.places.values()}
    first = max((rules.minute_of(one, window.first, 0) for one in zones), default=minute)
    last = min((rules.minute_of(one, window.last + 1, 0) for one in zones), default=minute)
    # Before the present there is nothing.
    return last - minute if first <= window.after else min(minute - first, last - minute)


async def _swept(known: Known, window: rules.Window, wish: Wish, most: int) -> list[Slot]:
    found: list[tuple[int, UUID, UUID, int]] = []
    for number in range(0, len(known.calendars), _TURN):
        some = known.calendars[number : number + _TURN]
        found += sweep(known, some, window, wish, most)
        await asyncio.sleep(0)
    return [slot(known, *one) for one in sorted(found, key=_START)[:most]]


def slot(known: Known, start: int, provider_id: UUID, facility_id: UUID, minutes: int) -> Slot:
    """Return what `sweep` has found as it is answered."""
    name = known.places[facility_id].zone
    begin_, end, tz = rules.instant(start), rules.instant(start + minutes), zone(name)
    return Slot(
        provider_id, facility_id, begin_, end, to_local(begin_, tz), to_local(end, tz), name,
        minutes,
    )  # fmt: skip


def _whole(wish: Wish, *, now: datetime) -> rules.Window:
    """Return the window that is asked for.

    Raises:
        Unprocessable: see `earliest`.
    """
    # Somewhere it is still yesterday; what is past is left out anyway.
    today = (now - FARTHEST).date()
    first = wish.first_day or today
    last = wish.last_day or first + timedelta(days=DEFAULT_DAYS - 1)
    if last < first:
        raise Unprocessable.field("to_date", "lies before from_date", "order")
    if (last - first).days >= MAX_DAYS:
        raise Unprocessable.field("to_date", f"at most {MAX_DAYS} days in all", "range")
    if last < today:
        raise Unprocessable.field("to_date", "lies in the past", "past")
    if first > (now + visit_rules.HORIZON).date():
        raise Unprocessable.field("from_date", "must be within two years", "horizon")
    return rules.Window(
        max(first, today).toordinal(), last.toordinal(), int(now.timestamp()) // 60,
        int((now + visit_rules.HORIZON).timestamp()) // 60,
    )  # fmt: skip


def _chunk(window: rules.Window) -> rules.Window:
    last = min(window.last, window.first + _CHUNK_DAYS - 1)
    return rules.Window(window.first, last, window.after, window.until)
