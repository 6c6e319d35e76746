"""Series that change: one visit, one and those that follow, or all to come; and their cancellation.

All the visits that are named change, or none does.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.errors import Conflict, Invalid, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.time import to_instant, to_local, zone
from chroniccare.notifications.plan import cancel_visits, plan_cancelled, plan_visit
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import actions as visits
from chroniccare.scheduling import booking, moving, rules
from chroniccare.scheduling import queries as visit_queries
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.schemas import AppointmentWrite
from chroniccare.scheduling.series import queries
from chroniccare.scheduling.series import rules as recurrence
from chroniccare.scheduling.series.actions import (
    Occurrence,
    Result,
    SeriesConflict,
    described,
    document,
    get,
    once,
    result,
    tell_series,
)
from chroniccare.scheduling.series.placing import Choice, Diary, Placed, seat
from chroniccare.scheduling.series.schemas import SeriesCancellation, SeriesEdit
from chroniccare.scheduling.telling import messages_of, said, tell_many

_TOLD = (
    "duration_minutes", "provider_id", "facility_id", "additional_provider_ids", "resource_ids",
    "priority", "reason", "override",
)  # fmt: skip


class NothingToCome(Conflict):
    """No visit of the series is still to come and open."""

    code = "SERIES_OVER"
    message = "No visit of the series that could be changed is still to come."


@dataclass(slots=True)
class _Change:
    """One visit and what becomes of it."""

    visit: Appointment
    start: datetime
    recurrence_id: datetime | None
    write: AppointmentWrite
    choice: Choice | None = None
    row: dict[str, Any] | None = None
    placed: Placed | None = None
    reseated: bool = False


async def edit(tx: Tx, series: queries.Series, body: SeriesEdit) -> Result:
    """Change visits of `series`, whose row this transaction has locked.

    Raises:
        Invalid: nothing is told that changes, or no visit for a scope that needs one.
        Unprocessable: the visit is not of this series, or a party or time cannot be booked.
        NothingToCome, NotOpen: what is named can no longer be changed.
        SeriesConflict: some visit cannot be at its new time.
        LateChange, MovedTooOften: the clinic's rules do not let one be moved.
    """
    told = {
        name: getattr(body, name) for name in (*_TOLD, "local_time")
        if getattr(body, name) is not None
    }  # fmt: skip
    if not set(told) - {"override"}:
        raise Invalid.field("body", "names nothing that changes", "missing")
    several = await tx.all(queries.VISITS_FOR_UPDATE, series.id)
    pivot = _pivot(body.scope, body.appointment_id, several)
    targets = _targets(body.scope, pivot, several, now=tx.now)
    zone_name = await tx.value(queries.ZONE, body.facility_id or series.facility_id)
    after = _edited(series, body, zone_name or series.time_zone)
    changes = [_change(series, after, body, told, visit) for visit in targets]
    await _choose(tx, body, changes)
    await _seat(tx, changes)
    if body.dry_run:
        return result(after, [_described(one, after.time_zone) for one in changes], dry=True)
    if any(one.placed is not None and one.placed.start is None for one in changes):
        raise SeriesConflict([_described(one, after.time_zone) for one in changes])
    kept = series
    if body.scope != "this":
        kept = await _keep(tx, series, after, pivot, several)
    others = _handed_over(series, kept, pivot, several, targets)
    await _write(tx, body.scope, changes, kept, others)
    answered = await get(tx, kept.id)
    return result(answered, [_described(one, after.time_zone) for one in changes])


def _pivot(
    scope: str, appointment_id: UUID | None, several: list[Appointment]
) -> Appointment | None:
    if scope == "all":
        if appointment_id is not None:
            raise Invalid.field("appointment_id", "goes with the other scopes", "combination")
        return None
    if appointment_id is None:
        raise Invalid.field("appointment_id", "says which visit", "missing")
    for visit in several:
        if visit.id == appointment_id:
            return visit
    raise Unprocessable.field("appointment_id", "is not a visit of this series", "unknown")


def _place(visit: Appointment) -> datetime:
    """Return where `visit` stands in its series."""
    return visit.recurrence_id or visit.scheduled_start


def _targets(
    scope: str, pivot: Appointment | None, several: list[Appointment], *, now: datetime
) -> list[Appointment]:
    """Return the visits that `scope` names and that can be changed, by their place.

    Raises:
        NotOpen: the visit itself has begun, is over or was cancelled.
        NothingToCome: there are none.
    """
    if pivot is not None and pivot.status not in rules.OPEN_STATUSES:
        raise moving.NotOpen
    if scope == "this" and pivot is not None:
        return [pivot]
    coming = [
        visit
        for visit in several
        if visit is pivot
        or (
            visit.status in rules.OPEN_STATUSES
            and visit.scheduled_start > now
            and not visit.series_exception
            and (pivot is None or _place(visit) >= _place(pivot))
        )
    ]
    if not coming:
        raise NothingToCome
    return sorted(coming, key=_place)


def _edited(series: queries.Series, body: SeriesEdit, zone_name: str) -> queries.Series:
    """Return `series` as the change makes it; one visit alone leaves it as it is."""
    if body.scope == "this":
        return replace(series, time_zone=zone_name)
    at = body.local_time or series.local_time
    return replace(
        series,
        provider_id=body.provider_id or series.provider_id,
        facility_id=body.facility_id or series.facility_id,
        duration_minutes=body.duration_minutes or series.duration_minutes,
        local_time=at,
        time_zone=zone_name,
        exdates=[one.replace(f"T{series.local_time}", f"T{at}") for one in series.exdates],
    )


def _change(
    series: queries.Series,
    after: queries.Series,
    body: SeriesEdit,
    told: dict[str, Any],
    visit: Appointment,
) -> _Change:
    start, stays = visit.scheduled_start, visit.recurrence_id
    old, new = zone(series.time_zone), zone(after.time_zone)
    if body.local_time is not None or after.time_zone != series.time_zone:
        if body.scope == "this":
            local = to_local(start, old)
            at = time.fromisoformat(body.local_time) if body.local_time else local.time()
            start = to_instant(local.date(), at, new)
        else:
            wanted = _place(visit)
            local, usual = to_local(wanted, old), time.fromisoformat(series.local_time)
            # A date that was added with a time of its own keeps that.
            is_usual = to_instant(local.date(), usual, old) == wanted
            at = time.fromisoformat(after.local_time) if is_usual else local.time()
            start = stays = to_instant(local.date(), at, new)
    now_is = {name: getattr(visit, name) for name in AppointmentWrite.model_fields
              if name != "scheduled_end"}  # fmt: skip
    if visit.facility_id != (body.facility_id or visit.facility_id):
        now_is["resource_ids"] = []  # rooms are the facility's, and chosen afresh there
    now_is |= {name: value for name, value in told.items() if name in _TOLD}
    now_is["additional_provider_ids"] = [
        one for one in now_is["additional_provider_ids"]
        if body.additional_provider_ids is not None or one != body.provider_id
    ]  # fmt: skip
    now_is["override"] = body.override
    # Not validated once more: with what its type needs, a visit may have more rooms than one names.
    write = AppointmentWrite.model_construct(
        **{**now_is, "scheduled_start": start, "scheduled_end": None}
    )
    return _Change(visit, start, stays, write)


async def _choose(tx: Tx, body: SeriesEdit, changes: list[_Change]) -> None:
    """Fetch what is known of each provider, once, and work out each visit's row.

    Raises:
        Unprocessable: a party cannot be booked, or a time lies in the past.
    """
    allow = booking.allowed(tx, body.override)
    rooms = sorted({one for change in changes for one in change.write.resource_ids})
    starts = [change.start for change in changes]
    policy = await tx.one(visit_queries.POLICY) or visit_queries.Policy()
    choices: dict[tuple[UUID, int | None], Choice] = {}
    for change in changes:
        name = (change.write.provider_id, change.write.duration_minutes)
        if name not in choices:
            demand = visits.demanded(change.write, allow)
            demand = replace(demand, resource_ids=rooms, kept=True)
            known = await booking.know(tx, demand, first=min(starts), last=max(starts))
            minutes = visits.length(change.write, known)
            choices[name] = Choice(demand, known, minutes)
        whole = choices[name]
        named: Sequence[UUID] = change.write.resource_ids
        if body.resource_ids is None:  # what the type asks for can be another room then
            named = whole.known.not_needed(named)
        demand = replace(whole.demand, resource_ids=named, prefer=change.visit.resource_ids)
        row = moving.changed_row(change.visit, change.write, whole.known, whole.minutes)
        if change.start != change.visit.scheduled_start:
            rules.check_start(change.start, now=tx.now)
        is_moved = moving.moves(change.visit, row)
        if is_moved:
            moving.check_policy(policy, change.visit, row, allow, now=tx.now)
        known = whole.known
        if not is_moved:  # it keeps the buffers that it was booked with
            around = change.visit.buffer_before_minutes, change.visit.buffer_after_minutes
            known = replace(known, type=replace(known.type, before=around[0], after=around[1]))
        change.choice = Choice(demand, known, whole.minutes)
        change.row = row
        change.reseated = is_moved or body.resource_ids is not None


async def _seat(tx: Tx, changes: list[_Change]) -> None:
    """Lock everybody and find each visit that moves its seats; `placed` says what came of it."""
    moved = sorted((one for one in changes if one.reseated), key=lambda one: one.start)
    if not moved or moved[0].choice is None:
        return
    choices = [one.choice for one in moved if one.choice is not None]
    others = {
        person for choice in choices for person in (choice.demand.provider_id,
                                                    *choice.demand.with_ids)
    }  # fmt: skip
    held = await booking.stand(
        tx, moved[0].choice.demand, moved[0].choice.known, first=moved[0].start,
        last=moved[-1].start, moving=[one.visit for one in moved], besides=others,
    )  # fmt: skip
    diary = Diary(held)
    for change, choice in zip(moved, choices, strict=True):
        local = to_local(change.start, zone(choice.known.places[choice.demand.facility_id].zone))
        wanted = recurrence.Occurrence(change.start, recurrence.Local(local.date(), local.time()))
        change.placed = Placed(wanted)
        [faults] = booking.rule_faults(
            choice.demand, choice.known, [change.start], choice.minutes, now=tx.now
        )
        change.placed.faults = list(faults.values()) or seat(
            change.placed, choice, diary, change.start
        )


async def _keep(
    tx: Tx,
    series: queries.Series,
    after: queries.Series,
    pivot: Appointment | None,
    several: list[Appointment],
) -> queries.Series:
    """Write the series, split if need be, and return the one that the changed visits belong to."""
    if pivot is None or not any(_place(one) < _place(pivot) for one in several):
        await tx.run(queries.UPDATE, document(after), tx.now)
        kept = await get(tx, after.id)
        await tell_series(tx, "update", before=series, after=kept)
        return kept
    early, late = _halves(series, pivot)
    exdates = [one.replace(f"T{series.local_time}", f"T{after.local_time}") for one in late.exdates]
    new = replace(
        after, id=new_id(), recurrence_pattern=recurrence.text(late.source),
        series_start_date=late.first, rdates=late.rdates, exdates=exdates,
        split_from_id=series.id, version=1, created_at=tx.now, updated_at=tx.now,
    )  # fmt: skip
    await tx.run(queries.INSERT, document(new), tx.caller.tenant_id, tx.now)
    await _shorten(tx, series, early, pivot, several)
    await tell_series(tx, "create", before=None, after=new)
    return new


def _halves(series: queries.Series, pivot: Appointment) -> tuple[recurrence.Half, recurrence.Half]:
    local = to_local(_place(pivot), zone(series.time_zone))
    day, at = local.date(), time.fromisoformat(series.local_time)
    is_usual = to_instant(day, at, zone(series.time_zone)) == _place(pivot)
    at_pivot = at if is_usual else local.time()  # the usual one also where clocks skip it
    return recurrence.split(
        recurrence.parse(series.recurrence_pattern), recurrence.Local(day, at_pivot),
        first=series.series_start_date, at=at, zone_name=series.time_zone, rdates=series.rdates,
        exdates=series.exdates,
    )  # fmt: skip


async def _shorten(
    tx: Tx,
    series: queries.Series,
    early: recurrence.Half,
    pivot: Appointment,
    several: list[Appointment],
) -> None:
    """Have `series` end before `pivot`."""
    tz = zone(series.time_zone)
    last = max(_place(one) for one in several if _place(one) < _place(pivot))
    shorter = replace(
        series, recurrence_pattern=recurrence.text(early.source), rdates=early.rdates,
        exdates=early.exdates, series_end_date=to_local(last, tz).date(),
    )  # fmt: skip
    await tx.run(queries.UPDATE, document(shorter), tx.now)
    await tell_series(
        tx, "update", before=series, after=replace(shorter, version=series.version + 1)
    )


def _handed_over(
    series: queries.Series,
    kept: queries.Series,
    pivot: Appointment | None,
    several: list[Appointment],
    targets: list[Appointment],
) -> list[Appointment]:
    """Return the visits that a split gives to the new series without changing them."""
    if kept.id == series.id or pivot is None:
        return []
    return [one for one in several if _place(one) >= _place(pivot) and one not in targets]


async def _write(
    tx: Tx, scope: str, changes: list[_Change], kept: queries.Series, others: list[Appointment]
) -> None:
    """Write what changes, and give `others` to the series that was kept; messages and events."""
    rows = [_row(change, scope, kept) for change in changes]
    rows += [{**asdict(one), "series_id": kept.id} for one in others]
    seats = {one.visit.id: one.placed.seats for one in changes if one.placed is not None}
    before = {one.id: one for one in (*(change.visit for change in changes), *others)}
    await tx.run(visit_queries.RELEASE_MANY, list(seats))
    changed = await tx.all(visit_queries.UPDATE, rows, tx.now)
    await booking.occupy(tx, seats)
    retold = sorted(
        (
            one for one in changed
            if said(one) != said(before[one.id]) and one.status in rules.BOOKED_STATUSES
        ),
        key=lambda one: one.scheduled_start,
    )  # fmt: skip
    if retold:
        await cancel_visits(tx, [one.id for one in retold], status="superseded")
        await plan_visit(tx, once(await messages_of(tx, retold, moved=True)))
    await tell_many(tx, "update", "appointment.updated", [(before[one.id], one) for one in changed])


def _row(change: _Change, scope: str, kept: queries.Series) -> dict[str, Any]:
    """Return the columns of a visit that changes."""
    visit = change.visit
    row = (change.row or {}) | {
        "series_id": kept.id,
        "recurrence_id": change.recurrence_id,
        # A visit that is laid anew with its series is none of the exceptions any more.
        "series_exception": scope == "this"
        or (visit.series_exception and change.start == visit.scheduled_start),
    }
    if change.placed is not None and change.choice is not None:
        row["resource_ids"] = booking.chosen(change.choice.demand, change.placed.seats)
    moving.count(visit, row)
    return row


def _described(change: _Change, zone_name: str) -> Occurrence:
    """Return what became of one visit, as the client is told."""
    tz, place = zone(zone_name), change.recurrence_id or change.start
    if change.placed is not None and change.placed.start is None:
        return replace(described(change.placed, None, zone_name), recurrence_id=place)
    write = change.write
    minutes = write.duration_minutes or change.visit.duration_minutes
    return Occurrence(
        place, to_local(place, tz), "changed", change.visit.id, change.start,
        change.start + timedelta(minutes=minutes), to_local(change.start, tz), write.provider_id,
        round((change.start - place).total_seconds() / 60), [],
    )  # fmt: skip


async def cancel(tx: Tx, series: queries.Series, body: SeriesCancellation) -> Result:
    """Cancel visits of `series`, whose row this transaction has locked; again changes nothing.

    Unlike a change, it takes visits along that were changed by themselves.

    Raises:
        Invalid: no visit for a scope that needs one.
        Unprocessable: the visit is not of this series.
        StepRefused: the visit has begun, is over or was missed.
        LateChange: one is too near, and `override` does not allow `late_change`.
    """
    several = await tx.all(queries.VISITS_FOR_UPDATE, series.id)
    pivot = _pivot(body.scope, body.appointment_id, several)
    if body.scope == "this" and pivot is not None:
        gone = [await visits.cancel(
            tx, pivot, reason=body.cancellation_reason, notify=body.notify_patient,
            override=body.override,
        )]  # fmt: skip
    else:
        gone = await _cancel_coming(tx, pivot, several, body)
        await _end(tx, series, pivot, several, body.cancellation_reason)
    answered = await get(tx, series.id)
    tz = zone(series.time_zone)
    told = [
        Occurrence(
            _place(one), to_local(_place(one), tz), "cancelled", one.id, one.scheduled_start,
            one.scheduled_end, to_local(one.scheduled_start, tz), one.provider_id, None, [],
        )
        for one in sorted(gone, key=_place)
    ]  # fmt: skip
    return Result(answered, False, 0, 0, 0, told)


async def _cancel_coming(
    tx: Tx, pivot: Appointment | None, several: list[Appointment], body: SeriesCancellation
) -> list[Appointment]:
    """Cancel the open visits to come, from `pivot` on if there is one; the patient is told once."""
    coming = [
        visit
        for visit in several
        if visit.status in rules.OPEN_STATUSES
        and visit.scheduled_start > tx.now
        and (pivot is None or _place(visit) >= _place(pivot))
    ]
    if not coming:
        return []
    if "late_change" not in booking.allowed(tx, body.override):
        policy = await tx.one(visit_queries.POLICY) or visit_queries.Policy()
        for visit in coming:
            visits.check_notice(visit, policy.cancel_notice_minutes, now=tx.now)
    gone = await visits.cancel_many(tx, coming, reason=body.cancellation_reason, notify=False)
    if body.notify_patient:
        first = min(gone, key=lambda one: one.scheduled_start)
        await plan_cancelled(tx, await messages_of(tx, [first]))
    return gone


async def _end(
    tx: Tx,
    series: queries.Series,
    pivot: Appointment | None,
    several: list[Appointment],
    reason: str,
) -> None:
    """Note that `series` ends: before `pivot`, or altogether."""
    if pivot is not None and any(_place(one) < _place(pivot) for one in several):
        early, _ = _halves(series, pivot)
        await _shorten(tx, series, early, pivot, several)
    elif series.is_active:
        ended = replace(series, is_active=False, cancelled_at=tx.now, cancellation_reason=reason)
        await tx.run(queries.UPDATE, document(ended), tx.now)
        await tell_series(
            tx, "cancel", before=series, after=replace(ended, version=series.version + 1)
        )
