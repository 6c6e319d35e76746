"""The demo clinic in the database."""

from datetime import UTC, datetime, timedelta

import pytest

from chroniccare.core.caller import system
from chroniccare.demo import actions, diary, showing
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling.schemas import AppointmentWrite
from tests.conftest import Running

_DUE = Command(
    "SELECT count(*) FROM notifications WHERE delivery_status = 'pending'"
    " AND notification_type = 'appointment_reminder' AND next_attempt_at > $1"
    " AND next_attempt_at <= $1 + interval '1 minute'"
)


async def test_it_is_loaded_once_with_visits_in_working_hours(running: Running) -> None:
    del running
    first = await actions.load()
    again = await actions.load()
    assert again == actions.Loaded(first.tenant_id, 0, 0, 0, 0)
    async with begin(system(first.tenant_id, job="test")) as tx:
        hours = await diary.hours(tx)
        page = await scheduling.search(tx, filters=[None] * 8, cursor=None, limit=1000)
        assert len({rule.provider_id for rule in hours}) == 12
        assert len(await diary.panel(tx, None)) > 400
    assert len(page.items) >= 200
    assert page.items[-1].scheduled_start < page.items[0].created_at + timedelta(days=16)


@pytest.mark.parametrize("hour", [0, 5, 10, 15, 20])
async def test_reminders_fall_due_within_a_minute_at_any_time_of_day(
    running: Running, hour: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = (await actions.load()).tenant_id
    now = datetime.now(UTC).replace(hour=hour, minute=7) + timedelta(days=30 + hour)
    monkeypatch.setattr(running.platform.database, "clock", lambda: now)
    assert await showing.book_soon(tenant_id) == 3
    async with begin(system(tenant_id, job="test")) as tx:
        assert await tx.value(_DUE, now) == 3


async def test_the_visit_to_try_can_be_booked_and_then_another_is_shown(running: Running) -> None:
    del running
    tenant_id = (await actions.load()).tenant_id
    shown = await showing.visit_tomorrow(tenant_id)
    assert shown is not None
    async with begin(system(tenant_id, job="test")) as tx:
        await scheduling.book(tx, AppointmentWrite.model_validate(shown))
    assert await showing.visit_tomorrow(tenant_id) != shown
