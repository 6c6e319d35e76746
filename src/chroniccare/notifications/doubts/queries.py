"""SQL of messages in doubt."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class About:
    """Whom a message is for, and until when it is of use."""

    id: UUID
    patient_id: UUID | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a message stands, locked."""

    id: UUID
    delivery_status: str
    channel: str
    channel_plan: list[str]


ABOUT = Query(
    About,
    "SELECT id, patient_id, expires_at FROM notifications WHERE id = ANY ($1::uuid[]) ORDER BY id",
)
LOCK = Query(
    Standing,
    "SELECT id, delivery_status, channel, channel_plan FROM notifications WHERE id = $1 FOR UPDATE",
)
