"""API keys: made and revoked by an administrator."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import NotFound, Unprocessable
from chroniccare.platform.postgres import Tx
from chroniccare.settings import values_of
from chroniccare.staff.keys import queries
from chroniccare.staff.keys.schemas import ApiKeyWrite
from chroniccare.tenancy import actions as tenancy
from chroniccare.tenancy.queries import FIND_OWN_KEY, ApiKey
from chroniccare.tenancy.rules import parse_key
from chroniccare.webhooks.actions import emit

ENTITY = "api_key"
_LISTING = "api_keys"


async def create(tx: Tx, body: ApiKeyWrite) -> tuple[ApiKey, str]:
    """Make a key, and return it with the secret, which can be read this once.

    Raises:
        Unprocessable: it may do what the caller may not.
        Invalid: see `tenancy.actions.create_key`.
    """
    beyond = set(body.scopes) - tx.caller.scopes
    if beyond:
        reason = "holds what you may not do yourself: " + ", ".join(sorted(beyond))
        raise Unprocessable.field("scopes", reason, "scope")
    key = await tenancy.create_key(
        tx, pepper=values_of(tx.settings, "key_pepper"), name=body.key_name,
        scopes=frozenset(body.scopes), environment=body.environment, expires_at=body.expires_at,
        networks=body.networks,
    )  # fmt: skip
    return await created(tx, key), key


async def created(tx: Tx, key: str) -> ApiKey:
    """Record that `key` was made, and return what is stored of it; the secret is not."""
    parts = parse_key(key)
    made = await tx.one(FIND_OWN_KEY, parts.key_id if parts else "")
    if made is None:
        raise NotFound("No active key has this id.")
    await record(tx, action="create", entity_type=ENTITY, entity_id=made.id, after=made)
    payload = {"scopes": made.scopes}
    await emit(tx, "api_key.created", entity_type=ENTITY, entity_id=made.id, payload=payload)
    return made


async def revoke(tx: Tx, key: ApiKey) -> None:
    """Revoke `key`, which this transaction has locked; everywhere within a second.

    Raises:
        NotFound: it is revoked already.
    """
    await tenancy.revoke_key(tx, key_id=key.key_id)
    after = asdict(await get(tx, key.id))
    await record(tx, action="revoke", entity_type=ENTITY, entity_id=key.id, before=key, after=after)
    await emit(tx, "api_key.revoked", entity_type=ENTITY, entity_id=key.id, payload={})


async def get(tx: Tx, key_id: UUID, *, locked: bool = False) -> ApiKey:
    """Return one key.

    Raises:
        NotFound: none with this id in the caller's clinic.
    """
    found = await tx.one(queries.GET_FOR_UPDATE if locked else queries.GET, key_id)
    if found is None:
        raise NotFound("No such key.")
    return found


async def listed(tx: Tx, *, cursor: str | None, limit: int) -> paging.Page[ApiKey]:
    """Return one page, the latest first."""
    after = paging.decode(cursor, _LISTING, [], [datetime.fromisoformat, UUID]) or [None, None]
    rows = await tx.all(queries.LIST, *after, limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=[], key=lambda row: [row.created_at, row.id]
    )
