"""SQL of stored resources: one table for all types, their former versions, and the index.

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
    resource: str
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One version; empty for the one that removed the resource.

    Attributes:
        id: of the row, to which what is sealed is bound; the latest is the resource's own.
        is_removal: nothing is left from here on.
    """

    id: UUID
    resource: str
    version: int
    updated_at: datetime
    is_removal: bool


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
    "SELECT id, patient_id, resource, version, updated_at FROM fhir_resources"
    " WHERE id = $1 AND type = $2 AND deleted_at IS NULL FOR NO KEY UPDATE",
    records.OPENS,
)
_INDEX = (
    "INSERT INTO fhir_index (tenant_id, resource_id, path, code, system, target, low, high,"
    " amount, unit, unit_system) SELECT $2, $1, d.path, d.code, d.system, d.target, d.low,"
    " d.high, d.amount, d.unit, d.unit_system FROM jsonb_to_recordset({}::jsonb) AS d (path text,"
    " code text, system text, target uuid, low timestamptz, high timestamptz,"
    " amount double precision, unit text, unit_system text)"
)
_INDEXED = _INDEX.replace("{}", "$8")
INSERT = Command(
    "WITH made AS (INSERT INTO fhir_resources (id, tenant_id, type, version, patient_id, resource,"
    f" happened_at, updated_at) VALUES ($1, $2, $3, 1, $4, $5, $6, $7)) {_INDEXED}"
)
UPDATE = Command(
    "WITH former AS (INSERT INTO fhir_versions (id, tenant_id, resource_id, version, resource,"
    " updated_at) SELECT $3, $2, r.id, r.version, $4, r.updated_at FROM fhir_resources r"
    " WHERE r.id = $1), cleared AS (DELETE FROM fhir_index WHERE resource_id = $1),"
    " changed AS (UPDATE fhir_resources SET resource = $5, happened_at = $6, updated_at = $7,"
    f" version = version + 1 WHERE id = $1) {_INDEXED}"
)
REMOVE = Command(
    "WITH former AS (INSERT INTO fhir_versions (id, tenant_id, resource_id, version, resource,"
    " updated_at) SELECT $3, $2, r.id, r.version, $4, r.updated_at FROM fhir_resources r"
    " WHERE r.id = $1), cleared AS (DELETE FROM fhir_index WHERE resource_id = $1)"
    " UPDATE fhir_resources SET resource = '', deleted_at = $5, updated_at = $5,"
    " version = version + 1 WHERE id = $1"
)
FORMER = Query(
    Version,
    "SELECT v.id, v.resource, v.version, v.updated_at, false AS is_removal FROM fhir_versions v"
    " JOIN fhir_resources r ON r.tenant_id = v.tenant_id AND r.id = v.resource_id AND r.type = $2"
    " WHERE v.resource_id = $1 AND ($3::int IS NULL OR v.version = $3) ORDER BY v.version DESC",
    records.OPENS_FORMER,
)
LATEST = Query(
    Version,
    "SELECT id, resource, version, updated_at, deleted_at IS NOT NULL AS is_removal"
    " FROM fhir_resources WHERE id = $1 AND type = $2 AND ($3::int IS NULL OR version = $3)",
    records.OPENS,
)
