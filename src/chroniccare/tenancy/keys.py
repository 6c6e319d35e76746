"""The keys of a tenant: made with it, rotated, wrapped anew, destroyed (ADR 0029)."""

import os
from datetime import datetime
from uuid import UUID

from chroniccare.core.errors import Conflict
from chroniccare.platform import masterkey
from chroniccare.platform.postgres import Tx
from chroniccare.platform.sealing import Purpose, WrappedKey
from chroniccare.tenancy import queries_keys as queries

_PURPOSES: tuple[Purpose, ...] = ("data", "record", "index")
_MOST = 32_767


class NoKeys(Conflict):
    """The tenant has no keys: fields are not encrypted here, or they were destroyed."""

    code = "NO_KEYS"
    message = "This tenant has no keys: `chroniccare encryption status` says why."


class NoStore(Conflict):
    """What is destroyed here would stay in the store."""

    code = "NO_STORE"
    message = "This tenant's keys are in a store that is not set here: CHRONICCARE_TENANT_KEY_DIRS."


async def ensure(tx: Tx) -> bool:
    """Give the tenant keys unless it has, or had, some; return whether it got them."""
    master = masterkey.held()
    if master is None or await tx.value(queries.HAS_KEYS):
        return False
    for purpose in _PURPOSES:
        await _add(tx, master, purpose, 1)
    return True


async def rotate(tx: Tx) -> int:
    """Have new keys seal from now on and return their version.

    What changes is sealed anew by the worker (`resealing`), which then destroys the old key; what
    is only added keeps its version. The key of the index stays: it hides nothing that is shown.

    Raises:
        NoKeys: there is none to rotate.
        masterkey.CannotUnwrap: those of now cannot be opened here, so new ones could not be there.
    """
    master = masterkey.held()
    if master is None:
        raise NoKeys
    for one in await tx.all(queries.LIVING):
        if one.state == "active":
            one.opened(master, tx.caller.tenant_id)
    version = 0
    for purpose in ("data", "record"):
        before = await tx.value(queries.RETIRE, purpose, tx.now)
        if before is None or before >= _MOST:
            raise NoKeys
        version = before + 1
        await _add(tx, master, purpose, version)
    return version


async def shred(tx: Tx) -> int:
    """Destroy every key of the tenant and close it; return how many keys there were.

    When this has committed, `unstore` does the same to backups.

    Nobody reads its sealed fields again: other processes within `sealing.KEPT_S`.

    Raises:
        NoStore: see `check_store`.
    """
    await check_store(tx)
    tx.rekeyed = True
    await tx.run(queries.CLOSE_TENANT, tx.caller.tenant_id, tx.now)
    return await tx.run(queries.DESTROY_ALL, tx.now)


async def rewrap(tx: Tx) -> int:
    """Wrap the tenant's keys under the last master key; return how many were under another.

    Raises:
        masterkey.CannotUnwrap: the other is not in the file any more, or the store's is missing.
    """
    master = masterkey.held()
    if master is None:
        raise NoKeys
    found = await tx.all(queries.UNDER_OTHERS, master.active)
    tenant = tx.caller.tenant_id
    for one in found:
        await _wrap_anew(tx, master, one, one.opened(master, tenant), stored_at=one.stored_at)
    return len(found)


async def store(tx: Tx) -> int:
    """Have the store's key around every key of the tenant; return around how many it was not.

    Those around which it is are opened, too, so that a key that is missing is told.

    Raises:
        masterkey.CannotUnwrap: there is no store, or a key is missing.
    """
    master = masterkey.held()
    if master is None:
        raise NoKeys
    moved = 0
    for one in await tx.all(queries.LIVING):
        key = one.opened(master, tx.caller.tenant_id)
        if one.stored_at is None:
            await _wrap_anew(tx, master, one, key, stored_at=tx.now)
            moved += 1
    return moved


async def check_store(tx: Tx) -> None:
    """Make sure that `unstore` can remove the tenant's key.

    Raises:
        NoStore: its keys need a store, and this process has none.
    """
    master = masterkey.held()
    if (master is None or master.store is None) and await tx.value(queries.IN_STORE):
        raise NoStore


def unstore(tenant_id: UUID) -> None:
    """Remove the tenant's key from the store, after `shred` has committed; it may be gone already.

    From here on no backup that was begun after `store` opens for this tenant.

    Raises:
        OSError: a directory cannot be written; repeat it.
    """
    master = masterkey.held()
    if master is not None and master.store is not None:
        master.store.destroy(tenant_id)


async def _wrap_anew(
    tx: Tx, master: masterkey.MasterKeys, one: WrappedKey, key: bytes, *, stored_at: datetime | None
) -> None:
    fresh = master.wrap_tenants(
        tx.caller.tenant_id, one.purpose, one.version, key, in_store=stored_at is not None,
        first=not await tx.value(queries.IN_STORE),
    )  # fmt: skip
    values = (fresh.data, fresh.master_id, stored_at)
    await tx.run(queries.REWRAP, one.purpose, one.version, *values)


async def _add(tx: Tx, master: masterkey.MasterKeys, purpose: str, version: int) -> None:
    tenant: UUID = tx.caller.tenant_id
    stored_at = tx.now if master.store is not None else None
    wrapped = master.wrap_tenants(
        tenant, purpose, version, os.urandom(masterkey.KEY_BYTES), in_store=stored_at is not None,
        first=not await tx.value(queries.IN_STORE),
    )  # fmt: skip
    tx.rekeyed = True
    values = (wrapped.data, wrapped.master_id, tx.now, stored_at)
    await tx.run(queries.INSERT, tenant, purpose, version, *values)
