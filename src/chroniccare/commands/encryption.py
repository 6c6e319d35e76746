"""Keys of tenants and master keys, for the operator of the machine."""

from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.commands import tenants
from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict
from chroniccare.core.ids import new_id
from chroniccare.notifications.inbound.queries import WAITS_UNDER_OTHERS
from chroniccare.platform import masterkey_file
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.settings import Settings
from chroniccare.tenancy import keys, queries_keys
from chroniccare.tenancy.actions import list_tenants


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
    async with begin(await tenants.caller(subdomain)) as tx:
        count = await keys.shred(tx)
        await _audit(tx, "shred", keys=count)
    return count


async def new_master(settings: Settings) -> str:
    """Add a master key to the file and return its name."""
    name = f"m{str(new_id())[-12:]}"
    await masterkey_file.add(settings, name)
    return name


async def rewrap() -> int:
    """Wrap the keys of every tenant under the last master key; return how many were not."""
    count = 0
    for tenant in await list_tenants():
        async with begin(system(tenant.id, job="rewrap")) as tx:
            changed = await keys.rewrap(tx)
            if changed:
                await _audit(tx, "rewrap", keys=changed)
        count += changed
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
