"""The keys of a tenant: made with it, rotated, wrapped anew, destroyed (ADR 0029)."""

import os
from uuid import UUID

from chroniccare.core.errors import Conflict
from chroniccare.platform import masterkey
from chroniccare.platform.postgres import Tx
from chroniccare.platform.sealing import Purpose
from chroniccare.tenancy import queries_keys as queries

_PURPOSES: tuple[Purpose, ...] = ("data", "record", "index")
_MOST = 32_767


class NoKeys(Conflict):
    """The tenant has no keys: fields are not encrypted here, or they were destroyed."""

    code = "NO_KEYS"
    message = "This tenant has no keys: `chroniccare encryption status` says why."


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
    """
    master = masterkey.held()
    if master is None:
        raise NoKeys
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

    Nobody reads its sealed fields again: other processes within `sealing.KEPT_S`.
    """
    tx.rekeyed = True
    await tx.run(queries.CLOSE_TENANT, tx.caller.tenant_id, tx.now)
    return await tx.run(queries.DESTROY_ALL, tx.now)


async def rewrap(tx: Tx) -> int:
    """Wrap the tenant's keys under the last master key; return how many were under another.

    Raises:
        masterkey.CannotUnwrap: the other is not in the file any more.
    """
    master = masterkey.held()
    if master is None:
        raise NoKeys
    found = await tx.all(queries.UNDER_OTHERS, master.active)
    tenant = tx.caller.tenant_id
    for one in found:
        wrapped = masterkey.Wrapped(one.master_id, one.wrapped)
        key = master.unwrap(tenant, one.purpose, one.version, wrapped)
        fresh = master.wrap(tenant, one.purpose, one.version, key)
        await tx.run(queries.REWRAP, one.purpose, one.version, fresh.data, fresh.master_id)
    return len(found)


async def _add(tx: Tx, master: masterkey.MasterKeys, purpose: str, version: int) -> None:
    tenant: UUID = tx.caller.tenant_id
    wrapped = master.wrap(tenant, purpose, version, os.urandom(masterkey.KEY_BYTES))
    tx.rekeyed = True
    await tx.run(queries.INSERT, tenant, purpose, version, wrapped.data, wrapped.master_id, tx.now)
