"""SQL of tenants, API keys and idempotency keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Tenant:
    """One clinic organisation: the unit of isolation."""

    id: UUID
    name: str
    subdomain: str
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What authentication needs of a key; `tenant_is_active` comes from its tenant."""

    id: UUID
    tenant_id: UUID
    key_hash: bytes
    environment: str
    scopes: list[str]
    is_active: bool
    expires_at: datetime | None
    last_used_at: datetime | None
    tenant_is_active: bool
    networks: list[str]


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What authentication needs of an access token; `allowed` and the rest are its client's."""

    client_id: UUID
    tenant_id: UUID
    scopes: list[str]
    expires_at: datetime
    allowed: list[str]
    networks: list[str]
    is_active: bool


@dataclass(frozen=True, slots=True)
class Member:
    """What authentication needs of a member of staff, with break-glass access if there is any."""

    id: UUID
    tenant_id: UUID
    role: str
    emergency_id: UUID | None
    emergency_until: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its tenant sees it; the secret is not stored."""

    id: UUID
    key_name: str
    key_id: str
    environment: str
    scopes: list[str]
    is_active: bool
    last_used_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    networks: list[str]


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The answer kept under an idempotency key; `status` is NULL only inside its own request."""

    request_hash: bytes
    status: int | None
    headers: dict[str, Any] | None
    body: bytes | None


@dataclass(frozen=True, slots=True)
class KeptReply:
    """An answer that is kept, by its key."""

    key: str
    headers: dict[str, Any] | None
    body: bytes


LIST_TENANTS = Query(
    Tenant,
    "SELECT id, name, subdomain, is_active, created_at FROM tenants WHERE erased_at IS NULL"
    " ORDER BY subdomain",
)
FIND_TENANT = Query(
    Tenant,
    "SELECT id, name, subdomain, is_active, created_at FROM tenants WHERE subdomain = $1",
)
INSERT_TENANT = Command(
    "INSERT INTO tenants (id, name, subdomain, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)"
    " ON CONFLICT (subdomain) DO NOTHING"
)
FIND_KEY = Query(
    KeyRecord,
    "SELECT k.id, k.tenant_id, k.key_hash, k.environment, k.scopes, k.is_active, k.expires_at,"
    " k.last_used_at, t.is_active AS tenant_is_active, k.networks"
    " FROM api_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.key_id = $1",
)
FIND_TOKEN = Query(
    TokenRecord,
    "SELECT s.client_id, s.tenant_id, s.scopes, s.expires_at, c.scopes AS allowed, c.networks,"
    " c.enabled AND c.deleted_at IS NULL AND t.is_active AS is_active FROM smart_tokens s"
    " JOIN smart_clients c ON c.tenant_id = s.tenant_id AND c.id = s.client_id"
    " JOIN tenants t ON t.id = s.tenant_id WHERE s.token_hash = $1",
)
# Of several clinics the one named, else the one that has known them longest: no clinic can come
# between a person and another one.
FIND_MEMBER = Query(
    Member,
    "SELECT s.id, s.tenant_id, s.role, b.id AS emergency_id, b.expires_at AS emergency_until"
    " FROM staff_users s JOIN tenants t ON t.id = s.tenant_id LEFT JOIN break_glass b"
    " ON b.tenant_id = s.tenant_id AND b.staff_id = s.id AND b.ended_at IS NULL"
    " WHERE s.issuer = $1 AND s.subject = $2 AND s.is_active AND t.is_active"
    " AND ($3::text IS NULL OR t.subdomain = $3) ORDER BY s.created_at, s.id LIMIT 1",
)
# Authentication never waits for whoever holds the row.
NOTE_KEY_USE = Command(
    "UPDATE api_keys SET last_used_at = $2 WHERE id ="
    " (SELECT id FROM api_keys WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED)"
)
LIST_KEYS = Query(
    ApiKey,
    "SELECT id, key_name, key_id, environment, scopes, is_active, last_used_at, expires_at,"
    " created_at, revoked_at, networks FROM api_keys ORDER BY created_at, id",
)
INSERT_KEY = Command(
    "INSERT INTO api_keys (id, tenant_id, key_name, key_id, key_hash, environment, scopes,"
    " expires_at, created_at, rotated_from, networks)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
)
REVOKE_KEY = Command(
    "UPDATE api_keys SET is_active = false, revoked_at = coalesce(revoked_at, $2)"
    " WHERE key_id = $1 AND is_active"
)
EXPIRE_KEY = Command(
    "UPDATE api_keys SET expires_at = least(coalesce(expires_at, $2), $2) WHERE key_id = $1"
)
FIND_OWN_KEY = Query(
    ApiKey,
    "SELECT id, key_name, key_id, environment, scopes, is_active, last_used_at, expires_at,"
    " created_at, revoked_at, networks FROM api_keys WHERE key_id = $1",
)

CLAIM_IDEMPOTENCY_KEY = Command(
    "INSERT INTO idempotency_keys (tenant_id, key, request_hash, created_at)"
    " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)
GET_REPLY = Query(
    StoredReply, "SELECT request_hash, status, headers, body FROM idempotency_keys WHERE key = $1"
)
STORE_REPLY = Command(
    "UPDATE idempotency_keys SET status = $2, headers = $3, body = $4 WHERE key = $1"
)
KEPT_REPLIES = Query(
    KeptReply,
    "SELECT key, headers, body FROM idempotency_keys WHERE body IS NOT NULL AND key > $1"
    " ORDER BY key LIMIT $2",
)
FORGET_THESE = Command("DELETE FROM idempotency_keys WHERE key = ANY($1::text[])")
FORGET_REPLIES = Command("DELETE FROM idempotency_keys WHERE created_at < $1")
