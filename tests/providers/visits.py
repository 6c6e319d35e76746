"""Visits written behind the API, as far as the slices below scheduling see them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic

_INSERT = Command(
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, status, created_at,"
    " updated_at) VALUES ($1, $2, $3, $4, $5, 'follow_up', $6::timestamptz,"
    " $6 + interval '30 minutes', 30, $7, $8, $8)"
)
_CANCEL = Command("UPDATE appointments SET status = 'cancelled' WHERE provider_id = $1")


async def book(
    clinic: Clinic, provider: dict[str, Any], *, status: str = "scheduled", hours: float = 24
) -> None:
    """Write a visit of 30 minutes that starts in `hours` at the provider's first facility."""
    patient = await clinic.patient()
    async with begin(clinic.caller) as tx:
        await tx.run(
            _INSERT, new_id(), clinic.tenant_id, UUID(patient["id"]), UUID(provider["id"]),
            UUID(provider["facilities"][0]["facility_id"]), tx.now + timedelta(hours=hours), status,
            tx.now,
        )  # fmt: skip


async def cancel_all(clinic: Clinic, provider: dict[str, Any]) -> None:
    """Cancel every visit with the provider."""
    async with begin(clinic.caller) as tx:
        assert await tx.run(_CANCEL, UUID(provider["id"]))
