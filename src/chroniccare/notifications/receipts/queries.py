"""SQL of receipts: the inbox, what they change, and the doubts that none has ended."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.core.contact import found_by
from chroniccare.notifications.queries_attempts import LEFT, TAKEN_ON
from chroniccare.notifications.queries_due import RECIPIENT
from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Opens

_BY_VALUE = found_by("value")

# --- the inbox, across tenants ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """A receipt of the inbox, ours for the moment; its tenant and attempt, once it has them."""

    id: UUID
    driver: str
    event_id: str
    kind: str
    provider_message_id: str | None
    code: str | None
    occurred_at: datetime | None
    received_at: datetime
    looks: int
    segments: int | None
    micros: int | None
    tenant_id: UUID | None
    attempt_id: UUID | None


STORE = Command(
    "INSERT INTO receipt_inbox (id, driver, event_id, kind, attempt_id, provider_message_id, code,"
    " occurred_at, received_at, next_look_at, segments, micros)"
    " SELECT d.id, d.driver, d.event_id, d.kind,"
    " d.attempt_id, d.provider_message_id, d.code, d.occurred_at, $2, $2, d.segments, d.micros"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, driver text, event_id text, kind text,"
    " attempt_id uuid, provider_message_id text, code text, occurred_at timestamptz,"
    " segments smallint, micros bigint)"
    " ON CONFLICT DO NOTHING"
)
# An echo that is none of ours is not looked for by the provider's id: it is another's message.
_OWN = (
    "SELECT a.tenant_id, a.id FROM notification_attempts a"
    " WHERE a.id = due.attempt_id AND a.driver = due.driver"
)
_BY_PROVIDER = (
    "SELECT a.tenant_id, a.id FROM notification_attempts a WHERE due.attempt_id IS NULL"
    " AND a.driver = due.driver AND a.provider_message_id = due.provider_message_id"
)
TAKE = Query(
    Waiting,
    "WITH due AS MATERIALIZED (SELECT i.id, i.driver, i.attempt_id, i.provider_message_id"
    " FROM receipt_inbox i WHERE i.next_look_at <= $1 ORDER BY i.next_look_at LIMIT $3"
    " FOR UPDATE SKIP LOCKED),"
    " known AS MATERIALIZED (SELECT due.id, o.tenant_id, o.id AS attempt_id FROM due"
    f" LEFT JOIN LATERAL (({_OWN}) UNION ALL ({_BY_PROVIDER} ORDER BY a.id DESC LIMIT 1)) o"
    " ON true)"
    " UPDATE receipt_inbox i SET next_look_at = $2, looks = i.looks + 1 FROM known k"
    " WHERE i.id = k.id RETURNING i.id, i.driver, i.event_id, i.kind, i.provider_message_id,"
    " i.code, i.occurred_at, i.received_at, i.looks, i.segments, i.micros, k.tenant_id,"
    " k.attempt_id",
)
REMOVE = Command("DELETE FROM receipt_inbox WHERE id = ANY ($1::uuid[])")
PUT_BACK = Command(
    "UPDATE receipt_inbox i SET next_look_at = d.at"
    " FROM unnest($1::uuid[], $2::timestamptz[]) AS d (id, at) WHERE i.id = d.id"
)

# --- applying, in one tenant --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """An attempt and its message; see `rules.Standing`."""

    attempt_id: UUID
    number: int
    notification_id: UUID
    patient_id: UUID | None
    delivery_status: str
    channel: str
    channel_plan: list[str]
    reason: str | None
    attempt_status: str
    attempt_channel: str
    recipient: str | None
    last: bool
    hoped: bool
    coming: bool
    beyond: bool
    left: bool


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that must not be written to any more."""

    id: UUID
    channel: str
    reason: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A message in doubt whose wait is over; see `rules.Doubt`."""

    notification_id: UUID
    attempt_id: UUID
    notification_type: str
    channel: str
    channel_plan: list[str]
    reason: str | None
    attempt_status: str
    attempt_channel: str
    expires_at: datetime | None
    visit_start: datetime | None
    facility_zone: str | None
    doubts: int
    taken: str | None


# SKIP LOCKED: whoever holds a row changes it just now; its receipts are looked at again.
LOCK = Command(
    "SELECT n.id FROM notifications n WHERE n.id IN (SELECT a.notification_id"
    " FROM notification_attempts a WHERE a.id = ANY ($1::uuid[])) ORDER BY n.id"
    " FOR UPDATE SKIP LOCKED"
)
STATES = Query(
    State,
    "SELECT a.id AS attempt_id, a.number, n.id AS notification_id, n.patient_id, n.delivery_status,"
    " n.channel, n.channel_plan, n.delivery_details ->> 'reason' AS reason,"
    " a.status AS attempt_status, a.channel AS attempt_channel, a.recipient,"
    " NOT EXISTS (SELECT FROM notification_attempts t WHERE t.tenant_id = a.tenant_id"
    " AND t.notification_id = a.notification_id AND t.number > a.number"
    " AND t.status <> 'prepared') AS last,"
    " EXISTS (SELECT FROM notification_attempts t WHERE t.tenant_id = a.tenant_id"
    " AND t.notification_id = a.notification_id AND t.number < a.number"
    " AND t.status = 'accepted') AS hoped,"
    " EXISTS (SELECT FROM notification_attempts t WHERE t.tenant_id = a.tenant_id"
    " AND t.notification_id = a.notification_id AND t.number > a.number"
    " AND t.status = 'prepared') AS coming,"
    " EXISTS (SELECT FROM notification_attempts t WHERE t.tenant_id = a.tenant_id"
    " AND t.notification_id = a.notification_id AND t.number > a.number"
    " AND t.status = 'accepted') AS beyond,"
    f" {LEFT} AS left"
    " FROM notification_attempts a JOIN notifications n ON n.tenant_id = a.tenant_id"
    " AND n.id = a.notification_id WHERE a.id = ANY ($1::uuid[]) AND n.id = ANY ($2::uuid[])",
    (Opens(RECIPIENT, "recipient", by="attempt_id"),),
)
SEEN = Command(
    "SELECT r.driver || ' ' || r.provider_event_id FROM notification_receipts r"
    " WHERE r.provider_event_id = ANY ($1::text[])"
)
KEEP = Command(
    "INSERT INTO notification_receipts (id, tenant_id, attempt_id, driver, provider_event_id,"
    " status, code, occurred_at, received_at) SELECT d.id, $2, d.attempt_id, d.driver, d.event_id,"
    " d.kind, d.code, d.occurred_at, d.received_at FROM jsonb_to_recordset($1::jsonb) AS d"
    " (id uuid, attempt_id uuid, driver text, event_id text, kind text, code text,"
    " occurred_at timestamptz, received_at timestamptz) ON CONFLICT DO NOTHING"
)
# Compare and set: `was` is what the decision was made from. A row in hand keeps its lease.
CHANGE = Command(
    "UPDATE notifications n SET delivery_status = d.status, channel = d.channel,"
    " channel_plan = d.channel_plan, lease_until = NULL,"
    " next_attempt_at = CASE d.status WHEN 'pending' THEN $2 ELSE n.next_attempt_at END,"
    " sent_at = CASE WHEN d.status IN ('accepted', 'delivered') THEN coalesce(n.sent_at,"
    " (SELECT a.started_at FROM notification_attempts a WHERE a.tenant_id = n.tenant_id"
    " AND a.id = d.attempt_id)) ELSE n.sent_at END,"
    " delivery_details = (n.delivery_details - 'reason') || d.details, updated_at = $2"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, attempt_id uuid, was text, status text,"
    " channel text, channel_plan jsonb, details jsonb)"
    " WHERE n.id = d.id AND n.delivery_status = d.was"
)
FLAG = Command(
    "UPDATE notifications n SET delivery_details = n.delivery_details"
    " || jsonb_build_object('flag', d.flag), updated_at = $3"
    " FROM unnest($1::uuid[], $2::text[]) AS d (id, flag) WHERE n.id = d.id"
)
CHANGE_ATTEMPTS = Command(
    "UPDATE notification_attempts a SET status = d.status,"
    " provider_message_id = coalesce(a.provider_message_id, d.provider_message_id),"
    " finished_at = coalesce(a.finished_at, $2)"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, was text, status text,"
    " provider_message_id text) WHERE a.id = d.id AND a.status = d.was"
)
SUPPRESS = Query(
    Suppression,
    "INSERT INTO suppressions AS s (id, value, value_index, tenant_id, channel, reason, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, channel,"
    f" ({_BY_VALUE})) WHERE lifted_at IS NULL DO NOTHING"
    " RETURNING s.id, s.channel, s.reason",
)

# --- doubts, in one tenant ----------------------------------------------------------------------

# $1 since when at the latest; an echo that came during the call ends the doubt at once.
DOUBTFUL = Query(
    Doubtful,
    "SELECT n.id AS notification_id, l.id AS attempt_id, n.notification_type, n.channel,"
    " n.channel_plan, n.delivery_details ->> 'reason' AS reason, l.status AS attempt_status,"
    " l.channel AS attempt_channel, n.expires_at, v.scheduled_start AS visit_start,"
    " f.timezone AS facility_zone, (SELECT count(*) FROM notification_attempts t"
    " WHERE t.tenant_id = n.tenant_id AND t.notification_id = n.id AND t.status = 'unknown')"
    f" AS doubts, {TAKEN_ON} AS taken FROM notifications n"
    " JOIN LATERAL (SELECT t.id, t.number, t.status, t.channel FROM notification_attempts t"
    " WHERE t.tenant_id = n.tenant_id AND t.notification_id = n.id"
    " ORDER BY t.number DESC LIMIT 1) l ON true"
    " LEFT JOIN appointments v ON v.tenant_id = n.tenant_id AND v.id = n.appointment_id"
    " LEFT JOIN facilities f ON f.tenant_id = v.tenant_id AND f.id = v.facility_id"
    " WHERE n.delivery_status = 'unknown'"
    " AND (n.updated_at <= $1 OR l.status IN ('accepted', 'delivered'))"
    " ORDER BY n.updated_at LIMIT $2 FOR UPDATE OF n SKIP LOCKED",
)
# The drivers are `rules.TOLD_BY`; written out, so that the partial index is used.
UNCONFIRM = Command(
    "WITH late AS MATERIALIZED (SELECT a.id, a.tenant_id, a.notification_id, a.channel"
    " FROM notification_attempts a WHERE a.status = 'accepted'"
    " AND a.driver IN ('aws', 'ses', 'sns', 'http') AND a.started_at <= $1"
    " ORDER BY a.started_at LIMIT $3),"
    " rows AS (UPDATE notifications n SET delivery_status = 'unconfirmed',"
    ' delivery_details = n.delivery_details || \'{"reason": "no_receipt"}\', updated_at = $2'
    " FROM late WHERE n.tenant_id = late.tenant_id AND n.id = late.notification_id"
    " AND n.delivery_status = 'accepted' AND n.channel = late.channel)"
    " UPDATE notification_attempts a SET status = 'unconfirmed' FROM late"
    " WHERE a.id = late.id AND a.status = 'accepted'"
)
