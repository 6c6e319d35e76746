"""SQL of the visits that are attached to email, and the record that every calendar is made of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Entry:
    """One visit as a calendar knows it: never its reason, its instructions or how to join it.

    Attributes:
        zone: the facility's IANA zone.
        address: the facility's, see `core.fields.Address`.
        kind: what the clinic calls this type of visit.
        who: whom one meets: the provider's name, or the patient's initials.
    """

    id: UUID
    starts_at: datetime
    ends_at: datetime
    zone: str
    status: str
    sequence: int
    created_at: datetime
    updated_at: datetime
    facility_name: str
    address: dict[str, Any]
    kind: str
    who: str


DETAILS = Command("SELECT calendar_details FROM scheduling_policies")
VISITS = Query(
    Entry,
    "SELECT a.id, a.scheduled_start AS starts_at, a.scheduled_end AS ends_at, f.timezone AS zone,"
    " a.status, a.sequence, a.created_at, a.updated_at, f.name AS facility_name, f.address,"
    " coalesce(k.name, replace(a.appointment_type, '_', ' ')) AS kind,"
    " d.first_name || ' ' || d.last_name AS who FROM appointments a"
    " JOIN facilities f ON f.tenant_id = a.tenant_id AND f.id = a.facility_id"
    " JOIN providers d ON d.tenant_id = a.tenant_id AND d.id = a.provider_id"
    " LEFT JOIN visit_types k ON k.tenant_id = a.tenant_id"
    ' AND k.code = a.appointment_type COLLATE "C"'
    " WHERE a.id = ANY ($1::uuid[])",
)
