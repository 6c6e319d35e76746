"""Slots that clients write: time off and extra hours, by the action of /api/v1's exceptions.

A Slot that is `busy-unavailable` takes its time from the provider's hours, one that is `free` adds
it. Taken it becomes by a visit alone.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Forbidden, Invalid, NotFound, Unprocessable
from chroniccare.core.time import in_utc, to_instant, to_local, zone
from chroniccare.facilities import actions as facilities
from chroniccare.fhir import actions, slots
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.kinds.slots import instant_of
from chroniccare.fhir.kinds.writers import made
from chroniccare.fhir.registry import is_program
from chroniccare.fhir.resources import slot
from chroniccare.fhir.validation import parse
from chroniccare.platform.postgres import Tx, begin
from chroniccare.providers import actions as providers
from chroniccare.providers.queries import Provider
from chroniccare.scheduling.availability import exceptions
from chroniccare.scheduling.availability.queries import DayException
from chroniccare.scheduling.availability.schemas import ExceptionWrite
from chroniccare.scheduling.availability.stranding import ASK

_SCOPE = "providers:write"
_FREE, _ASIDE = "free", "busy-unavailable"
_PLACES = {"day": "Slot.start", "start_time": "Slot.start", "end_time": "Slot.end",
           "facility_id": "Slot.schedule", "reason": "Slot.comment"}  # fmt: skip
_MINUTE, _LONGEST = 60, 24 * 60


def _check_scope(caller: Caller, letter: str) -> None:
    """Check that the caller may change hours: SMART clients by Slot, others as in /api/v1.

    Raises:
        Forbidden: they may not.
    """
    if caller.smart_scopes:
        slots.check_scope(caller, letter)
    if not is_program(caller) and _SCOPE not in caller.scopes:
        raise Forbidden


async def create(caller: Caller, body: bytes) -> tuple[Resource, bool]:
    """Make a time free, or set it aside; False: it was so already, and nothing is written.

    Raises:
        Forbidden: the scopes do not open it.
        Invalid: it is no valid resource.
        Unprocessable: it is against a rule; the element is named.
        StrandedVisits: visits would lie outside of the hours.
    """
    _check_scope(caller, "c")
    said = parse("Slot", body)
    async with begin(caller) as tx:
        return await _written(tx, await _time(tx, said), said)


async def update(caller: Caller, text: str, body: bytes) -> Resource:
    """Have a Slot be as it is written; its time and its Schedule stay.

    Raises:
        Forbidden, Invalid, Unprocessable, StrandedVisits: see `create`.
        NotFound: there is no such Slot.
    """
    _check_scope(caller, "u")
    said = parse("Slot", body)
    time = slot.opened(text)
    if time is None:
        raise NotFound
    if said.get("id") != text:
        raise Invalid.field("Slot.id", "must be the id in the address", "value")
    async with begin(caller) as tx:
        await slots.told(tx, time)
        if await _time(tx, said) != time:
            raise Unprocessable.field("Slot.start", "and its end and Schedule cannot change")
        return (await _written(tx, time, said))[0]


async def _time(tx: Tx, said: Resource) -> slot.Time:
    """Return the time that a resource says.

    Raises:
        Unprocessable: it has no such Schedule, or is not of whole minutes within a day.
    """
    asked = await actions.asked_of(tx, zones=False)
    try:
        schedule_id = UUID(said["schedule"].get("reference", "").rpartition("/")[2])
    except ValueError:
        rows = []
    else:
        rows = await slots.schedules(tx, asked, [f"w.id = {asked.put(schedule_id, 'uuid')}"])
    if not rows:
        raise Unprocessable.field("Slot.schedule", "must be a Schedule of this server")
    start, end = instant_of(said["start"]), instant_of(said["end"])
    seconds = 0.0 if start is None or end is None else (end - start).total_seconds()
    minutes = int(seconds) // _MINUTE
    if start is None or start.timestamp() % _MINUTE or seconds != minutes * _MINUTE:
        raise Unprocessable.field("Slot.start", "and end must be on whole minutes")
    if not 0 < minutes <= _LONGEST:
        raise Unprocessable.field("Slot.end", "must be behind the start, a day at most")
    return slot.Time(rows[0].provider_id, rows[0].facility_id, in_utc(start), minutes)


async def _written(tx: Tx, time: slot.Time, said: Resource) -> tuple[Resource, bool]:
    wanted = said["status"]
    if wanted not in {_FREE, _ASIDE}:
        reason = f"must be {_FREE} or {_ASIDE}; it is taken by booking an Appointment"
        raise Unprocessable.field("Slot.status", reason)
    provider = await providers.get_locked(tx, time.provider_id)
    if await _status(tx, time) == wanted:
        return await slots.told(tx, time), False
    body = await _body(tx, time, said, is_available=wanted == _FREE)
    same = await _opposite(tx, provider, body)
    try:
        if same is None:
            await exceptions.add(tx, provider, body, choice=ASK)
        else:
            await exceptions.remove(tx, provider, same, choice=ASK)
    except Unprocessable as problem:
        problem.details = [
            replace(one, field=_PLACES.get(one.field, one.field)) for one in problem.details
        ]
        raise
    told = await slots.told(tx, time)
    if (told["status"] == _ASIDE) != (wanted == _ASIDE):
        reason = "cannot become that: other hours, or other time off, stand in the way"
        raise Unprocessable.field("Slot.status", reason)
    return told, True


async def _status(tx: Tx, time: slot.Time) -> str | None:
    try:
        return str((await slots.told(tx, time))["status"])
    except NotFound:  # there are no hours yet
        return None


async def _body(tx: Tx, time: slot.Time, said: Resource, *, is_available: bool) -> ExceptionWrite:
    """Return the exception that says a time on the facility's clocks.

    Raises:
        Unprocessable: the clocks show it twice, or not at all.
    """
    here = zone((await facilities.get(tx, time.facility_id)).timezone)
    start, end = to_local(time.start, here), to_local(time.end, here)
    for name, local, at in (("start", start, time.start), ("end", end, time.end)):
        if to_instant(local.date(), local.time(), here) != at:
            raise Unprocessable.field(f"Slot.{name}", "is in an hour that clocks repeat")
    fields = {
        "facility_id": time.facility_id,
        "day": start.date(),
        "start_time": _clock(start),
        "end_time": "24:00" if _clock(end) == "00:00" else _clock(end),
        "is_available": is_available,
        "reason": said.get("comment"),
    }
    found: ExceptionWrite = made(ExceptionWrite, fields)
    return found


def _clock(local: datetime) -> str:
    return f"{local:%H:%M}"


async def _opposite(tx: Tx, provider: Provider, body: ExceptionWrite) -> DayException | None:
    """Return the exception that said the opposite of just this time."""
    page = await exceptions.search(tx, provider, days=[body.day, body.day], cursor=None, limit=100)
    return next(
        (
            one
            for one in page.items
            if (one.facility_id, one.start_time, one.end_time, one.is_available)
            == (body.facility_id, body.start_time, body.end_time, not body.is_available)
        ),
        None,
    )
