"""Keys of tenants and master keys, for the operator of the machine."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.commands import tenants
from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict
from chroniccare.core.ids import new_id
from chroniccare.notifications.inbound.queries import WAITS_UNDER_OTHERS
from chroniccare.platform import masterkey_file
from chroniccare.platform.masterkey import CannotUnwrap
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.settings import Settings
from chroniccare.tenancy import keys, queries_keys
from chroniccare.tenancy.actions import list_tenants


@dataclass(frozen=True, slots=True)
class Stored:
    """How many keys were put into the store, and of how many tenants all are there."""

    keys: int
    tenants: int


async def status(subdomain: str | None) -> list[queries_keys.TenantKey]:
    """Return the keys of a tenant, without the keys."""
    async with begin(await tenants.caller(subdomain)) as tx:
        return await tx.all(queries_keys.LIST)


async def rotate(subdomain: str | None) -> int:
    """Have a new key seal; see `tenancy.keys.rotate`. A tenant from before gets its first ones."""
    async with begin(await tenants.caller(subdomain)) as tx:
        version = 1 if await keys.ensure(tx) else await keys.rotate(tx)
        await _audit(tx, "rotate", version=version)
    return version


async def shred(subdomain: str) -> int:
    """Destroy every key of a tenant and close it; see `tenancy.keys.shred`."""
    tenant = await tenants.caller(subdomain)
    async with begin(tenant) as tx:
        count = await keys.shred(tx)
        await _audit(tx, "shred", keys=count)
    await asyncio.to_thread(keys.unstore, tenant.tenant_id)
    return count


async def store(settings: Settings) -> Stored:
    """Put the store's key around the keys of every tenant; see `tenancy.keys.store`.

    Raises:
        Conflict: there is no store.
        masterkey.CannotUnwrap: keys of some tenants cannot be opened; the others' are in the store.
    """
    if not settings.tenant_key_dirs:
        raise Conflict("There is no store: name one and restart every process first.")
    found = await list_tenants()
    moved, missing = 0, []
    for tenant in found:
        try:
            async with begin(system(tenant.id, job="store-keys")) as tx:
                changed = await keys.store(tx)
                if changed:
                    await _audit(tx, "store", keys=changed)
        except CannotUnwrap as error:
            missing.append(str(error))
            continue
        moved += changed
    async with owner_connection(settings.database_url) as owner:
        await owner.execute(queries_keys.REWRITE)
    _tell(missing)
    return Stored(moved, len(found))


def _tell(missing: list[str]) -> None:
    """Raise what some tenants' keys lacked, once the others' are done."""
    if missing:
        raise CannotUnwrap(f"of {len(missing)} tenants not; the first: {missing[0]}")


async def new_master(settings: Settings) -> str:
    """Add a master key to the file and return its name."""
    name = f"m{str(new_id())[-12:]}"
    await masterkey_file.add(settings, name)
    return name


async def rewrap() -> int:
    """Wrap the keys of every tenant under the last master key; return how many were not.

    Raises:
        masterkey.CannotUnwrap: keys of some tenants cannot be opened; the others' are wrapped.
    """
    count, missing = 0, []
    for tenant in await list_tenants():
        try:
            async with begin(system(tenant.id, job="rewrap")) as tx:
                changed = await keys.rewrap(tx)
                if changed:
                    await _audit(tx, "rewrap", keys=changed)
        except CannotUnwrap as error:  # such as of a tenant erased since the backup restored here
            missing.append(str(error))
            continue
        count += changed
    _tell(missing)
    return count


async def drop_masters(settings: Settings) -> list[str]:
    """Remove every master key but the last; return the names of those removed.

    Raises:
        Conflict: a tenant's key is wrapped under one of them, or a reply waits that was.
    """
    last = masterkey_file.last(settings)
    async with begin_system("drop-masters") as tx:
        if await tx.value(WAITS_UNDER_OTHERS, last):
            raise Conflict("A reply waits that an older master key sealed: try again in a minute.")
    for tenant in await list_tenants():
        async with begin(system(tenant.id, job="drop-masters")) as tx:
            if await tx.all(queries_keys.UNDER_OTHERS, last):
                raise Conflict("Keys are still under an older master key: run `rewrap` first.")
    return masterkey_file.keep_last(settings)


async def _audit(tx: Tx, action: str, **after: int) -> None:
    tenant: UUID = tx.caller.tenant_id
    await record(tx, action=action, entity_type="tenant_keys", entity_id=tenant, after=after)
