"""Tenants and their API keys: create, rotate, revoke."""

import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, Invalid, NotFound
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.tenancy import guesses, keys, queries, rules

if TYPE_CHECKING:
    from uuid import UUID

_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAX_NAME = 255
_NO_LINE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Controls, bytes that are no text, breaks of lines and paragraphs."""


async def _nothing(_tx: Tx, _tenant: queries.Tenant) -> None:
    return


async def list_tenants() -> list[queries.Tenant]:
    """Return every tenant, by subdomain; those that were erased are none any more."""
    async with begin_system("tenants") as tx:
        return await tx.all(queries.LIST_TENANTS)


async def find_tenant(subdomain: str) -> queries.Tenant:
    """Return the tenant with `subdomain`.

    Raises:
        NotFound: there is none.
    """
    async with begin_system("tenants") as tx:
        tenant = await tx.one(queries.FIND_TENANT, subdomain)
    if tenant is None:
        raise NotFound("No tenant has this subdomain.")
    return tenant


async def create_tenant(
    *,
    name: str,
    subdomain: str,
    also: Callable[[Tx, queries.Tenant], Awaitable[None]] = _nothing,
) -> "UUID":
    """Create a tenant and return its id; `also` adds to the same transaction, such as its audit.

    Raises:
        Invalid: name or subdomain cannot be used.
        Conflict: the subdomain is taken.
    """
    name = _name(name)
    if not _SUBDOMAIN.fullmatch(subdomain):
        raise Invalid.field(
            "subdomain", "must be lower-case letters, digits and hyphens", "pattern"
        )
    tenant_id = new_id()
    async with begin(system(tenant_id, job="create-tenant")) as tx:
        if not await tx.run(queries.INSERT_TENANT, tenant_id, name, subdomain, tx.now):
            raise Conflict("This subdomain is taken.")
        await keys.ensure(tx)
        await also(tx, queries.Tenant(tenant_id, name, subdomain, True, tx.now))
    return tenant_id


def _name(text: str) -> str:
    """Return a name without the blanks around it.

    Raises:
        Invalid: it is empty, too long or not one printable line.
    """
    text = text.strip()
    if not 1 <= len(text) <= _MAX_NAME:
        raise Invalid.field("name", "must have 1 to 255 characters", "length")
    if any(unicodedata.category(c) in _NO_LINE for c in text):
        raise Invalid.field("name", "must be one line of printable text", "characters")
    return text


async def create_key(
    tx: Tx,
    *,
    pepper: str,
    name: str,
    scopes: frozenset[str],
    environment: str = "live",
    expires_at: datetime | None = None,
    rotated_from: "UUID | None" = None,
    networks: Sequence[str] = (),
) -> str:
    """Create a key for the transaction's tenant and return it: the only time it can be read.

    Raises:
        Invalid: an unknown scope or environment, a name or a network that is none, or an expiry
            in the past.
    """
    unknown = scopes - rules.SCOPES
    if unknown or not scopes:
        raise Invalid.field("scopes", f"must be among {', '.join(sorted(rules.SCOPES))}", "scope")
    if environment not in {"live", "test"}:
        raise Invalid.field("environment", "must be live or test", "choice")
    name = _name(name)
    if expires_at is not None and expires_at <= tx.now:
        raise Invalid.field("expires_at", "must be in the future", "past")
    try:
        allowed = [str(one) for one in guesses.networks(list(networks))]
    except ValueError:
        raise Invalid.field("networks", "must be networks such as 10.1.0.0/16", "cidr") from None
    key, parts = rules.new_key(environment)
    await tx.run(
        queries.INSERT_KEY, new_id(), tx.caller.tenant_id, name, parts.key_id,
        rules.key_hash(parts, pepper), environment, sorted(scopes), expires_at, tx.now,
        rotated_from, allowed,
    )  # fmt: skip
    return key


async def rotate_key(tx: Tx, *, pepper: str, key_id: str, overlap: timedelta) -> str:
    """Create a key like the one with `key_id`, which stays valid for `overlap`; return the new.

    A key that expires is followed by one with as long a life, counted from now.

    Raises:
        NotFound: no active key with this id, or one that has expired.
    """
    old = await tx.one(queries.FIND_OWN_KEY, key_id)
    has_ended = old is not None and old.expires_at is not None and old.expires_at <= tx.now
    if old is None or not old.is_active or has_ended:
        raise NotFound("No active key has this id.")
    life = None if old.expires_at is None else old.expires_at - old.created_at
    await tx.run(queries.EXPIRE_KEY, key_id, tx.now + overlap)
    return await create_key(
        tx, pepper=pepper, name=old.key_name, scopes=frozenset(old.scopes),
        environment=old.environment, expires_at=None if life is None else tx.now + life,
        rotated_from=old.id, networks=old.networks,
    )  # fmt: skip


async def revoke_key(tx: Tx, *, key_id: str) -> None:
    """Revoke the key with `key_id`; every process refuses it within a second.

    Raises:
        NotFound: no active key with this id.
    """
    if not await tx.run(queries.REVOKE_KEY, key_id, tx.now):
        raise NotFound("No active key has this id.")
