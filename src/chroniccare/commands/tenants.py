"""Tenants and their API keys, for the operator of the machine."""

import re
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from uuid import UUID

from chroniccare.audit.actions import record, tenant_created
from chroniccare.core.caller import Caller, system
from chroniccare.core.errors import Invalid, NotFound
from chroniccare.core.time import parse_instant, to_instant, zone
from chroniccare.platform.postgres import Tx, begin
from chroniccare.settings import Settings, values_of
from chroniccare.staff.keys import actions as keys
from chroniccare.tenancy import actions, queries
from chroniccare.tenancy.rules import SCOPES, parse_key

_SPAN = re.compile(r"([1-9]\d{0,4})([dhm])", re.ASCII)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


async def choose(subdomain: str | None) -> queries.Tenant:
    """Return the tenant with `subdomain`; without one, the only tenant there is.

    Raises:
        NotFound: no such tenant, none at all, or several without one named.
    """
    found = await actions.list_tenants()
    if subdomain is None:
        if not found:
            raise NotFound("There is no tenant yet: create one with `chroniccare tenants create`.")
        if len(found) > 1:
            names = ", ".join(tenant.subdomain for tenant in found[:10])
            raise NotFound(f"There are several tenants: name one with --tenant ({names}).")
        return found[0]
    for tenant in found:
        if tenant.subdomain == subdomain:
            return tenant
    raise NotFound("No tenant has this subdomain: `chroniccare tenants list` shows them.")


async def caller(subdomain: str | None) -> Caller:
    """Return the system's own caller in a tenant; see `choose`."""
    return system((await choose(subdomain)).id, job="command-line")


async def create_tenant(subdomain: str, name: str) -> UUID:
    """Create a tenant and return its id; see `tenancy.actions.create_tenant`."""
    return await actions.create_tenant(name=name, subdomain=subdomain, also=tenant_created)


async def list_keys(subdomain: str | None) -> list[queries.ApiKey]:
    """Return the keys of a tenant, oldest first."""
    async with begin(await caller(subdomain)) as tx:
        return await tx.all(queries.LIST_KEYS)


async def create_key(
    settings: Settings,
    subdomain: str | None,
    *,
    name: str,
    scopes: str | None,
    environment: str,
    expires: str | None,
    networks: str | None = None,
) -> str:
    """Create a key and return it; `scopes` is a list with commas, None means every scope.

    So is `networks`, the only ones it may be used from; None means any.

    Raises:
        Invalid: an unknown scope or environment, or an expiry that is none or lies in the past.
    """
    wanted = SCOPES if scopes is None else frozenset(scopes.replace(",", " ").split())
    async with begin(await caller(subdomain)) as tx:
        key = await actions.create_key(
            tx, pepper=values_of(settings, "key_pepper"), name=name, scopes=wanted,
            environment=environment, expires_at=expiry(expires, now=tx.now) if expires else None,
            networks=(networks or "").replace(",", " ").split(),
        )  # fmt: skip
        await keys.created(tx, key)
    return key


async def rotate_key(settings: Settings, subdomain: str | None, key_id: str, overlap: str) -> str:
    """Create a key like the old one, which stays valid for `overlap`; return the new."""
    kept = span(overlap, field="overlap")
    async with begin(await caller(subdomain)) as tx:
        before = await tx.one(queries.FIND_OWN_KEY, id_of(key_id))
        key = await actions.rotate_key(
            tx, pepper=values_of(settings, "key_pepper"), key_id=id_of(key_id), overlap=kept
        )
        new_id = (await keys.created(tx, key)).id
        await _audit_change(tx, "rotate", before, rotated_to=new_id)
    return key


async def revoke_key(subdomain: str | None, key_id: str) -> None:
    """Revoke a key; every process refuses it within a second."""
    async with begin(await caller(subdomain)) as tx:
        before = await tx.one(queries.FIND_OWN_KEY, id_of(key_id))
        await actions.revoke_key(tx, key_id=id_of(key_id))
        await _audit_change(tx, "revoke", before)


async def _audit_change(tx: Tx, action: str, before: queries.ApiKey | None, **more: UUID) -> None:
    """Record what `action` has made of the key that was `before`."""
    if before is None:
        raise NotFound("No active key has this id.")
    after = asdict(await _stored(tx, before.key_id)) | more
    await record(
        tx, action=action, entity_type="api_key", entity_id=before.id, before=before, after=after
    )


async def _stored(tx: Tx, key_id: str) -> queries.ApiKey:
    found = await tx.one(queries.FIND_OWN_KEY, key_id)
    if found is None:
        raise NotFound("No active key has this id.")
    return found


def id_of(text: str) -> str:
    """Return the id in `text`, which may be a whole key."""
    parts = parse_key(text)
    return text if parts is None else parts.key_id


def span(text: str, *, field: str) -> timedelta:
    """Return a length of time such as 90d, 12h or 30m; 0 is none.

    Raises:
        Invalid: it is none.
    """
    match = _SPAN.fullmatch(text)
    if match is not None:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    if text == "0":
        return timedelta()
    raise Invalid.field(field, "must be like 90d, 12h or 30m", "span")


def expiry(text: str, *, now: datetime) -> datetime:
    """Return the instant that `text` names: a length from now, a date (UTC) or an instant.

    Raises:
        Invalid: it names none.
    """
    if _SPAN.fullmatch(text):
        return now + span(text, field="expires")
    try:
        if len(text) == len("2027-01-31"):
            return to_instant(date.fromisoformat(text), time(0), zone("UTC"))
        return parse_instant(datetime.fromisoformat(text), field="expires")
    except ValueError:
        raise Invalid.field(
            "expires", "must be like 90d, 2027-01-31 or 2027-01-31T09:00:00+00:00", "instant"
        ) from None
