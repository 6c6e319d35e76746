"""SQL of events for other systems."""

from chroniccare.platform.postgres import Command

INSERT_EVENT = Command(
    "INSERT INTO outbox (id, tenant_id, event_type, entity_type, entity_id, payload, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
INSERT_EVENTS = Command(
    "INSERT INTO outbox (id, tenant_id, event_type, entity_type, entity_id, payload, created_at)"
    " SELECT d.id, $2, $3, $4, d.entity_id, d.payload, $5 FROM jsonb_to_recordset($1::jsonb) AS d"
    " (id uuid, entity_id uuid, payload jsonb)"
)
