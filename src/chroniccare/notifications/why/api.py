"""What explains and counts notifications, and what is planned."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, Security

from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.core.fields import Instant, ZoneName
from chroniccare.notifications.why import actions, schemas
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import KeyFirst, answer, authorise

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], route_class=KeyFirst)

NotificationsRead = Annotated[Caller, Security(authorise, scopes=["notifications:read"])]


@router.get(
    "/delivery-status",
    summary="Count messages by status and channel, with rates by group",
    response_model=Data[schemas.DeliveryCounts],
    responses=errors(),
)
async def count_notifications(
    caller: NotificationsRead,
    from_: Annotated[
        Instant | None,
        Query(alias="from", description="Start of the range; a week before `to` unless told."),
    ] = None,
    to: Annotated[
        Instant | None, Query(description="End of the range, exclusive; now unless told.")
    ] = None,
    group_by: Annotated[
        schemas.GroupBy | None, Query(description="Add rates by channel, type or local hour.")
    ] = None,
    time_zone: Annotated[
        ZoneName | None,
        Query(description="IANA zone of the hours; the facilities' if they share one, else UTC."),
    ] = None,
) -> Response:
    """Answer how many messages meant for the range stand where; at most 366 days."""
    async with begin(caller) as tx:
        found = await actions.counts(tx, from_, to, group_by=group_by, time_zone=time_zone)
    return answer(caller, wire.dumps(found))


@router.get(
    "/forecast",
    summary="Forecast messages and their cost",
    response_model=Data[schemas.Forecast],
    responses=errors(),
)
async def forecast_notifications(
    caller: NotificationsRead,
    days: Annotated[int, Query(ge=1, le=366, description="Local days, today included.")] = 30,
    time_zone: Annotated[
        ZoneName | None,
        Query(description="IANA zone of the days; the facilities' if they share one, else UTC."),
    ] = None,
) -> Response:
    """Answer what goes out on each day, as planned now; quiet hours are in it."""
    async with begin(caller) as tx:
        found = await actions.forecast(tx, days, time_zone=time_zone)
    return answer(caller, wire.dumps(found))


@router.get(
    "/queue",
    summary="Show what is due and not sent",
    response_model=Data[schemas.Queue],
    responses=errors(),
)
async def read_queue(caller: NotificationsRead) -> Response:
    """Answer how many messages are due by now, and since when the oldest is."""
    async with begin(caller) as tx:
        found = await actions.queue(tx)
    return answer(caller, wire.dumps(found))


@router.get(
    "/{notification_id}/timeline",
    summary="Explain a notification",
    response_model=Data[schemas.Timeline],
    responses=errors(404),
)
async def explain_notification(notification_id: UUID, caller: NotificationsRead) -> Response:
    """Answer why it was sent, held or skipped, step by step; never its text or its address."""
    async with begin(caller) as tx:
        found = await actions.timeline(tx, notification_id)
    await note_read(caller, entity_type="notification", seen=[notification_id])
    return answer(caller, wire.dumps(found))
