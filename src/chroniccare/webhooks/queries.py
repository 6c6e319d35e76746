"""SQL of events for other systems."""

from chroniccare.platform.postgres import Command

INSERT_EVENT = Command(
    "INSERT INTO outbox (id, tenant_id, event_type, entity_type, entity_id, payload, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
