"""POST /api/v1/notifications: one message that staff ask for."""

from typing import Annotated

from fastapi import APIRouter, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.notifications.schemas import Notification
from chroniccare.notifications.single import actions, schemas
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tenancy.api import IdempotencyKey, KeyFirst, authorise, post
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], route_class=KeyFirst)

NotificationsWrite = Annotated[Caller, Security(authorise, scopes=["notifications:write"])]


async def _seen_again(tx: Tx, location: str) -> None:
    await replayed(tx, location, entity_type="notification")


@router.post(
    "",
    status_code=201,
    summary="Send a notification about a visit",
    response_model=Data[Notification],
    responses=errors(409, 413, 422),
)
async def send_notification(
    body: schemas.NotificationWrite,
    request: Request,
    caller: NotificationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Plan one message now or at a time; consent, opt-outs and the visit are checked when due."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            made = await actions.send(
                tx, appointment_id=body.appointment_id, kind=body.notification_type,
                at=body.scheduled_send_time,
            )  # fmt: skip
            return Reply(201, wire.dumps(made), {"location": f"{router.prefix}/{made.id}"})

        return await post(tx, request, idempotency_key, work, replayed=_seen_again)
