"""SQL of endpoints and of the log of deliveries to them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint as its tenant sees it; field order is the wire's."""

    id: UUID
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: str | None
    signing: str
    public_key: str | None
    previous_secret_until: datetime | None
    failing_since: datetime | None
    failures: int
    paused_until: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint; `attempts` are the log, the oldest first."""

    id: UUID
    event_id: UUID
    event_type: str
    entity_type: str
    entity_id: UUID
    status: str
    attempt: int
    next_attempt_at: datetime | None
    response_status: int | None
    latency_ms: int | None
    delivered_at: datetime | None
    created_at: datetime
    attempts: list[dict[str, Any]]


_SELECT = (
    "SELECT e.id, e.url, e.events, e.description, e.enabled, e.disabled_reason, e.signing,"
    " e.public_key, e.previous_until AS previous_secret_until, e.failing_since, e.failures,"
    " e.paused_until, e.version, e.created_at, e.updated_at FROM webhook_endpoints e"
)
GET_ANY = Query(Endpoint, f"{_SELECT} WHERE e.id = $1 AND e.deleted_at IS NULL")
"""Of whatever shape; all others see those of shape `event`."""
GET = Query(Endpoint, GET_ANY.sql + " AND e.shape = 'event'")
GET_FOR_UPDATE = Query(Endpoint, GET.sql + " FOR NO KEY UPDATE OF e")
LIST = Query(
    Endpoint,
    f"{_SELECT} WHERE e.deleted_at IS NULL AND e.shape = 'event'"
    " AND ($1::timestamptz IS NULL OR (e.created_at, e.id) > ($1, $2::uuid))"
    " ORDER BY e.created_at, e.id LIMIT $3",
)
COUNT = Command("SELECT count(*) FROM webhook_endpoints WHERE deleted_at IS NULL")
INSERT = Command(
    "INSERT INTO webhook_endpoints (id, tenant_id, url, events, secret, enabled, description,"
    " signing, public_key, disabled_reason, created_at, updated_at) SELECT d.id, $2, d.url,"
    " d.events, d.secret, d.enabled, d.description, d.signing, d.public_key, d.disabled_reason,"
    " $3::timestamptz, $3 FROM jsonb_to_record($1::jsonb) AS d (id uuid, url text, events jsonb,"
    " secret text, enabled boolean, description text, signing text, public_key text,"
    " disabled_reason text)"
)
# Enabled again or moved, it begins anew: what it failed at before does not count.
UPDATE = Command(
    "UPDATE webhook_endpoints SET url = $2, events = $3, description = $4, enabled = $5,"
    " disabled_reason = CASE WHEN $5 THEN NULL ELSE coalesce(disabled_reason, 'by_hand') END,"
    " failing_since = CASE WHEN $5 AND NOT enabled OR url <> $2 THEN NULL ELSE failing_since END,"
    " failures = CASE WHEN $5 AND NOT enabled OR url <> $2 THEN 0 ELSE failures END,"
    " paused_until = CASE WHEN $5 AND NOT enabled OR url <> $2 THEN NULL ELSE paused_until END,"
    " version = version + 1, updated_at = $6 WHERE id = $1"
)
ROTATE = Command(
    "UPDATE webhook_endpoints SET secret = $2, public_key = $3, previous_secret = $4,"
    " previous_until = $5, version = version + 1, updated_at = $6 WHERE id = $1"
)
IS_ENABLED = Command("SELECT enabled FROM webhook_endpoints WHERE id = $1")
GET_SECRET = Command("SELECT secret FROM webhook_endpoints WHERE id = $1")
DELETE = Command(
    "UPDATE webhook_endpoints SET deleted_at = $2, updated_at = $2, enabled = false, secret = '',"
    " disabled_reason = coalesce(disabled_reason, 'by_hand'),"
    " previous_secret = NULL, previous_until = NULL, version = version + 1 WHERE id = $1"
)
_DELIVERY = (
    "SELECT d.id, d.event_id, o.event_type, o.entity_type, o.entity_id, d.status, d.attempt,"
    " d.next_attempt_at, d.response_status, d.latency_ms, d.delivered_at, d.created_at,"
    " coalesce((SELECT jsonb_agg(jsonb_build_object('number', a.number, 'started_at',"
    " a.started_at, 'finished_at', a.finished_at, 'request_headers', a.request_headers,"
    " 'response_status', a.response_status, 'response_start', a.response_start, 'latency_ms',"
    " a.latency_ms, 'error', a.error) ORDER BY a.started_at, a.number) FROM webhook_attempts a"
    " WHERE a.tenant_id = d.tenant_id AND a.delivery_id = d.id), '[]') AS attempts"
    " FROM webhook_deliveries d JOIN outbox o ON o.tenant_id = d.tenant_id AND o.id = d.event_id"
)
GET_DELIVERY = Query(Delivery, f"{_DELIVERY} WHERE d.endpoint_id = $1 AND d.id = $2")
LIST_DELIVERIES = Query(
    Delivery,
    f"{_DELIVERY} WHERE d.endpoint_id = $1 AND ($2::text IS NULL OR d.status = $2)"
    " AND ($3::uuid IS NULL OR d.event_id = $3)"
    " AND ($4::timestamptz IS NULL OR (d.created_at, d.id) < ($4, $5::uuid))"
    " ORDER BY d.created_at DESC, d.id DESC LIMIT $6",
)
UNPAUSE = Command("UPDATE webhook_endpoints SET paused_until = NULL WHERE id = $1")
# A test event is for one endpoint: nobody else is asked whether they want it.
PING = Command(
    "INSERT INTO outbox (id, tenant_id, event_type, entity_type, entity_id, payload, created_at,"
    " relayed_at) VALUES ($1, $2, 'webhook.ping', 'webhook', $3, $4, $5::timestamptz, $5)"
    " RETURNING seq"
)
# --- sending again ----------------------------------------------------------------------------
AGAIN = Command(
    "UPDATE webhook_deliveries SET status = 'pending', attempt = 0, first_attempt_at = NULL,"
    " delivered_at = NULL, next_attempt_at = NULL, lease_until = NULL, fence = fence + 1,"
    " updated_at = $3 WHERE endpoint_id = $1 AND event_id = ANY ($2::uuid[])"
)


@dataclass(frozen=True, slots=True)
class Past:
    """An event in a range of time; `status` is its delivery's, if there is one."""

    id: UUID
    event_type: str
    entity_type: str
    entity_id: UUID
    seq: int
    status: str | None


PAST = Query(
    Past,
    "SELECT o.id, o.event_type, o.entity_type, o.entity_id, o.seq, d.status FROM outbox o"
    " LEFT JOIN webhook_deliveries d ON d.tenant_id = o.tenant_id AND d.endpoint_id = $1"
    " AND d.event_id = o.id WHERE o.created_at >= $2 AND o.created_at < $3"
    " AND o.relayed_at IS NOT NULL AND o.event_type = ANY ($5::text[])"
    " AND o.event_type <> 'webhook.ping'"
    " AND (d.status IS NULL OR d.status IN ('failed', 'disabled') OR $4 AND d.status = 'delivered')"
    " ORDER BY o.created_at, o.seq LIMIT $6",
)
