"""Booked visits that a change of hours would leave outside: found first, then as the caller says.

Booking takes a share lock on the provider's and the facility's row before it reads their hours.
Whoever calls `apply` has locked one of the two rows FOR NO KEY UPDATE: what was booked before is
seen here, and what is booked later sees the new hours.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import ceil, floor
from typing import Generic, TypeVar
from uuid import UUID

from chroniccare.audit.actions import record_many
from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, Forbidden, Unprocessable
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling.availability import queries, relocating, rules, schemas
from chroniccare.scheduling.queries import LOCK, Appointment
from chroniccare.scheduling.rules import lock_keys
from chroniccare.scheduling.slots import rules as slots

T = TypeVar("T")

MAX_SHOWN = 100
"""Visits that a refusal names; its count is of all."""
MAX_MOVED = 100
"""Visits that one change moves: each is looked for by itself, while others wait for the locks."""
CANCELLED_BECAUSE = "The clinic changed its hours."
MOVES = UUID(int=0)
"""Stands for the moves of a clinic among what can be locked."""
_AROUND = timedelta(days=3)  # a night, a visit of a day, and clocks that are far from UTC


@dataclass(frozen=True, slots=True)
class Choice:
    """What the caller wants to become of visits that a change strands; None: be asked."""

    stranded: schemas.Choice | None = None
    dry_run: bool = False


ASK = Choice()


@dataclass(frozen=True, slots=True)
class Affected:
    """Whose hours change: a provider's or a facility's; `days` are the first and the last."""

    provider_id: UUID | None = None
    facility_id: UUID | None = None
    days: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class Stranded:
    """One visit and what became of it; field order is the wire's."""

    appointment_id: UUID
    provider_id: UUID
    facility_id: UUID
    scheduled_start: datetime
    scheduled_end: datetime
    outcome: str
    moved_to: datetime | None = None
    moved_to_facility_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Changed(Generic[T]):
    """What a change wrote, or None when it was only tried; and the visits that it strands."""

    record: T | None
    stranded: list[Stranded]


class StrandedVisits(Conflict):
    """Visits would lie outside the new hours, and nobody said what is to become of them."""

    code = "STRANDED_VISITS"

    def __init__(self, visits: list[Stranded]) -> None:
        self.shown = visits[:MAX_SHOWN]
        count = len(visits)
        booked = "1 booked visit" if count == 1 else f"{count} booked visits"
        super().__init__(
            f"{booked} would lie outside the new hours; say what is to become of them with"
            " `stranded`. Nothing was changed.",
            details=[
                FieldError(f"appointments.{n}", "would lie outside the new hours", "stranded")
                for n in range(len(self.shown))
            ],
            data={"count": count, "stranded": self.shown},
        )


def choice(caller: Caller, stranded: schemas.Choice | None, *, dry_run: bool) -> Choice:
    """Return what the caller chose.

    Raises:
        Forbidden: visits are to be moved or cancelled, and the key may not change visits.
    """
    if stranded in {"move", "cancel"} and "appointments:write" not in caller.scopes:
        raise Forbidden(
            "To move or cancel visits, this API key needs the scope appointments:write as well."
        )
    return Choice(stranded, dry_run)


@asynccontextmanager
async def changing(caller: Caller, choice: Choice) -> AsyncIterator[Tx]:
    """Open a transaction for a change of hours; the visits that a refusal names are audited.

    Of a clinic's changes that move visits one goes on at a time: each has the row of its provider
    and wants everybody of its visits, so that two could wait for each other.
    """
    try:
        async with begin(caller) as tx:
            if choice.stranded == "move":
                await tx.values(LOCK, lock_keys(caller.tenant_id, [MOVES]))
            yield tx
    except StrandedVisits as refusal:
        seen = [visit.appointment_id for visit in refusal.shown]
        await note_read(caller, entity_type="appointment", seen=seen, action="stranded")
        raise


async def apply(
    tx: Tx,
    affected: Affected,
    change: Callable[[rules.Hours], rules.Hours],
    write: Callable[[], Awaitable[T]],
    *,
    choice: Choice,
) -> Changed[T]:
    """Write a change of hours once it is clear what becomes of the visits that it strands.

    The caller has locked the row of the provider or of the facility that is `affected`.

    Args:
        tx: the transaction of the change.
        affected: whose hours change, and on which days.
        change: makes the hours after the change from those before it.
        write: writes the change.
        choice: what becomes of the visits, or that the change is only tried.

    Raises:
        StrandedVisits: there are some, and the choice is to be asked.
        Unprocessable: there are too many to be moved.
        Conflict: another request is changing one of them.
    """
    visits = await _stranded(tx, affected, change)
    if choice.dry_run:
        await _note(tx, visits, "stranded")
        return Changed(None, _listed(visits, "stranded"))
    if visits and choice.stranded is None:
        raise StrandedVisits(_listed(visits, "stranded"))
    if choice.stranded == "move" and len(visits) > MAX_MOVED:
        reason = f"{len(visits)} visits, and at most {MAX_MOVED} are moved at once"
        raise Unprocessable.field("stranded", reason, "too_many")
    written = await write()
    return Changed(written, await _settle(tx, visits, choice))


async def _stranded(
    tx: Tx, affected: Affected, change: Callable[[rules.Hours], rules.Hours]
) -> list[queries.Booked]:
    low, high = _bounds(affected)
    query = queries.BOOKED_AT if affected.provider_id is None else queries.BOOKED_WITH
    party = affected.provider_id or affected.facility_id
    await tx.plan_afresh()
    booked = await tx.all(query, party, tx.now, low, high)
    if not booked:
        return []
    visits = [_visit(one, affected.provider_id) for one in booked]
    before = await _hours(tx, visits)
    # In a thread: years of visits take longer than other requests should wait for their turn.
    found = await asyncio.to_thread(rules.stranded, visits, before, change(before))
    return [one for one in booked if one.id in found]


def _bounds(affected: Affected) -> tuple[datetime | None, datetime | None]:
    """Return the instants around the days that change: no start of a visit behind them matters."""
    if affected.days is None:
        return None, None
    first, last = affected.days
    low = slots.minute_of("UTC", (first - _AROUND).toordinal(), 0)
    high = slots.minute_of("UTC", (last + _AROUND).toordinal(), 0)
    return slots.instant(low), slots.instant(high)


def _visit(one: queries.Booked, provider_id: UUID | None) -> rules.Visit:
    everybody = [one.provider_id, *one.others] if provider_id is None else [provider_id]
    return rules.Visit(
        one.id, one.facility_id, everybody, floor(one.scheduled_start.timestamp() / 60),
        ceil(one.scheduled_end.timestamp() / 60),
    )  # fmt: skip


async def _hours(tx: Tx, visits: list[rules.Visit]) -> rules.Hours:
    providers = {provider_id for visit in visits for provider_id in visit.provider_ids}
    places = {visit.facility_id for visit in visits}
    first = slots.instant(min(visit.start for visit in visits)).date() - _AROUND
    last = slots.instant(max(visit.end for visit in visits)).date() + _AROUND
    parts = await tx.all(queries.PARTS, list(providers), list(places), first, last)
    return rules.Hours(
        {part.id: _calendar(part) for part in parts if part.kind == "provider"},
        {
            part.id: _place(part)
            for part in parts
            if part.kind == "facility" and part.document["is_active"]
        },
    )


def _calendar(part: queries.Part) -> slots.Calendar:
    weekly = [slots.Weekly(UUID(rule[0]), *rule[1:]) for rule in part.document["rules"]]
    return slots.Calendar(part.id, 0, (), weekly, _dated(part), ())


def _place(part: queries.Part) -> slots.Place:
    document = part.document
    return slots.Place(
        part.id, document["zone"], rules.open_week(part.id, document["hours"]), _dated(part)
    )


def _dated(part: queries.Part) -> list[slots.Dated]:
    return [
        slots.Dated(UUID(row[0]) if row[0] else None, *row[1:])
        for row in part.document["exceptions"]
    ]


async def _settle(tx: Tx, visits: list[queries.Booked], choice: Choice) -> list[Stranded]:
    if not visits or choice.stranded == "keep" or choice.stranded is None:
        await _note(tx, visits, "keep_stranded")
        return _listed(visits, "kept")
    # What is no longer open was cancelled, or has begun, while we looked.
    still = await tx.all(queries.LOCK_OPEN, [visit.id for visit in visits])
    if choice.stranded == "move":
        return await _move(tx, still)
    await scheduling.cancel_many(tx, still, reason=CANCELLED_BECAUSE, notify=True)
    return _listed(still, "cancelled")


async def _move(tx: Tx, visits: list[Appointment]) -> list[Stranded]:
    """Move each of the visits to the nearest free time, the earliest visit first."""
    await relocating.lock(tx, visits)
    found, left = [], []
    for visit in visits:
        moved = await relocating.move(tx, visit)
        if moved is None:
            left.append(visit)
            found += _listed([visit], "not_moved")
        else:
            at, place = moved.scheduled_start, moved.facility_id
            [one] = _listed([visit], "moved")
            found.append(replace(one, moved_to=at, moved_to_facility_id=place))
    await _note(tx, left, "keep_stranded")
    return found


async def _note(tx: Tx, visits: Sequence[queries.Booked | Appointment], action: str) -> None:
    """Audit that the caller saw the visits, or left them as they are."""
    if visits:
        seen = {visit.id: (None, None) for visit in visits}
        await record_many(tx, action=action, entity_type="appointment", changed=seen)


def _listed(visits: Iterable[queries.Booked | Appointment], outcome: str) -> list[Stranded]:
    return [
        Stranded(
            visit.id, visit.provider_id, visit.facility_id, visit.scheduled_start,
            visit.scheduled_end, outcome,
        )
        for visit in visits
    ]  # fmt: skip
