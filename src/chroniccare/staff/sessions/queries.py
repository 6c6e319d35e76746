"""SQL of sessions."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Found:
    """What a token opens: the member of staff as they are now, and the session."""

    id: UUID
    tenant_id: UUID
    role: str
    emergency_id: UUID | None
    emergency_until: datetime | None
    session_id: UUID
    needs: str
    seen_at: datetime
    expires_at: datetime
    display_name: str
    locale: str
    theme: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One session as its owner sees it."""

    id: UUID
    ip_address: str | None
    device: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


# The role is compared: what was begun in another one is over.
FIND = Query(
    Found,
    "SELECT u.id, s.tenant_id, u.role, b.id AS emergency_id, b.expires_at AS emergency_until,"
    " s.id AS session_id, s.needs, s.seen_at, s.expires_at, u.display_name, u.locale, u.theme"
    " FROM staff_sessions s"
    " JOIN staff_users u ON u.tenant_id = s.tenant_id AND u.id = s.staff_id AND u.role = s.role"
    " JOIN tenants t ON t.id = s.tenant_id LEFT JOIN break_glass b"
    " ON b.tenant_id = s.tenant_id AND b.staff_id = s.staff_id AND b.ended_at IS NULL"
    " WHERE s.token_hash = $1 AND s.ended_at IS NULL AND u.is_active AND t.is_active",
)
# Nobody waits for whoever holds the row.
NOTE_USE = Command(
    "UPDATE staff_sessions SET seen_at = $2 WHERE id ="
    " (SELECT id FROM staff_sessions WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED)"
)
INSERT = Command(
    "INSERT INTO staff_sessions (id, tenant_id, staff_id, token_hash, role, needs, ip_address,"
    " device, created_at, seen_at, expires_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)"
)
ROTATE = Command(
    "UPDATE staff_sessions SET token_hash = $2, needs = $3, seen_at = $4, expires_at = $5"
    " WHERE id = $1 AND ended_at IS NULL"
)
LIST = Query(
    Listed,
    "SELECT id, host(ip_address) AS ip_address, device, created_at, seen_at, expires_at"
    " FROM staff_sessions WHERE staff_id = $1 AND ended_at IS NULL AND expires_at > $2"
    " AND seen_at > $3 ORDER BY seen_at DESC, id LIMIT 100",
)
END = Command(
    "UPDATE staff_sessions SET ended_at = $3 WHERE id = $1 AND staff_id = $2 AND ended_at IS NULL"
)
END_OTHERS = Command(
    "UPDATE staff_sessions SET ended_at = $3 WHERE staff_id = $1 AND ended_at IS NULL"
    " AND id IS DISTINCT FROM $2::uuid"
)
PREFER = Command("UPDATE staff_users SET locale = $2, theme = $3 WHERE id = $1")
FORGET = Command("DELETE FROM staff_sessions WHERE expires_at < $1")
