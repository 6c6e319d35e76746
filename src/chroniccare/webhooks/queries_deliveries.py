"""SQL of delivery: events handed to endpoints, claims across tenants, attempts and what came."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query

# --- events become deliveries -----------------------------------------------------------------
# What waits is told by the row itself and never by how far somebody has read: a transaction that
# commits late leaves a row with a small number behind those that were seen.
WAITING = Command(
    "SELECT t.id FROM tenants t WHERE t.is_active AND EXISTS"
    " (SELECT FROM outbox o WHERE o.tenant_id = t.id AND o.relayed_at IS NULL) ORDER BY random()"
)
# One relay a tenant at a time: two could hand on the second event of a record before the first.
LOCK = Command("SELECT pg_try_advisory_xact_lock(hashtextextended('webhooks:' || $1::text, 0))")


@dataclass(frozen=True, slots=True)
class Event:
    """An event that no endpoint was looked up for yet."""

    id: UUID
    event_type: str
    entity_type: str
    entity_id: UUID
    seq: int
    created_at: datetime
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What an endpoint wants, from when on, and in which shape."""

    id: UUID
    shape: str
    events: list[str]
    created_at: datetime


UNRELAYED = Query(
    Event,
    "SELECT id, event_type, entity_type, entity_id, seq, created_at, payload FROM outbox"
    " WHERE relayed_at IS NULL"
    " ORDER BY seq LIMIT $1",
)
# FOR SHARE: whoever records an outcome or disables the endpoint comes before or after, never
# in between, so that the first of each line is always known. Subscriptions begin once they answer.
WISHES = Query(
    Wish,
    "SELECT id, shape, events, CASE shape WHEN 'event' THEN created_at ELSE verified_at END"
    " AS created_at FROM webhook_endpoints WHERE enabled AND deleted_at IS NULL"
    " AND (shape = 'event' OR verified_at IS NOT NULL) ORDER BY id FOR SHARE",
)
INSERT = Command(
    "INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id, entity_type, entity_id,"
    " seq, created_at, updated_at) SELECT d.id, $2, d.endpoint_id, d.event_id, d.entity_type,"
    " d.entity_id, d.seq, $3::timestamptz, $3 FROM jsonb_to_recordset($1::jsonb) AS d (id uuid,"
    " endpoint_id uuid, event_id uuid, entity_type text, entity_id uuid, seq bigint)"
    " ON CONFLICT (tenant_id, endpoint_id, event_id) DO NOTHING"
)
# Numbers of the events of an endpoint, in their order; what is not of a record has none.
NUMBER = Command(
    "WITH new AS (SELECT d.id, d.endpoint_id, row_number() OVER (PARTITION BY d.endpoint_id"
    " ORDER BY d.seq) AS place FROM webhook_deliveries d JOIN webhook_endpoints e"
    " ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id WHERE d.id = ANY ($1::uuid[])"
    " AND e.shape <> 'event' AND d.number IS NULL AND d.entity_type <> 'webhook'),"
    " counted AS (UPDATE webhook_endpoints e SET numbered = e.numbered + n.more"
    " FROM (SELECT endpoint_id, count(*) AS more FROM new GROUP BY endpoint_id) n"
    " WHERE e.id = n.endpoint_id RETURNING e.id, e.numbered - n.more AS before)"
    " UPDATE webhook_deliveries d SET number = c.before + new.place FROM new"
    " JOIN counted c ON c.id = new.endpoint_id WHERE d.id = new.id"
)
RELAYED = Command("UPDATE outbox SET relayed_at = $2 WHERE id = ANY ($1::uuid[])")
# The first of each line of these endpoints may be sent; those behind it wait for it.
LINE_UP = Command(
    "UPDATE webhook_deliveries d SET next_attempt_at ="
    " CASE WHEN l.place = 1 THEN coalesce(d.next_attempt_at, $2::timestamptz) END FROM"
    " (SELECT id, next_attempt_at, lease_until, row_number() OVER"
    " (PARTITION BY endpoint_id, entity_type, entity_id ORDER BY seq) AS place"
    " FROM webhook_deliveries WHERE status = 'pending' AND endpoint_id = ANY ($1::uuid[])"
    " AND entity_id = ANY ($3::uuid[])) l"
    " WHERE d.id = l.id AND (l.place = 1) = (d.next_attempt_at IS NULL)"
    " AND (l.place = 1 OR d.lease_until IS NULL OR d.lease_until <= $2)"
)

# --- claims, across tenants -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours until its lease ends."""

    id: UUID
    tenant_id: UUID
    endpoint_id: UUID
    fence: int


# Endpoints in random order, each with what is left of its own slots ($3) and its tenant's ($4):
# nobody's backlog takes more. $5: those that failed or were slow, or the others. A subscription
# whose address has not answered yet is sent the handshake alone.
CLAIM = Query(
    Claim,
    "WITH busy AS MATERIALIZED (SELECT d.tenant_id, d.endpoint_id, count(*) AS held"
    " FROM webhook_endpoints e JOIN webhook_deliveries d ON d.tenant_id = e.tenant_id"
    " AND d.endpoint_id = e.id WHERE e.ailing = $5 AND d.status = 'pending'"
    " AND d.lease_until > $1::timestamptz GROUP BY d.tenant_id, d.endpoint_id),"
    " open AS (SELECT e.tenant_id, e.id, e.shape = 'event' OR e.verified_at IS NOT NULL AS told,"
    " $3 - coalesce(b.held, 0) AS room,"
    " $4 - coalesce((SELECT sum(o.held) FROM busy o WHERE o.tenant_id = e.tenant_id), 0) AS left_"
    " FROM webhook_endpoints e JOIN tenants t ON t.id = e.tenant_id LEFT JOIN busy b"
    " ON b.tenant_id = e.tenant_id AND b.endpoint_id = e.id WHERE t.is_active AND e.enabled"
    " AND e.deleted_at IS NULL AND e.ailing = $5"
    " AND (e.paused_until IS NULL OR e.paused_until <= $1)),"
    " due AS MATERIALIZED (SELECT f.id, f.tenant_id FROM (SELECT d.id, d.tenant_id, o.left_,"
    " row_number() OVER (PARTITION BY d.tenant_id ORDER BY d.next_attempt_at) AS place"
    " FROM open o CROSS JOIN LATERAL (SELECT w.id, w.tenant_id, w.next_attempt_at"
    " FROM webhook_deliveries w WHERE w.tenant_id = o.tenant_id AND w.endpoint_id = o.id"
    " AND w.status = 'pending' AND w.next_attempt_at <= $1"
    " AND (o.told OR w.entity_type = 'webhook') ORDER BY w.next_attempt_at"
    " LIMIT greatest(o.room, 0)) d) f WHERE f.place <= f.left_"
    " ORDER BY f.place, random() LIMIT $6),"
    " locked AS MATERIALIZED (SELECT w.id, w.tenant_id FROM webhook_deliveries w JOIN due"
    " ON w.tenant_id = due.tenant_id AND w.id = due.id WHERE w.status = 'pending'"
    " AND w.next_attempt_at <= $1 FOR UPDATE OF w SKIP LOCKED)"
    " UPDATE webhook_deliveries w SET lease_until = $2, next_attempt_at = $2, fence = w.fence + 1"
    " FROM locked WHERE w.tenant_id = locked.tenant_id AND w.id = locked.id"
    " RETURNING w.id, w.tenant_id, w.endpoint_id, w.fence",
)

# --- one delivery, in its tenant --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed delivery with what it is made of; secrets as they are stored."""

    id: UUID
    endpoint_id: UUID
    url: str
    secret: str
    previous_secret: str | None
    event_id: UUID
    event_type: str
    entity_type: str
    entity_id: UUID
    payload: dict[str, Any]
    created_at: datetime
    attempt: int
    shape: str
    number: int | None


# $2: the fence of the claim; $3: now; $4: how long the lease must last.
BEGIN = Query(
    Due,
    "WITH begun AS (UPDATE webhook_deliveries d SET attempt = d.attempt + 1,"
    " first_attempt_at = coalesce(d.first_attempt_at, $3::timestamptz), updated_at = $3"
    " FROM webhook_endpoints e WHERE d.id = $1 AND d.fence = $2 AND d.status = 'pending'"
    " AND d.lease_until > $4 AND e.tenant_id = d.tenant_id AND e.id = d.endpoint_id AND e.enabled"
    " AND e.deleted_at IS NULL AND (e.shape = 'event' OR e.verified_at IS NOT NULL"
    " OR d.entity_type = 'webhook') RETURNING d.id, d.tenant_id, d.endpoint_id, d.event_id,"
    " d.attempt, d.number)"
    " SELECT b.id, b.endpoint_id, e.url, e.secret,"
    " CASE WHEN e.previous_until > $3 THEN e.previous_secret END AS previous_secret, b.event_id,"
    " o.event_type, o.entity_type, o.entity_id, o.payload, o.created_at, b.attempt, e.shape,"
    " b.number FROM begun b"
    " JOIN webhook_endpoints e ON e.tenant_id = b.tenant_id AND e.id = b.endpoint_id"
    " JOIN outbox o ON o.tenant_id = b.tenant_id AND o.id = b.event_id",
)
BEGIN_ATTEMPT = Command(
    "INSERT INTO webhook_attempts (id, tenant_id, delivery_id, number, started_at,"
    " request_headers) VALUES ($1, $2, $3, $4, $5, $6)"
)
END_ATTEMPT = Command(
    "UPDATE webhook_attempts SET finished_at = $2, response_status = $3, response_start = $4,"
    " latency_ms = $5, error = $6 WHERE id = $1"
)


@dataclass(frozen=True, slots=True)
class State:
    """How an endpoint fares, locked, and whether the delivery is still ours."""

    enabled: bool
    failing_since: datetime | None
    failures: int
    first_attempt_at: datetime
    ours: bool


LOCK_ENDPOINT = Command("SELECT id FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE")
STATE = Query(
    State,
    "SELECT e.enabled, e.failing_since, e.failures, coalesce(d.first_attempt_at, $3::timestamptz)"
    " AS first_attempt_at, d.fence = $2 AND d.status = 'pending' AS ours FROM webhook_deliveries d"
    " JOIN webhook_endpoints e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id"
    " WHERE d.id = $1",
)
# The delivery is over ($3 delivered or failed), and the next of its line may go at once.
FINISH = Command(
    "UPDATE webhook_deliveries SET status = $2, response_status = $3, latency_ms = $4,"
    " delivered_at = CASE WHEN $2 = 'delivered' THEN $5::timestamptz END, next_attempt_at = NULL,"
    " lease_until = NULL, updated_at = $5 WHERE id = $1"
)
RETRY = Command(
    "UPDATE webhook_deliveries SET response_status = $2, latency_ms = $3, next_attempt_at = $4,"
    " lease_until = NULL, updated_at = $5 WHERE id = $1"
)
# $4: where the handshake went, if it was one; nothing else verifies a subscription's address.
WELL = Command(
    "UPDATE webhook_endpoints SET failing_since = NULL, failures = 0, paused_until = NULL,"
    " ailing = $2, verified_at = CASE WHEN url = $4 THEN coalesce(verified_at, $3)"
    " ELSE verified_at END WHERE id = $1"
    " AND (failing_since IS NOT NULL OR failures > 0 OR paused_until IS NOT NULL"
    " OR ailing <> $2 OR verified_at IS NULL AND url = $4)"
)
ILL = Command(
    "UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, $2), failures = $3,"
    " paused_until = $4, ailing = true WHERE id = $1"
)
DISABLE = Command(
    "UPDATE webhook_endpoints SET enabled = false, disabled_reason = $2, version = version + 1,"
    " updated_at = $3 WHERE id = $1 AND enabled"
)
# What waits for an endpoint that is disabled is parked: it can be sent again later. By thousands,
# since three days of events are more than one statement has time for.
PARK = Command(
    "UPDATE webhook_deliveries SET status = 'disabled', next_attempt_at = NULL, lease_until = NULL,"
    " fence = fence + 1, updated_at = $2 WHERE id IN (SELECT id FROM webhook_deliveries"
    " WHERE endpoint_id = $1 AND status = 'pending' LIMIT 5000)"
)


@dataclass(frozen=True, slots=True)
class Left:
    """An endpoint that is disabled while something waits for it."""

    tenant_id: UUID
    id: UUID


UNPARKED = Query(
    Left,
    "SELECT e.tenant_id, e.id FROM webhook_endpoints e WHERE NOT e.enabled AND EXISTS"
    " (SELECT FROM webhook_deliveries d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id"
    " AND d.status = 'pending')",
)
