"""SQL that removes what has been kept long enough: from $1 to before $2, at most $3 rows at a time.

Messages are found by `idx_notifications_status`, hence by the states that they can be settled in.
One that may still go out, or is looked into, keeps what it needs.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chroniccare.audit.queries import RECORDS
from chroniccare.platform.postgres import Command, Query

Kept = Literal["messages", "delivery_log", "events"]
"""What is kept for a time of its own."""


@dataclass(frozen=True, slots=True)
class Last:
    """When it was last looked, and up to which time messages and the log were; None: never."""

    created_at: datetime
    messages: datetime | None
    delivery_log: datetime | None


# Jobs from before there were three times name one: of messages, and of the log with them.
LAST = Query(
    Last,
    "SELECT created_at, (report->>'until')::timestamptz AS messages,"
    " (CASE WHEN report ? 'delivery_log_until' THEN report->>'delivery_log_until'"
    " ELSE report->>'until' END)::timestamptz AS delivery_log"
    " FROM privacy_jobs WHERE kind = 'retention' ORDER BY created_at DESC LIMIT 1",
)
# A lawsuit or an inquiry keeps everything of its patient; see `legal_holds`.
_N_NOT_HELD = " AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.patient_id = n.patient_id)"
_I_NOT_HELD = " AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.patient_id = i.patient_id)"
HOLD_LIFTED = Command(
    "SELECT EXISTS (SELECT FROM audit_logs WHERE action = 'lift_hold' AND created_at >= $1)"
)
_SETTLED = (
    "n.scheduled_send_time >= $1 AND n.scheduled_send_time < $2 AND n.delivery_status IN"
    " ('accepted', 'delivered', 'unconfirmed', 'failed', 'suppressed', 'expired', 'cancelled',"
    f" 'superseded'){_N_NOT_HELD}"
)
_ATTEMPTS = (
    "FROM notifications n JOIN notification_attempts a"
    " ON a.tenant_id = n.tenant_id AND a.notification_id = n.id"
)
ADDRESSES = Command(
    "UPDATE notification_attempts SET recipient = NULL, recipient_index = NULL"
    f" WHERE id IN (SELECT a.id {_ATTEMPTS}"
    f" WHERE a.recipient IS NOT NULL AND {_SETTLED} LIMIT $3)"
)
RECEIPTS = Command(
    f"DELETE FROM notification_receipts WHERE id IN (SELECT r.id {_ATTEMPTS}"
    " JOIN notification_receipts r ON r.tenant_id = a.tenant_id AND r.attempt_id = a.id"
    f" WHERE {_SETTLED} LIMIT $3)"
)
MESSAGES = Command(
    "UPDATE notifications SET template_data = '{}' WHERE id IN (SELECT n.id FROM notifications n"
    f" WHERE {_SETTLED} AND n.template_data <> jsonb_build_object() LIMIT $3)"
)
BODIES = Command(
    "DELETE FROM outbox_messages WHERE id IN (SELECT m.id FROM outbox_messages m"
    " JOIN notifications n ON n.tenant_id = m.tenant_id AND n.id = m.notification_id"
    f" WHERE m.created_at >= $1 AND m.created_at < $2{_N_NOT_HELD} LIMIT $3)"
)
REPLIES = Command(
    "UPDATE inbound_messages SET body = '', sender = '', sender_index = NULL, recipient = NULL"
    " WHERE id IN (SELECT i.id FROM inbound_messages i WHERE i.received_at >= $1"
    " AND i.received_at < $2 AND i.sender <> '' AND i.action_status IS DISTINCT FROM 'waiting'"
    f"{_I_NOT_HELD} LIMIT $3)"
)
# --- webhooks: what was handed on, and the events themselves -------------------------------------
# An event is a held patient's by its record. Found by `idx_outbox_created`: what is old is few, as
# it goes.
_HOLDS = "SELECT h.patient_id FROM legal_holds h"
HELD = f"{_HOLDS} UNION ALL " + RECORDS.replace("{0}", f"IN ({_HOLDS})")
# One that nobody has looked at yet, of whatever age, stays.
_PAST = (
    "o.created_at >= $1 AND o.created_at < $2 AND o.relayed_at IS NOT NULL"
    f" AND o.entity_id NOT IN ({HELD})"
)
_LOG = (
    "outbox o JOIN webhook_deliveries d ON d.tenant_id = o.tenant_id AND d.event_id = o.id"
    " AND d.status <> 'pending' AND d.updated_at < $2"  # sent again, it is young again
)
ATTEMPTS = Command(
    f"DELETE FROM webhook_attempts WHERE id IN (SELECT a.id FROM {_LOG} JOIN webhook_attempts a"
    f" ON a.tenant_id = d.tenant_id AND a.delivery_id = d.id WHERE {_PAST} LIMIT $3)"
)
# The status is asked twice: of a row that is sent again at this moment, only the outer question
# is asked anew.
DELIVERIES = Command(
    "DELETE FROM webhook_deliveries WHERE status <> 'pending' AND id IN"
    f" (SELECT d.id FROM {_LOG} WHERE {_PAST} AND NOT EXISTS (SELECT FROM webhook_attempts a"
    " WHERE a.tenant_id = d.tenant_id AND a.delivery_id = d.id) LIMIT $3)"
)
EVENTS = Command(
    f"DELETE FROM outbox WHERE id IN (SELECT o.id FROM outbox o WHERE {_PAST}"
    " AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.tenant_id = o.tenant_id"
    " AND d.event_id = o.id) LIMIT $3)"
)
STEPS: tuple[tuple[str, Kept, Command], ...] = (
    ("inbound_messages", "messages", REPLIES),
    ("notification_attempts", "messages", ADDRESSES),
    ("notification_receipts", "delivery_log", RECEIPTS),
    ("notifications", "messages", MESSAGES),
    ("outbox_messages", "messages", BODIES),
    ("webhook_attempts", "delivery_log", ATTEMPTS),
    ("webhook_deliveries", "delivery_log", DELIVERIES),
    ("outbox", "events", EVENTS),
)
"""In this order: attempts before their delivery, deliveries before their event."""
GOES_WHOLE = frozenset({"outbox", "webhook_attempts", "webhook_deliveries"})
"""Rows are removed and need no second look: each round looks from the beginning."""
