"""/api/v1/notifications and a patient's notifications."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, Security

from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.notifications import actions, schemas
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import Cursor, KeyFirst, Limit, answer, authorise, page

router = APIRouter(prefix="/api/v1", tags=["notifications"], route_class=KeyFirst)

NotificationsRead = Annotated[Caller, Security(authorise, scopes=["notifications:read"])]


@router.get(
    "/notifications/{notification_id}",
    summary="Read a notification",
    response_model=Data[schemas.Notification],
    responses=errors(404),
)
async def read_notification(notification_id: UUID, caller: NotificationsRead) -> Response:
    """Answer where one message stands and every attempt; never its text."""
    async with begin(caller) as tx:
        found = await actions.get(tx, notification_id)
    await note_read(caller, entity_type="notification", seen=[notification_id])
    return answer(caller, wire.dumps(found))


@router.get(
    "/patients/{patient_id}/notifications",
    summary="List a patient's notifications",
    response_model=Listed[schemas.Notification],
    responses=errors(404),
)
async def list_notifications(
    patient_id: UUID,
    caller: NotificationsRead,
    delivery_status: Annotated[
        schemas.DeliveryStatus | None, Query(description="Only those that stand here.")
    ] = None,
    notification_type: Annotated[Word | None, Query(description="Only this type.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the message meant for the latest time first."""
    filters = [delivery_status, notification_type]
    async with begin(caller) as tx:
        found = await actions.of_patient(
            tx, patient_id, filters=filters, cursor=cursor, limit=limit
        )
    await note_read(caller, entity_type="patient", seen=[patient_id], action="read_notifications")
    return page(caller, found.items, found.next_cursor)
