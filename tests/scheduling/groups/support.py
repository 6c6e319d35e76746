"""Group sessions for the tests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=9)
REASON = {"cancellation_reason": "Provider is ill"}

_TAKEN = Command(
    "SELECT count(*) FROM occupancy o WHERE o.resource_id = $1"
    " AND o.starts_at <= $2 AND o.ends_at > $2"
)
# Plain SQL over visits and sessions, not over occupancy: who is in two places at once?
_TWICE = Command(
    "WITH place AS (SELECT a.patient_id AS who, a.id, a.scheduled_start AS s, a.scheduled_end AS e"
    " FROM appointments a WHERE a.status NOT IN ('cancelled', 'no_show')"
    " UNION ALL SELECT a.provider_id, a.id, a.scheduled_start, a.scheduled_end FROM appointments a"
    " WHERE a.status NOT IN ('cancelled', 'no_show') AND a.group_session_id IS NULL"
    " UNION ALL SELECT unnest(g.provider_id || g.additional_provider_ids || g.resource_ids), g.id,"
    " g.scheduled_start, g.scheduled_end FROM group_sessions g WHERE g.status = 'scheduled')"
    " SELECT count(*) FROM place x JOIN place y ON x.who = y.who AND x.id < y.id"
    " AND x.s < y.e AND y.s < x.e"
)
# Seats that are elsewhere than their session, and sessions with too many of them.
_ASTRAY = Command(
    "SELECT count(*) FROM group_sessions g WHERE g.status = 'cancelled' AND EXISTS (SELECT FROM"
    " appointments a WHERE a.group_session_id = g.id AND a.status <> 'cancelled')"
    " OR g.seats < (SELECT count(*) FROM appointments a WHERE a.group_session_id = g.id"
    " AND a.status <> 'cancelled') OR EXISTS (SELECT FROM appointments a"
    " WHERE a.group_session_id = g.id AND a.status <> 'cancelled' AND (a.provider_id,"
    " a.facility_id, a.scheduled_start, a.scheduled_end) IS DISTINCT FROM (g.provider_id,"
    " g.facility_id, g.scheduled_start, g.scheduled_end))"
)


def at(hours: float) -> str:
    """Return an instant `hours` after noon of the tests' day."""
    return (NOON + timedelta(hours=hours)).isoformat()


async def session_body(clinic: Clinic, **fields: Any) -> dict[str, Any]:
    """Return a session of an hour at noon with a new provider, unless told otherwise."""
    if "provider_id" not in fields:
        provider = await clinic.provider()
        fields["provider_id"] = provider["id"]
        fields["facility_id"] = provider["facilities"][0]["facility_id"]
    return {
        "title": "Living with diabetes",
        "appointment_type": "education",
        "scheduled_start": at(0),
        "duration_minutes": 60,
        "seats": 3,
        **fields,
    }


async def take_seat(clinic: Clinic, session: dict[str, Any], **fields: Any) -> httpx.Response:
    """Ask for a seat, for a new patient unless told for whom."""
    if "patient_id" not in fields:
        fields["patient_id"] = (await clinic.patient())["id"]
    return await clinic.post(f"/group-sessions/{session['id']}/appointments", fields)


async def seated(clinic: Clinic, session: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Take a seat and return the visit."""
    response = await take_seat(clinic, session, **fields)
    assert response.status_code == 201, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def session_of(clinic: Clinic, session: dict[str, Any]) -> dict[str, Any]:
    """Return the session as it is now."""
    data: dict[str, Any] = (await clinic.get(f"/group-sessions/{session['id']}")).json()["data"]
    return data


async def visit_of(clinic: Clinic, visit: dict[str, Any]) -> dict[str, Any]:
    """Return the visit as it is now."""
    data: dict[str, Any] = (await clinic.get(f"/appointments/{visit['id']}")).json()["data"]
    return data


async def taken(clinic: Clinic, resource_id: str, hours: float = 0) -> int:
    """Return how often a provider, patient or room is taken at that time."""
    async with begin(clinic.caller) as tx:
        count: int = await tx.value(_TAKEN, UUID(resource_id), NOON + timedelta(hours=hours))
    return count


async def assert_sound(clinic: Clinic) -> None:
    """Fail when anybody is in two places at once, or a seat is not where its session is."""
    async with begin(clinic.caller) as tx:
        assert await tx.value(_TWICE) == 0
        assert await tx.value(_ASTRAY) == 0


def refused(response: httpx.Response, code: str, *fields: str, status: int = 409) -> None:
    """Fail unless the answer is this refusal and names these fields."""
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    assert tuple(detail["field"] for detail in error["details"]) == fields
