"""What the form of moving a visit says is in its way."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chroniccare.console import visit as shaped
from tests.client import Clinic
from tests.console.conftest import SignIn
from tests.console.visits import booked, where
from tests.notifications.support import NOON

TAKEN = "That time is taken:"


def spans(minutes: list[tuple[int, int]]) -> list[dict[str, Any]]:
    at = [(NOON + timedelta(minutes=one), NOON + timedelta(minutes=end)) for one, end in minutes]
    return [
        {"scheduled_start": one.isoformat(), "scheduled_end": end.isoformat()} for one, end in at
    ]


@given(some.lists(some.tuples(some.integers(0, 40), some.integers(1, 20)), max_size=12))
def test_the_most_at_once_is_that_of_the_fullest_minute(lengths: list[tuple[int, int]]) -> None:
    minutes = [(start, start + length) for start, length in lengths]
    fullest = max((sum(a <= at < b for a, b in minutes) for at in range(61)), default=0)
    assert shaped.most_at_once(spans(minutes)) == fullest


@pytest.mark.usefixtures("clock")
async def test_a_bay_is_taken_when_its_places_are_at_one_moment(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider()
    bay = await clinic.make("/resources", {
        "kind": "room", "facility_id": where(provider), "name": "Bay", "category": "infusion",
        "capacity": 2,
    })  # fmt: skip
    visit = await booked(clinic, provider, duration_minutes=120, minutes=30)
    for minutes in (240, 270):  # one after the other, in the same place
        colleague = await clinic.provider(facilities=provider["facilities"])
        await booked(clinic, colleague, minutes=minutes, resource_ids=[bay["id"]])
    asked: dict[str, object] = {
        "act": "check", "version": "1", "zone": "America/New_York", "day": "2031-03-04",
        "clock": "16:00", "duration_minutes": "120", "provider_id": provider["id"],
        "room_id": bay["id"], "instead_of": "",
    }  # fmt: skip
    path = f"/visits/{visit['id']}/move"
    assert TAKEN not in (await desk.post(path, asked)).text
    leader = await clinic.provider(facilities=provider["facilities"])
    group = await clinic.make("/group-sessions", {
        "title": "Walking", "provider_id": leader["id"], "facility_id": where(provider),
        "appointment_type": "education", "duration_minutes": 30, "seats": 3,
        "scheduled_start": (NOON + timedelta(minutes=240)).isoformat(),
        "resource_ids": [bay["id"]],
    })  # fmt: skip
    for _ in range(2):  # whose seats take no places of their own
        patient = await clinic.patient()
        seats = f"/group-sessions/{group['id']}/appointments"
        await clinic.make(seats, {"patient_id": patient["id"]})
    full = await desk.post(path, asked)
    assert TAKEN in full.text
    assert full.text.count('<li class="num">') == 3, "two visits and a session"
    freed = f"/group-sessions/{group['id']}"
    await clinic.delete(freed, json={"cancellation_reason": "Asked"})
    assert TAKEN not in (await desk.post(path, asked)).text
    assert (await desk.post(path, {**asked, "act": "move"})).status_code == 303


@pytest.mark.usefixtures("clock")
async def test_a_session_at_another_facility_is_in_its_leaders_way(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    here, there = await clinic.facility(), await clinic.facility()
    both = [{"facility_id": one["id"], "is_primary": one is here} for one in (here, there)]
    provider = await clinic.provider(facilities=both)
    visit = await booked(clinic, provider, minutes=30, facility_id=here["id"])
    start = NOON + timedelta(minutes=240)
    await clinic.make("/group-sessions", {
        "title": "Walking", "provider_id": provider["id"], "facility_id": there["id"],
        "appointment_type": "education", "duration_minutes": 30, "seats": 3,
        "scheduled_start": start.isoformat(),
        "override": {"allow": ["outside_availability"], "reason": "Once"},
    })  # fmt: skip
    page = await desk.get(f"/visits/{visit['id']}", params={"start": start.isoformat()})
    assert TAKEN in page.text
    assert "Walking" in page.text
