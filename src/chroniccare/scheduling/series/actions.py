"""Series: booked as a whole, read, listed. See docs/series.md.

One fetch, one round of locks, one look behind them, and one statement for each kind of row, however
many visits there are.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, Invalid, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.time import to_local, zone
from chroniccare.notifications.plan import Visit as Message
from chroniccare.notifications.plan import plan_visit
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import actions as visits
from chroniccare.scheduling import booking
from chroniccare.scheduling.queries import INSERT as INSERT_VISITS
from chroniccare.scheduling.schemas import AppointmentWrite
from chroniccare.scheduling.series import queries, rules_rrule
from chroniccare.scheduling.series import rules as recurrence
from chroniccare.scheduling.series.placing import Choice, Placed, Shift, in_place_of, place
from chroniccare.scheduling.series.schemas import Recurrence, SeriesBook
from chroniccare.scheduling.telling import messages, tell_many
from chroniccare.webhooks.actions import EventType, emit

ENTITY = "appointment_series"
_EVENTS: dict[str, EventType] = {
    "create": "series.created",
    "update": "series.updated",
    "cancel": "series.cancelled",
}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What became of one visit of a series; field order is the wire's."""

    recurrence_id: datetime
    local_wanted: datetime
    result: str
    appointment_id: UUID | None
    scheduled_start: datetime | None
    scheduled_end: datetime | None
    local_start: datetime | None
    provider_id: UUID | None
    moved_minutes: int | None
    faults: list[FieldError]


@dataclass(frozen=True, slots=True)
class Result:
    """A series and what became of each of its visits; field order is the wire's."""

    series: queries.Series
    dry_run: bool
    booked: int
    moved: int
    failed: int
    occurrences: list[Occurrence]
    preview: str | None = None


class SeriesConflict(Conflict):
    """Visits of a series cannot be at their times; `data.occurrences` says of each what it is."""

    code = "SERIES_CONFLICT"
    message = "Not every visit of the series can be at its time; nothing was changed."

    def __init__(self, occurrences: list[Occurrence]) -> None:
        details = [
            FieldError(f"occurrences.{number}", fault.reason, fault.code)
            for number, one in enumerate(occurrences)
            if one.result == "failed"
            for fault in one.faults
        ]
        super().__init__(details=details, data={"occurrences": occurrences})


async def book(tx: Tx, body: SeriesBook) -> Result:
    """Book a series: its visits, their messages and events, or with `dry_run` nothing.

    Raises:
        Invalid: the recurrence is none that series take.
        Unprocessable: a party or the dates cannot be booked; the field is named.
        SeriesConflict: `all_or_nothing` and some visit, or no visit at all, can be booked.
        Conflict: others were booking the same parties for more than two seconds.
        Forbidden: the caller may not set rules aside.
    """
    zone_name = await tx.value(queries.ZONE, body.facility_id)
    source = source_of(body.recurrence, body.first_date)
    at, zone_name = time.fromisoformat(body.local_time), zone_name or "UTC"
    occurrences = recurrence.expand(
        source, first=body.first_date, at=at, zone_name=zone_name, rdates=body.rdates,
        exdates=body.exdates, now=tx.now,
    )  # fmt: skip
    source = recurrence.dated(source, first=body.first_date, at=at, zone_name=zone_name)
    visit = _visit(body, occurrences[0].instant)
    choices = await _choices(tx, visit, body, occurrences)
    shift = None
    if body.mode == "next_best":
        shift = Shift(body.max_shift_days, body.prefer == "same_weekday")
    placed = await _placed(tx, choices, occurrences, shift)
    series = _series(body, recurrence.text(source), choices[0], placed, now=tx.now)
    made = [(new_id(), one) for one in placed]
    if body.dry_run:
        return result(series, [described(one, None, series.time_zone) for one in placed], dry=True)
    told = [described(one, appointment_id, series.time_zone) for appointment_id, one in made]
    failed = sum(one.start is None for one in placed)
    if failed == len(placed) or (failed and body.mode == "all_or_nothing"):
        raise SeriesConflict(told)
    await _write(tx, series, visit, [(key, one) for key, one in made if one.start is not None])
    return result(series, told)


def source_of(told: Recurrence | None, first: date) -> recurrence.Source:
    """Return what comes back.

    Raises:
        Invalid: not exactly one kind of recurrence is told, or it is not one that series take.
    """
    if told is None:
        return rules_rrule.Rule("DAILY", count=1)
    given = [name for name in ("rrule", "pattern", "cycles") if getattr(told, name) is not None]
    if len(given) != 1:
        raise Invalid.field("recurrence", "one of rrule, pattern and cycles", "kind")
    if told.cycles is not None:
        if told.count is not None or told.until is not None:
            raise Invalid.field("recurrence", "cycles have their own count", "end")
        cycles = told.cycles
        return recurrence.check_cycles(
            recurrence.Cycles(cycles.count, cycles.length_days, tuple(cycles.days))
        )
    if told.pattern is not None:
        rule = recurrence.of_pattern(told.pattern, first)
    else:
        rule = rules_rrule.parse(told.rrule or "")
    return recurrence.ended(rule, count=told.count, until=told.until)


def _visit(body: SeriesBook, start: datetime) -> AppointmentWrite:
    """Return the first visit as if it were booked by itself."""
    said = body.model_dump(include=set(AppointmentWrite.model_fields))
    return AppointmentWrite.model_validate({**said, "scheduled_start": start})


async def _choices(
    tx: Tx, visit: AppointmentWrite, body: SeriesBook, occurrences: Sequence[recurrence.Occurrence]
) -> list[Choice]:
    """Return the series' provider and those who may take their place, with what is known of each.

    Raises:
        Unprocessable: one of them cannot be booked.
    """
    demand = visits.demanded(visit, booking.allowed(tx, visit.override))
    margin = timedelta(days=body.max_shift_days + 1 if body.mode == "next_best" else 0)
    first, last = occurrences[0].instant - margin, occurrences[-1].instant + margin
    known = await booking.know(tx, demand, first=first, last=last)
    found = [Choice(demand, known, visits.length(visit, known))]
    others = body.alternative_provider_ids if body.mode == "next_best" else []
    for number, one in enumerate(others):
        where = f"alternative_provider_ids.{number}"
        if one in {demand.provider_id, *demand.with_ids}:
            raise Unprocessable.field(where, "is a provider of the visits anyway", "distinct")
        try:
            another = await booking.know(
                tx, replace(demand, provider_id=one), first=first, last=last
            )
        except Unprocessable as problem:
            fault = problem.details[0]
            raise Unprocessable.field(where, fault.reason, fault.code) from None
        found.append(in_place_of(found[0], one, another))
    return found


async def _placed(
    tx: Tx,
    choices: Sequence[Choice],
    occurrences: Sequence[recurrence.Occurrence],
    shift: Shift | None,
) -> list[Placed]:
    own = choices[0]
    held = await booking.stand(
        tx, own.demand, own.known, starts=[one.instant for one in occurrences],
        around=timedelta(days=0 if shift is None else shift.days + 1),
        besides=[one.demand.provider_id for one in choices[1:]],
    )  # fmt: skip
    return place(choices, held, occurrences, shift=shift, now=tx.now)


def _series(
    body: SeriesBook, pattern: str, own: Choice, placed: Sequence[Placed], *, now: datetime
) -> queries.Series:
    zone_name = own.known.places[body.facility_id].zone
    starts = [one.start for one in placed if one.start is not None]
    last = max(starts or [placed[-1].occurrence.instant])
    return queries.Series(
        None if body.dry_run else new_id(), body.patient_id, body.provider_id, body.facility_id,
        body.appointment_type, body.series_name, pattern, body.first_date,
        to_local(last, zone(zone_name)).date(), body.local_time, zone_name, own.minutes,
        list(body.rdates), list(body.exdates), body.mode, None, is_active=True, cancelled_at=None,
        cancellation_reason=None, total_appointments=len(starts), completed_appointments=0,
        version=1, created_at=now, updated_at=now,
    )  # fmt: skip


async def _write(
    tx: Tx, series: queries.Series, visit: AppointmentWrite, made: list[tuple[UUID, Placed]]
) -> None:
    """Write the series, its visits, who is taken, messages, audit and events."""
    await tx.run(queries.INSERT, document(series), tx.caller.tenant_id, tx.now)
    rows = [
        _row(visit, one.choice, one, appointment_id, series)
        for appointment_id, one in made
        if one.choice is not None
    ]
    booked = await tx.all(INSERT_VISITS, rows, tx.caller.tenant_id, tx.now)
    booked.sort(key=lambda one: one.scheduled_start)
    await booking.occupy(tx, {appointment_id: one.seats for appointment_id, one in made})
    names = {one.choice.demand.provider_id: one.choice.known.names for _, one in made if one.choice}
    await plan_visit(tx, once([
        messages(
            one, provider=names[one.provider_id][one.provider_id],
            facility=names[one.provider_id][one.facility_id], zone=series.time_zone,
        )
        for one in booked
    ]))  # fmt: skip
    await tell_many(tx, "create", "appointment.created", [(None, one) for one in booked])
    await tell_series(tx, "create", before=None, after=series)


def once(told: list[Message]) -> list[Message]:
    """Return the messages of visits such that the first speaks for all; each has its reminders.

    A patient with 52 visits gets one confirmation.
    """
    ordered = sorted(told, key=lambda one: one.starts_at)
    return [replace(one, reminders_only=number > 0) for number, one in enumerate(ordered)]


def _row(
    visit: AppointmentWrite,
    choice: Choice,
    one: Placed,
    appointment_id: UUID,
    series: queries.Series,
) -> dict[str, Any]:
    assert one.start is not None  # noqa: S101  it is among those that have a place
    return visits.document(
        appointment_id, visit, choice.known.type, start=one.start, minutes=choice.minutes
    ) | {
        "provider_id": choice.demand.provider_id,
        "resource_ids": booking.chosen(choice.demand, one.seats),
        "series_id": series.id,
        "recurrence_id": one.occurrence.instant,
    }


def document(series: queries.Series) -> dict[str, Any]:
    """Return the columns of `series`."""
    return {**asdict(series), "local_time": series.local_time}


async def tell_series(
    tx: Tx, action: str, *, before: queries.Series | None, after: queries.Series
) -> None:
    """Audit and emit what happened to a series."""
    if after.id is None:
        return
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=after.id, before=before, after=after
    )
    await emit(
        tx,
        _EVENTS[action],
        entity_type=ENTITY,
        entity_id=after.id,
        payload={"version": after.version},
    )


def described(one: Placed, appointment_id: UUID | None, zone_name: str) -> Occurrence:
    """Return what became of one occurrence, as the client is told."""
    tz, wanted = zone(zone_name), one.occurrence.instant
    if one.start is None or one.choice is None:
        return Occurrence(
            wanted, to_local(wanted, tz), "failed", None, None, None, None, None, None, one.faults
        )
    ends = one.start + timedelta(minutes=one.choice.minutes)
    return Occurrence(
        wanted, to_local(wanted, tz), "moved" if one.is_moved else "booked", appointment_id,
        one.start, ends, to_local(one.start, tz), one.choice.demand.provider_id,
        one.moved_minutes, one.faults,
    )  # fmt: skip


def result(series: queries.Series, told: list[Occurrence], *, dry: bool = False) -> Result:
    """Return the answer about `series`."""
    moved, failed = (sum(one.result == name for one in told) for name in ("moved", "failed"))
    return Result(series, dry, len(told) - moved - failed, moved, failed, told)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a series; field order is the wire's."""

    appointment_id: UUID
    recurrence_id: datetime | None
    scheduled_start: datetime
    scheduled_end: datetime
    local_start: datetime
    provider_id: UUID
    status: str
    series_exception: bool


async def get(tx: Tx, series_id: UUID | None) -> queries.Series:
    """Return one series.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    series = await tx.one(queries.GET_SERIES, series_id)
    return _found(series)


async def get_locked(tx: Tx, series_id: UUID) -> queries.Series:
    """Return one series and lock its row; see `get`."""
    series = await tx.one(queries.GET_SERIES_FOR_UPDATE, series_id)
    return _found(series)


async def with_visits(tx: Tx, series_id: UUID) -> dict[str, Any]:
    """Return one series and its visits as they are answered.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    series = await get(tx, series_id)
    tz = zone(series.time_zone)
    rows = await tx.all(queries.VISITS, series_id)
    listed = [
        Visit(
            row.appointment_id, row.recurrence_id, row.scheduled_start, row.scheduled_end,
            to_local(row.scheduled_start, tz), row.provider_id, row.status, row.series_exception,
        )
        for row in rows
    ]  # fmt: skip
    said = {one.name: getattr(series, one.name) for one in fields(series)}
    return {**said, "appointments": listed}


async def search(
    tx: Tx, patient_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.Series]:
    """Return one page of a patient's series, the oldest first.

    Raises:
        NotFound: no such patient.
    """
    after = paging.decode(cursor, "series", [patient_id], [UUID])
    if not await tx.value(queries.PATIENT_EXISTS, patient_id):
        raise NotFound("No such patient.")
    rows = await tx.all(queries.LIST, patient_id, after[0] if after else None, limit + 1)
    return paging.page(
        rows, limit, listing="series", filters=[patient_id], key=lambda row: [row.id]
    )


def _found(series: queries.Series | None) -> queries.Series:
    """Return `series`.

    Raises:
        NotFound: there is none.
    """
    if series is None:
        raise NotFound("No such series.")
    return series
