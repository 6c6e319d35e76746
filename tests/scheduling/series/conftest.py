"""A clinic with a provider who works nine to five, and bodies of series."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.platform.postgres import Command, begin, utc_now
from tests.client import Clinic
from tests.conftest import Running

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday, 07:00 in New York
_HOURS = Command(
    "UPDATE provider_availability SET start_time = $2, end_time = $3 WHERE provider_id = $1"
)


@dataclass
class Stage:
    """A clinic at a fixed time: one provider, one patient, one facility in New York."""

    clinic: Clinic
    provider_id: str
    facility_id: str
    patient_id: str

    def body(self, **fields: Any) -> dict[str, Any]:
        """Return a weekly series of Tuesdays at 09:00, six times, unless told otherwise."""
        return {
            "patient_id": self.patient_id,
            "provider_id": self.provider_id,
            "facility_id": self.facility_id,
            "appointment_type": "infusion",
            "duration_minutes": 60,
            "first_date": "2026-02-03",
            "local_time": "09:00",
            "recurrence": {"rrule": "FREQ=WEEKLY;COUNT=6"},
            **fields,
        }

    async def book(self, **fields: Any) -> dict[str, Any]:
        """Book a series and return the answer's data."""
        return await self.clinic.make("/appointments/batch", self.body(**fields))

    async def visit(self, start: str, **fields: Any) -> dict[str, Any]:
        """Book one visit of another patient at `start`."""
        if "patient_id" not in fields:
            fields["patient_id"] = (await self.clinic.patient())["id"]
        body = {
            "provider_id": self.provider_id,
            "facility_id": self.facility_id,
            "appointment_type": "follow_up",
            "duration_minutes": 60,
            "scheduled_start": start,
            **fields,
        }
        return await self.clinic.make("/appointments", body)

    async def series(self, series_id: str) -> dict[str, Any]:
        """Read a series."""
        data: dict[str, Any] = (await self.clinic.get(f"/appointments/series/{series_id}")).json()
        found: dict[str, Any] = data["data"]
        return found

    async def hours(self, provider_id: str, start: str, end: str) -> None:
        """Have a provider work every day from `start` to `end`."""
        async with begin(self.clinic.caller) as tx:
            first, last = (datetime.fromisoformat(f"2026-01-01T{at}").time() for at in (start, end))
            await tx.run(_HOURS, UUID(provider_id), first, last)

    async def colleague(self) -> str:
        """Return another provider who works at the facility, around the clock."""
        made = await self.clinic.provider(facilities=[{"facility_id": self.facility_id}])
        return str(made["id"])

    async def rows(self) -> dict[str, int]:
        """Return how many rows each table of this tenant has."""
        async with begin(self.clinic.caller) as tx:
            names = await tx.values(_TABLES)
            return {
                name: await tx.value(Command(f"SELECT count(*) FROM {name}"))  # noqa: S608
                for name in names
            }


_TABLES = Command(
    "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " AND a.attname = 'tenant_id' WHERE c.relkind IN ('r', 'p')"
    " AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'api_keys'"
    " AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1"
)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
async def clock(running: Running) -> AsyncIterator[Clock]:
    made = Clock()
    running.platform.database.clock = made
    try:
        yield made
    finally:
        running.platform.database.clock = utc_now


@pytest.fixture
async def stage(clinic: Clinic, clock: Clock) -> Stage:
    assert clock.at == NOW
    provider = await clinic.provider()
    made = Stage(
        clinic, provider["id"], provider["facilities"][0]["facility_id"],
        (await clinic.patient())["id"],
    )  # fmt: skip
    await made.hours(made.provider_id, "09:00", "17:00")
    return made
