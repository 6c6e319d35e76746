"""SQL of the keys that fields of a tenant are encrypted with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import WrappedKey


@dataclass(frozen=True, slots=True)
class TenantKey:
    """One key without the key: what may be shown."""

    purpose: str
    version: int
    master_id: str
    state: str
    created_at: datetime
    retired_at: datetime | None
    destroyed_at: datetime | None
    swept_at: datetime | None
    swept_columns: int
    stored_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stale:
    """A value that is not sealed, or under a version that is to go."""

    id: UUID
    value: Any


@dataclass(frozen=True, slots=True)
class StaleRest(Stale):
    """A document of which a part is, in the row that `row` names."""

    row: str


LIST = Query(
    TenantKey,
    "SELECT purpose, version, master_id, state, created_at, retired_at, destroyed_at, swept_at,"
    " swept_columns, stored_at"
    " FROM tenant_keys ORDER BY purpose, version",
)
HAS_KEYS = Command("SELECT EXISTS (SELECT FROM tenant_keys)")
IN_STORE = Command("SELECT EXISTS (SELECT FROM tenant_keys WHERE stored_at IS NOT NULL)")
INSERT = Command(
    "INSERT INTO tenant_keys"
    " (tenant_id, purpose, version, wrapped, master_id, state, created_at, stored_at)"
    " VALUES ($1, $2, $3, $4, $5, 'active', $6, $7) ON CONFLICT DO NOTHING"
)
RETIRE = Command(
    "UPDATE tenant_keys SET state = 'retiring', retired_at = $2"
    " WHERE purpose = $1 AND state = 'active' RETURNING version"
)
DESTROY_RETIRED = Command(
    "UPDATE tenant_keys SET state = 'destroyed', wrapped = NULL, destroyed_at = $1"
    " WHERE purpose = 'data' AND state = 'retiring'"
)
SWEPT = Command(
    "UPDATE tenant_keys SET swept_at = $1, swept_columns = $3"
    " WHERE purpose = 'data' AND version = $2 AND state = 'active'"
)
DESTROY_ALL = Command(
    "UPDATE tenant_keys SET state = 'destroyed', wrapped = NULL, destroyed_at = $1"
    " WHERE state <> 'destroyed'"
)
CLOSE_TENANT = Command("UPDATE tenants SET is_active = false, updated_at = $2 WHERE id = $1")
UNDER_OTHERS = Query(
    WrappedKey,
    "SELECT purpose, version, wrapped, master_id, state, stored_at FROM tenant_keys"
    " WHERE state <> 'destroyed' AND master_id <> $1 ORDER BY purpose, version FOR UPDATE",
)
LIVING = Query(
    WrappedKey,
    "SELECT purpose, version, wrapped, master_id, state, stored_at FROM tenant_keys"
    " WHERE state <> 'destroyed' ORDER BY purpose, version FOR UPDATE",
)
REWRAP = Command(
    "UPDATE tenant_keys SET wrapped = $3, master_id = $4, stored_at = $5"
    " WHERE purpose = $1 AND version = $2"
)
# For the owner alone. What was wrapped otherwise before stays in the table's file, unseen, until it
# is written anew: a copy of the file would hold it.
REWRITE = "VACUUM FULL tenant_keys"
