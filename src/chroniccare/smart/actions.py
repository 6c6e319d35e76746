"""SMART clients: add, change, remove."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform import jose, public_hosts
from chroniccare.platform.postgres import Tx
from chroniccare.platform.public_hosts import EgressError
from chroniccare.settings import Settings
from chroniccare.smart import queries
from chroniccare.smart.schemas import ClientWrite, Jwks
from chroniccare.webhooks.actions import EventType, emit

ENTITY = "smart_client"
ALGORITHMS = frozenset({"RS384", "ES384"})
MOST = 100
"""Most clients of a tenant."""
_LISTING = "smart-clients"


async def checked(body: ClientWrite, settings: Settings) -> str | None:
    """Return the address of its keys as it is stored; it is resolved, so no transaction is open.

    Raises:
        Unprocessable: nothing may be read there, or a key is none that may sign.
    """
    if body.jwks is not None:
        _check_keys(body.jwks)
    if body.jwks_url is None:
        return None
    try:
        found = await public_hosts.check(body.jwks_url, anywhere=settings.webhook_targets == "any")
    except EgressError as error:
        raise Unprocessable.field("jwks_url", error.reason, error.code) from None
    return found.url


def _check_keys(jwks: Jwks) -> None:
    good = jose.key_set(orjson.dumps(document(jwks)), ALGORITHMS)
    for number, key in enumerate(jwks.keys):
        if key.kid not in good:
            raise Unprocessable.field(
                f"jwks.keys.{number}", "must be a whole RSA key of 2048 bits or more, or P-384",
                "key",
            )  # fmt: skip
    if len(good) != len(jwks.keys):
        raise Unprocessable.field("jwks.keys", "must each have a kid of its own", "distinct")


def document(jwks: Jwks | None) -> dict[str, Any] | None:
    """Return keys as they are stored."""
    return None if jwks is None else jwks.model_dump(exclude_none=True)


async def create(tx: Tx, body: ClientWrite, *, jwks_url: str | None) -> queries.Client:
    """Add a client.

    Raises:
        Unprocessable: the tenant has too many.
    """
    if await tx.value(queries.COUNT) >= MOST:
        raise Unprocessable.field("name", f"there are {MOST} SMART clients already", "too_many")
    client_id = new_id()
    await tx.run(
        queries.INSERT, client_id, tx.caller.tenant_id, body.name, jwks_url, document(body.jwks),
        body.scopes, body.networks, body.enabled, tx.now,
    )  # fmt: skip
    made = await get(tx, client_id)
    await _tell(tx, "create", "smart_client.created", before=None, after=made)
    return made


async def update(
    tx: Tx, client: queries.Client, body: ClientWrite, *, jwks_url: str | None
) -> queries.Client:
    """Replace what a client, locked by this transaction, is; within a second its tokens obey."""
    await tx.run(
        queries.UPDATE, client.id, body.name, jwks_url, document(body.jwks), body.scopes,
        body.networks, body.enabled, tx.now,
    )  # fmt: skip
    changed = await get(tx, client.id)
    await _tell(tx, "update", "smart_client.updated", before=client, after=changed)
    return changed


async def delete(tx: Tx, client: queries.Client) -> None:
    """Remove a client that this transaction has locked; within a second its tokens end."""
    await tx.run(queries.DELETE, client.id, tx.now)
    await _tell(tx, "delete", "smart_client.removed", before=client, after=None)


async def get(tx: Tx, client_id: UUID) -> queries.Client:
    """Return one client.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    client = await tx.one(queries.GET, client_id)
    return _found(client)


async def get_locked(tx: Tx, client_id: UUID) -> queries.Client:
    """Return one client and lock its row; see `get`."""
    client = await tx.one(queries.GET_FOR_UPDATE, client_id)
    return _found(client)


async def listed(tx: Tx, *, cursor: str | None, limit: int) -> paging.Page[queries.Client]:
    """Return one page of clients, the oldest first."""
    after = paging.decode(cursor, _LISTING, [], [datetime.fromisoformat, UUID])
    rows = await tx.all(queries.LIST, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=[], key=lambda row: [row.created_at, row.id]
    )


async def tidy(tx: Tx) -> int:
    """Delete assertions and tokens of the transaction's tenant that nobody can use any more."""
    return await tx.run(queries.FORGET, tx.now)


async def _tell(
    tx: Tx,
    action: str,
    event: EventType,
    *,
    before: queries.Client | None,
    after: queries.Client | None,
) -> None:
    client = after or before
    if client is None:
        return
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=client.id, before=before, after=after
    )
    version = client.version if after is not None else client.version + 1
    await emit(tx, event, entity_type=ENTITY, entity_id=client.id, payload={"version": version})


def _found(client: queries.Client | None) -> queries.Client:
    if client is None:
        raise NotFound("No such SMART client.")
    return client
