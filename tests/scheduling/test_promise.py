"""What is offered can be booked, and what is not offered cannot: two ways to the same answer."""

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.core.errors import Problem
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import actions
from chroniccare.scheduling.schemas import AppointmentBook
from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.support import (
    ALWAYS,
    MONDAY,
    NEW_YORK,
    asked,
    day,
    found,
    kind,
    local,
    room,
    setting_aside,
    staffed,
)

_STEP = 30
_KEEP = Command(
    "UPDATE provider_availability SET reserved_for = 'urgent', release_minutes = 24 * 60"
    " WHERE provider_id = $1 AND day_of_week = 1"
)


class UndoneError(Exception):
    """Rolls a booking back that would have been made."""


async def bookable(clinic: Clinic, body: dict[str, Any]) -> str | None:
    """Say why a visit cannot be booked; None when it can. Nothing is kept."""
    try:
        async with begin(clinic.caller) as tx:
            await actions.book(tx, AppointmentBook.model_validate(body))
            raise UndoneError  # noqa: TRY301  what rolls back has to be raised inside
    except UndoneError:
        return None
    except Problem as problem:
        return f"{problem.code}: {[(one.field, one.code) for one in problem.details]}"


async def busy_clinic(clinic: Clinic, draw: random.Random) -> tuple[Any, ...]:
    """Fill a clinic at random; return its doctor, nurse and rooms."""
    sometimes = [0, 0, 15, 20, 60]
    needs = [{"kind": "room", "category": "exam", "count": draw.choice([1, 2])}]
    await kind(
        clinic, buffer_before_minutes=draw.choice(sometimes),
        buffer_after_minutes=draw.choice(sometimes), min_notice_minutes=draw.choice([0, 60, 1440]),
        horizon_days=draw.choice([731, 8, 9]), requirements=draw.choice([[], needs]),
        duration_minutes=draw.choice([20, 30, 45, 90]),
    )  # fmt: skip
    hours = draw.choice([ALWAYS, {**ALWAYS, "monday": [{"open": "08:00", "close": "11:15"}]}])
    place = await clinic.facility(operating_hours=hours)
    at: Any = {"facilities": [{"facility_id": place["id"]}]}
    spans = [("08:00", "12:00"), ("09:00", "10:00"), ("22:00", "02:00"), ("00:00", "24:00")]
    weeks = [
        [
            {
                "day_of_week": number, "slot_duration": _STEP,
                "start_time": span[0], "end_time": span[1],
            }
            for number in (1, 2)
        ]
        for span in (draw.choice(spans), draw.choice(spans))
    ]  # fmt: skip
    daily = draw.choice([{}, {"max_daily_capacity": draw.choice([1, 2, 3])}])
    doctor = await staffed(clinic, *weeks[0], **at, **daily)
    nurse = await staffed(clinic, *weeks[1], **at)
    if draw.random() < 0.3:
        async with begin(clinic.caller) as tx:
            await tx.run(_KEEP, UUID(doctor["id"]))
    rooms = [
        await room(clinic, doctor, draw.choice(["exam", "exam", "store"]),
                   capacity=draw.choice([1, 1, 2]))
        for _ in range(draw.randint(1, 3))
    ]  # fmt: skip
    everything = setting_aside(
        "outside_availability", "short_notice", "beyond_horizon", "daily_maximum", "overbook"
    )
    for _ in range(draw.randint(0, 8)):
        clock = f"{draw.choice([0, 7, 8, 9, 10, 11, 23]):02}:{draw.choice([0, 10, 30]):02}"
        named = [one["id"] for one in rooms if draw.random() < 0.4]
        who = draw.choice([doctor, nurse])
        body = await asked(
            clinic, who, resource_ids=named, override=everything,
            appointment_type=draw.choice(["follow_up", "other"]),
            duration_minutes=draw.choice([30, 60]),
        )  # fmt: skip
        body["scheduled_start"] = local(draw.choice([-1, 0, 0, 1]), clock)
        held = {"hold_minutes": 5} if draw.random() < 0.2 else {}
        await clinic.post("/appointments", {**body, **held})
    return doctor, nurse, rooms


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_offered_is_what_can_be_booked(
    clinic: Clinic, clock: Clock, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311  no secret
    clock.at = datetime.fromisoformat(local(draw.choice([-7, -1]), "08:00"))
    doctor, nurse, rooms = await busy_clinic(clinic, draw)
    clock.forward(minutes=draw.choice([0, 6, 25 * 60]), seconds=draw.choice([0, 30]))
    patient = (await clinic.patient())["id"]
    with_nurse = draw.random() < 0.4
    named = [one["id"] for one in rooms if draw.random() < 0.3]
    wanted: dict[str, Any] = {
        "patient_id": patient,
        "appointment_type": "follow_up",
        "priority": draw.choice(["normal", "urgent"]),
    }
    slots = await found(
        clinic, doctor, from_date=day(0), to_date=day(2), first=100, resource_id=named or None,
        additional_provider_id=[nurse["id"]] if with_nurse else None, **wanted,
    )  # fmt: skip
    offered = {datetime.fromisoformat(slot["start"]) for slot in slots}
    body = {
        **wanted,
        "provider_id": UUID(doctor["id"]),
        "facility_id": UUID(doctor["facilities"][0]["facility_id"]),
        "additional_provider_ids": [nurse["id"]] if with_nurse else [],
        "resource_ids": named,
    }
    midnight = datetime.combine(MONDAY, datetime.min.time(), NEW_YORK)
    for number in range(3 * 24 * 60 // _STEP):
        start = midnight + timedelta(minutes=number * _STEP)
        why = await bookable(clinic, {**body, "scheduled_start": start})
        assert (why is None) == (start in offered), (start, why, wanted, named, with_nurse)
