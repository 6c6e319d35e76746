"""Holds: exclusive while they last, and nobody's a second later."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import lapse
from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.support import asked, booked, found, local, staffed

_ROWS = Command("SELECT count(*) FROM occupancy")
_MESSAGES = Command("SELECT count(*) FROM notifications WHERE delivery_status = 'pending'")


@pytest.fixture
async def morning(clock: Clock) -> Clock:
    """The Saturday before the tests' Monday."""
    clock.at = datetime.fromisoformat(local(-2, "12:00"))
    return clock


async def count(clinic: Clinic, command: Command) -> int:
    async with begin(clinic.caller) as tx:
        number: int = await tx.value(command)
    return number


async def book(clinic: Clinic, held: dict[str, Any]) -> Any:
    return await clinic.post(f"/appointments/{held['id']}/book")


async def test_a_hold_is_a_visit_that_nobody_else_can_have(clinic: Clinic, morning: Clock) -> None:
    provider = await staffed(clinic)
    held = await booked(clinic, provider, hold_minutes=10)
    assert held["status"] == "held"
    assert datetime.fromisoformat(held["held_until"]) == morning.at + timedelta(minutes=10)
    assert await count(clinic, _MESSAGES) == 0
    morning.at += timedelta(minutes=10, seconds=-1)
    refused = await clinic.post("/appointments", await asked(clinic, provider))
    assert refused.status_code == 409
    starts = [slot["start"] for slot in await found(clinic, provider)]
    assert held["scheduled_start"] not in starts


async def test_a_hold_is_booked_and_its_messages_are_planned(
    clinic: Clinic, morning: Clock
) -> None:
    provider = await staffed(clinic)
    held = await booked(clinic, provider, hold_minutes=10)
    morning.at += timedelta(minutes=10, seconds=-1)
    visit = (await book(clinic, held)).json()["data"]
    assert (visit["status"], visit["held_until"]) == ("scheduled", None)
    assert await count(clinic, _MESSAGES) == 3  # confirmation, and reminders of 24 and 2 hours
    morning.at += timedelta(hours=1)
    assert await lapse.sweep(clinic.tenant_id) == 0
    assert (await clinic.post("/appointments", await asked(clinic, provider))).status_code == 409
    assert (await book(clinic, held)).json()["error"]["code"] == "APPOINTMENT_STATE"


async def test_a_hold_lapses_to_the_second(clinic: Clinic, morning: Clock) -> None:
    provider = await staffed(clinic)
    held = await booked(clinic, provider, hold_minutes=1)
    morning.at += timedelta(minutes=1)
    starts = [slot["start"] for slot in await found(clinic, provider)]
    assert held["scheduled_start"] in starts
    refused = await book(clinic, held)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "HOLD_EXPIRED")
    # Whoever books now need not wait for a loop to sweep.
    taken = await booked(clinic, provider)
    assert (await book(clinic, held)).json()["error"]["code"] == "HOLD_EXPIRED"
    gone = (await clinic.get(f"/appointments/{held['id']}")).json()["data"]
    assert (gone["status"], gone["held_until"]) == ("cancelled", None)
    assert taken["status"] == "scheduled"
    assert await count(clinic, _ROWS) == 2
    audit = await clinic.get("/audit", params={"entity_id": held["id"], "action": "lapse"})
    [entry] = audit.json()["data"]["items"]
    assert entry["changes"]["before"]["status"] == "held"


async def test_the_loop_gives_up_what_has_lapsed_and_nothing_else(
    clinic: Clinic, morning: Clock
) -> None:
    provider = await staffed(clinic)
    first = await booked(clinic, provider, "09:00", hold_minutes=1)
    await booked(clinic, provider, "09:30", hold_minutes=2)
    await booked(clinic, provider, "10:00")
    morning.at += timedelta(minutes=1)
    assert await lapse.sweep(clinic.tenant_id) == 1
    assert await count(clinic, _ROWS) == 4
    gone = (await clinic.get(f"/appointments/{first['id']}")).json()["data"]
    assert gone["cancellation_reason"] == "The hold lapsed."
    assert await count(clinic, _MESSAGES) == 3  # those of the third visit alone


async def test_a_hold_can_be_moved_and_given_back(clinic: Clinic, morning: Clock) -> None:
    provider = await staffed(clinic)
    held = await booked(clinic, provider, hold_minutes=10)
    path = f"/appointments/{held['id']}"
    start = local(0, "10:00")
    moved = await clinic.post(f"{path}/reschedule", {"scheduled_start": start})
    assert moved.json()["data"]["status"] == "held"
    assert await count(clinic, _MESSAGES) == 0
    await booked(clinic, provider, "09:00", hold_minutes=10)
    await clinic.delete(path, json={"cancellation_reason": "Changed their mind"})
    assert await count(clinic, _MESSAGES) == 0  # who was never told of it is not told of its end
    await booked(clinic, provider, "10:00")
    morning.at += timedelta(minutes=30)
    assert await lapse.sweep(clinic.tenant_id) == 1


async def test_a_lapsed_hold_that_is_being_changed_still_blocks(
    clinic: Clinic, morning: Clock
) -> None:
    provider = await staffed(clinic)
    held = await booked(clinic, provider, hold_minutes=1)
    morning.at += timedelta(minutes=1)
    async with begin(clinic.caller) as tx:
        await tx.value(Command("SELECT id FROM appointments WHERE id = $1 FOR UPDATE"), held["id"])
        refused = await clinic.post("/appointments", await asked(clinic, provider))
        assert refused.status_code == 409
    await booked(clinic, provider)


@pytest.mark.parametrize("minutes", [0, 61, -1, 1.5, "10"])
async def test_a_hold_lasts_from_a_minute_to_an_hour(clinic: Clinic, minutes: Any) -> None:
    provider = await staffed(clinic)
    refused = await clinic.post(
        "/appointments", await asked(clinic, provider, hold_minutes=minutes)
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["field"] == "hold_minutes"
