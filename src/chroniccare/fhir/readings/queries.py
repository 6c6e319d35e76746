"""SQL of a patient's readings among the stored resources."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.patients import queries_records as records
from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Row:
    """A stored Observation; `resource` is its JSON without id and version."""

    id: UUID
    happened_at: datetime
    resource: str


EXISTS = Command("SELECT EXISTS (SELECT FROM patients WHERE id = $1 AND deleted_at IS NULL)")
# $2 are LOINC codes. The index is read for this one patient.
LIST = Query(
    Row,
    "SELECT r.id, r.happened_at, r.resource FROM fhir_resources r"
    " WHERE r.whose = $1 AND r.type = 'Observation' AND r.deleted_at IS NULL"
    " AND ($3::timestamptz IS NULL OR r.happened_at >= $3)"
    " AND ($4::timestamptz IS NULL OR r.happened_at < $4)"
    " AND ($5::timestamptz IS NULL OR (r.happened_at, r.id) < ($5, $6::uuid))"
    " AND EXISTS (SELECT FROM fhir_index i WHERE i.tenant_id = r.tenant_id"
    " AND i.resource_id = r.id AND i.path = 'Observation.code' AND i.system = 'http://loinc.org'"
    " AND i.code = ANY ($2::text[]))"
    " ORDER BY r.happened_at DESC, r.id DESC LIMIT $7",
    records.OPENS,
)
