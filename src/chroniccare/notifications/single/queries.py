"""SQL of the visit that a message is about."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class Subject:
    """A visit as a message needs it; `starts_at` is UTC, `facility_zone` an IANA name."""

    appointment_id: UUID
    version: int
    patient_id: UUID
    provider_id: UUID
    starts_at: datetime
    provider_name: str
    facility_name: str
    facility_zone: str
    status: str


# Locked, so that a visit that is being cancelled is not written about as if it stood.
VISIT = Query(
    Subject,
    "SELECT a.id AS appointment_id, a.version, a.patient_id, a.provider_id,"
    " a.scheduled_start AS starts_at, concat_ws(' ', d.first_name, d.last_name) AS provider_name,"
    " f.name AS facility_name, f.timezone AS facility_zone, a.status FROM appointments a"
    " JOIN providers d ON d.tenant_id = a.tenant_id AND d.id = a.provider_id"
    " JOIN facilities f ON f.tenant_id = a.tenant_id AND f.id = a.facility_id"
    " WHERE a.id = $1 FOR SHARE OF a",
)
