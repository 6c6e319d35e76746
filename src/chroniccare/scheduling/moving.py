"""Visits that change: another time, another provider, or only what is noted about them.

A visit keeps its id, its series and its history. Its old messages are given up and new ones planned
in the transaction that moves it.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.errors import Conflict, FieldError, Unprocessable
from chroniccare.notifications.plan import cancel_visit, plan_visit
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import booking, openings, queries, rules, seating
from chroniccare.scheduling.actions import check_notice, demanded, length
from chroniccare.scheduling.known import Known
from chroniccare.scheduling.lifecycle import HoldExpired
from chroniccare.scheduling.schemas import AppointmentWrite, Override
from chroniccare.scheduling.telling import messages, said, sees_telehealth, tell


class NotOpen(Conflict):
    """The visit has begun, is over or was cancelled, so it cannot be changed."""

    code = "APPOINTMENT_NOT_OPEN"
    message = "The visit has begun, is over or was cancelled; it can no longer be changed."


class MovedTooOften(Conflict):
    """The visit was moved as often as the clinic's rules allow."""

    code = "RESCHEDULE_LIMIT"
    message = "The visit was moved as often as the clinic's rules allow."


async def change(
    tx: Tx,
    visit: queries.Appointment,
    body: AppointmentWrite,
    *,
    granted: frozenset[rules.Rule] = frozenset(),
    named: Sequence[UUID] | None = None,
) -> queries.Appointment:
    """Replace `visit`, which this transaction has locked; a new time is booked like a first one.

    `granted` are rules that the clinic itself has set aside, by offering the patient the time.
    `named` are the rooms and equipment that were asked for by id: unless told, all in `body` but
    those that were chosen before, for whoever writes back a visit as it was read names nothing.

    Raises:
        NotOpen: the visit has begun, is over or was cancelled.
        Unprocessable: as for booking; a visit stays with its patient, a seat with its session.
        SlotTaken: a provider, the patient, or a room or device is not free at the new time.
        LateChange, MovedTooOften: the clinic's rules do not let it be moved.
        HoldExpired: it was held no longer than until now.
    """
    if body.patient_id != visit.patient_id:
        raise Unprocessable.field("patient_id", "a visit stays with its patient", "fixed")
    if named is None:
        chosen = set(visit.resource_ids).difference(visit.named_resource_ids)
        named = [one for one in body.resource_ids if one not in chosen]
    return await _change(tx, visit, body, action="update", granted=granted, named=named)


async def reschedule(
    tx: Tx,
    visit: queries.Appointment,
    *,
    start: datetime,
    minutes: int | None = None,
    provider_id: UUID | None = None,
    facility_id: UUID | None = None,
    resource_ids: Sequence[UUID] | None = None,
    reason: str | None = None,
    override: Override | None = None,
) -> queries.Appointment:
    """Move `visit`, which this transaction has locked, to `start`; what is not told stays.

    `resource_ids` name the rooms and equipment that it takes; `reason` is kept in the audit.

    Raises:
        NotOpen, Unprocessable, SlotTaken, LateChange, MovedTooOften, HoldExpired: see `change`.
    """
    now_is = {name: getattr(visit, name) for name in AppointmentWrite.model_fields
              if name != "scheduled_end"}  # fmt: skip
    another = provider_id not in {None, visit.provider_id}
    elsewhere = facility_id not in {None, visit.facility_id}
    named, rooms = resource_ids, resource_ids
    if named is None or rooms is None:  # rooms are the facility's, and chosen afresh there
        named = [] if elsewhere else visit.named_resource_ids
        rooms = [] if elsewhere else visit.resource_ids
    told: dict[str, Any] = {
        "scheduled_start": start,
        "duration_minutes": minutes or visit.duration_minutes,
        "provider_id": provider_id or visit.provider_id,
        "facility_id": facility_id or visit.facility_id,
        "resource_ids": rooms,
        "additional_provider_ids": [
            one for one in visit.additional_provider_ids if not another or one != provider_id
        ],
        "override": override,
    }
    # Not validated once more: with what its type needs, a visit may have more rooms than one names.
    body = AppointmentWrite.model_construct(**{**now_is, **told})
    return await _change(tx, visit, body, action="reschedule", named=named, reason=reason)


async def _change(
    tx: Tx, visit: queries.Appointment, body: AppointmentWrite, *, action: str,
    named: Sequence[UUID], reason: str | None = None, granted: frozenset[rules.Rule] = frozenset(),
) -> queries.Appointment:  # fmt: skip
    if visit.status not in rules.OPEN_STATUSES:
        raise NotOpen
    if visit.held_until is not None and visit.held_until <= tx.now:
        raise HoldExpired
    demand = replace(
        demanded(body, booking.allowed(tx, body.override) | granted), prefer=visit.resource_ids,
        kept=body.appointment_type == visit.appointment_type,
    )  # fmt: skip
    start = body.scheduled_start
    if start != visit.scheduled_start:
        rules.check_start(start, now=tx.now)
    known = await booking.know(tx, demand, first=start, last=start)
    if action == "reschedule":  # a room that the type asks for can be another one at another time
        demand = replace(demand, resource_ids=known.kept(demand.resource_ids, named))
    row = changed_row(visit, body, known, length(body, known))
    if body.telehealth_details is None and sees_telehealth(tx.caller):
        row["telehealth_details"] = None
    seats = await _seats(tx, visit, demand, known, row)
    if seats is not None:
        row["resource_ids"] = booking.chosen(demand, seats)
        await tx.run(queries.RELEASE, visit.id)
        if _leaves(visit, row):
            await openings.note(tx, [visit])
    row["named_resource_ids"] = [one for one in named if one in row["resource_ids"]]
    count(visit, row)
    [changed] = await tx.all(queries.UPDATE, [row], tx.now)
    if seats is not None:
        await booking.occupy(tx, {visit.id: seats}, held_until=changed.held_until)
    if said(changed) != said(visit) and changed.status in rules.BOOKED_STATUSES:
        await _plan_again(tx, changed, known)
    await tell(tx, action, "appointment.updated", before=visit, after=changed, reason=reason)
    return changed


async def _seats(
    tx: Tx,
    visit: queries.Appointment,
    demand: booking.Demand,
    known: Known,
    row: dict[str, Any],
) -> list[seating.Seat] | None:
    """Return what `visit` takes as it will be (`row`); None when that stays as it is.

    Raises:
        Unprocessable, SlotTaken, LateChange, MovedTooOften: see `change`.
    """
    start, minutes = row["scheduled_start"], row["duration_minutes"]
    if visit.group_session_id is not None:
        _check_seat(visit, {**row, "resource_ids": demand.resource_ids})
        return None
    if not _meets(visit, row):  # what was set aside for this time and these people still is
        earlier = (visit.override or {}).get("allow", ())
        demand = replace(demand, allow=demand.allow.union(earlier))
    if moves(visit, row):
        if demand.kept and start == visit.scheduled_start:  # as far ahead as it was booked
            demand = replace(demand, allow=demand.allow | {"short_notice", "beyond_horizon"})
        [faults] = booking.rule_faults(demand, known, [start], minutes, now=tx.now)
        booking.check(faults)
        policy = await tx.one(queries.POLICY) or queries.Policy()
        check_policy(policy, visit, row, demand.allow, now=tx.now)
    elif set(demand.resource_ids) == set(visit.resource_ids):
        return None
    else:  # it keeps the buffers that it was booked with
        around = visit.buffer_before_minutes, visit.buffer_after_minutes
        known = replace(known, type=replace(known.type, before=around[0], after=around[1]))
    held = await booking.stand(tx, demand, known, starts=[start], moving=[visit])
    seats, taken = booking.seated(demand, known, held, start, minutes)
    if taken:
        raise booking.refusal(taken, demand, start, visit)
    return seats


async def _plan_again(tx: Tx, visit: queries.Appointment, known: Known) -> None:
    """Give up the messages of a visit that was moved, and plan new ones."""
    await cancel_visit(tx, visit.id, status="superseded")
    place = known.places[visit.facility_id]
    told = messages(
        visit, provider=known.names[visit.provider_id], facility=known.names[place.id],
        zone=place.zone, moved=True,
    )  # fmt: skip
    await plan_visit(tx, [told])


def _check_seat(visit: queries.Appointment, row: dict[str, Any]) -> None:
    """Check that a seat in a group session stays where the session is.

    Raises:
        Unprocessable: the session alone is moved.
    """
    fixed = (
        "scheduled_start", "duration_minutes", "provider_id", "facility_id", "appointment_type",
        "additional_provider_ids", "resource_ids",
    )  # fmt: skip
    if any(row[name] != getattr(visit, name) for name in fixed):
        reason = "it is a seat in a group session: move the session, or cancel the seat"
        raise Unprocessable.field("scheduled_start", reason, "group")


def changed_row(
    visit: queries.Appointment, body: AppointmentWrite, known: Known, minutes: int
) -> dict[str, Any]:
    """Return `visit` as it will be, in the rooms where it is."""
    told = body.model_dump(exclude={"scheduled_end"})
    if told["telehealth_details"] is None:
        # Who may not see them must not erase them by sending back what they were shown.
        told["telehealth_details"] = visit.telehealth_details
    row = {
        **asdict(visit),
        **told,
        "scheduled_end": body.scheduled_start + timedelta(minutes=minutes),
        "duration_minutes": minutes,
        "resource_ids": visit.resource_ids,
        "series_exception": visit.series_id is not None,
    }
    if not _meets(visit, row):
        row["override"] = _both(visit.override, told["override"])
    if moves(visit, row):
        row["buffer_before_minutes"] = known.type.before
        row["buffer_after_minutes"] = known.type.after
    return row


def _both(earlier: dict[str, Any] | None, told: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what is set aside for a time that stays: what was, and what is now, as well."""
    if earlier is None or told is None:
        return told or earlier
    return {**told, "allow": list(dict.fromkeys([*earlier["allow"], *told["allow"]]))}


_PROMISE = ("scheduled_start", "provider_id", "facility_id")
_TAKES = ("scheduled_start", "scheduled_end", "provider_id", "facility_id")


def _meets(visit: queries.Appointment, row: dict[str, Any]) -> bool:
    """Say whether other people meet, or at another time or place."""
    others = set(row["additional_provider_ids"]) != set(visit.additional_provider_ids)
    return others or any(row[name] != getattr(visit, name) for name in _TAKES)


def moves(visit: queries.Appointment, row: dict[str, Any]) -> bool:
    """Say whether a visit is judged anew: a type has its own buffers and rooms.

    What its type has become since does not move it.
    """
    return _meets(visit, row) or row["appointment_type"] != visit.appointment_type


def _leaves(visit: queries.Appointment, row: dict[str, Any]) -> bool:
    """Say whether the provider has the time of `visit` free."""
    then, whose = row["scheduled_start"], row["provider_id"]
    return (then, whose) != (visit.scheduled_start, visit.provider_id)


def _promised(visit: queries.Appointment, row: dict[str, Any]) -> bool:
    """Say whether the patient has to come at another time, elsewhere, or to somebody else.

    Another length alone is told, but neither limited, counted nor confirmed anew.
    """
    return any(row[name] != getattr(visit, name) for name in _PROMISE)


def count(visit: queries.Appointment, row: dict[str, Any]) -> None:
    """Note in `row` what a change of time, length, provider or place means."""
    if _promised(visit, row):
        if visit.status in rules.BOOKED_STATUSES:  # to hold a time is not to promise it
            row["reschedule_count"] = visit.reschedule_count + 1
        row["sequence"] = visit.sequence + 1
        if visit.status == "confirmed":  # the patient has confirmed another visit
            row |= {"status": "scheduled", "confirmed_at": None}
    elif row["scheduled_end"] != visit.scheduled_end:
        row["sequence"] = visit.sequence + 1


def check_policy(
    policy: queries.Policy, visit: queries.Appointment, row: dict[str, Any],
    allow: frozenset[rules.Rule], *, now: datetime,
) -> None:  # fmt: skip
    """Check that the clinic's rules let the visit be moved; to hold a time is not to promise it.

    Raises:
        LateChange: it is too near.
        MovedTooOften: it was moved as often as it may be.
    """
    if visit.status not in rules.BOOKED_STATUSES or not _promised(visit, row):
        return
    if "late_change" not in allow:
        check_notice(visit, policy.reschedule_notice_minutes, now=now)
    most = policy.max_reschedules
    if "reschedule_limit" not in allow and most is not None and visit.reschedule_count >= most:
        reason = f"was moved {most} times; staff can override reschedule_limit"
        raise MovedTooOften(details=[FieldError("scheduled_start", reason, "reschedule_limit")])
