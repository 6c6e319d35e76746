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
# One element a read, with the ids of its rows and of what was seen: a page of 140 records sent row
# by row takes half as long again.
INSERT_READS = Command(
    "INSERT INTO audit_logs (id, tenant_id, entity_type, entity_id, action, user_id, user_type,"
    " metadata, ip_address, created_at)"
    " SELECT e.id, r.tenant_id, r.entity_type, e.entity_id, r.action, r.user_id, r.user_type,"
    " r.metadata, r.ip_address, r.created_at FROM jsonb_to_recordset($1::jsonb) AS r (ids uuid[],"
    " seen uuid[], tenant_id uuid, entity_type text, action text, user_id uuid, user_type text,"
    " metadata jsonb, ip_address inet, created_at timestamptz)"
    " CROSS JOIN LATERAL unnest(r.ids, r.seen) AS e (id, entity_id)"
)
_COLUMNS = (
    "id, entity_type, entity_id, action, user_id, user_type, changes, metadata,"
    " host(ip_address) AS ip_address, created_at FROM audit_logs"
)
SEARCH = Query(
    AuditEntry,
    f"SELECT {_COLUMNS}"
    " WHERE ($1::text IS NULL OR entity_type = $1) AND ($2::uuid IS NULL OR entity_id = $2)"
    " AND ($3::uuid IS NULL OR user_id = $3) AND ($4::text IS NULL OR user_type = $4)"
    " AND ($5::text IS NULL OR action = $5)"
    " AND ($6::timestamptz IS NULL OR created_at >= $6)"
    " AND ($7::timestamptz IS NULL OR created_at < $7)"
    " AND ($8::text IS NULL OR metadata->>'purpose' = $8)"
    " AND ($9::text IS NULL OR metadata->>'outcome' = $9)"
    " AND ($10::timestamptz IS NULL OR (created_at, id) < ($10, $11::uuid))"
    " ORDER BY created_at DESC, id DESC LIMIT $12",
    (Opens(CHANGES, "changes", within="changes"),),
)

OF_A_PATIENT = (
    "adherence_episodes", "appointment_series", "appointments", "calendar_feeds", "contact_points",
    "inbound_messages", "medication_adherence", "medication_doses", "medication_fills",
    "medications", "notifications", "patient_allergies", "patient_devices", "patient_providers",
    "privacy_jobs", "recalls", "related_persons", "tasks", "waitlist", "fhir_extras",
    "fhir_resources",
)  # fmt: skip
"""Every table whose rows are a patient's and have an id; a test compares it with the schema."""
RECORDS = " UNION ALL ".join(
    [
        *(f"SELECT t.id FROM {table} t WHERE t.patient_id {{0}}" for table in OF_A_PATIENT),
        (
            "SELECT m.id FROM outbox_messages m JOIN notifications n ON n.tenant_id = m.tenant_id"
            " AND n.id = m.notification_id WHERE n.patient_id {0}"
        ),
        (
            "SELECT o.id FROM waitlist_offers o JOIN waitlist w ON w.tenant_id = o.tenant_id"
            " AND w.id = o.entry_id WHERE w.patient_id {0}"
        ),
    ]
)
"""Ids of all that is of patients; `{0}` is where `= id` or `IN (...)` goes."""
_IDS = "SELECT $1::uuid UNION ALL " + RECORDS.replace("{0}", "= $1")
ACCESS = Query(
    AuditEntry,
    f"SELECT {_COLUMNS} WHERE entity_id IN ({_IDS})"
    " AND ($2::text IS NULL OR action = $2)"
    " AND ($3::timestamptz IS NULL OR created_at >= $3)"
    " AND ($4::timestamptz IS NULL OR created_at < $4)"
    " AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))"
    " ORDER BY created_at DESC, id DESC LIMIT $7",
    (Opens(CHANGES, "changes", within="changes"),),
)
# A patient who was removed has a report, too.
PATIENT_EXISTS = Command("SELECT EXISTS (SELECT FROM patients WHERE id = $1)")
