"""/api/v1/smart-clients."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin, database
from chroniccare.smart import actions, schemas
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

router = APIRouter(prefix="/api/v1/smart-clients", tags=["smart-clients"], route_class=KeyFirst)

ClientsRead = Annotated[Caller, Security(authorise, scopes=["smart_clients:read"])]
ClientsWrite = Annotated[Caller, Security(authorise, scopes=["smart_clients:write"])]


@router.get(
    "", summary="List SMART clients", response_model=Listed[schemas.Client], responses=errors()
)
async def list_smart_clients(
    caller: ClientsRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the oldest first."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{smart_client_id}",
    summary="Read a SMART client",
    response_model=Data[schemas.Client],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_smart_client(
    smart_client_id: UUID, request: Request, caller: ClientsRead
) -> Response:
    """Answer one client with its ETag."""
    async with begin(caller) as tx:
        found = await actions.get(tx, smart_client_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.post(
    "",
    status_code=201,
    summary="Add a SMART client",
    response_model=Data[schemas.Client],
    responses=errors(409, 413, 422),
)
async def create_smart_client(
    body: schemas.ClientWrite,
    request: Request,
    caller: ClientsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Let a program sign in to /fhir with its key pair; its id is the `client_id`."""
    url = await actions.checked(body, database().settings)
    return await create(
        caller,
        request,
        idempotency_key,
        lambda tx: actions.create(tx, body, jwks_url=url),
        replayed=partial(replayed, entity_type=actions.ENTITY),
    )


@router.put(
    "/{smart_client_id}",
    summary="Replace a SMART client",
    response_model=Data[schemas.Client],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_smart_client(
    smart_client_id: UUID,
    body: schemas.ClientWrite,
    caller: ClientsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace every field; its tokens obey within a second."""
    async with begin(caller) as tx:
        await actions.get(tx, smart_client_id)  # before a name is resolved for nothing
    url = await actions.checked(body, database().settings)
    async with begin(caller) as tx:
        client = await actions.get_locked(tx, smart_client_id)
        check_version(if_match, client.version)
        changed = await actions.update(tx, client, body, jwks_url=url)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/{smart_client_id}",
    summary="Remove a SMART client",
    response_model=Data[None],
    responses=errors(404, 409, 412),
)
async def delete_smart_client(
    smart_client_id: UUID, caller: ClientsWrite, if_match: IfMatch = None
) -> Response:
    """Let it sign in no more; its tokens end within a second."""
    async with begin(caller) as tx:
        client = await actions.get_locked(tx, smart_client_id)
        check_version(if_match, client.version)
        await actions.delete(tx, client)
    return answer(caller, b"null")
