"""SQL of the messages that the local outbox channel keeps."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.notifications.queries_due import (
    OUTBOX_BODY,
    OUTBOX_HTML,
    OUTBOX_RECIPIENT,
    OUTBOX_SUBJECT,
)
from chroniccare.platform.postgres import Query
from chroniccare.platform.sealing import Opens


@dataclass(frozen=True, slots=True)
class Kept:
    """One message as a provider would have got it; field order is the wire's."""

    id: UUID
    notification_id: UUID
    patient_id: UUID | None
    appointment_id: UUID | None
    channel: str
    notification_type: str
    recipient: str
    subject: str | None
    body: str
    html: str | None
    created_at: datetime


COLUMNS = (
    "SELECT m.id, m.notification_id, n.patient_id, n.appointment_id, m.channel,"
    " n.notification_type, m.recipient, m.subject, m.body, m.html, m.created_at"
    " FROM outbox_messages m JOIN notifications n ON n.tenant_id = m.tenant_id"
    " AND n.id = m.notification_id"
)
OPENS = (
    Opens(OUTBOX_RECIPIENT, "recipient"), Opens(OUTBOX_SUBJECT, "subject"),
    Opens(OUTBOX_BODY, "body"), Opens(OUTBOX_HTML, "html"),
)  # fmt: skip
GET = Query(Kept, f"{COLUMNS} WHERE m.id = $1", OPENS)
LIST = Query(
    Kept,
    f"{COLUMNS} WHERE ($1::uuid IS NULL OR n.patient_id = $1)"
    " AND ($2::text IS NULL OR m.channel = $2)"
    " AND ($3::timestamptz IS NULL OR (m.created_at, m.id) < ($3, $4::uuid))"
    " ORDER BY m.created_at DESC, m.id DESC LIMIT $5",
    OPENS,
)
