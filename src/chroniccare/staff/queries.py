"""SQL of staff."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Staff:
    """One member of staff; field order is the wire's."""

    id: UUID
    email: str
    display_name: str
    role: str
    issuer: str | None
    subject: str | None
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


_SELECT = (
    "SELECT s.id, s.email, s.display_name, s.role, s.issuer, s.subject, s.is_active, s.version,"
    " s.created_at, s.updated_at FROM staff_users s"
)
GET = Query(Staff, f"{_SELECT} WHERE s.id = $1")
GET_FOR_UPDATE = Query(Staff, GET.sql + " FOR NO KEY UPDATE OF s")
LIST = Query(
    Staff,
    f"{_SELECT} WHERE ($1::text IS NULL OR s.role = $1) AND ($2::boolean IS NULL OR s.is_active"
    " = $2) AND ($3::text IS NULL OR s.email > $3) ORDER BY s.email LIMIT $4",
)
INSERT = Command(
    "INSERT INTO staff_users (id, tenant_id, email, display_name, role, issuer, subject, is_active,"
    " created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)"
    " ON CONFLICT DO NOTHING"
)
UPDATE = Command(
    "UPDATE staff_users SET email = $2, display_name = $3, role = $4, issuer = $5, subject = $6,"
    " is_active = $7, version = version + 1, updated_at = $8 WHERE id = $1"
)
# Which field of these somebody else has: unique keys say only that one is taken.
TAKEN = Command(
    "SELECT CASE WHEN email = $2 THEN 'email' ELSE 'subject' END FROM staff_users"
    " WHERE id <> $1 AND (email = $2 OR (issuer = $3 AND subject = $4)) LIMIT 1"
)
