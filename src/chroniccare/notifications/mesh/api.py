"""/api/v1/notifications/drivers: who sends, and who is left alone."""

from typing import Annotated

from fastapi import APIRouter, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.notifications.mesh import actions, schemas
from chroniccare.tenancy.api import KeyFirst, answer, authorise

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], route_class=KeyFirst)

NotificationsRead = Annotated[Caller, Security(authorise, scopes=["notifications:read"])]


@router.get(
    "/drivers",
    summary="Show the drivers of each channel",
    response_model=Data[schemas.Drivers],
    responses=errors(),
)
async def list_drivers(caller: NotificationsRead) -> Response:
    """Answer each driver in each worker process: its share, its rate, its breaker."""
    return answer(caller, wire.dumps({"drivers": await actions.states()}))
