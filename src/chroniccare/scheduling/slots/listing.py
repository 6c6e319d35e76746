"""All times of providers, also those that are taken or set aside: for who shows whole calendars.

A time is `free`, `busy` (a visit takes it, or a day has all the visits that it may have) or
`busy-unavailable` (the week would have it, but it is set aside). What is past is left out.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import rules as visit_rules
from chroniccare.scheduling.known import FARTHEST, Known, Wish, fetch
from chroniccare.scheduling.slots import rules
from chroniccare.scheduling.slots.actions import sweep
from chroniccare.scheduling.slots.intervals import covers, intersect, merge, subtract

Status = Literal["free", "busy", "busy-unavailable"]
EVERY: frozenset[Status] = frozenset({"free", "busy", "busy-unavailable"})
_CHUNK_DAYS = 7
_TURN = 25  # providers swept before other requests get a turn of the event loop


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """One time, by start; `zone` is the facility's."""

    start: datetime
    provider_id: UUID
    facility_id: UUID
    minutes: int
    status: Status
    zone: str


async def listed(
    caller: Caller, wish: Wish, *, first: datetime, until: datetime, statuses: frozenset[Status],
    wanted: Callable[[Listed], bool], most: int | None,
) -> list[Listed]:  # fmt: skip
    """Return the earliest `most` times (or all) from `first` to before `until`, by start.

    Raises:
        Unprocessable: a party is unknown, not active, or does not work there.
    """
    found: list[Listed] = []
    day, last = (first - FARTHEST).date(), (until + FARTHEST).date()
    while (most is None or len(found) < most) and day <= last:
        behind = min(day + timedelta(days=_CHUNK_DAYS - 1), last)
        async with begin(caller) as tx:
            window = _window(tx, day.toordinal(), behind.toordinal())
            known = await fetch(tx, wish, window)
        for number in range(0, len(known.calendars), _TURN):
            some = known.calendars[number : number + _TURN]
            found += [
                one
                for one in states(known, some, window, wish, statuses)
                if first <= one.start < until and wanted(one)
            ]
            await asyncio.sleep(0)
        day = behind + timedelta(days=1)
    return sorted(found)[:most]


def _window(tx: Tx, first: int, last: int) -> rules.Window:
    now = int(tx.now.timestamp()) // 60
    return rules.Window(first, last, now, now + int(visit_rules.HORIZON.total_seconds()) // 60)


def states(
    known: Known, calendars: Sequence[rules.Calendar], window: rules.Window, wish: Wish,
    statuses: frozenset[Status] = EVERY,
) -> list[Listed]:  # fmt: skip
    """Return the times of `calendars`, which are some of `known.calendars`, in these states."""
    free = set(sweep(known, calendars, window, wish, None))
    sets: dict[Status, set[tuple[int, UUID, UUID, int]]] = {"free": free}
    if statuses != {"free"}:
        idle = replace(known, busy=[], rooms=[replace(one, taken=[]) for one in known.rooms])
        open_ = set(sweep(idle, [_idle(one) for one in calendars], window, wish, None))
        sets["busy"] = open_ - free
        whole = replace(idle, places={one: _whole(place) for one, place in idle.places.items()})
        always = [_always(_idle(one)) for one in calendars]
        sets["busy-unavailable"] = set(sweep(whole, always, window, wish, None)) - open_
    return [
        Listed(rules.instant(start), provider_id, place_id, minutes, status,
               known.places[place_id].zone)
        for status, times in sets.items()
        if status in statuses
        for start, provider_id, place_id, minutes in times
    ]  # fmt: skip


def _idle(calendar: rules.Calendar) -> rules.Calendar:
    return replace(calendar, busy=(), visits=(), daily=None)


def _always(calendar: rules.Calendar) -> rules.Calendar:
    """Return the calendar with nothing set aside."""
    return replace(
        calendar,
        rules=[one for one in calendar.rules if one.is_available],
        exceptions=[one for one in calendar.exceptions if one.is_available],
    )


def _whole(place: rules.Place) -> rules.Place:
    return replace(place, exceptions=[one for one in place.exceptions if one.is_available])


async def status_of(
    tx: Tx, provider_id: UUID, facility_id: UUID, start: datetime, minutes: int
) -> Status | None:
    """Return the state of any time, on the grid or not; None when it touches no hours at all.

    Raises:
        Unprocessable: provider or facility are unknown, not active, or apart.
    """
    wish = Wish([provider_id], facility_id, None, minutes)
    day = start.date().toordinal()
    window = _window(tx, day - 1, day + 2)
    known = await fetch(tx, wish, window)
    [calendar], place = known.calendars, known.places[facility_id]
    at = int(start.timestamp()) // 60
    works = _works(calendar, place, window)
    if covers(works, at, at + minutes) and at > window.after:
        taken = merge(sorted([*calendar.busy, *rules.full_days(calendar, place, window)]))
        return "free" if covers(subtract(works, taken), at, at + minutes) else "busy"
    around = merge(sorted([*works, *_works(_always(calendar), _whole(place), window)]))
    # What was set aside where nobody works was set aside all the same.
    aside = [replace(one, is_available=True) for one in calendar.exceptions]
    also = _works(replace(calendar, exceptions=aside), place, window)
    touched = intersect(merge(sorted([*around, *also])), [(at, at + minutes)])
    return "busy-unavailable" if touched else None


def _works(
    calendar: rules.Calendar, place: rules.Place, window: rules.Window
) -> list[tuple[int, int]]:
    hours = rules.open_hours(place, window)
    free, _ = rules.working(calendar, place, hours=hours, window=window, now=window.after)
    return free
