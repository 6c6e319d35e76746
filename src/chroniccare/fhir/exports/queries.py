"""SQL of exports."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Export:
    """One export; `document` is sealed."""

    id: UUID
    actor_id: UUID
    actor_type: str
    state: str
    document: str
    place: int
    after_id: UUID | None
    exported: int
    fence: int
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class File:
    """One file, as much of it as is finished."""

    id: UUID
    type: str
    count: int
    frames: int
    stored: int


_COLUMNS = (
    "id, actor_id, actor_type, state, document, place, after_id, exported, fence, created_at,"
    " expires_at"
)
# Whoever erases a patient holds it alone, and cancels every export (privacy/queries_erasing.py).
LOCK = Command("SELECT pg_advisory_xact_lock_shared(hashtextextended('exports:' || $1, 0))")
GET = Query(
    Export,
    f"SELECT {_COLUMNS} FROM fhir_exports WHERE id = $1 AND actor_id = $2"
    " AND state <> 'cancelled' AND (expires_at IS NULL OR expires_at > $3)",
)
INSERT = Command(
    "INSERT INTO fhir_exports (id, tenant_id, actor_id, actor_type, document, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id)"
    " WHERE state IN ('waiting', 'running') DO NOTHING"
)
CANCEL = Command("UPDATE fhir_exports SET state = 'cancelled' WHERE id = $1")
FILES = Query(
    File,
    "SELECT id, type, count, frames, stored FROM fhir_export_files WHERE export_id = $1"
    " ORDER BY id",
)
GET_FILE = Query(
    File,
    "SELECT id, type, count, frames, stored FROM fhir_export_files"
    " WHERE export_id = $1 AND id = $2",
)
# --- the worker's -----------------------------------------------------------------------------
CLAIM = Query(
    Export,
    "UPDATE fhir_exports SET state = 'running', fence = fence + 1, lease_until = $2 WHERE id ="
    " (SELECT id FROM fhir_exports WHERE state IN ('waiting', 'running')"
    " AND (lease_until IS NULL OR lease_until <= $1) LIMIT 1 FOR UPDATE SKIP LOCKED)"
    f" RETURNING {_COLUMNS}",
)
# $2: the fence of the claim. Nothing is written down of an export that is somebody else's by now.
PROGRESS = Command(
    "UPDATE fhir_exports SET place = $3, after_id = $4, exported = exported + $5, lease_until = $6"
    " WHERE id = $1 AND fence = $2 AND state = 'running'"
)
PUT_FILE = Command(
    "INSERT INTO fhir_export_files (id, tenant_id, export_id, type, count, frames, stored)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, id) DO UPDATE"
    " SET count = excluded.count, frames = excluded.frames, stored = excluded.stored"
)
END = Command(
    "UPDATE fhir_exports SET state = $3, expires_at = $4, lease_until = NULL"
    " WHERE id = $1 AND fence = $2 AND state = 'running'"
)
RELEASE = Command(
    "UPDATE fhir_exports SET lease_until = NULL WHERE id = $1 AND fence = $2 AND state = 'running'"
)
OVER = Command("SELECT id FROM fhir_exports WHERE state = 'cancelled' OR expires_at <= $1")
# Of those that failed there is the row alone, which says so.
WITH_FILES = Command(
    "SELECT id FROM fhir_exports WHERE state IN ('waiting', 'running', 'done')"
    " AND (expires_at IS NULL OR expires_at > $1)"
)
FORGET_FILES = Command("DELETE FROM fhir_export_files WHERE export_id = ANY ($1::uuid[])")
FORGET = Command("DELETE FROM fhir_exports WHERE id = ANY ($1::uuid[])")
