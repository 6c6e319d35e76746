"""/api/v1/api-keys."""

from dataclasses import asdict
from functools import partial
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.staff.keys import actions, schemas
from chroniccare.tenancy.api import (
    Cursor,
    IdempotencyKey,
    KeyFirst,
    Limit,
    answer,
    authorise,
    page,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/api-keys", tags=["api-keys"], route_class=KeyFirst)

KeysRead = Annotated[Caller, Security(authorise, scopes=["api_keys:read"])]
KeysWrite = Annotated[Caller, Security(authorise, scopes=["api_keys:write"])]


@router.get("", summary="List API keys", response_model=Listed[schemas.ApiKey], responses=errors())
async def list_api_keys(
    caller: KeysRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the latest first; no secret is stored."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{api_key_id}",
    summary="Read an API key",
    response_model=Data[schemas.ApiKey],
    responses=errors(404),
)
async def read_api_key(api_key_id: UUID, caller: KeysRead) -> Response:
    """Answer one key, without its secret."""
    async with begin(caller) as tx:
        found = await actions.get(tx, api_key_id)
    return answer(caller, wire.dumps(found))


@router.post(
    "",
    status_code=201,
    summary="Create an API key",
    response_model=Data[schemas.ApiKeyMade],
    responses=errors(409, 413, 422),
)
async def create_api_key(
    body: schemas.ApiKeyWrite,
    request: Request,
    caller: KeysWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a key that may do no more than whoever asks for it; the answer shows it, once."""
    told: list[str] = []
    async with begin(caller) as tx:

        async def work() -> Reply:
            made, key = await actions.create(tx, body)
            told.append(key)
            headers = {"location": f"{request.url.path}/{made.id}", "etag": '"1"'}
            return Reply(201, wire.dumps(asdict(made)), headers)

        return await post(tx, request, idempotency_key, work, shown=partial(_told, told))


@router.delete(
    "/{api_key_id}",
    summary="Revoke an API key",
    response_model=Data[None],
    responses=errors(404),
)
async def revoke_api_key(api_key_id: UUID, caller: KeysWrite) -> Response:
    """Refuse it everywhere within a second; the record stays, because the audit names it."""
    async with begin(caller) as tx:
        await actions.revoke(tx, await actions.get(tx, api_key_id, locked=True))
    return answer(caller, b"null")


def _told(told: list[str], reply: Reply) -> bytes:
    """Return the answer with the key in it, which is kept nowhere."""
    return wire.dumps({**orjson.loads(reply.data), "key": told[0] if told else None})
