"""SQL of stored resources: one table for all types, and the index.

Of a constant for one type, its name stands in the place of `TYPE`, see `kinds`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.fhir.queries import ONE
from chroniccare.patients import queries_records as records
from chroniccare.platform.postgres import Command, Query

TYPE = "'Basic'"


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A stored resource; `resource` is its JSON without what the columns hold."""

    id: UUID
    patient_id: UUID | None
    resource: str
    version: int
    updated_at: datetime
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class Held:
    """A stored resource, locked."""

    id: UUID
    patient_id: UUID | None
    version: int
    resource: str


SOURCE = "fhir_resources r"
WHERE = f"r.type = {TYPE} AND r.deleted_at IS NULL"
READ = Query(
    StoredRow,
    "SELECT r.id, r.patient_id, r.resource, r.version, r.updated_at, page.keys"
    f" FROM {ONE} JOIN {SOURCE} ON r.id = page.id AND {WHERE}",
    records.OPENS,
)
GONE = Command(
    f"SELECT EXISTS (SELECT FROM {SOURCE} WHERE id = $1 AND r.type = {TYPE}"
    " AND r.deleted_at IS NOT NULL)"
)
LOCKED = Query(
    Held,
    "SELECT id, patient_id, version, resource FROM fhir_resources"
    " WHERE id = $1 AND type = $2 AND deleted_at IS NULL FOR NO KEY UPDATE",
    records.OPENS,
)
# An erasure waits for a record that is being made, and is waited for.
KEEP = Command("SELECT id FROM patients WHERE id = $1 AND deleted_at IS NULL FOR SHARE")
_NOBODY = "00000000-0000-0000-0000-000000000000"
_INDEX = (
    "INSERT INTO fhir_index (tenant_id, resource_id, whose, path, code, system, target, low,"
    f" high, amount, unit, unit_system) SELECT $2, $1, coalesce($3::uuid, '{_NOBODY}'),"
    " d.path, d.code, d.system, d.target, d.low, d.high, d.amount, d.unit, d.unit_system"
    " FROM jsonb_to_recordset("
)
_ROWS = (
    "::jsonb) AS d (path text, code text, system text, target uuid, low timestamptz,"
    " high timestamptz, amount double precision, unit text, unit_system text)"
)
INSERT = Command(
    "WITH made AS (INSERT INTO fhir_resources (id, tenant_id, patient_id, type, version, resource,"
    " happened_at, updated_at) VALUES ($1, $2, $3, $4, 1, $5, $6, $7))"
    f" {_INDEX}$8{_ROWS}"
)
UPDATE = Command(
    "WITH cleared AS (DELETE FROM fhir_index WHERE resource_id = $1),"
    " changed AS (UPDATE fhir_resources SET patient_id = $3, resource = $4, happened_at = $5,"
    f" updated_at = $6, version = version + 1 WHERE id = $1) {_INDEX}$7{_ROWS}"
)
REMOVE = Command(
    "WITH cleared AS (DELETE FROM fhir_index WHERE resource_id = $1)"
    " UPDATE fhir_resources SET resource = '', deleted_at = $2, updated_at = $2,"
    " version = version + 1 WHERE id = $1"
)
