"""Series that are cancelled: one visit, one and those that follow, or all to come."""

from dataclasses import replace

from chroniccare.core.errors import FieldError
from chroniccare.core.time import to_local, zone
from chroniccare.notifications.plan import plan_cancelled
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import actions as visits
from chroniccare.scheduling import booking, rules
from chroniccare.scheduling import queries as visit_queries
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.series import queries
from chroniccare.scheduling.series.actions import (
    Occurrence,
    Result,
    document,
    get,
    tell_series,
)
from chroniccare.scheduling.series.previews import PreviewChanged, mark
from chroniccare.scheduling.series.schemas import SeriesCancellation
from chroniccare.scheduling.series.splitting import halves, pivot_of, place_of, shorten
from chroniccare.scheduling.telling import messages_of


async def cancel(tx: Tx, series: queries.Series, body: SeriesCancellation) -> Result:
    """Cancel visits of `series`, whose row this transaction has locked; again changes nothing.

    Unlike a change, it takes visits along that were changed by themselves.

    Raises:
        Invalid: no visit for a scope that needs one.
        Unprocessable: the visit is not of this series.
        StepRefused: the visit has begun, is over or was missed.
        LateChange: one is too near, and `override` does not allow `late_change`.
        PreviewChanged: it is not what was looked at.
    """
    several = await tx.all(queries.VISITS_FOR_UPDATE, series.id)
    pivot = pivot_of(body.scope, body.appointment_id, several)
    if body.dry_run or body.preview is not None:
        shown = await _preview(tx, series, pivot, several, body)
        if body.dry_run:
            return shown
        if shown.preview != body.preview:
            raise PreviewChanged
    if body.scope == "this" and pivot is not None:
        gone = [await visits.cancel(
            tx, pivot, reason=body.cancellation_reason, notify=body.notify_patient,
            override=body.override,
        )]  # fmt: skip
    else:
        gone = await _cancel_coming(tx, pivot, several, body)
        await _end(tx, series, pivot, several, body.cancellation_reason)
    answered = await get(tx, series.id)
    told = [_described(series, one, []) for one in sorted(gone, key=place_of)]
    return Result(answered, False, 0, 0, 0, told)


async def _preview(
    tx: Tx,
    series: queries.Series,
    pivot: Appointment | None,
    several: list[Appointment],
    body: SeriesCancellation,
) -> Result:
    """Return what a cancellation would do: `failed` are visits that are too near for it.

    Raises:
        StepRefused: the one visit has begun, is over or was missed.
    """
    if body.scope == "this" and pivot is not None:
        if pivot.status != "cancelled":
            rules.next_status("cancel", pivot.status)
        gone = [pivot]
    else:
        gone = _coming(tx, pivot, several)
    minutes = 0
    if "late_change" not in booking.allowed(tx, body.override):
        minutes = (
            await tx.one(visit_queries.POLICY) or visit_queries.Policy()
        ).cancel_notice_minutes
    told = [_described(series, one, _near(tx, one, minutes)) for one in sorted(gone, key=place_of)]
    failed = sum(one.result == "failed" for one in told)
    return Result(series, True, 0, 0, failed, told, mark(body, gone, told))


def _near(tx: Tx, visit: Appointment, minutes: int) -> list[FieldError]:
    """Return why `visit` cannot be cancelled any more; nothing where it can."""
    if visit.status in {"held", "cancelled"}:
        return []
    try:
        visits.check_notice(visit, minutes, now=tx.now)
    except visits.LateChange as error:
        return list(error.details or [])
    return []


def _described(series: queries.Series, visit: Appointment, faults: list[FieldError]) -> Occurrence:
    """Return what becomes of `visit`, as the client is told."""
    tz, place = zone(series.time_zone), place_of(visit)
    return Occurrence(
        place, to_local(place, tz), "failed" if faults else "cancelled", visit.id,
        visit.scheduled_start, visit.scheduled_end, to_local(visit.scheduled_start, tz),
        visit.provider_id, None, faults,
    )  # fmt: skip


def _coming(tx: Tx, pivot: Appointment | None, several: list[Appointment]) -> list[Appointment]:
    """Return the open visits to come, from `pivot` on if there is one."""
    return [
        visit
        for visit in several
        if visit.status in rules.OPEN_STATUSES
        and visit.scheduled_start > tx.now
        and (pivot is None or place_of(visit) >= place_of(pivot))
    ]


async def _cancel_coming(
    tx: Tx, pivot: Appointment | None, several: list[Appointment], body: SeriesCancellation
) -> list[Appointment]:
    """Cancel the open visits to come, from `pivot` on if there is one; the patient is told once."""
    coming = _coming(tx, pivot, several)
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
    if pivot is not None and any(place_of(one) < place_of(pivot) for one in several):
        early, _ = halves(series, pivot)
        await shorten(tx, series, early, pivot, several)
    elif series.is_active:
        ended = replace(series, is_active=False, cancelled_at=tx.now, cancellation_reason=reason)
        await tx.run(queries.UPDATE, document(ended), tx.now)
        await tell_series(
            tx, "cancel", before=series, after=replace(ended, version=series.version + 1)
        )
