"""/api/v1/outbox: the messages that patients would have received."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, Security

from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.notifications.outbox import actions, schemas
from chroniccare.notifications.schemas import Channel
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import Cursor, KeyFirst, Limit, answer, authorise, page

router = APIRouter(prefix="/api/v1/outbox", tags=["notifications"], route_class=KeyFirst)

# As for what patients write: an auditor reads neither.
RepliesRead = Annotated[Caller, Security(authorise, scopes=["replies:read"])]


@router.get(
    "",
    summary="List the messages that the local outbox keeps",
    response_model=Listed[schemas.OutboxMessage],
    responses=errors(404),
)
async def list_outbox(
    caller: RepliesRead,
    patient_id: Annotated[UUID | None, Query(description="About this patient.")] = None,
    channel: Annotated[Channel | None, Query(description="By this channel.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the latest first; 404 where messages are sent. The read is audited."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, [patient_id, channel], cursor=cursor, limit=limit)
    seen = [message.id for message in found.items]
    await note_read(caller, entity_type=actions.ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{message_id}",
    summary="Read a message that the local outbox keeps",
    response_model=Data[schemas.OutboxMessage],
    responses=errors(404),
)
async def read_outbox_message(message_id: UUID, caller: RepliesRead) -> Response:
    """Answer one message; the read is audited."""
    async with begin(caller) as tx:
        found = await actions.get(tx, message_id)
    await note_read(caller, entity_type=actions.ENTITY, seen=[message_id])
    return answer(caller, wire.dumps(found))
