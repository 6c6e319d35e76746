"""Events for other systems: a row in the transaction of the fact, so none is lost or invented."""

from typing import Any, Literal
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.webhooks import queries

EventType = Literal[
    "allergy.created",
    "allergy.updated",
    "allergy.removed",
    "appointment.created",
    "appointment.updated",
    "appointment.checked_in",
    "appointment.completed",
    "appointment.no_show",
    "appointment.cancelled",
    "group_session.created",
    "group_session.updated",
    "group_session.cancelled",
    "series.created",
    "series.updated",
    "series.cancelled",
    "patient.created",
    "patient.updated",
    "recall.opened",
    "recall.closed",
    "contact.suppressed",
    "contact.restored",
    "preferences.updated",
    "related_person.created",
    "related_person.updated",
    "related_person.removed",
    "device.registered",
    "device.enabled",
    "device.disabled",
    "device.removed",
    "reply.received",
    "task.opened",
    "task.completed",
    "task.cancelled",
    "dosing_times.updated",
    "medication.created",
    "medication.updated",
    "medication.stopped",
    "medication.completed",
    "medication.adherence.low",
    "medication.adherence.recovered",
    "medication.dose.recorded",
    "medication.filled",
    "medication.fill_voided",
    "spend.alert",
    "spend.exhausted",
    "waitlist.offered",
    "waitlist.accepted",
    "waitlist.expired",
]


async def emit(
    tx: Tx,
    event_type: EventType,
    *,
    entity_type: str,
    entity_id: UUID,
    payload: dict[str, Any] | None = None,
) -> None:
    """Write an event; `payload` holds ids and versions only, receivers fetch the rest."""
    await tx.run(
        queries.INSERT_EVENT, new_id(), tx.caller.tenant_id, event_type, entity_type, entity_id,
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
