"""SQL of the audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that someone did or saw."""

    id: UUID
    entity_type: str
    entity_id: UUID | None
    action: str
    user_id: UUID | None
    user_type: str | None
    changes: dict[str, Any]
    metadata: dict[str, Any]
    ip_address: str | None
    created_at: datetime


CHANGES = Column("audit_logs.changes", "record")

INSERT = Command(
    "INSERT INTO audit_logs (id, tenant_id, entity_type, entity_id, action, user_id, user_type,"
    " changes, metadata, ip_address, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
)
INSERT_CHANGES = Command(
    "INSERT INTO audit_logs (id, tenant_id, entity_type, entity_id, action, user_id, user_type,"
    " changes, metadata, ip_address, created_at)"
    " SELECT d.id, $2, $3, d.entity_id, $4, $5, $6, d.changes, $7, $8, $9"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, entity_id uuid, changes jsonb)"
)
INSERT_MANY = Command(
    "INSERT INTO audit_logs (id, tenant_id, entity_type, entity_id, action, user_id, user_type,"
    " metadata, ip_address, created_at)"
    " SELECT id, tenant_id, entity_type, entity_id, action, user_id, user_type, metadata,"
    " ip_address, created_at FROM jsonb_to_recordset($1::jsonb) AS r (id uuid, tenant_id uuid,"
    " entity_type text, entity_id uuid, action text, user_id uuid, user_type text, metadata jsonb,"
    " ip_address inet, created_at timestamptz)"
)
SEARCH = Query(
    AuditEntry,
    "SELECT id, entity_type, entity_id, action, user_id, user_type, changes, metadata,"
    " host(ip_address) AS ip_address, created_at FROM audit_logs"
    " WHERE ($1::uuid IS NULL OR entity_id = $1) AND ($2::uuid IS NULL OR user_id = $2)"
    " AND ($3::text IS NULL OR action = $3)"
    " AND ($4::timestamptz IS NULL OR created_at >= $4)"
    " AND ($5::timestamptz IS NULL OR created_at < $5)"
    " AND ($6::timestamptz IS NULL OR (created_at, id) < ($6, $7::uuid))"
    " ORDER BY created_at DESC, id DESC LIMIT $8",
    (Opens(CHANGES, "changes", within="changes"),),
)
