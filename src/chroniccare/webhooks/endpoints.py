"""Endpoints: where a tenant has its events sent, with which secret."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform import public_hosts
from chroniccare.platform.postgres import Tx
from chroniccare.platform.public_hosts import EgressError
from chroniccare.settings import Settings
from chroniccare.webhooks import queries_deliveries, sealing, signing
from chroniccare.webhooks import queries_endpoints as queries
from chroniccare.webhooks.disabling import ENTITY
from chroniccare.webhooks.schemas import EndpointWrite

MOST = 50
"""Most endpoints of a tenant."""
_LISTING = "webhooks"


async def checked(body: EndpointWrite, settings: Settings) -> str:
    """Return the URL as it is stored; its host is resolved, so no transaction may be open.

    Raises:
        Unprocessable: it cannot be resolved, or events may not be sent there.
    """
    try:
        found = await public_hosts.check(body.url, anywhere=settings.webhook_targets == "any")
    except EgressError as error:
        raise Unprocessable.field("url", error.reason, error.code) from None
    return found.url


async def create(
    tx: Tx, body: EndpointWrite, *, url: str, kind: signing.Kind
) -> tuple[queries.Endpoint, str]:
    """Make an endpoint; return it and its secret, which nobody is told again.

    Raises:
        Unprocessable: the tenant has too many.
    """
    if await tx.value(queries.COUNT) >= MOST:
        raise Unprocessable.field("url", f"there are {MOST} webhooks already", "too_many")
    endpoint_id, secret = new_id(), signing.new_secret(kind)
    document = {
        "id": endpoint_id,
        "url": url,
        "events": body.events,
        "secret": await sealing.seal(tx, secret, endpoint_id=endpoint_id, column="secret"),
        "enabled": body.enabled,
        "description": body.description,
        "signing": kind,
        "public_key": signing.public_key(secret),
        "disabled_reason": None if body.enabled else "by_hand",
    }
    await tx.run(queries.INSERT, document, tx.caller.tenant_id, tx.now)
    made = await get(tx, endpoint_id)
    await _audit(tx, "create", endpoint_id, None, made)
    return made, secret


async def update(
    tx: Tx, endpoint: queries.Endpoint, body: EndpointWrite, *, url: str
) -> queries.Endpoint:
    """Replace what an endpoint, locked by this transaction, is; disabled, it parks what waits."""
    await tx.run(
        queries.UPDATE, endpoint.id, url, body.events, body.description, body.enabled, tx.now
    )
    if not body.enabled:
        await tx.run(queries_deliveries.PARK, endpoint.id, tx.now)
    changed = await get(tx, endpoint.id)
    await _audit(tx, "update", endpoint.id, endpoint, changed)
    return changed


async def rotate(
    tx: Tx, endpoint: queries.Endpoint, *, overlap: timedelta
) -> tuple[queries.Endpoint, str]:
    """Give an endpoint, locked by this transaction, a new secret; the old one signs meanwhile."""
    kept = None
    if overlap:  # without one an old secret that cannot be opened any more is replaced, too
        stored = await tx.value(queries.GET_SECRET, endpoint.id)
        old = await sealing.unseal(tx, stored, endpoint_id=endpoint.id, column="secret")
        kept = await sealing.seal(tx, old, endpoint_id=endpoint.id, column="previous_secret")
    secret = signing.new_secret("ed25519" if endpoint.signing == "ed25519" else "hmac")
    await tx.run(
        queries.ROTATE, endpoint.id,
        await sealing.seal(tx, secret, endpoint_id=endpoint.id, column="secret"),
        signing.public_key(secret), kept,
        tx.now + overlap if overlap else None, tx.now,
    )  # fmt: skip
    changed = await get(tx, endpoint.id)
    await _audit(tx, "rotate", endpoint.id, endpoint, changed)
    return changed, secret


async def delete(tx: Tx, endpoint: queries.Endpoint) -> None:
    """Remove an endpoint that this transaction has locked; its secrets are forgotten."""
    await tx.run(queries_deliveries.PARK, endpoint.id, tx.now)
    await tx.run(queries.DELETE, endpoint.id, tx.now)
    await _audit(tx, "delete", endpoint.id, endpoint, None)


async def get(tx: Tx, endpoint_id: UUID) -> queries.Endpoint:
    """Return one endpoint.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    endpoint = await tx.one(queries.GET, endpoint_id)
    return _found(endpoint)


async def get_locked(tx: Tx, endpoint_id: UUID) -> queries.Endpoint:
    """Return one endpoint and lock its row; see `get`."""
    endpoint = await tx.one(queries.GET_FOR_UPDATE, endpoint_id)
    return _found(endpoint)


async def listed(tx: Tx, *, cursor: str | None, limit: int) -> paging.Page[queries.Endpoint]:
    """Return one page of endpoints, the oldest first."""
    after = paging.decode(cursor, _LISTING, [], [datetime.fromisoformat, UUID])
    rows = await tx.all(queries.LIST, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=[], key=lambda row: [row.created_at, row.id]
    )


def _found(endpoint: queries.Endpoint | None) -> queries.Endpoint:
    if endpoint is None:
        raise NotFound("No such webhook.")
    return endpoint


async def _audit(tx: Tx, action: str, endpoint_id: UUID, before: Any, after: Any) -> None:
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=endpoint_id, before=before, after=after
    )
