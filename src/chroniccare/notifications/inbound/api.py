"""/inbound/...: replies as they come in, signed; /api/v1/replies: as staff read them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Instant
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.notifications.callbacks_api import Body, signature, taken
from chroniccare.notifications.inbound import actions, reading, schemas
from chroniccare.tenancy.api import Cursor, Ids, KeyFirst, Limit, answer, authorise, page

public = APIRouter(prefix="/inbound", include_in_schema=False)
router = APIRouter(prefix="/api/v1/replies", tags=["replies"], route_class=KeyFirst)

RepliesRead = Annotated[Caller, Security(authorise, scopes=["replies:read"])]


@public.post("/sns")
async def from_sns(body: Body) -> Response:
    """Take a reply from a two-way topic, or confirm our subscription to it."""
    await actions.take_sns(body)
    return taken()


@public.post("/http")
async def from_gateway(body: Body, request: Request) -> Response:
    """Take the replies that a gateway of our own received."""
    await actions.take_http(body, **signature(request))
    return taken()


@router.get("", summary="List replies", response_model=Listed[schemas.Reply], responses=errors())
async def list_replies(
    caller: RepliesRead,
    id_: Ids = None,
    patient_id: Annotated[UUID | None, Query(description="Of this patient.")] = None,
    outcome: Annotated[
        schemas.Outcome | None, Query(description="After which this followed.")
    ] = None,
    since: Annotated[Instant | None, Query(description="Only what came since.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the latest first; what was seen is audited."""
    filters = [patient_id, outcome, since, id_ or None]
    found = await reading.listed(caller, filters, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{reply_id}",
    summary="Read a reply",
    response_model=Data[schemas.Reply],
    responses=errors(404),
)
async def read_reply(reply_id: UUID, caller: RepliesRead) -> Response:
    """Answer one reply; the read is audited."""
    return answer(caller, wire.dumps(await reading.shown(caller, reply_id)))
