"""/api/v1/notifications/drivers: who sends, and who is left alone."""

from typing import Annotated

from fastapi import APIRouter, Response, Security

from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Listed, errors
from chroniccare.notifications.mesh import actions, schemas
from chroniccare.tenancy.api import KeyFirst, authorise, page

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], route_class=KeyFirst)

NotificationsRead = Annotated[Caller, Security(authorise, scopes=["notifications:read"])]


@router.get(
    "/drivers",
    summary="Show the drivers of each channel",
    response_model=Listed[schemas.Driver],
    responses=errors(),
)
async def list_drivers(caller: NotificationsRead) -> Response:
    """Answer each driver in each worker process: its share, its rate, its breaker."""
    return page(caller, await actions.states(), None)
