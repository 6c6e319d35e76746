"""/api/v1/providers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Name
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.providers import actions, schemas
from chroniccare.tenancy.api import (
    CONDITIONAL,
    Cursor,
    IdempotencyKey,
    Ids,
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

router = APIRouter(prefix="/api/v1/providers", tags=["providers"], route_class=KeyFirst)

ProvidersRead = Annotated[Caller, Security(authorise, scopes=["providers:read"])]
ProvidersWrite = Annotated[Caller, Security(authorise, scopes=["providers:write"])]


@router.get(
    "/{provider_id}",
    summary="Read a provider",
    response_model=Data[schemas.Provider],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_provider(provider_id: UUID, request: Request, caller: ProvidersRead) -> Response:
    """Answer one provider with its ETag."""
    found = await actions.rendered(caller, provider_id)
    return record(caller, request, found.data, version=found.version)


@router.get(
    "",
    summary="List and search providers",
    response_model=Listed[schemas.Provider],
    responses=errors(),
)
async def list_providers(
    caller: ProvidersRead,
    id_: Ids = None,
    name: Annotated[
        Name | None,
        Query(description="What the last name begins with; capitals and accents count."),
    ] = None,
    npi: Annotated[schemas.NPI | None, Query(description="Exact NPI.")] = None,
    specialization: Annotated[Name | None, Query(description="One of the specializations.")] = None,
    facility_id: Annotated[UUID | None, Query(description="Providers who work here.")] = None,
    is_active: Annotated[bool | None, Query(description="Only active or only inactive.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by last name, in code point order."""
    filters = [npi, specialization, facility_id, is_active, id_ or None]
    async with begin(caller) as tx:
        found = await actions.search(tx, filters=filters, name=name, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.post(
    "",
    status_code=201,
    summary="Register a provider",
    response_model=Data[schemas.Provider],
    responses=errors(409, 413, 422),
)
async def create_provider(
    body: schemas.ProviderWrite,
    request: Request,
    caller: ProvidersWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Register a provider; the NPI must be free and its check digit right."""
    return await create(caller, request, idempotency_key, lambda tx: actions.create(tx, body))


@router.delete(
    "/{provider_id}",
    summary="Remove a provider",
    response_model=Data[None],
    responses=errors(404, 409, 412),
)
async def delete_provider(
    provider_id: UUID, caller: ProvidersWrite, if_match: IfMatch = None
) -> Response:
    """Remove a provider softly; refused while visits are still to come."""
    async with begin(caller) as tx:
        provider = await actions.get_locked(tx, provider_id)
        check_version(if_match, provider.version)
        await actions.delete(tx, provider)
    return answer(caller, b"null")
