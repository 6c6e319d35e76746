"""SQL of the page behind the link in a message about a visit."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class Shown:
    """What the patient is shown of a visit; `zone` is the facility's.

    `changing`: staff have been asked for another time.
    `is_gone`: the patient was erased or removed, and `born` says nothing.
    """

    status: str
    scheduled_start: datetime
    patient_id: UUID
    place: str
    zone: str
    language: str
    changing: bool
    born: date
    is_gone: bool


SHOWN = Query(
    Shown,
    "SELECT a.status, a.scheduled_start, a.patient_id, f.name AS place, f.timezone AS zone,"
    " p.language, EXISTS (SELECT FROM tasks t WHERE t.tenant_id = a.tenant_id"
    " AND t.dedupe_key = $2 AND t.status IN ('requested', 'in-progress')) AS changing,"
    " p.date_of_birth AS born, p.deleted_at IS NOT NULL AS is_gone"
    " FROM appointments a JOIN tenants t ON t.id = a.tenant_id AND t.is_active"
    " JOIN facilities f ON f.tenant_id = a.tenant_id AND f.id = a.facility_id"
    " JOIN patients p ON p.tenant_id = a.tenant_id AND p.id = a.patient_id WHERE a.id = $1",
)
