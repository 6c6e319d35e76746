"""Events for other systems: a row in the transaction of the fact, so none is lost or invented."""

from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.platform.gathering import later
from chroniccare.platform.postgres import Tx
from chroniccare.webhooks import queries
from chroniccare.webhooks.schemas import EventType

__all__ = ["EventType", "emit", "emit_many"]


async def emit(
    tx: Tx,
    event_type: EventType,
    *,
    entity_type: str,
    entity_id: UUID,
    payload: dict[str, Any] | None = None,
) -> None:
    """Write an event; `payload` holds ids and versions only, receivers fetch the rest."""
    await later(
        tx, queries.INSERT_EVENT, new_id(), tx.caller.tenant_id, event_type, entity_type, entity_id,
        payload or {}, tx.now,
    )  # fmt: skip


async def emit_many(
    tx: Tx,
    event_type: EventType,
    *,
    entity_type: str,
    payloads: dict[UUID, dict[str, Any]],
) -> None:
    """Write the same event for many records, by their ids; see `emit`."""
    rows = [{"id": new_id(), "entity_id": key, "payload": one} for key, one in payloads.items()]
    await tx.run(queries.INSERT_EVENTS, rows, tx.caller.tenant_id, event_type, entity_type, tx.now)
