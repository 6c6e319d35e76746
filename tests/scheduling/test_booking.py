"""What a booking keeps to: hours, notice, horizon, the day's most visits, buffers, overrides."""

from datetime import datetime, timedelta

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.notifications.support import Clock
from tests.scheduling.support import (
    MONDAY,
    asked,
    booked,
    day,
    faults,
    kind,
    local,
    setting_aside,
    staffed,
    walls,
)  # fmt: skip

KEEP = Command(
    "UPDATE provider_availability SET reserved_for = 'high', release_minutes = 120"
    " WHERE start_time = '10:00'"
)
OUTSIDE = [("scheduled_start", "availability")]


@pytest.mark.parametrize(
    ("clock", "minutes", "fits"),
    [
        ("09:00", 30, True),
        ("09:07", 30, True),  # staff may book off the grid
        ("10:30", 30, True),
        ("10:31", 30, False),
        ("08:59", 30, False),
        ("11:00", 30, False),
        ("09:00", 120, True),
        ("09:00", 121, False),
    ],
)
async def test_a_visit_lies_within_the_providers_hours(
    clinic: Clinic, clock: str, minutes: int, *, fits: bool
) -> None:
    provider = await staffed(clinic)
    response = await clinic.post(
        "/appointments", await asked(clinic, provider, clock, duration_minutes=minutes)
    )
    assert response.status_code == (201 if fits else 422)
    if not fits:
        assert faults(response) == OUTSIDE
        assert "hours" in response.json()["error"]["details"][0]["reason"]


async def test_the_facility_must_be_open_and_the_provider_not_off(clinic: Clinic) -> None:
    place = await clinic.facility(operating_hours={"monday": [{"open": "09:00", "close": "10:00"}]})
    provider = await staffed(clinic, facilities=[{"facility_id": place["id"]}])
    closed = await clinic.post("/appointments", await asked(clinic, provider, "10:00"))
    assert "closed" in closed.json()["error"]["details"][0]["reason"]
    off = {"day": day(0), "start_time": "09:00", "end_time": "09:30"}
    await clinic.make(f"/providers/{provider['id']}/exceptions", off)
    away = await clinic.post("/appointments", await asked(clinic, provider, "09:00"))
    assert faults(away) == OUTSIDE
    await booked(clinic, provider, "09:30")


async def test_a_rule_is_set_aside_with_the_scope_and_a_reason(
    clinic: Clinic, running: Running
) -> None:
    provider = await staffed(clinic)
    body = await asked(clinic, provider, "20:00", override=setting_aside("short_notice"))
    assert faults(await clinic.post("/appointments", body)) == OUTSIDE
    body["override"] = setting_aside("outside_availability")
    made = await clinic.make("/appointments", body)
    assert made["override"] == body["override"]
    audit = await clinic.get("/audit", params={"entity_id": made["id"]})
    assert audit.json()["data"]["items"][0]["changes"]["after"]["override"] == body["override"]
    without = SCOPES - {"appointments:override"}
    async with new_clinic(running.app, running.contract, scopes=without) as other:
        provider = await staffed(other)
        body = await asked(other, provider, "20:00", override=setting_aside("overbook"))
        refused = await other.post("/appointments", body)
        assert refused.status_code == 403
        assert "appointments:override" in refused.json()["error"]["message"]


async def test_notice_and_horizon_of_a_type(clinic: Clinic, clock: Clock) -> None:
    await kind(clinic, min_notice_minutes=120, horizon_days=10)
    now = clock.at.replace(second=0, microsecond=0)
    clock.at = now
    cases: list[tuple[timedelta, list[tuple[str, str]]]] = [
        (timedelta(minutes=119), [("scheduled_start", "notice")]),
        (timedelta(minutes=120), []),
        (timedelta(days=10), []),
        (timedelta(days=10, minutes=1), [("scheduled_start", "horizon")]),
    ]
    for ahead, wanted in cases:
        provider = await clinic.provider()
        body = await asked(clinic, provider, scheduled_start=(now + ahead).isoformat())
        response = await clinic.post("/appointments", body)
        assert (faults(response) if wanted else response.status_code) == (wanted or 201)
        if wanted:
            rule = {"notice": "short_notice", "horizon": "beyond_horizon"}[wanted[0][1]]
            await clinic.make("/appointments", {**body, "override": setting_aside(rule)})


async def test_a_types_length_holds_unless_the_provider_has_one(clinic: Clinic) -> None:
    await kind(clinic, duration_minutes=50)
    provider = await staffed(clinic)
    body = await asked(clinic, provider)
    del body["duration_minutes"]
    assert (await clinic.make("/appointments", body))["duration_minutes"] == 50
    other = await staffed(clinic, default_appointment_durations={"follow_up": 20})
    body = await asked(clinic, other)
    del body["duration_minutes"]
    assert (await clinic.make("/appointments", body))["duration_minutes"] == 20


async def test_a_type_that_is_not_offered_any_more_is_refused(clinic: Clinic) -> None:
    await kind(clinic, is_active=False)
    provider = await staffed(clinic)
    refused = await clinic.post("/appointments", await asked(clinic, provider))
    assert faults(refused) == [("appointment_type", "inactive")]


async def test_buffers_keep_the_provider_free_and_not_the_patient(clinic: Clinic) -> None:
    await kind(clinic, buffer_before_minutes=10, buffer_after_minutes=20)
    provider, colleague = await staffed(clinic), await staffed(clinic)
    made = await booked(clinic, provider, "09:30")
    assert (made["buffer_before_minutes"], made["buffer_after_minutes"]) == (10, 20)
    # 9:00 to 9:30 with 20 after it reaches into the visit; 10:30 with 10 before it is just right.
    for clock, status in (("09:00", 409), ("10:10", 409), ("10:29", 409), ("10:30", 201)):
        response = await clinic.post("/appointments", await asked(clinic, provider, clock))
        assert response.status_code == status, clock
    patient = {"patient_id": made["patient_id"]}
    assert (await clinic.post("/appointments", await asked(clinic, colleague, "10:00", **patient))
            ).status_code == 201  # fmt: skip
    assert (await clinic.post("/appointments", await asked(clinic, colleague, "09:29", **patient))
            ).status_code == 409  # fmt: skip


async def test_a_visit_with_its_buffers_takes_a_day_at_most(clinic: Clinic) -> None:
    provider = await clinic.provider()
    await kind(clinic, buffer_after_minutes=30)
    refused = await clinic.post(
        "/appointments", await asked(clinic, provider, duration_minutes=1411)
    )
    assert faults(refused) == [("duration_minutes", "length")]
    await booked(clinic, provider, duration_minutes=1410)


async def test_a_visit_counts_for_the_day_on_which_it_starts_itself(clinic: Clinic) -> None:
    """What it takes starts with its buffer, here on the day before."""
    await kind(clinic, buffer_before_minutes=10)
    always = [{"day_of_week": one, "start_time": "00:00", "end_time": "24:00"} for one in range(7)]
    provider = await staffed(clinic, *always, max_daily_capacity=1)
    at_midnight = await booked(clinic, provider, scheduled_start=local(1, "00:00"))
    monday, tuesday = await asked(clinic, provider, "12:00"), await asked(clinic, provider)
    tuesday["scheduled_start"] = local(1, "12:00")
    times = await walls(clinic, provider)
    assert "Mon 12:00" in times
    assert not [at for at in times if at.startswith("Tue")]
    refused = await clinic.post("/appointments", tuesday)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "DAY_FULL")
    await clinic.make("/appointments", monday)
    await clinic.delete(
        f"/appointments/{at_midnight['id']}", json={"cancellation_reason": "Patient asked for it"}
    )
    await clinic.make("/appointments", tuesday)


async def test_a_day_has_no_more_visits_than_the_provider_gives(clinic: Clinic) -> None:
    rule = {"start_time": "09:00", "end_time": "17:00"}
    tuesday = {**rule, "day_of_week": 2}
    provider = await staffed(clinic, rule, tuesday, max_daily_capacity=2)
    first = await booked(clinic, provider, "09:00")
    await booked(clinic, provider, "10:00")
    assert [at for at in await walls(clinic, provider) if at.startswith("Mon")] == []
    assert (await walls(clinic, provider))[0] == "Tue 09:00"
    body = await asked(clinic, provider, "11:00")
    refused = await clinic.post("/appointments", body)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "DAY_FULL")
    assert faults(refused) == [("provider_id", "daily_maximum")]
    assert all(day(1) in slot["local_start"] for slot in error["data"]["alternatives"])
    # Moving one of them within the day takes no more of it.
    path = f"/appointments/{first['id']}/reschedule"
    assert (await clinic.post(path, {"scheduled_start": local(0, "12:00")})).status_code == 200
    await clinic.make("/appointments", {**body, "override": setting_aside("daily_maximum")})
    cancelled = {"cancellation_reason": "Patient asked for it"}
    await clinic.delete(f"/appointments/{first['id']}", json=cancelled)
    assert (await clinic.post("/appointments", body)).status_code == 409  # two are left


async def test_overbooking_takes_a_lane_and_only_so_many(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    first = await booked(clinic, provider)
    plain = await asked(clinic, provider)
    assert (await clinic.post("/appointments", plain)).status_code == 409
    over = await asked(clinic, provider, "09:15", override=setting_aside("overbook"))
    second = await clinic.make("/appointments", over)
    # One lane beside the first is open unless the clinic says otherwise.
    third = await asked(clinic, provider, "09:20", override=setting_aside("overbook"))
    assert faults(await clinic.post("/appointments", third)) == [("provider_id", "taken")]
    # A patient cannot be in two places, whoever allows it.
    same = {**third, "patient_id": first["patient_id"], "scheduled_start": local(0, "09:00")}
    assert ("patient_id", "taken") in faults(await clinic.post("/appointments", same))
    # Behind the overbooked visit nothing is free for a plain one until it is over.
    assert (await clinic.post("/appointments", await asked(clinic, provider, "09:30"))
            ).status_code == 409  # fmt: skip
    cancelled = {"cancellation_reason": "Patient asked for it"}
    await clinic.delete(f"/appointments/{second['id']}", json=cancelled)
    await clinic.make("/appointments", third)


async def test_a_range_kept_for_urgent_visits_opens_late(clinic: Clinic, clock: Clock) -> None:
    kept = {"start_time": "10:00", "end_time": "11:00"}
    provider = await staffed(clinic, {"end_time": "10:00"}, kept)
    async with begin(clinic.caller) as tx:
        await tx.run(KEEP)
    clock.at = datetime.fromisoformat(local(-1, "12:00"))
    assert await walls(clinic, provider) == ["Mon 09:00", "Mon 09:30"]
    urgent = ["Mon 09:00", "Mon 09:30", "Mon 10:00", "Mon 10:30"]
    assert await walls(clinic, provider, priority="high") == urgent
    assert await walls(clinic, provider, priority="urgent") == urgent
    body = await asked(clinic, provider, "10:00")
    assert faults(await clinic.post("/appointments", body)) == OUTSIDE
    clock.at = datetime.fromisoformat(local(0, "08:15"))
    # By 8:15 what starts before 10:15 is anybody's, but half an hour from 10:00 is not.
    assert await walls(clinic, provider) == ["Mon 09:00", "Mon 09:30"]
    await clinic.make("/appointments", {**body, "duration_minutes": 15})
    clock.at = datetime.fromisoformat(local(0, "08:59"))
    assert await walls(clinic, provider) == ["Mon 09:00", "Mon 09:30"]  # 10:15 to 10:45 at 8:45
    await clinic.make("/appointments", await asked(clinic, provider, "10:30", priority="urgent"))


async def test_a_whole_minute_is_asked_for(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    start = local(0, "09:00:30")
    refused = await clinic.post(
        "/appointments", await asked(clinic, provider, scheduled_start=start)
    )
    assert faults(refused) == [("scheduled_start", "minute")]


async def test_every_broken_rule_is_named_at_once(clinic: Clinic, clock: Clock) -> None:
    provider = await staffed(clinic)
    await kind(clinic, min_notice_minutes=60)
    clock.at = datetime.fromisoformat(local(0, "12:00"))
    refused = await clinic.post("/appointments", await asked(clinic, provider, "12:30"))
    assert faults(refused) == [("scheduled_start", "availability"), ("scheduled_start", "notice")]


def test_the_monday_is_one() -> None:
    assert MONDAY.weekday() == 0


async def test_a_no_show_is_not_undone_into_a_day_that_is_full_by_now(
    clinic: Clinic, clock: Clock
) -> None:
    clock.at = datetime.fromisoformat(local(0, "08:00"))
    provider = await staffed(clinic, max_daily_capacity=1)
    visit = await booked(clinic, provider, "09:00")
    clock.at = datetime.fromisoformat(local(0, "09:05"))
    path = f"/appointments/{visit['id']}"
    assert (await clinic.post(f"{path}/no-show")).status_code == 200
    other = await booked(clinic, provider, "10:00")
    refused = await clinic.post(f"{path}/undo")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "DAY_FULL")
    assert (await clinic.get(path)).json()["data"]["status"] == "no_show"
    cancelled = {"cancellation_reason": "Patient asked for it"}
    await clinic.delete(f"/appointments/{other['id']}", json=cancelled)
    assert (await clinic.post(f"{path}/undo")).json()["data"]["status"] == "scheduled"
