"""Every write is audited in its own transaction; every read of patient data before its answer."""

from dataclasses import fields, is_dataclass
from typing import Any
from uuid import UUID

from chroniccare.audit import queries
from chroniccare.core.ids import new_id
from chroniccare.platform.gathering import later
from chroniccare.platform.postgres import Tx
from chroniccare.tenancy.queries import Tenant

_SEALED = frozenset({"contact_info", "emergency_contact", "insurance_info"})
"""Fields whose values are sealed in the audit as they are in their own tables."""


async def record(
    tx: Tx,
    *,
    action: str,
    entity_type: str,
    entity_id: UUID,
    before: Any = None,
    after: Any = None,
) -> None:
    """Write what changed, in the transaction that changes it.

    `before` and `after` are the record's dataclasses; only the fields that differ are kept.
    """
    entry_id = new_id()
    await later(
        tx, queries.INSERT, entry_id, tx.caller.tenant_id, entity_type, entity_id, action,
        tx.caller.actor_id, tx.caller.actor_type,
        await _sealed(tx, entry_id, changes(before, after)),
        tx.caller.trail, tx.caller.ip_address, tx.now,
    )  # fmt: skip


async def tenant_created(tx: Tx, tenant: Tenant) -> None:
    """Record that the transaction created `tenant`; tenancy stands below the audit."""
    await record(tx, action="create", entity_type="tenant", entity_id=tenant.id, after=tenant)


async def replayed(tx: Tx, location: str, *, entity_type: str) -> None:
    """Record that an idempotency key answered again with the record at `location`."""
    entity_id = UUID(location.rpartition("/")[2])
    await record(tx, action="replay", entity_type=entity_type, entity_id=entity_id)


async def record_many(
    tx: Tx, *, action: str, entity_type: str, changed: dict[UUID, tuple[Any, Any]]
) -> None:
    """Write one action on many records in one statement; before and after by id, see `record`."""
    ids = {entity_id: new_id() for entity_id in changed}
    rows = [
        {
            "id": ids[entity_id],
            "entity_id": entity_id,
            "changes": await _sealed(tx, ids[entity_id], changes(before, after)),
        }
        for entity_id, (before, after) in changed.items()
    ]
    await tx.run(
        queries.INSERT_CHANGES, rows, tx.caller.tenant_id, entity_type, action,
        tx.caller.actor_id, tx.caller.actor_type, tx.caller.trail,
        tx.caller.ip_address, tx.now,
    )  # fmt: skip


def changes(before: Any, after: Any) -> dict[str, Any]:
    """Return `{"before": {...}, "after": {...}}` with the fields that differ."""
    old, new = _fields(before), _fields(after)
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {
        "before": {name: old[name] for name in differing if name in old},
        "after": {name: new[name] for name in differing if name in new},
    }


async def _sealed(tx: Tx, entry_id: UUID, found: dict[str, Any]) -> dict[str, Any]:
    if not any(_SEALED & side.keys() for side in found.values()):
        return found
    return (await tx.keyring()).sealed_changes(queries.CHANGES, entry_id, found, _SEALED)


def _fields(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    return dict(value)
