"""SQL of break-glass access."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """One hour of somebody; field order is the wire's."""

    id: UUID
    staff_id: UUID
    reason: str
    started_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    version: int


_SELECT = (
    "SELECT b.id, b.staff_id, b.reason, b.started_at, b.expires_at, b.ended_at, b.version"
    " FROM break_glass b"
)
GET = Query(BreakGlass, f"{_SELECT} WHERE b.id = $1")
GET_FOR_UPDATE = Query(BreakGlass, GET.sql + " FOR UPDATE OF b")
LIST = Query(
    BreakGlass,
    f"{_SELECT} WHERE ($1::uuid IS NULL OR b.staff_id = $1)"
    " AND ($2::timestamptz IS NULL OR (b.started_at, b.id) < ($2, $3::uuid))"
    " ORDER BY b.started_at DESC, b.id DESC LIMIT $4",
)
# What nobody ended has ended by itself.
END_EXPIRED = Command(
    "UPDATE break_glass SET ended_at = expires_at, version = version + 1"
    " WHERE staff_id = $1 AND ended_at IS NULL AND expires_at <= $2"
)
INSERT = Command(
    "INSERT INTO break_glass (id, tenant_id, staff_id, reason, started_at, expires_at)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
)
END = Command("UPDATE break_glass SET ended_at = $2, version = version + 1 WHERE id = $1")
