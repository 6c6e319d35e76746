"""SQL of local accounts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens
from chroniccare.tenancy.queries_keys import Stale

SECRET = Column("staff_logins.code_secret")


@dataclass(frozen=True, slots=True)
class Account:
    """A member of staff and how they sign in; never shown, logged or audited as it is."""

    id: UUID
    email: str
    display_name: str
    role: str
    is_active: bool
    clinic: str
    subdomain: str
    password_hash: str | None
    must_change: bool | None
    expires_at: datetime | None
    code_secret: str | None
    code_since: datetime | None


@dataclass(frozen=True, slots=True)
class Attempts:
    """Wrong attempts at one account."""

    failures: int
    last_at: datetime
    rests_until: datetime | None


@dataclass(frozen=True, slots=True)
class Given:
    """A password that somebody was given: until when it is good, and whether codes are asked for.

    Field order is the wire's, where the password itself follows.
    """

    staff_id: UUID
    expires_at: datetime | None
    has_second_factor: bool


@dataclass(frozen=True, slots=True)
class State:
    """How somebody signs in, as others may see it."""

    staff_id: UUID
    has_password: bool
    must_change: bool
    has_factor: bool
    recovery_codes: int
    changed_at: datetime


_SELECT = (
    "SELECT s.id, s.email, s.display_name, s.role, s.is_active, t.name AS clinic, t.subdomain,"
    " l.password_hash, l.must_change, l.expires_at, l.code_secret, l.code_since"
    " FROM staff_users s JOIN tenants t ON t.id = s.tenant_id"
    " LEFT JOIN staff_logins l ON l.tenant_id = s.tenant_id AND l.staff_id = s.id"
)
_OPENS = (Opens(SECRET, "code_secret"),)
BY_EMAIL = Query(Account, f"{_SELECT} WHERE s.email = $1", _OPENS)
GET = Query(Account, f"{_SELECT} WHERE s.id = $1", _OPENS)
LOCK = Command("SELECT 1 FROM staff_users WHERE id = $1 FOR NO KEY UPDATE")
STATE = Query(
    State,
    "SELECT staff_id, true AS has_password, must_change, code_since IS NOT NULL AS has_factor,"
    " jsonb_array_length(recovery_hashes) AS recovery_codes, changed_at FROM staff_logins"
    " WHERE staff_id = $1",
)
ANY = Command("SELECT EXISTS (SELECT FROM staff_logins)")
PUT_PASSWORD = Command(
    "INSERT INTO staff_logins (tenant_id, staff_id, password_hash, must_change, expires_at,"
    " changed_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, staff_id) DO UPDATE SET"
    " password_hash = excluded.password_hash, must_change = excluded.must_change,"
    " expires_at = excluded.expires_at, changed_at = excluded.changed_at"
)
REHASH = Command(
    "UPDATE staff_logins SET password_hash = $3 WHERE staff_id = $1 AND password_hash = $2"
)
PUT_SECRET = Command(
    "UPDATE staff_logins SET code_secret = $2, code_step = 0"
    " WHERE staff_id = $1 AND code_since IS NULL"
)
CONFIRM = Command(
    "UPDATE staff_logins SET code_since = $2, recovery_hashes = $3"
    " WHERE staff_id = $1 AND code_since IS NULL"
)
# Of two requests with the same code one finds it unused.
USE_STEP = Command("UPDATE staff_logins SET code_step = $2 WHERE staff_id = $1 AND code_step < $2")
USE_RECOVERY = Command(
    "UPDATE staff_logins SET recovery_hashes = recovery_hashes - $2::text WHERE staff_id = $1"
    " AND code_since IS NOT NULL AND recovery_hashes @> jsonb_build_array($2::text)"
)
REMOVE_FACTOR = Command(
    "UPDATE staff_logins SET code_secret = NULL, code_since = NULL, recovery_hashes = '[]'"
    " WHERE staff_id = $1 AND code_secret IS NOT NULL"
)

ATTEMPTS = Query(
    Attempts,
    "SELECT failures, last_at, rests_until FROM staff_attempts WHERE account_hash = $1 FOR UPDATE",
)
FIRST_ATTEMPT = Command(
    "INSERT INTO staff_attempts (tenant_id, account_hash, failures, last_at)"
    " VALUES ($1, $2, 0, $3) ON CONFLICT DO NOTHING"
)
NOTE_ATTEMPT = Command(
    "UPDATE staff_attempts SET failures = $2, last_at = $3, rests_until = $4"
    " WHERE account_hash = $1"
)
UNDO_ATTEMPT = Command(
    "UPDATE staff_attempts SET failures = greatest(failures - 1, 0), rests_until = NULL"
    " WHERE account_hash = $1"
)
CLEAR_ATTEMPTS = Command("DELETE FROM staff_attempts WHERE account_hash = $1")
FORGET_ATTEMPTS = Command("DELETE FROM staff_attempts WHERE last_at < $1")

FIND_STALE = Query(
    Stale,
    "SELECT staff_id AS id, code_secret AS value FROM staff_logins"
    " WHERE left(code_secret, 5) <> $1 AND staff_id > $2 ORDER BY staff_id LIMIT $3"
    " FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE = Command("SELECT EXISTS (SELECT FROM staff_logins WHERE left(code_secret, 5) <> $1)")
RESEAL = Command(
    "UPDATE staff_logins l SET code_secret = d.value"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text) WHERE l.staff_id = d.id"
)
