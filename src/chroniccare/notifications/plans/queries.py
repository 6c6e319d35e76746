"""SQL of plans, and of messages that were not delivered within a step's time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Plan:
    """A clinic's own plan for a kind of message; field order is the wire's."""

    id: UUID
    notification_type: str
    steps: list[dict[str, Any]]
    version: int
    created_at: datetime
    updated_at: datetime


_COLUMNS = "id, notification_type, steps, version, created_at, updated_at"
GET = Query(Plan, f"SELECT {_COLUMNS} FROM notification_plans WHERE id = $1")
GET_FOR_UPDATE = Query(Plan, GET.sql + " FOR UPDATE")
LIST = Query(
    Plan,
    f"SELECT {_COLUMNS} FROM notification_plans"
    " WHERE ($1::text IS NULL OR notification_type = $1)"
    " AND ($2::text IS NULL OR notification_type > $2) ORDER BY notification_type LIMIT $3",
)
INSERT = Query(
    Plan,
    "INSERT INTO notification_plans (id, tenant_id, notification_type, steps, created_at,"
    " updated_at) VALUES ($1, $2, $3, $4::jsonb, $5, $5)"
    f" ON CONFLICT (tenant_id, notification_type) DO NOTHING RETURNING {_COLUMNS}",
)
UPDATE = Query(
    Plan,
    "UPDATE notification_plans SET steps = $2::jsonb, version = version + 1, updated_at = $3"
    f" WHERE id = $1 RETURNING {_COLUMNS}",
)
DELETE = Command("DELETE FROM notification_plans WHERE id = $1")

# One statement for a batch: what has a channel left and still a point goes there, the rest waits no
# more. The attempt that was not delivered in time is noted: it is no reason to stop, and if the
# next channel fails the message is not failed, because that attempt may still arrive. A row that
# is locked is changed just now, by its receipt: it is looked at again.
MOVE_ON = Command(
    "WITH late AS MATERIALIZED (SELECT n.id, l.id AS attempt_id, l.id IS NOT NULL"
    " AND jsonb_array_length(n.channel_plan) > 1"
    " AND (n.expires_at IS NULL OR n.expires_at > $1) AS goes FROM notifications n"
    " LEFT JOIN LATERAL (SELECT t.id FROM notification_attempts t"
    " WHERE t.tenant_id = n.tenant_id AND t.notification_id = n.id AND t.status = 'accepted'"
    " AND t.channel = n.channel ORDER BY t.number DESC LIMIT 1) l ON true"
    " WHERE n.delivery_status = 'accepted' AND n.evidence_due_at <= $1"
    " ORDER BY n.evidence_due_at LIMIT $2 FOR UPDATE OF n SKIP LOCKED)"
    " UPDATE notifications n SET evidence_due_at = NULL, updated_at = $1,"
    " delivery_status = CASE WHEN late.goes THEN 'pending' ELSE n.delivery_status END,"
    " channel = CASE WHEN late.goes THEN n.channel_plan ->> 1 ELSE n.channel END,"
    " channel_plan = CASE WHEN late.goes THEN n.channel_plan - 0 ELSE n.channel_plan END,"
    " next_attempt_at = CASE WHEN late.goes THEN $1 ELSE n.next_attempt_at END,"
    " delivery_details = CASE WHEN late.goes THEN (n.delivery_details - 'reason')"
    " || jsonb_build_object('reason', 'not_delivered_in_time', 'moved_on',"
    " jsonb_build_object('attempt', late.attempt_id, 'from', n.channel))"
    " ELSE n.delivery_details END"
    " FROM late WHERE n.id = late.id AND n.delivery_status = 'accepted'"
    " RETURNING late.goes"
)
