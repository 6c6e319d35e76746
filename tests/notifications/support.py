"""What the tests of notifications share: visits, a clock that can be set, a look behind the API."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.plan import (
    Visit,
    cancel_visit,
    cancel_visits,
    plan_cancelled,
    plan_visit,
)
from chroniccare.notifications.queries_due import OUTBOX_RECIPIENT
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, Query, begin, begin_system, database
from chroniccare.platform.sealing import Opens
from tests.client import OPENS_OUTBOX, Clinic

NOON = datetime(2031, 3, 4, 17, 0, tzinfo=UTC)
"""A Tuesday, 12:00 in New York: outside quiet hours, before the change of clocks on 9 March."""

_APPOINTMENT = Command(
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, created_at, updated_at)"
    " SELECT d.id, $2, d.patient_id, d.provider_id, d.facility_id, 'follow_up', d.starts_at,"
    " d.starts_at + interval '30 minutes', 30, $3, $3 FROM jsonb_to_recordset($1::jsonb) AS d"
    " (id uuid, patient_id uuid, provider_id uuid, facility_id uuid, starts_at timestamptz)"
)

_CANCEL = Command(
    "UPDATE appointments SET status = 'cancelled', cancelled_at = $2, version = 2"
    " WHERE id = ANY($1::uuid[]) AND status <> 'cancelled'"
)


@dataclass(slots=True)
class Clock:
    """What `tx.now` reads in this test."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **delta: float) -> None:
        self.at += timedelta(**delta)


@dataclass(frozen=True, slots=True)
class Row:
    id: UUID
    appointment_id: UUID | None
    notification_type: str
    delivery_status: str
    channel: str
    channel_plan: list[str]
    scheduled_send_time: datetime
    next_attempt_at: datetime
    retry_count: int
    details: dict[str, Any]
    fence: int


@dataclass(frozen=True, slots=True)
class Tried:
    notification_id: UUID
    number: int
    channel: str
    driver: str
    status: str
    error_code: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    id: UUID
    notification_id: UUID
    channel: str
    recipient: str
    subject: str | None
    body: str
    calendar: str | None


@dataclass(frozen=True, slots=True)
class Attached:
    notification_type: str
    channel: str
    calendar: bool


_GIVE_UP = Command(
    "UPDATE notifications SET delivery_status ="
    " CASE delivery_status WHEN 'sending' THEN 'failed' ELSE 'cancelled' END"
    " WHERE delivery_status IN ('pending', 'held', 'queued', 'sending')"
)
_ROWS = Query(
    Row,
    "SELECT id, appointment_id, notification_type, delivery_status, channel, channel_plan,"
    " scheduled_send_time, next_attempt_at, retry_count, delivery_details, fence"
    " FROM notifications ORDER BY scheduled_send_time DESC, id",
)
_OUTBOX = Query(
    Kept,
    "SELECT id, notification_id, channel, recipient, subject, body, calendar"
    " FROM outbox_messages ORDER BY id",
    (Opens(OUTBOX_RECIPIENT, "recipient"), *OPENS_OUTBOX),
)
_ATTACHED = Query(
    Attached,
    "SELECT n.notification_type, m.channel, m.calendar IS NOT NULL FROM outbox_messages m"
    " JOIN notifications n ON n.id = m.notification_id",
)
_ATTEMPTS = Query(
    Tried,
    "SELECT notification_id, number, channel, driver, status, error_code"
    " FROM notification_attempts ORDER BY notification_id, number",
)


@dataclass(slots=True)
class Bench:
    """A clinic with one provider and one facility, and the delivery of its messages."""

    clinic: Clinic
    clock: Clock
    channels: Channels
    provider_id: UUID
    facility_id: UUID
    facility_name: str
    patients: list[UUID] = field(default_factory=list)

    async def patient(self, **fields: Any) -> UUID:
        patient_id = UUID((await self.clinic.patient(**fields))["id"])
        self.patients.append(patient_id)
        return patient_id

    async def visits(self, patients: list[UUID], starts_at: datetime) -> list[Visit]:
        """Book visits behind the API's back, so that times are free of opening hours."""
        visits = [
            Visit(
                appointment_id=new_id(),
                version=1,
                patient_id=patient_id,
                provider_id=self.provider_id,
                starts_at=starts_at,
                provider_name="Aisha Rahman",
                facility_name=self.facility_name,
                facility_zone="America/New_York",
            )
            for patient_id in patients
        ]
        rows = [
            {
                "id": visit.appointment_id,
                "patient_id": visit.patient_id,
                "provider_id": visit.provider_id,
                "facility_id": self.facility_id,
                "starts_at": visit.starts_at,
            }
            for visit in visits
        ]
        async with begin(self.clinic.caller) as tx:
            await tx.run(_APPOINTMENT, rows, self.clinic.tenant_id, tx.now)
        return visits

    async def planned(
        self, starts_at: datetime | None = None, *, patient_id: UUID | None = None
    ) -> Visit:
        """Book and plan one visit: in four days unless told."""
        patient_id = patient_id or await self.patient()
        [visit] = await self.visits([patient_id], starts_at or self.clock.at + timedelta(days=4))
        await self.plan([visit])
        return visit

    async def plan(self, visits: list[Visit], **options: Any) -> int:
        async with begin(self.clinic.caller) as tx:
            return await plan_visit(tx, visits, **options)

    async def cancel(self, visit: Visit, **options: Any) -> int:
        async with begin(self.clinic.caller) as tx:
            return await cancel_visit(tx, visit.appointment_id, **options)

    async def cancel_and_tell(self, *visits: Visit) -> int:
        """Cancel the visits as the clinic does when its hours change."""
        ids = [visit.appointment_id for visit in visits]
        async with begin(self.clinic.caller) as tx:
            if await tx.run(_CANCEL, ids, tx.now):
                await cancel_visits(tx, ids)
            return await plan_cancelled(tx, [replace(one, version=2) for one in visits])

    async def elsewhere(self, clinic: Clinic) -> "Bench":
        """Return the same bench in another clinic."""
        return await make_bench(clinic, self.clock, self.channels)

    async def many(self, count: int) -> None:
        """Plan the confirmations and reminders of `count` visits of one patient."""
        patient_id = await self.patient()
        visits = await self.visits([patient_id] * count, self.clock.at + timedelta(days=1))
        await self.plan(visits)

    async def drain(self) -> int:
        return await dispatch.drain(self.channels)

    async def rows(self) -> list[Row]:
        async with begin(self.clinic.caller) as tx:
            return await tx.all(_ROWS)

    async def statuses(self) -> list[str]:
        """Return the status of each row, the reminder just before the visit first."""
        return [row.delivery_status for row in await self.rows()]

    async def outbox(self) -> list[Kept]:
        async with begin(self.clinic.caller) as tx:
            return await tx.all(_OUTBOX)

    async def calendars(self) -> list[tuple[str, str, bool]]:
        """Return kind and channel of each message, and whether a calendar came with it."""
        async with begin(self.clinic.caller) as tx:
            return [astuple(row) for row in await tx.all(_ATTACHED)]

    async def attempts(self) -> list[Tried]:
        async with begin(self.clinic.caller) as tx:
            return await tx.all(_ATTEMPTS)

    async def sql(self, text: str, *args: Any) -> int:
        """Change something behind the API's back."""
        async with begin(self.clinic.caller) as tx:
            return await tx.run(Command(text), *args)

    async def forge(self, text: str, *args: Any) -> None:
        """Put rows where no statement could: without triggers, so that no change is told."""
        async with owner_connection(database().settings.database_url) as owner, owner.transaction():
            await owner.execute(
                "SET LOCAL session_replication_role = replica; SET LOCAL ROLE chroniccare_app;"
                f" SET LOCAL app.tenant_id = '{self.clinic.tenant_id}'"
            )
            await owner.execute(text, *args)


async def clear_the_desk() -> None:
    """Give up what earlier tests left due, in whatever clinic: these tests count claims."""
    async with begin_system("test") as tx:
        await tx.run(_GIVE_UP)


async def make_bench(clinic: Clinic, clock: Clock, channels: Channels) -> Bench:
    facility = await clinic.facility()
    provider = await clinic.provider(facilities=[{"facility_id": facility["id"]}])
    return Bench(
        clinic, clock, channels, UUID(provider["id"]), UUID(facility["id"]), facility["name"]
    )


async def eventually(true: Callable[[], Awaitable[Any]], *, within: float = 20.0) -> None:
    """Wait until `true` answers something true."""
    deadline = time.monotonic() + within
    while not await true():
        assert time.monotonic() < deadline, "it never became true"
        await asyncio.sleep(0.02)
