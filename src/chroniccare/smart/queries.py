"""SQL of SMART clients and of the assertions that were taken from them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Client:
    """One client as its tenant sees it; field order is the wire's."""

    id: UUID
    name: str
    jwks_url: str | None
    jwks: dict[str, Any] | None
    scopes: list[str]
    networks: list[str]
    enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Signer:
    """What signing in needs of a client; `is_active` is its tenant's as well."""

    id: UUID
    tenant_id: UUID
    jwks_url: str | None
    jwks: dict[str, Any] | None
    scopes: list[str]
    networks: list[str]
    is_active: bool


_SELECT = (
    "SELECT c.id, c.name, c.jwks_url, c.jwks, c.scopes, c.networks, c.enabled, c.version,"
    " c.created_at, c.updated_at FROM smart_clients c"
)
GET = Query(Client, f"{_SELECT} WHERE c.id = $1 AND c.deleted_at IS NULL")
GET_FOR_UPDATE = Query(Client, GET.sql + " FOR NO KEY UPDATE OF c")
LIST = Query(
    Client,
    f"{_SELECT} WHERE c.deleted_at IS NULL"
    " AND ($1::timestamptz IS NULL OR (c.created_at, c.id) > ($1, $2::uuid))"
    " ORDER BY c.created_at, c.id LIMIT $3",
)
COUNT = Command("SELECT count(*) FROM smart_clients WHERE deleted_at IS NULL")
INSERT = Command(
    "INSERT INTO smart_clients (id, tenant_id, name, jwks_url, jwks, scopes, networks, enabled,"
    " created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)"
)
UPDATE = Command(
    "UPDATE smart_clients SET name = $2, jwks_url = $3, jwks = $4, scopes = $5, networks = $6,"
    " enabled = $7, version = version + 1, updated_at = $8 WHERE id = $1"
)
DELETE = Command(
    "UPDATE smart_clients SET enabled = false, version = version + 1, updated_at = $2,"
    " deleted_at = $2 WHERE id = $1"
)
FIND_SIGNER = Query(
    Signer,
    "SELECT c.id, c.tenant_id, c.jwks_url, c.jwks, c.scopes, c.networks,"
    " c.enabled AND c.deleted_at IS NULL AND t.is_active AS is_active"
    " FROM smart_clients c JOIN tenants t ON t.id = c.tenant_id WHERE c.id = $1",
)
# Of two that come with the same assertion, the second waits for the first and then adds nothing.
TAKE = Command(
    "INSERT INTO smart_tokens (tenant_id, client_id, jti_hash, token_hash, scopes, created_at,"
    " expires_at, kept_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    " ON CONFLICT (tenant_id, client_id, jti_hash) DO NOTHING"
)
FORGET = Command("DELETE FROM smart_tokens WHERE kept_until < $1")
