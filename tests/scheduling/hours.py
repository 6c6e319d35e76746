"""A provider with hours, and visits in and out of them, for the tests of what a change strands."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic

NEW_YORK = ZoneInfo("America/New_York")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALWAYS = {day: [{"open": "00:00", "close": "24:00"}] for day in DAYS}
TODAY = datetime.now(NEW_YORK).date()
MONDAY = TODAY + timedelta(days=7 - TODAY.weekday() + 7)  # the one after next
_INSERT = Command(
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, status, held_until,"
    " additional_provider_ids, created_at, updated_at)"
    " SELECT d.id, $2, d.patient_id, d.provider_id, d.facility_id, 'follow_up', d.start,"
    " d.start + d.minutes * interval '1 minute', d.minutes, d.status, d.held_until,"
    " coalesce(d.others, '{}'), $3, $3 FROM jsonb_to_recordset($1::jsonb) AS d (id uuid,"
    " patient_id uuid, provider_id uuid, facility_id uuid, start timestamptz, minutes int,"
    " status text, held_until timestamptz, others uuid[])"
)
_OCCUPY = Command(
    "INSERT INTO occupancy (tenant_id, resource_id, starts_at, ends_at, appointment_id)"
    " SELECT a.tenant_id, other, a.scheduled_start, a.scheduled_end, a.id FROM appointments a,"
    " unnest(a.additional_provider_ids) AS other WHERE a.id = $1"
)


def at(day: int, clock: str) -> datetime:
    """Return the instant at which clocks in New York show this; day 0 is the tests' Monday."""
    local = datetime.combine(MONDAY + timedelta(days=day), time.fromisoformat(clock), NEW_YORK)
    return local.astimezone(UTC)


def on(day: int) -> str:
    return (MONDAY + timedelta(days=day)).isoformat()


def rule(place: str, **fields: Any) -> dict[str, Any]:
    """Mondays from 9 to 12."""
    return {
        "facility_id": place, "day_of_week": 1, "start_time": "09:00", "end_time": "12:00",
        "effective_from": "2026-01-01", **fields,
    }  # fmt: skip


@dataclass(slots=True)
class Surgery:
    """A provider who works at one facility that is always open."""

    clinic: Clinic
    provider: dict[str, Any]
    place: dict[str, Any]
    patient: dict[str, Any]

    @property
    def week(self) -> str:
        return f"/providers/{self.provider['id']}/availability"

    @property
    def exceptions(self) -> str:
        return f"/providers/{self.provider['id']}/exceptions"

    @property
    def facility(self) -> str:
        return f"/facilities/{self.place['id']}"

    def body(self, start: datetime, minutes: int = 30) -> dict[str, Any]:
        return {
            "patient_id": self.patient["id"], "provider_id": self.provider["id"],
            "facility_id": self.place["id"], "appointment_type": "follow_up",
            "scheduled_start": start.isoformat(), "duration_minutes": minutes,
        }  # fmt: skip

    def facility_body(self, **fields: Any) -> dict[str, Any]:
        named = {key: self.place[key] for key in ("name", "facility_type", "address", "timezone")}
        return {**named, "operating_hours": ALWAYS, **fields}

    async def book(self, start: datetime, minutes: int = 30) -> dict[str, Any]:
        return await self.clinic.make("/appointments", self.body(start, minutes))

    async def write(self, *starts: datetime, minutes: int = 30, **fields: Any) -> list[str]:
        """Write visits behind the API, where no rule of booking looks at them."""
        rows = [
            {
                "id": new_id(), "patient_id": self.patient["id"],
                "provider_id": self.provider["id"], "facility_id": self.place["id"],
                "start": start, "minutes": minutes, "status": "scheduled", **fields,
            }
            for start in starts
        ]  # fmt: skip
        async with begin(self.clinic.caller) as tx:
            await tx.run(_INSERT, rows, self.clinic.tenant_id, tx.now)
            for row in rows:
                await tx.run(_OCCUPY, row["id"])
        return [str(row["id"]) for row in rows]

    async def visit(self, visit_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.clinic.get(f"/appointments/{visit_id}")).json()["data"]
        return found

    async def audited(self, visit_id: str) -> list[str]:
        logs = await self.clinic.get("/audit", params={"entity_id": visit_id})
        return [row["action"] for row in logs.json()["data"]["items"]]


async def surgery(clinic: Clinic, *rules: dict[str, Any], **place: Any) -> Surgery:
    """Open a facility in which a provider works on Mondays from 9 to 12, unless told."""
    made = await clinic.facility(**{"operating_hours": ALWAYS, **place})
    places = [{"facility_id": made["id"]}]
    provider = await clinic.provider(always=False, facilities=places)
    found = Surgery(clinic, provider, made, await clinic.patient())
    week = [rule(made["id"], **one) for one in rules or ({},)]
    stored = await clinic.put(found.week, {"rules": week})
    assert stored.status_code == 200, stored.text
    return found


def ids(outcomes: list[dict[str, Any]]) -> list[str]:
    return [one["appointment_id"] for one in outcomes]
