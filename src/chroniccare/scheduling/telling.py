"""What a change of visits leaves behind: audit, events, stale cache keys, and what callers see."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record, record_many
from chroniccare.core.caller import Caller
from chroniccare.core.wire import dumps
from chroniccare.notifications.plan import Visit
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import queries
from chroniccare.webhooks.actions import EventType, emit, emit_many

TELEHEALTH = "telehealth:read"


def key(tenant_id: UUID, appointment_id: UUID, *, telehealth: bool = False) -> str:
    """Return the cache key of one visit, as seen with or without the way into a video visit."""
    return f"appointment:{tenant_id}:{appointment_id}" + (":telehealth" if telehealth else "")


def keys(tenant_id: UUID, appointment_id: UUID) -> tuple[str, str, str]:
    """Return the keys of everything that a change of one visit makes stale; FHIR's is the last."""
    plain = key(tenant_id, appointment_id)
    return plain, key(tenant_id, appointment_id, telehealth=True), f"{plain}:fhir"


def visits(tenant_id: UUID, field: str, party_id: UUID) -> str:
    """Return the key of the generation of the visits of one patient or provider."""
    return f"{field.removesuffix('_id')}:{tenant_id}:{party_id}:appointments"


def sees_telehealth(caller: Caller) -> bool:
    """Say whether the caller may see how to join a video visit."""
    return TELEHEALTH in caller.scopes


def shown(caller: Caller, visit: queries.Appointment) -> queries.Appointment:
    """Return `visit` as the caller may see it."""
    if visit.telehealth_details is None or sees_telehealth(caller):
        return visit
    return replace(visit, telehealth_details=None)


async def tell(
    tx: Tx, action: str, event: EventType, *, before: queries.Appointment | None,
    after: queries.Appointment, reason: str | None = None,
) -> None:  # fmt: skip
    """Audit and emit a change, and name what it makes stale; `reason` is for the audit alone."""
    logged: Any = _logged(after)
    if reason is not None:
        logged = {**asdict(logged), "reschedule_reason": reason}
    await record(
        tx, action=action, entity_type="appointment", entity_id=after.id,
        before=None if before is None else _logged(before), after=logged,
    )  # fmt: skip
    await emit(
        tx, event, entity_type="appointment", entity_id=after.id, payload=_payload(before, after)
    )
    if before is not None:
        stale(tx, before)
    stale(tx, after, is_new=before is None)


async def tell_many(
    tx: Tx,
    action: str,
    event: EventType,
    changed: Iterable[tuple[queries.Appointment | None, queries.Appointment]],
) -> None:
    """Audit and emit the same change of many visits in two statements; see `tell`."""
    pairs = list(changed)
    rows = {
        after.id: (None if before is None else _logged(before), _logged(after))
        for before, after in pairs
    }
    await record_many(tx, action=action, entity_type="appointment", changed=rows)
    payloads = {after.id: _payload(before, after) for before, after in pairs}
    await emit_many(tx, event, entity_type="appointment", payloads=payloads)
    for before, after in pairs:
        if before is not None:
            stale(tx, before)
        stale(tx, after, is_new=before is None)


def stale(tx: Tx, visit: queries.Appointment, *, is_new: bool = False) -> None:
    """Name what a change of `visit` makes stale in the cache."""
    tenant_id = tx.caller.tenant_id
    if not is_new:  # nobody can have cached a record that is new
        tx.drop(*keys(tenant_id, visit.id))
    tx.bump(visits(tenant_id, "patient_id", visit.patient_id))
    for provider_id in (visit.provider_id, *visit.additional_provider_ids):
        tx.bump(visits(tenant_id, "provider_id", provider_id))


def messages(
    visit: queries.Appointment, *, provider: str, facility: str, zone: str, moved: bool = False
) -> Visit:
    """Return what the messages of `visit` need; `zone` is the facility's."""
    return Visit(
        appointment_id=visit.id,
        version=visit.version,
        patient_id=visit.patient_id,
        provider_id=visit.provider_id,
        starts_at=visit.scheduled_start,
        provider_name=provider,
        facility_name=facility,
        facility_zone=zone,
        moved=moved,
    )


async def messages_of(
    tx: Tx, several: Iterable[queries.Appointment], *, moved: bool = False
) -> list[Visit]:
    """Return what the messages of visits need, in one statement."""
    by_id = {visit.id: visit for visit in several}
    names = await tx.all(queries.NAMES, list(by_id))
    return [
        messages(
            by_id[one.appointment_id], provider=one.provider_name, facility=one.facility_name,
            zone=one.facility_zone, moved=moved,
        )
        for one in names
    ]  # fmt: skip


def said(visit: queries.Appointment) -> tuple[datetime, datetime, UUID, UUID]:
    """Return what messages and the visit in their calendar say; when it changes, so do they."""
    return visit.scheduled_start, visit.scheduled_end, visit.provider_id, visit.facility_id


def _payload(before: queries.Appointment | None, after: queries.Appointment) -> dict[str, Any]:
    payload: dict[str, Any] = {"version": after.version, "status": after.status}
    if before is not None and before.status == "held" and after.status == "scheduled":
        payload["booked"] = True
    elif before is not None and said(before) != said(after):
        payload["moved"] = True
    return payload


def _logged(visit: queries.Appointment) -> queries.Appointment:
    """Return `visit` with a digest in place of the way into a video visit.

    The audit shows that it changed, not what it is.
    """
    if visit.telehealth_details is None:
        return visit
    digest = hashlib.blake2b(dumps(visit.telehealth_details), digest_size=6).hexdigest()
    return replace(visit, telehealth_details={"hidden": digest})
