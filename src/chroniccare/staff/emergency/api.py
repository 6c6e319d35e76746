"""/api/v1/break-glass."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.staff.emergency import actions, schemas
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
    record,
)

router = APIRouter(prefix="/api/v1/break-glass", tags=["break-glass"], route_class=KeyFirst)

GlassRead = Annotated[Caller, Security(authorise, scopes=["break_glass:read"])]
GlassWrite = Annotated[Caller, Security(authorise, scopes=["break_glass:write"])]


@router.post(
    "",
    status_code=201,
    summary="Break the glass",
    response_model=Data[schemas.BreakGlass],
    responses=errors(409, 413, 422),
)
async def start(
    body: schemas.BreakGlassWrite,
    request: Request,
    caller: GlassWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """See what a clinician sees for an hour; colleagues are told, each access is marked."""
    return await create(caller, request, idempotency_key, lambda tx: actions.start(tx, body))


@router.get(
    "",
    summary="List break-glass access",
    response_model=Listed[schemas.BreakGlass],
    responses=errors(),
)
async def list_all(
    caller: GlassRead,
    staff_id: Annotated[UUID | None, Query(description="Of this member of staff.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the newest first; `/audit` has what was seen meanwhile."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, staff_id=staff_id, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{break_glass_id}",
    summary="Read one break-glass access",
    response_model=Data[schemas.BreakGlass],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read(break_glass_id: UUID, request: Request, caller: GlassRead) -> Response:
    """Answer it with its ETag."""
    async with begin(caller) as tx:
        found = await actions.get(tx, break_glass_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.delete(
    "/{break_glass_id}",
    summary="End break-glass access",
    response_model=Data[schemas.BreakGlass],
    responses=errors(404, 409, 412),
)
async def end(break_glass_id: UUID, caller: GlassWrite, if_match: IfMatch = None) -> Response:
    """End one's own before its hour is over; administrators end anybody's."""
    async with begin(caller) as tx:
        glass = await actions.get_locked(tx, break_glass_id)
        check_version(if_match, glass.version)
        ended = await actions.end(tx, glass)
    return answer(caller, wire.dumps(ended), etag=ended.version)
