"""SQL that removes what has been kept long enough: from $1 to before $2, at most $3 rows at a time.

Messages are found by `idx_notifications_status`, hence by the states that they can be settled in.
One that may still go out, or is looked into, keeps what it needs.
"""

from dataclasses import dataclass
from datetime import datetime

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Last:
    """When it was last looked, and up to which time."""

    created_at: datetime
    until: datetime


LAST = Query(
    Last,
    "SELECT created_at, (report->>'until')::timestamptz AS until FROM privacy_jobs"
    " WHERE kind = 'retention' ORDER BY created_at DESC LIMIT 1",
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
STEPS: tuple[tuple[str, Command], ...] = (
    ("inbound_messages", REPLIES),
    ("notification_attempts", ADDRESSES),
    ("notification_receipts", RECEIPTS),
    ("notifications", MESSAGES),
    ("outbox_messages", BODIES),
)
