"""/api/v1/webhooks: where events are sent, and what came of it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import Tx, begin, database
from chroniccare.tenancy.api import (
    CONDITIONAL,
    Cursor,
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    authorise,
    check_version,
    create,
    page,
    post,
    record,
)
from chroniccare.tenancy.idempotency import Reply
from chroniccare.webhooks import endpoints, resending, schemas
from chroniccare.webhooks.disabling import ENTITY
from chroniccare.webhooks.queries_endpoints import Endpoint

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"], route_class=KeyFirst)

WebhooksRead = Annotated[Caller, Security(authorise, scopes=["webhooks:read"])]
WebhooksWrite = Annotated[Caller, Security(authorise, scopes=["webhooks:write"])]

_replayed = partial(replayed, entity_type=ENTITY)


@router.get(
    "", summary="List webhooks", response_model=Listed[schemas.Endpoint], responses=errors()
)
async def list_webhooks(
    caller: WebhooksRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the oldest first; secrets are not shown."""
    async with begin(caller) as tx:
        found = await endpoints.listed(tx, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{webhook_id}",
    summary="Read a webhook",
    response_model=Data[schemas.Endpoint],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_webhook(webhook_id: UUID, request: Request, caller: WebhooksRead) -> Response:
    """Answer one webhook with its ETag."""
    async with begin(caller) as tx:
        found = await endpoints.get(tx, webhook_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.post(
    "",
    status_code=201,
    summary="Create a webhook",
    response_model=Data[schemas.EndpointSecret],
    responses=errors(409, 413, 422),
)
async def create_webhook(
    body: schemas.EndpointCreate,
    request: Request,
    caller: WebhooksWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Have events sent to a URL; the answer shows the secret, once."""
    url = await endpoints.checked(body, database().settings)
    told: list[str] = []

    async def act(tx: Tx) -> Endpoint:
        made, secret = await endpoints.create(tx, body, url=url, kind=body.signing)
        told.append(secret)
        return made

    return await create(
        caller, request, idempotency_key, act, replayed=_replayed, shown=partial(_told, told)
    )


@router.put(
    "/{webhook_id}",
    summary="Replace a webhook",
    response_model=Data[schemas.Endpoint],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_webhook(
    webhook_id: UUID,
    body: schemas.EndpointWrite,
    caller: WebhooksWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace every field; the secret stays. Disabled, it parks what waits."""
    async with begin(caller) as tx:
        await endpoints.get(tx, webhook_id)  # before a name is resolved for nothing
    url = await endpoints.checked(body, database().settings)
    async with begin(caller) as tx:
        endpoint = await endpoints.get_locked(tx, webhook_id)
        check_version(if_match, endpoint.version)
        changed = await endpoints.update(tx, endpoint, body, url=url)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/{webhook_id}",
    summary="Remove a webhook",
    response_model=Data[None],
    responses=errors(404, 409, 412),
)
async def delete_webhook(
    webhook_id: UUID, caller: WebhooksWrite, if_match: IfMatch = None
) -> Response:
    """Send nothing there any more; its secrets are forgotten."""
    async with begin(caller) as tx:
        endpoint = await endpoints.get_locked(tx, webhook_id)
        check_version(if_match, endpoint.version)
        await endpoints.delete(tx, endpoint)
    return answer(caller, b"null")


@router.post(
    "/{webhook_id}/rotate",
    summary="Replace a webhook's secret",
    response_model=Data[schemas.EndpointSecret],
    responses=errors(404, 409, 412, 422),
)
async def rotate_webhook(
    webhook_id: UUID,
    request: Request,
    caller: WebhooksWrite,
    overlap_hours: Annotated[
        int, Query(ge=0, le=168, description="Hours for which the old secret signs as well.")
    ] = 24,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Make a new secret, shown once; for the overlap deliveries are signed with both."""
    told: list[str] = []

    async def act(tx: Tx, endpoint: Endpoint) -> Reply:
        overlap = timedelta(hours=overlap_hours)
        changed, secret = await endpoints.rotate(tx, endpoint, overlap=overlap)
        told.append(secret)
        return Reply(200, wire.dumps(changed), {"etag": f'"{changed.version}"'})

    return await _done(
        caller, request, webhook_id, act, key=idempotency_key, if_match=if_match,
        shown=partial(_told, told),
    )  # fmt: skip


@router.post(
    "/{webhook_id}/ping",
    status_code=202,
    summary="Send a test event",
    response_model=Data[schemas.Delivery],
    responses=errors(404, 409, 422),
)
async def ping_webhook(
    webhook_id: UUID,
    request: Request,
    caller: WebhooksWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send `webhook.ping`, whatever events are wanted; the log shows what came of it."""

    async def act(tx: Tx, endpoint: Endpoint) -> Reply:
        return Reply(202, wire.dumps(await resending.ping(tx, endpoint)), {})

    return await _done(caller, request, webhook_id, act, key=idempotency_key)


@router.get(
    "/{webhook_id}/deliveries",
    summary="List a webhook's deliveries",
    response_model=Listed[schemas.Delivery],
    responses=errors(404),
)
async def list_deliveries(
    webhook_id: UUID,
    caller: WebhooksRead,
    status: Annotated[schemas.Status | None, Query(description="In this state.")] = None,
    event_id: Annotated[UUID | None, Query(description="Of this event.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the newest first, each with its attempts."""
    async with begin(caller) as tx:
        found = await resending.listed(
            tx, webhook_id, status=status, event_id=event_id, cursor=cursor, limit=limit
        )
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{webhook_id}/deliveries/{delivery_id}",
    summary="Read a delivery",
    response_model=Data[schemas.Delivery],
    responses=errors(404),
)
async def read_delivery(webhook_id: UUID, delivery_id: UUID, caller: WebhooksRead) -> Response:
    """Answer one delivery with its attempts."""
    async with begin(caller) as tx:
        await endpoints.get(tx, webhook_id)
        found = await resending.get(tx, webhook_id, delivery_id)
    return answer(caller, wire.dumps(found))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/resend",
    status_code=202,
    summary="Send an event again",
    response_model=Data[schemas.Delivery],
    responses=errors(404, 409, 422),
)
async def resend_delivery(
    webhook_id: UUID,
    delivery_id: UUID,
    request: Request,
    caller: WebhooksWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send one event again, under the same `webhook-id`."""

    async def act(tx: Tx, endpoint: Endpoint) -> Reply:
        return Reply(202, wire.dumps(await resending.resend(tx, endpoint, delivery_id)), {})

    return await _done(caller, request, webhook_id, act, key=idempotency_key)


@router.post(
    "/{webhook_id}/resend",
    status_code=202,
    summary="Send events again",
    response_model=Data[schemas.Resent],
    responses=errors(404, 409, 413, 422),
)
async def resend_range(
    webhook_id: UUID,
    body: schemas.Resend,
    request: Request,
    caller: WebhooksWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send what was not delivered in a range of time, or everything in it."""

    async def act(tx: Tx, endpoint: Endpoint) -> Reply:
        count = await resending.resend_range(
            tx, endpoint, since=body.since, until=body.until or tx.now, delivered=body.delivered
        )
        return Reply(202, wire.dumps({"count": count}), {})

    return await _done(caller, request, webhook_id, act, key=idempotency_key)


async def _done(
    caller: Caller,
    request: Request,
    webhook_id: UUID,
    act: Callable[[Tx, Endpoint], Awaitable[Reply]],
    *,
    key: str | None,
    if_match: str | None = None,
    shown: Callable[[Reply], bytes] | None = None,
) -> Response:
    """Do something with a locked webhook once."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            endpoint = await endpoints.get_locked(tx, webhook_id)
            check_version(if_match, endpoint.version)
            reply = await act(tx, endpoint)
            headers = {**reply.headers, "location": f"{router.prefix}/{webhook_id}"}
            return Reply(reply.status, reply.data, headers)

        return await post(tx, request, key, work, replayed=_replayed, shown=shown)


def _told(told: list[str], reply: Reply) -> bytes:
    """Return the answer with a shared secret in it; it is kept nowhere."""
    data: dict[str, Any] = orjson.loads(reply.data)
    secret = told[0] if told and data["signing"] == "hmac" else None
    return wire.dumps({**data, "secret": secret})
