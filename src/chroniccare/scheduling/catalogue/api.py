"""/api/v1/visit-types, /api/v1/resources and /api/v1/scheduling-policy."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.scheduling.catalogue import actions, resources, schemas
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

router = APIRouter(prefix="/api/v1", tags=["scheduling"], route_class=KeyFirst)

SchedulingRead = Annotated[Caller, Security(authorise, scopes=["scheduling:read"])]
SchedulingWrite = Annotated[Caller, Security(authorise, scopes=["scheduling:write"])]

Active = Annotated[bool | None, Query(description="Only active or only inactive.")]


@router.get(
    "/visit-types/{visit_type_id}",
    summary="Read a visit type",
    response_model=Data[schemas.VisitType],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_visit_type(
    visit_type_id: UUID, request: Request, caller: SchedulingRead
) -> Response:
    """Answer one visit type with its ETag."""
    async with begin(caller) as tx:
        found = await actions.get_type(tx, visit_type_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.get(
    "/visit-types",
    summary="List visit types",
    response_model=Listed[schemas.VisitType],
    responses=errors(),
)
async def list_visit_types(
    caller: SchedulingRead,
    code: Annotated[Word | None, Query(description="Exact code.")] = None,
    is_active: Active = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by code, in code point order."""
    async with begin(caller) as tx:
        found = await actions.search_types(
            tx, code=code, is_active=is_active, cursor=cursor, limit=limit
        )
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/visit-types",
    status_code=201,
    summary="Add a visit type",
    response_model=Data[schemas.VisitType],
    responses=errors(409, 413, 422),
)
async def create_visit_type(
    body: schemas.VisitTypeWrite,
    request: Request,
    caller: SchedulingWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Add a kind of visit; its code is what visits name as appointment_type."""
    return await create(caller, request, idempotency_key, lambda tx: actions.create_type(tx, body))


@router.put(
    "/visit-types/{visit_type_id}",
    summary="Replace a visit type",
    response_model=Data[schemas.VisitType],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_visit_type(
    visit_type_id: UUID,
    body: schemas.VisitTypeWrite,
    caller: SchedulingWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace every field; visits that are booked already stay as they are."""
    async with begin(caller) as tx:
        visit_type = await actions.get_type_locked(tx, visit_type_id)
        check_version(if_match, visit_type.version)
        changed = await actions.update_type(tx, visit_type, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/visit-types/{visit_type_id}",
    summary="Remove a visit type",
    response_model=Data[None],
    responses=errors(404, 409, 412),
)
async def delete_visit_type(
    visit_type_id: UUID, caller: SchedulingWrite, if_match: IfMatch = None
) -> Response:
    """Remove a visit type for good; visits keep its code and their buffers."""
    async with begin(caller) as tx:
        visit_type = await actions.get_type_locked(tx, visit_type_id)
        check_version(if_match, visit_type.version)
        await actions.delete_type(tx, visit_type)
    return answer(caller, b"null")


@router.get(
    "/resources/{resource_id}",
    summary="Read a room or a piece of equipment",
    response_model=Data[schemas.Resource],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_resource(resource_id: UUID, request: Request, caller: SchedulingRead) -> Response:
    """Answer one room or piece of equipment with its ETag."""
    async with begin(caller) as tx:
        found = await resources.get(tx, resource_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.get(
    "/resources",
    summary="List rooms and equipment",
    response_model=Listed[schemas.Resource],
    responses=errors(),
)
async def list_resources(
    caller: SchedulingRead,
    kind: Annotated[schemas.Kind | None, Query(description="Only rooms or equipment.")] = None,
    facility_id: Annotated[UUID | None, Query(description="Those of this facility.")] = None,
    category: Annotated[Word | None, Query(description="Exact category.")] = None,
    is_active: Active = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by name, in code point order."""
    filters = [kind, facility_id, category, is_active]
    async with begin(caller) as tx:
        found = await resources.search(tx, filters=filters, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/resources",
    status_code=201,
    summary="Add a room or a piece of equipment",
    response_model=Data[schemas.Resource],
    responses=errors(409, 413, 422),
)
async def create_resource(
    body: schemas.ResourceWrite,
    request: Request,
    caller: SchedulingWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Add a room or a piece of equipment; its capacity is how many visits it takes at once."""
    return await create(caller, request, idempotency_key, lambda tx: resources.create(tx, body))


@router.put(
    "/resources/{resource_id}",
    summary="Replace a room or a piece of equipment",
    response_model=Data[schemas.Resource],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_resource(
    resource_id: UUID,
    body: schemas.ResourceChange,
    caller: SchedulingWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace every field; 409 names those that the visits to come stand against."""
    async with begin(caller) as tx:
        resource = await resources.get_locked(tx, resource_id)
        check_version(if_match, resource.version)
        changed = await resources.update(tx, resource, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/resources/{resource_id}",
    summary="Remove a room or a piece of equipment",
    response_model=Data[None],
    responses=errors(404, 409, 412),
)
async def delete_resource(
    resource_id: UUID, caller: SchedulingWrite, if_match: IfMatch = None
) -> Response:
    """Remove what no visit ever had; anything else can be made inactive."""
    async with begin(caller) as tx:
        resource = await resources.get_locked(tx, resource_id)
        check_version(if_match, resource.version)
        await resources.delete(tx, resource)
    return answer(caller, b"null")


@router.get(
    "/scheduling-policy",
    summary="Read the clinic's rules of booking",
    response_model=Data[schemas.SchedulingPolicy],
    responses=errors(304),
    openapi_extra=CONDITIONAL,
)
async def read_scheduling_policy(request: Request, caller: SchedulingRead) -> Response:
    """Answer the rules with their ETag; version 0 is the defaults."""
    async with begin(caller) as tx:
        found = await actions.policy(tx)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.put(
    "/scheduling-policy",
    summary="Replace the clinic's rules of booking",
    response_model=Data[schemas.SchedulingPolicy],
    responses=errors(409, 412, 413),
)
async def update_scheduling_policy(
    body: schemas.SchedulingPolicyWrite, caller: SchedulingWrite, if_match: IfMatch = None
) -> Response:
    """Replace every rule; they hold for what is booked, moved or cancelled from now on."""
    async with begin(caller) as tx:
        before = await actions.policy_locked(tx)
        check_version(if_match, before.version)
        changed = await actions.set_policy(tx, before, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)
