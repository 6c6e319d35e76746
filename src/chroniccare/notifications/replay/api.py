"""/api/v1/notifications/failed: what reached nobody, and sending it after all."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.core.fields import Instant, Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.notifications.replay import actions, schemas
from chroniccare.notifications.schemas import Channel
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import (
    Cursor,
    IdempotencyKey,
    KeyFirst,
    Limit,
    answer,
    authorise,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], route_class=KeyFirst)

NotificationsRead = Annotated[Caller, Security(authorise, scopes=["notifications:read"])]
NotificationsWrite = Annotated[Caller, Security(authorise, scopes=["notifications:write"])]


@router.get(
    "/failed",
    summary="List notifications that reached nobody",
    response_model=Data[schemas.FailedPage],
    responses=errors(),
)
async def list_failed_notifications(
    caller: NotificationsRead,
    cause: Annotated[Word | None, Query(description="Only of this cause.")] = None,
    channel: Annotated[Channel | None, Query(description="Only on this channel.")] = None,
    since: Annotated[Instant | None, Query(description="Only what failed since.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer all of them by cause and channel, and one page, the latest first."""
    filters = [cause, channel, since]
    async with begin(caller) as tx:
        groups = await actions.groups(tx, filters)
        found = await actions.listed(tx, filters, cursor=cursor, limit=limit)
    seen = [row.id for row in found.items]
    await note_read(caller, entity_type="notification", seen=seen, action="list_failed")
    body = {"groups": groups, "items": found.items, "next_cursor": found.next_cursor}
    return answer(caller, wire.dumps(body))


@router.get(
    "/failed/check",
    summary="Tell what a replay would do",
    response_model=Data[schemas.Replayed],
    responses=errors(),
)
async def check_failed_notifications(
    caller: NotificationsRead,
    cause: Annotated[Word | None, Query(description="Only of this cause.")] = None,
    channel: Annotated[Channel | None, Query(description="Only on this channel.")] = None,
    since: Annotated[Instant | None, Query(description="Only what failed since.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Look at one page of the list as delivery would now; nothing is put back."""
    filters = [cause, channel, since]
    async with begin(caller) as tx:
        found = await actions.check_many(tx, filters, cursor=cursor, limit=limit)
    seen = [verdict.id for verdict in found["results"]]
    await note_read(caller, entity_type="notification", seen=seen, action="check_failed")
    return answer(caller, wire.dumps(found))


@router.post(
    "/failed/replay",
    summary="Replay notifications that reached nobody",
    response_model=Data[schemas.Replayed],
    responses=errors(409, 413, 422),
)
async def replay_failed_notifications(
    body: schemas.ReplayWrite,
    request: Request,
    caller: NotificationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put back what can be sent, and say of each message why or why not; at most 1,000 at once."""
    filters = [body.cause, body.channel, body.since]
    async with begin(caller) as tx:

        async def work() -> Reply:
            done = await actions.replay_many(tx, filters, cursor=body.cursor, limit=body.limit)
            return Reply(200, wire.dumps(done))

        return await post(tx, request, idempotency_key, work)


@router.post(
    "/{notification_id}/replay",
    summary="Replay a notification that reached nobody",
    response_model=Data[schemas.Verdict],
    responses=errors(404, 409, 422),
)
async def replay_notification(
    notification_id: UUID,
    request: Request,
    caller: NotificationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put it back; 409 if a provider may have it, 422 with the reason if it would not be sent."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            return Reply(200, wire.dumps(await actions.replay(tx, notification_id)))

        return await post(tx, request, idempotency_key, work)
