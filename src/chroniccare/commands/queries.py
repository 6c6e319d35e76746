"""SQL of the messages that the local outbox channel keeps."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.notifications.queries_due import OUTBOX_BODY, OUTBOX_RECIPIENT, OUTBOX_SUBJECT
from chroniccare.platform.postgres import Query
from chroniccare.platform.sealing import Opens


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a provider would have got it."""

    id: UUID
    created_at: datetime
    channel: str
    notification_type: str
    recipient: str
    subject: str | None
    body: str
    notification_id: UUID
    patient_id: UUID | None
    appointment_id: UUID | None


_COLUMNS = (
    "m.id, m.created_at, m.channel, n.notification_type, m.recipient, m.subject, m.body,"
    " m.notification_id, n.patient_id, n.appointment_id"
    " FROM outbox_messages m"
    " JOIN notifications n ON n.tenant_id = m.tenant_id AND n.id = m.notification_id"
)
_OPENS = (
    Opens(OUTBOX_RECIPIENT, "recipient"), Opens(OUTBOX_SUBJECT, "subject"),
    Opens(OUTBOX_BODY, "body"),
)  # fmt: skip
NEWEST = Query(Message, f"SELECT {_COLUMNS} ORDER BY m.created_at DESC, m.id DESC LIMIT $1", _OPENS)
SINCE = Query(
    Message,
    f"SELECT {_COLUMNS} WHERE m.created_at >= $1 ORDER BY m.created_at, m.id LIMIT 1000",
    _OPENS,
)
