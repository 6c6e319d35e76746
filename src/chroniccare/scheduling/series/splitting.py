"""A visit's place in its series, and the series before and after it."""

from dataclasses import replace
from datetime import datetime, time
from uuid import UUID

from chroniccare.core.errors import Invalid, Unprocessable
from chroniccare.core.time import to_instant, to_local, zone
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.series import queries
from chroniccare.scheduling.series import rules as recurrence
from chroniccare.scheduling.series.actions import document, tell_series


def pivot_of(
    scope: str, appointment_id: UUID | None, several: list[Appointment]
) -> Appointment | None:
    """Return the visit that `scope` starts from; None for all of them.

    Raises:
        Invalid: it is named though the scope is all, or not named though it is not.
        Unprocessable: it is not of this series.
    """
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


def place_of(visit: Appointment) -> datetime:
    """Return where `visit` stands in its series."""
    return visit.recurrence_id or visit.scheduled_start


def halves(series: queries.Series, pivot: Appointment) -> tuple[recurrence.Half, recurrence.Half]:
    """Return what comes back before `pivot`, and from it on."""
    local = to_local(place_of(pivot), zone(series.time_zone))
    day, at = local.date(), time.fromisoformat(series.local_time)
    is_usual = to_instant(day, at, zone(series.time_zone)) == place_of(pivot)
    at_pivot = at if is_usual else local.time()  # the usual one also where clocks skip it
    return recurrence.split(
        recurrence.parse(series.recurrence_pattern), recurrence.Local(day, at_pivot),
        first=series.series_start_date, at=at, zone_name=series.time_zone, rdates=series.rdates,
        exdates=series.exdates,
    )  # fmt: skip


async def shorten(
    tx: Tx,
    series: queries.Series,
    early: recurrence.Half,
    pivot: Appointment,
    several: list[Appointment],
) -> None:
    """Have `series` end before `pivot`."""
    tz = zone(series.time_zone)
    last = max(place_of(one) for one in several if place_of(one) < place_of(pivot))
    shorter = replace(
        series, recurrence_pattern=recurrence.text(early.source), rdates=early.rdates,
        exdates=early.exdates, series_end_date=to_local(last, tz).date(),
    )  # fmt: skip
    await tx.run(queries.UPDATE, document(shorter), tx.now)
    await tell_series(
        tx, "update", before=series, after=replace(shorter, version=series.version + 1)
    )
