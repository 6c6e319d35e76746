"""Series that change: one visit, one and those that follow, or all to come.

All the visits that are named change, or none does.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.errors import Conflict, Invalid
from chroniccare.core.ids import new_id
from chroniccare.core.time import to_instant, to_local, zone
from chroniccare.notifications.plan import cancel_visits, plan_visit
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
from chroniccare.scheduling.series.previews import PreviewChanged, mark
from chroniccare.scheduling.series.schemas import SeriesEdit
from chroniccare.scheduling.series.splitting import halves, pivot_of, place_of, shorten
from chroniccare.scheduling.telling import messages_of, said, tell_many

_TOLD = (
    "duration_minutes", "provider_id", "facility_id", "additional_provider_ids", "resource_ids",
    "priority", "reason", "override",
)  # fmt: skip


_ABOUT_NEW_TIMES = {"short_notice", "beyond_horizon"}


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
        PreviewChanged: it is not what was looked at.
        LateChange, MovedTooOften: the clinic's rules do not let one be moved.
    """
    new = _told(body)
    if not set(new) - {"override"}:
        raise Invalid.field("body", "names nothing that changes", "missing")
    several = await tx.all(queries.VISITS_FOR_UPDATE, series.id)
    pivot = pivot_of(body.scope, body.appointment_id, several)
    targets = _targets(body.scope, pivot, several, now=tx.now)
    after = _edited(series, body, await _zone(tx, series, body, targets[0]))
    changes = [_change(series, after, body, new, visit) for visit in targets]
    await _choose(tx, body, changes)
    await _seat(tx, changes)
    told = [_described(one, after.time_zone) for one in changes]
    shown = mark(body, (one.visit for one in changes), told)
    if body.dry_run:
        return replace(result(after, told, dry=True), preview=shown)
    if any(one.placed is not None and one.placed.start is None for one in changes):
        raise SeriesConflict(told)
    if body.preview not in {None, shown}:
        raise PreviewChanged
    kept = series
    if body.scope != "this":
        kept = await _keep(tx, series, after, pivot, several)
    others = []
    if pivot is not None and kept.id != series.id:  # what a split gives away without changing it
        ids = {visit.id for visit in targets}
        others = [v for v in several if place_of(v) >= place_of(pivot) and v.id not in ids]
    await _write(tx, body.scope, changes, kept, others)
    answered = await get(tx, kept.id)
    return result(answered, told)


def _told(body: SeriesEdit) -> dict[str, Any]:
    """Return what changes; null means that it does not, but of a reason that there is none."""
    return {
        name: value
        for name in (*_TOLD, "local_time")
        if (value := getattr(body, name)) is not None
        or (name == "reason" and name in body.model_fields_set)
    }


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
            and (pivot is None or place_of(visit) >= place_of(pivot))
        )
    ]
    if not coming:
        raise NothingToCome
    return sorted(coming, key=place_of)


async def _zone(tx: Tx, series: queries.Series, body: SeriesEdit, first: Appointment) -> str:
    """Return the zone of the new times: of the place they are at, if times or place change."""
    if body.local_time is None and body.facility_id is None:
        return series.time_zone
    stays = first.facility_id if body.scope == "this" else series.facility_id
    return await tx.value(queries.ZONE, body.facility_id or stays) or series.time_zone


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
            wanted = place_of(visit)
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
        has: Sequence[UUID] = change.write.resource_ids
        named = has
        if body.resource_ids is None:  # what was chosen by what the type asks for can change then
            named = [one for one in change.visit.named_resource_ids if one in has]
        needed = whole.known.kept(has, named)
        demand = replace(whole.demand, resource_ids=needed, prefer=change.visit.resource_ids)
        row = moving.changed_row(change.visit, change.write, whole.known, whole.minutes)
        row["named_resource_ids"] = named
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
        tx, moved[0].choice.demand, moved[0].choice.known,
        starts=[one.start for one in moved], moving=[one.visit for one in moved], besides=others,
    )  # fmt: skip
    diary = Diary(held)
    for change, choice in zip(moved, choices, strict=True):
        local = to_local(change.start, zone(choice.known.places[choice.demand.facility_id].zone))
        wanted = recurrence.Occurrence(change.start, recurrence.Local(local.date(), local.time()))
        change.placed = Placed(wanted)
        [faults] = booking.rule_faults(
            choice.demand, choice.known, [change.start], choice.minutes, now=tx.now
        )
        if change.start == change.visit.scheduled_start:  # notice is about times that are new
            faults = {rule: one for rule, one in faults.items() if rule not in _ABOUT_NEW_TIMES}
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
    if pivot is None or not any(place_of(one) < place_of(pivot) for one in several):
        await tx.run(queries.UPDATE, document(after), tx.now)
        kept = await get(tx, after.id)
        await tell_series(tx, "update", before=series, after=kept)
        return kept
    early, late = halves(series, pivot)
    exdates = [one.replace(f"T{series.local_time}", f"T{after.local_time}") for one in late.exdates]
    new = replace(
        after, id=new_id(), recurrence_pattern=recurrence.text(late.source),
        series_start_date=late.first, rdates=late.rdates, exdates=exdates,
        split_from_id=series.id, version=1, created_at=tx.now, updated_at=tx.now,
    )  # fmt: skip
    await tx.run(queries.INSERT, document(new), tx.caller.tenant_id, tx.now)
    await shorten(tx, series, early, pivot, several)
    await tell_series(tx, "create", before=None, after=new)
    return new


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
        failed = described(change.placed, None, zone_name)
        return replace(failed, appointment_id=change.visit.id, recurrence_id=place)
    write = change.write
    minutes = write.duration_minutes or change.visit.duration_minutes
    return Occurrence(
        place, to_local(place, tz), "changed", change.visit.id, change.start,
        change.start + timedelta(minutes=minutes), to_local(change.start, tz), write.provider_id,
        round((change.start - place).total_seconds() / 60), [],
    )  # fmt: skip
