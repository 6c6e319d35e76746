"""SQL of devices."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column
from chroniccare.tenancy.queries_keys import Stale

TOKEN = Column("patient_devices.token")


@dataclass(frozen=True, slots=True)
class Device:
    """One device as it is shown; field order is the wire's. Its token is not among them."""

    id: UUID
    patient_id: UUID
    platform: str
    app: str | None
    locale: str | None
    status: str
    reason: str | None
    seen_at: datetime
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A device that the provider is to register, or to forget (`status` is `removed`).

    `shared`: its token is another row's by now, and with it the endpoint.
    """

    id: UUID
    patient_id: UUID
    platform: str
    token: str = field(repr=False)
    status: str
    endpoint: str | None
    tries: int
    version: int
    shared: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A device and where its messages go."""

    id: UUID
    endpoint: str


_COLUMNS = (
    "v.id, v.patient_id, v.platform, v.app, v.locale, v.status, v.reason, v.seen_at, v.version,"
    " v.created_at, v.updated_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM patient_devices v"
GET = Query(Device, f"{_SELECT} WHERE v.patient_id = $1 AND v.id = $2 AND v.status <> 'removed'")
GET_FOR_UPDATE = Query(Device, GET.sql + " FOR UPDATE")
BY_TOKEN = Query(
    Device,
    f"{_SELECT} WHERE v.platform = $1 AND (v.token_index = $3 OR v.token_index IS NULL"
    " AND v.token = $2) AND v.status <> 'removed' FOR UPDATE",
)
LIST = Query(
    Device,
    f"{_SELECT} WHERE v.patient_id = $1 AND v.status <> 'removed'"
    " AND ($2::timestamptz IS NULL OR (v.created_at, v.id) > ($2, $3::uuid))"
    " ORDER BY v.created_at, v.id LIMIT $4",
)
COUNT = Command(
    "SELECT count(*) FROM patient_devices WHERE patient_id = $1 AND status <> 'removed'"
)
# A token is one row's: two requests with the same one wait for each other here.
LOCK_TOKEN = Command("SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 27))")
INSERT = Command(
    "INSERT INTO patient_devices (id, tenant_id, patient_id, platform, token, token_index, app,"
    " locale, status, seen_at, next_try_at, created_at, updated_at) SELECT d.id, $2, d.patient_id,"
    " d.platform, d.token, d.token_index, d.app, d.locale, 'waiting', $3, $3, $3, $3"
    " FROM jsonb_to_record($1::jsonb) AS d (id uuid, patient_id uuid, platform text, token text,"
    " token_index bytea, app text, locale text)"
)
# With another token, or after it was disabled, the provider is asked again; a sign of life of one
# that it has is a sign of life.
UPDATE = Command(
    "UPDATE patient_devices v SET app = d.app, locale = d.locale, token = d.token,"
    " token_index = d.token_index, seen_at = $2, status = CASE WHEN v.status = 'enabled'"
    " AND (v.token_index = d.token_index OR v.token = d.token) THEN 'enabled' ELSE 'waiting'"
    " END, reason = NULL, tries = 0, next_try_at = $2, version = v.version + 1, updated_at = $2"
    " FROM jsonb_to_record($1::jsonb) AS d (id uuid, token text, token_index bytea, app text,"
    " locale text) WHERE v.id = d.id"
)
REMOVE = Command(
    "UPDATE patient_devices SET status = 'removed', next_try_at = $2, tries = 0, reason = NULL,"
    " version = version + 1, updated_at = $2 WHERE id = $1"
)

# --- with the provider --------------------------------------------------------------------------

CLAIM = Query(
    Waiting,
    "UPDATE patient_devices v SET next_try_at = $2, tries = v.tries + 1 FROM"
    " (SELECT w.id FROM patient_devices w WHERE w.status IN ('waiting', 'removed')"
    " AND w.next_try_at <= $1 ORDER BY w.next_try_at LIMIT $3 FOR UPDATE SKIP LOCKED) due"
    " WHERE v.id = due.id RETURNING v.id, v.patient_id, v.platform, v.token, v.status, v.endpoint,"
    " v.tries, v.version, EXISTS (SELECT FROM patient_devices o WHERE o.tenant_id = v.tenant_id"
    " AND o.platform = v.platform AND (o.token_index = v.token_index OR o.token = v.token)"
    " AND o.id <> v.id AND o.status <> 'removed') AS shared",
)
# Compare and set: what the app has changed meanwhile is looked at again.
SETTLE = Query(
    Device,
    "UPDATE patient_devices v SET status = $3, endpoint = coalesce($4, v.endpoint), reason = $5,"
    " version = v.version + 1, updated_at = $6 WHERE v.id = $1 AND v.version = $2"
    f" AND v.status = 'waiting' RETURNING {_COLUMNS}",
)
# Removed while it was registered: what was made is to be forgotten as well.
KEEP_ENDPOINT = Command(
    "UPDATE patient_devices SET endpoint = $2 WHERE id = $1 AND endpoint IS NULL"
)
LATER = Command(
    "UPDATE patient_devices SET reason = $3, next_try_at = $4, updated_at = $5"
    " WHERE id = $1 AND version = $2"
)
FORGET = Command("DELETE FROM patient_devices WHERE id = $1 AND status = 'removed'")
# The provider takes nothing for it any more, or ($2 is `waiting`) has forgotten it.
GONE = Query(
    Device,
    "UPDATE patient_devices v SET status = $2, reason = $3, tries = 0, next_try_at = $4,"
    " endpoint = CASE $2 WHEN 'waiting' THEN NULL ELSE v.endpoint END,"
    " version = v.version + 1, updated_at = $4 WHERE v.endpoint = $1 AND v.status = 'enabled'"
    f" RETURNING {_COLUMNS}",
)
# Where else a message goes that went to the device behind $1.
OTHERS = Command(
    "SELECT v.endpoint FROM patient_devices o JOIN patient_devices v ON v.tenant_id = o.tenant_id"
    " AND v.patient_id = o.patient_id WHERE o.endpoint = $1 AND o.status = 'enabled'"
    " AND v.status = 'enabled' AND v.endpoint <> $1 ORDER BY v.seen_at DESC, v.id"
)
# Of a whole clinic, in pages.
ENDPOINTS = Query(
    Endpoint,
    "SELECT id, endpoint FROM patient_devices WHERE endpoint IS NOT NULL"
    " AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2",
)

FIND_STALE_TOKENS = Query(
    Stale,
    "SELECT id, token AS value FROM patient_devices WHERE left(token, 5) <> $1 AND id > $2"
    " ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE_TOKEN = Command("SELECT EXISTS (SELECT FROM patient_devices WHERE left(token, 5) <> $1)")
RESEAL_TOKENS = Command(
    "UPDATE patient_devices v SET token = d.value, token_index = d.blind"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text, blind bytea)"
    " WHERE v.id = d.id"
)
