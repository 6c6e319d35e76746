"""/api/v1/staff."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.staff import actions, schemas
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

router = APIRouter(prefix="/api/v1/staff", tags=["staff"], route_class=KeyFirst)

StaffRead = Annotated[Caller, Security(authorise, scopes=["staff:read"])]
StaffWrite = Annotated[Caller, Security(authorise, scopes=["staff:write"])]


@router.get("", summary="List staff", response_model=Listed[schemas.Staff], responses=errors())
async def list_staff(
    caller: StaffRead,
    role: Annotated[schemas.Role | None, Query(description="With this role.")] = None,
    is_active: Annotated[bool | None, Query(description="Only active or only inactive.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by email address."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, role=role, is_active=is_active, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{staff_id}",
    summary="Read a member of staff",
    response_model=Data[schemas.Staff],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_staff(staff_id: UUID, request: Request, caller: StaffRead) -> Response:
    """Answer one member of staff with the ETag."""
    async with begin(caller) as tx:
        found = await actions.get(tx, staff_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.post(
    "",
    status_code=201,
    summary="Add a member of staff",
    response_model=Data[schemas.Staff],
    responses=errors(409, 413, 422),
)
async def create_staff(
    body: schemas.StaffWrite,
    request: Request,
    caller: StaffWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Add somebody; with issuer and subject, their tokens are taken from then on."""
    return await create(caller, request, idempotency_key, lambda tx: actions.create(tx, body))


@router.put(
    "/{staff_id}",
    summary="Replace a member of staff",
    response_model=Data[schemas.Staff],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_staff(
    staff_id: UUID, body: schemas.StaffWrite, caller: StaffWrite, if_match: IfMatch = None
) -> Response:
    """Replace every field; a new role holds within a second. Nobody changes their own role."""
    async with begin(caller) as tx:
        staff = await actions.get_locked(tx, staff_id)
        check_version(if_match, staff.version)
        changed = await actions.update(tx, staff, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/{staff_id}",
    summary="Set a member of staff aside",
    response_model=Data[schemas.Staff],
    responses=errors(404, 409, 412),
)
async def delete_staff(staff_id: UUID, caller: StaffWrite, if_match: IfMatch = None) -> Response:
    """Refuse their tokens within a second; the record stays, because the audit names it."""
    async with begin(caller) as tx:
        staff = await actions.get_locked(tx, staff_id)
        check_version(if_match, staff.version)
        kept = await actions.set_aside(tx, staff)
    return answer(caller, wire.dumps(kept), etag=kept.version)
