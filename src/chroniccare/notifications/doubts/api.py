"""/api/v1/notifications/{id}/resolve: staff decide about a message in doubt."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.notifications.doubts import actions, schemas
from chroniccare.notifications.schemas import Notification
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import IdempotencyKey, KeyFirst, authorise, post
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], route_class=KeyFirst)

NotificationsWrite = Annotated[Caller, Security(authorise, scopes=["notifications:write"])]


@router.post(
    "/{notification_id}/resolve",
    summary="Decide about a notification in doubt",
    response_model=Data[Notification],
    responses=errors(404, 409, 413, 422),
)
async def resolve_notification(
    notification_id: UUID,
    body: schemas.Resolution,
    request: Request,
    caller: NotificationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send it again or leave it; 409 unless it waits for staff."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            resolved = await actions.resolve(tx, notification_id, body.decision)
            return Reply(200, wire.dumps(resolved))

        return await post(tx, request, idempotency_key, work)
