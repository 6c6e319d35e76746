"""SQL of events for other systems."""

from dataclasses import dataclass
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Lately:
    """An event, and the kind of thing that it is about: `appointment` of `appointment.booked`."""

    id: UUID
    kind: str


INSERT_EVENT = Command(
    "INSERT INTO outbox (id, tenant_id, event_type, entity_type, entity_id, payload, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
INSERT_EVENTS = Command(
    "INSERT INTO outbox (id, tenant_id, event_type, entity_type, entity_id, payload, created_at)"
    " SELECT d.id, $2, $3, $4, d.entity_id, d.payload, $5 FROM jsonb_to_recordset($1::jsonb) AS d"
    " (id uuid, entity_id uuid, payload jsonb)"
)
LATELY = Query(
    Lately,
    "SELECT id, split_part(event_type, '.', 1) AS kind FROM outbox WHERE created_at > $1"
    " ORDER BY created_at DESC LIMIT 1000",
)
