"""/api/v1/facilities.

PUT is in scheduling/availability/facilities_api.py: a change of hours looks at the visits booked.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Line, Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.facilities import actions, schemas
from chroniccare.platform.postgres import begin
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

router = APIRouter(prefix="/api/v1/facilities", tags=["facilities"], route_class=KeyFirst)

FacilitiesRead = Annotated[Caller, Security(authorise, scopes=["facilities:read"])]
FacilitiesWrite = Annotated[Caller, Security(authorise, scopes=["facilities:write"])]


@router.get(
    "/{facility_id}",
    summary="Read a facility",
    response_model=Data[schemas.Facility],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_facility(facility_id: UUID, request: Request, caller: FacilitiesRead) -> Response:
    """Answer one facility with its ETag."""
    found = await actions.rendered(caller, facility_id)
    return record(caller, request, found.data, version=found.version)


@router.get(
    "",
    summary="List and search facilities",
    response_model=Listed[schemas.Facility],
    responses=errors(),
)
async def list_facilities(
    caller: FacilitiesRead,
    name: Annotated[
        Line | None,
        Query(description="What the name begins with; capitals and accents count."),
    ] = None,
    facility_type: Annotated[Word | None, Query(description="Exact kind of facility.")] = None,
    is_active: Annotated[bool | None, Query(description="Only active or only inactive.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by name, in code point order."""
    async with begin(caller) as tx:
        found = await actions.search(
            tx, facility_type=facility_type, is_active=is_active, name=name, cursor=cursor,
            limit=limit,
        )  # fmt: skip
    return page(caller, found.items, found.next_cursor)


@router.post(
    "",
    status_code=201,
    summary="Open a facility",
    response_model=Data[schemas.Facility],
    responses=errors(409, 413, 422),
)
async def create_facility(
    body: schemas.FacilityWrite,
    request: Request,
    caller: FacilitiesWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Open a facility; its hours are wall-clock times in its own zone."""
    return await create(caller, request, idempotency_key, lambda tx: actions.create(tx, body))


@router.delete(
    "/{facility_id}",
    summary="Remove a facility",
    response_model=Data[None],
    responses=errors(404, 409, 412),
)
async def delete_facility(
    facility_id: UUID, caller: FacilitiesWrite, if_match: IfMatch = None
) -> Response:
    """Remove a facility softly; refused while visits are to come or providers work there."""
    async with begin(caller) as tx:
        facility = await actions.get_locked(tx, facility_id)
        check_version(if_match, facility.version)
        await actions.delete(tx, facility)
    return answer(caller, b"null")
