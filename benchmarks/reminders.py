"""Claim: a whole day of reminders (2,300 of them) goes through the outbox channel within 3 s.

Planned by 2,300 bookings, due by a clock that is set forward, delivered by the worker's own code:
claim, two transactions a batch, one kept message and one attempt each. Beside it, in the same run,
the least that could be done: 2,300 rows inserted one by one.
"""

import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

from chroniccare.core.caller import Caller
from chroniccare.core.ids import new_id
from chroniccare.core.time import to_instant
from chroniccare.migrations.runner import migrate
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice
from chroniccare.platform import wiring
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling.schemas import AppointmentWrite
from chroniccare.settings import load as load_settings

from .clinic import new_clinic, new_patients, new_staff
from .stage import Stage, settings_of, stage

REMINDERS = 2_300
STAFF = 100
ZONE = ZoneInfo("America/New_York")
_KEPT = Command("SELECT count(*) FROM outbox_messages")
_FLOOR = Command(
    "INSERT INTO outbox_messages (id, tenant_id, notification_id, channel, recipient, body,"
    " created_at) SELECT $1, $2, id, 'sms', '+14155550100', 'text', $3 FROM notifications LIMIT 1"
)


async def _book(caller: Caller) -> datetime:
    """Book the day's visits and return when the last one's reminder is due."""
    facility, staff = await new_staff(caller, STAFF)
    patients = await new_patients(caller, REMINDERS)
    day = date.today() + timedelta(days=10)  # noqa: DTZ011  far enough ahead in every zone
    first = to_instant(day, clock_time(14, 0), ZONE)
    start = first
    async with begin(caller) as tx:
        for number, patient in enumerate(patients):
            start = first + timedelta(minutes=5 * (number // STAFF))
            body = AppointmentWrite(
                patient_id=patient,
                provider_id=staff[number % STAFF],
                facility_id=facility,
                appointment_type="follow_up",
                scheduled_start=start,
                duration_minutes=5,
            )
            await scheduling.book(tx, body)
    return start - timedelta(hours=2)


async def _measure(where: Stage) -> None:
    await migrate(where.database_url)
    settings = load_settings(settings_of(where))
    async with wiring.opened(settings) as platform, choice.opened(settings) as channels:
        caller, _ = await new_clinic()
        due = await _book(caller)
        await dispatch.drain(channels)  # the confirmations
        await platform.database.pool.execute("ANALYZE")
        async with begin(caller) as tx:
            before = await tx.value(_KEPT)
        platform.database.clock = lambda: due + timedelta(seconds=1)
        started = time.perf_counter()
        await dispatch.drain(channels)
        seconds = time.perf_counter() - started
        async with begin(caller) as tx:
            kept = await tx.value(_KEPT) - before
        floor = await _floor(caller)
    print(f"{kept} reminders in {seconds:.2f} s = {kept / seconds:.0f}/s")
    print(
        f"{REMINDERS} single inserts, one commit each: {floor:.2f} s = {floor / seconds:.1f} times"
    )
    assert kept == REMINDERS, kept
    assert seconds <= 3, "2,300 reminders took more than 3 s"


async def _floor(caller: Caller) -> float:
    started = time.perf_counter()
    for _ in range(REMINDERS):
        async with begin(caller) as tx:
            await tx.run(_FLOOR, new_id(), caller.tenant_id, datetime.now(UTC))
    return time.perf_counter() - started


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        asyncio.run(_measure(where))


if __name__ == "__main__":
    main()
