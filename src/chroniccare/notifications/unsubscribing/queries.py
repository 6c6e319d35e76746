"""SQL of whom a message went to."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Sent:
    """To whom a message went; `categories` are a related person's."""

    patient_id: UUID
    related_person_id: UUID | None
    notification_type: str
    language: str
    preferences: dict[str, Any]
    categories: list[str] | None


# Of a patient, or a related person, who was removed there is nothing to end.
SENT = Query(
    Sent,
    "SELECT p.id AS patient_id, n.related_person_id, n.notification_type,"
    " coalesce(r.language, p.language) AS language, p.notification_preferences AS preferences,"
    " r.categories FROM notifications n JOIN tenants t ON t.id = n.tenant_id AND t.is_active"
    " JOIN patients p ON p.tenant_id = n.tenant_id AND p.id = n.patient_id AND p.deleted_at IS NULL"
    " LEFT JOIN related_persons r ON r.tenant_id = n.tenant_id AND r.id = n.related_person_id"
    " WHERE n.id = $1 AND (n.related_person_id IS NULL OR r.deleted_at IS NULL)",
)
PREFER = Command(
    "UPDATE patients SET notification_preferences = $2, version = version + 1, updated_at = $3"
    " WHERE id = $1"
)
RECEIVE = Command(
    "UPDATE related_persons SET categories = $2, version = version + 1, updated_at = $3"
    " WHERE id = $1"
)
