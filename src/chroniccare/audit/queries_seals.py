"""SQL of the audit's chain.

A row's digest is the SHA-256 of the JSON array of its columns, each as text or null, as PostgreSQL
writes it; times are microseconds since 1970, so that no session's settings matter.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.audit.rules import Sealed
from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row without a seal."""

    id: UUID
    xact: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Last:
    """The last seal of a chain."""

    seq: int
    hash: bytes
    horizon: int


@dataclass(frozen=True, slots=True)
class Looked:
    """A row of the audit, and whether it has a seal."""

    id: UUID
    created_at: datetime
    xact: int
    is_sealed: bool


COLUMNS = (
    "id", "tenant_id", "entity_type", "entity_id", "action", "user_id", "user_type", "changes",
    "metadata", "ip_address", "created_at", "xact",
)  # fmt: skip
"""What a digest covers: every column, which a test compares with the table."""
_MICROS = "(extract(epoch from a.created_at) * 1000000)::bigint"
_TEXTS = ", ".join(
    (_MICROS if column == "created_at" else f"a.{column}") + "::text" for column in COLUMNS
)
_DIGEST = f"sha256(convert_to(json_build_array({_TEXTS})::text, 'UTF8'))"

# As the system: tenants with rows at or above a horizon; one probe of an index for each.
TENANTS = Command(
    "SELECT t.id FROM tenants t WHERE EXISTS (SELECT FROM audit_logs a"
    " WHERE a.tenant_id = t.id AND a.xact >= $1) ORDER BY t.id"
)
# The lowest transaction still running. What is below has been seen or never will be.
HORIZON = Command("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
TAKE_TURN = Command("SELECT pg_try_advisory_xact_lock(hashtextextended($1::text, 1633903732))")
LAST = Query(Last, "SELECT seq, hash, horizon FROM audit_seals ORDER BY seq DESC LIMIT 1")
WAITING = Query(
    Waiting,
    f"SELECT a.id, a.xact, {_DIGEST} AS digest FROM audit_logs a"
    " WHERE a.xact >= $1 AND (a.xact, a.id) > ($2::bigint, $3::uuid) AND NOT EXISTS"
    " (SELECT FROM audit_seals s WHERE s.tenant_id = a.tenant_id AND s.audit_id = a.id)"
    " ORDER BY a.xact, a.id LIMIT $4",
)
SEAL = Command(
    "INSERT INTO audit_seals (tenant_id, seq, audit_id, prev, hash, horizon, sealed_at)"
    " SELECT $1, r.seq, r.audit_id, r.prev, r.hash, $6, $7 FROM unnest($2::bigint[], $3::uuid[],"
    " $4::bytea[], $5::bytea[]) AS r (seq, audit_id, prev, hash)"
)
SEALED = Query(
    Sealed,
    f"SELECT s.seq, s.audit_id, s.prev, s.hash, s.horizon, s.sealed_at,"
    f" CASE WHEN a.id IS NOT NULL THEN {_DIGEST} END AS digest, a.created_at"
    " FROM audit_seals s LEFT JOIN audit_logs a"
    " ON a.tenant_id = s.tenant_id AND a.id = s.audit_id"
    " WHERE s.seq > $1 ORDER BY s.seq LIMIT $2",
)
LOOKED = Query(
    Looked,
    "SELECT p.id, p.created_at, p.xact, EXISTS (SELECT FROM audit_seals s"
    " WHERE s.tenant_id = p.tenant_id AND s.audit_id = p.id) AS is_sealed"
    " FROM (SELECT a.tenant_id, a.id, a.created_at, a.xact FROM audit_logs a"
    " WHERE $1::timestamptz IS NULL OR (a.created_at, a.id) > ($1, $2::uuid)"
    " ORDER BY a.created_at, a.id LIMIT $3) AS p ORDER BY p.created_at, p.id",
)
