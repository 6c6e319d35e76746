"""A visit whose time was given up takes everybody again, like a booking: a no-show undone."""

from uuid import UUID

from chroniccare.core.errors import FieldError
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import booking, queries, seating
from chroniccare.scheduling.booking import minutes_of
from chroniccare.scheduling.slots import rules as slots


async def occupy_again(tx: Tx, visit: queries.Appointment) -> None:
    """Take everybody of `visit` again, in lanes that are free now.

    What was set aside when it was booked still is.

    Raises:
        SlotTaken: somebody else has been given the time.
        DayFull: the provider has been given the day's other visits instead.
    """
    begins, ends = minutes_of(visit.scheduled_start), minutes_of(visit.scheduled_end)
    outer = begins - visit.buffer_before_minutes, ends + visit.buffer_after_minutes
    wanted = [seating.Ask([visit.patient_id], 1, begins, ends, "patient_id", "the patient")]
    most: dict[UUID, queries.Daily] = {}
    if visit.group_session_id is None:
        wanted += _others(visit, outer)
        people = [visit.provider_id, *visit.additional_provider_ids]
        rows = await tx.all(queries.DAILY, people, visit.facility_id)
        most = {row.provider_id: row for row in rows}
    allow = (visit.override or {}).get("allow", ())
    lanes = await booking.extra_lanes(tx) if "overbook" in allow else 0
    zone = next((row.time_zone for row in most.values()), "UTC")
    day = slots.day_of(slots.Place(visit.facility_id, zone, (), ()), begins)
    standing = await booking.locked(
        tx, [one for ask in wanted for one in ask.candidates],
        spans=[(slots.instant(min(outer[0], day[0])), slots.instant(max(outer[1], day[1])))],
        moving=[visit.id],
    )  # fmt: skip
    if "daily_maximum" not in allow:
        for one, row in most.items():
            if standing[one].visits(day) >= row.daily:
                reason = f"has {row.daily} visits on this day, the most there may be"
                raise booking.DayFull([FieldError("provider_id", reason, "daily_maximum")])
    seats, faults = seating.seat(wanted, standing, extra=lanes)
    if faults:
        raise booking.SlotTaken(faults)
    await booking.occupy(tx, {visit.id: seats})


def _others(visit: queries.Appointment, outer: tuple[int, int]) -> list[seating.Ask]:
    lead = visit.buffer_before_minutes
    found = [seating.Ask([visit.provider_id], 1, *outer, "provider_id", "the provider", lead)]
    for field in ("additional_provider_ids", "resource_ids"):
        found += [
            seating.Ask([one], 1, *outer, f"{field}.{number}", "it", lead)
            for number, one in enumerate(getattr(visit, field))
        ]
    return found
