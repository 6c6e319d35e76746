"""SQL of subscriptions: the endpoint's row, and what the client wrote beside it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription; `document` is sealed."""

    id: UUID
    topic: str | None
    document: str
    url: str
    enabled: bool
    disabled_reason: str | None
    verified_at: datetime | None
    failing_since: datetime | None
    numbered: int
    version: int
    updated_at: datetime
    is_orphan: bool


# $1: now. The key or the SMART client that wrote it is let in, or a key that took its place is.
_LIVES = (
    "s.made_by IS NULL OR EXISTS (SELECT FROM smart_clients c WHERE c.id = s.made_by AND c.enabled"
    " AND c.deleted_at IS NULL) OR EXISTS (WITH RECURSIVE line AS (SELECT k.id, k.is_active,"
    " k.expires_at FROM api_keys k WHERE k.id = s.made_by UNION SELECT k.id, k.is_active,"
    " k.expires_at FROM line JOIN api_keys k ON k.rotated_from = line.id) SELECT FROM line"
    " WHERE line.is_active AND (line.expires_at IS NULL OR line.expires_at > $1))"
)
_SELECT = (
    "SELECT e.id, s.topic, s.document, e.url, e.enabled, e.disabled_reason, e.verified_at,"
    " e.failing_since, e.numbered, e.version, e.updated_at,"
    f" NOT ({_LIVES}) AS is_orphan FROM fhir_subscriptions s"
    " JOIN webhook_endpoints e ON e.tenant_id = s.tenant_id AND e.id = s.id"
)
GET = Query(Subscription, f"{_SELECT} WHERE s.id = $2 AND e.deleted_at IS NULL")
LOCK = Command(
    "SELECT true FROM webhook_endpoints WHERE id = $1 AND shape = 'fhir' AND deleted_at IS NULL"
    " FOR NO KEY UPDATE"
)
GONE = Command("SELECT EXISTS (SELECT FROM fhir_subscriptions WHERE id = $1)")
LIST = Query(
    Subscription, f"{_SELECT} WHERE e.deleted_at IS NULL ORDER BY e.created_at, e.id LIMIT 1000"
)
INSERT_ENDPOINT = Command(
    "INSERT INTO webhook_endpoints (id, tenant_id, url, events, secret, enabled, shape, created_at,"
    " updated_at) VALUES ($1, $2, $3, $4, $5, true, 'fhir', $6, $6)"
)
INSERT = Command(
    "INSERT INTO fhir_subscriptions (id, tenant_id, topic, document, made_by)"
    " VALUES ($1, $2, $3, $4, $5)"
)
UPDATE = Command(
    "UPDATE fhir_subscriptions SET topic = $2, document = $3, made_by = $4 WHERE id = $1"
)
# $5: it begins anew, and is asked whether it listens before it is told anything.
UPDATE_ENDPOINT = Command(
    "UPDATE webhook_endpoints SET url = $2, events = $3, enabled = $4,"
    " disabled_reason = CASE WHEN $4 THEN NULL ELSE coalesce(disabled_reason, 'by_hand') END,"
    " verified_at = CASE WHEN $5 THEN NULL ELSE verified_at END,"
    " failing_since = CASE WHEN $5 THEN NULL ELSE failing_since END,"
    " failures = CASE WHEN $5 THEN 0 ELSE failures END,"
    " paused_until = CASE WHEN $5 THEN NULL ELSE paused_until END,"
    " version = version + 1, updated_at = $6 WHERE id = $1"
)
FORGET = Command("UPDATE fhir_subscriptions SET document = '' WHERE id = $1")


@dataclass(frozen=True, slots=True)
class Past:
    """An event of a subscription, by its number."""

    number: int
    created_at: datetime
    entity_type: str
    entity_id: UUID


EVENTS = Query(
    Past,
    "SELECT d.number, o.created_at, o.entity_type, o.entity_id FROM webhook_deliveries d"
    " JOIN outbox o ON o.tenant_id = d.tenant_id AND o.id = d.event_id WHERE d.endpoint_id = $1"
    " AND d.number >= $2 AND d.number <= $3 ORDER BY d.number LIMIT $4",
)
ERROR = Command(
    "SELECT coalesce(a.response_status::text, a.error) FROM webhook_attempts a"
    " JOIN webhook_deliveries d ON d.tenant_id = a.tenant_id AND d.id = a.delivery_id"
    " WHERE d.endpoint_id = $1 AND a.finished_at IS NOT NULL ORDER BY a.started_at DESC LIMIT 1"
)
