"""A provider with visits, for the tests of the screens that show them."""

from datetime import timedelta
from typing import Any

from tests.client import Clinic
from tests.notifications.support import NOON

SCRIPT = "<script>alert(1)</script>"


async def booked(
    clinic: Clinic, provider: dict[str, Any], *, minutes: int = 30, **fields: Any
) -> dict[str, Any]:
    """Book `minutes` from noon, for a new patient unless told."""
    if "patient_id" not in fields:
        fields["patient_id"] = (await clinic.patient())["id"]
    body = {
        "provider_id": provider["id"], "facility_id": where(provider),
        "appointment_type": "follow_up", "duration_minutes": 30,
        "scheduled_start": (NOON + timedelta(minutes=minutes)).isoformat(), **fields,
    }  # fmt: skip
    return await clinic.make("/appointments", body)


def where(provider: dict[str, Any]) -> str:
    found: str = provider["facilities"][0]["facility_id"]
    return found


async def read(clinic: Clinic, visit: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = (await clinic.get(f"/appointments/{visit['id']}")).json()["data"]
    return data
