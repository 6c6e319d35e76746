"""Visits that nobody marked: after a grace time they are no-shows by themselves."""

import asyncio
from datetime import datetime, timedelta

import pytest

from chroniccare import worker
from chroniccare.notifications.channels import choice
from chroniccare.notifications.plan import LOOP
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import lifecycle
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.support import Clock, eventually
from tests.scheduling.test_api import other, visit_body
from tests.scheduling.test_lifecycle import (
    START,
    booked,
    now_of,
    occupied,
    reminders,
    take,
)

GRACE = timedelta(minutes=120)
END = START + timedelta(minutes=30)


async def test_a_missed_visit_is_marked_after_the_grace_time(clinic: Clinic, clock: Clock) -> None:
    visit = await booked(clinic)
    confirmed = await booked(clinic)
    await take(clinic, confirmed, "confirm")
    clock.at = END + GRACE
    assert await lifecycle.mark_no_shows(clinic.tenant_id) == 0
    assert (await now_of(clinic, visit))["status"] == "scheduled"  # and is in the cache now
    clock.forward(seconds=1)
    assert await lifecycle.mark_no_shows(clinic.tenant_id) == 2
    assert await lifecycle.mark_no_shows(clinic.tenant_id) == 0
    marked = await now_of(clinic, visit)
    assert (marked["status"], marked["version"]) == ("no_show", 2)
    assert datetime.fromisoformat(marked["no_show_at"]) == clock.at
    assert await occupied(clinic, visit) == 0
    assert set((await reminders(clinic, visit)).values()) == {"cancelled"}
    listed = await clinic.get(f"/patients/{visit['patient_id']}/appointments")
    assert [v["status"] for v in listed.json()["data"]["items"]] == ["no_show"]
    back = (await take(clinic, confirmed, "undo")).json()["data"]
    assert back["status"] == "confirmed"


async def test_a_marking_is_audited_as_the_systems_and_emitted(
    clinic: Clinic, clock: Clock
) -> None:
    visit = await booked(clinic)
    clock.at = END + GRACE + timedelta(minutes=1)
    await lifecycle.mark_no_shows(clinic.tenant_id)
    listed = await clinic.get("/audit", params={"entity_id": visit["id"], "action": "no_show"})
    [entry] = listed.json()["data"]["items"]
    assert (entry["user_type"], entry["user_id"]) == ("system", None)
    assert entry["changes"]["before"] == {"status": "scheduled", "no_show_at": None, "version": 1}
    assert entry["changes"]["after"]["status"] == "no_show"
    async with begin(clinic.caller) as tx:
        events = await tx.values(
            Command("SELECT payload FROM outbox WHERE event_type = 'appointment.no_show'")
        )
    assert events == [{"version": 2, "status": "no_show"}]


@pytest.mark.parametrize("steps", [["check_in"], ["check_in", "start"], ["check_in", "complete"]])
async def test_who_came_is_no_no_show(clinic: Clinic, clock: Clock, steps: list[str]) -> None:
    visit = await booked(clinic)
    cancelled = await booked(clinic)
    for step in steps:
        await take(clinic, visit, step)
    await take(clinic, cancelled, "cancel")
    clock.at = END + timedelta(days=9)
    assert await lifecycle.mark_no_shows(clinic.tenant_id) == 0


async def test_an_undone_marking_is_not_repeated_at_once(clinic: Clinic, clock: Clock) -> None:
    visit = await booked(clinic)
    clock.at = END + GRACE + timedelta(minutes=1)
    assert await lifecycle.mark_no_shows(clinic.tenant_id) == 1
    assert (await take(clinic, visit, "undo")).status_code == 200
    clock.forward(minutes=120)
    assert await lifecycle.mark_no_shows(clinic.tenant_id) == 0
    clock.forward(minutes=1)
    assert await lifecycle.mark_no_shows(clinic.tenant_id) == 1


async def test_many_are_marked_batch_by_batch_and_once(
    clinic: Clinic, other_clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_BATCH", 2)
    body = await visit_body(clinic)
    for hours in range(5):
        start = START + timedelta(hours=hours)
        await clinic.make("/appointments", other(body, scheduled_start=start.isoformat()))
    theirs = await booked(other_clinic)
    clock.at = END + timedelta(days=1)
    counts = await asyncio.gather(*(lifecycle.mark_no_shows(clinic.tenant_id) for _ in range(3)))
    assert sum(counts) + await lifecycle.mark_no_shows(clinic.tenant_id) == 5
    async with begin(clinic.caller) as tx:
        marked = await tx.values(Command("SELECT version FROM appointments"))
    assert marked == [2] * 5
    assert (await now_of(other_clinic, theirs))["status"] == "scheduled"


async def test_the_worker_marks_them(
    clinic: Clinic, clock: Clock, settings: Settings, running: Running
) -> None:
    del running
    visit = await booked(clinic)
    clock.at = END + GRACE + timedelta(minutes=1)
    stop, bells = asyncio.Event(), {LOOP: asyncio.Event()}
    async with choice.opened(settings) as channels:
        off = settings.model_copy(update={"no_show_grace_minutes": 0})
        assert "lifecycle" not in worker.loops(off, channels, bells, stop)
        loop = worker.loops(settings, channels, bells, stop)["lifecycle"]
        task = asyncio.create_task(worker.keep({"lifecycle": loop}, stop))

        async def marked() -> bool:
            status: str = (await now_of(clinic, visit))["status"]
            return status == "no_show"

        await eventually(marked)
        stop.set()
        await task
