"""SQL of what of the audit goes elsewhere, and of how far that is."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy shows of one sealed row: who did what when to which record; no value of it.

    Attributes:
        at: None and all after it: the row is gone, its seal is there.
        fields: names of the fields that differ.
    """

    seq: int
    hash: bytes
    id: UUID
    at: datetime | None
    entity_type: str | None
    entity_id: UUID | None
    action: str | None
    user_id: UUID | None
    user_type: str | None
    purpose: str | None
    outcome: str | None
    request_id: str | None
    fields: list[str]


# For a time nobody else copies the tenant's audit; null: somebody does.
TAKE = Command(
    "INSERT INTO audit_copies AS c (tenant_id, lease_until) VALUES ($1, $3) ON CONFLICT (tenant_id)"
    " DO UPDATE SET lease_until = $3 WHERE c.lease_until <= $2 RETURNING seq"
)
NEXT = Query(
    Copied,
    "SELECT s.seq, s.hash, s.audit_id AS id, a.created_at AS at, a.entity_type, a.entity_id,"
    " a.action, a.user_id, a.user_type, a.metadata->>'purpose' AS purpose,"
    " a.metadata->>'outcome' AS outcome, a.metadata->>'requestId' AS request_id,"
    " to_jsonb(ARRAY(SELECT DISTINCT f FROM jsonb_each(a.changes) AS e (side, parts),"
    " jsonb_object_keys(CASE WHEN jsonb_typeof(parts) = 'object' THEN parts ELSE '{}' END) AS f"
    " ORDER BY f)) AS fields"
    " FROM audit_seals s LEFT JOIN audit_logs a ON a.tenant_id = s.tenant_id AND a.id = s.audit_id"
    " WHERE s.seq > $1 ORDER BY s.seq LIMIT $2",
)
# As far as $2, if it was at $1 and the lease, until $3, is still ours; the lease ends now, $4.
DONE = Command(
    "UPDATE audit_copies SET seq = $2, lease_until = $4 WHERE seq = $1 AND lease_until = $3"
)
BEHIND = Command(
    "SELECT coalesce((SELECT max(seq) FROM audit_seals), 0)"
    " > coalesce((SELECT max(seq) FROM audit_copies), 0)"
)
