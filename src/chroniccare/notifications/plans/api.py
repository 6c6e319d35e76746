"""/api/v1/notification-plans: which channel follows which."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.notifications.plans import actions, schemas
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

router = APIRouter(
    prefix="/api/v1/notification-plans", tags=["notifications"], route_class=KeyFirst
)

NotificationsRead = Annotated[Caller, Security(authorise, scopes=["notifications:read"])]
NotificationsWrite = Annotated[Caller, Security(authorise, scopes=["notifications:write"])]


@router.get(
    "",
    summary="List notification plans",
    response_model=Listed[schemas.Plan],
    responses=errors(),
)
async def list_notification_plans(
    caller: NotificationsRead,
    notification_type: Annotated[Word | None, Query(description="Only this kind.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of the clinic's own plans, by kind of message."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, notification_type, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/in-force",
    summary="Show the plan of every kind of message",
    response_model=Data[schemas.AllInForce],
    responses=errors(),
)
async def show_plans_in_force(caller: NotificationsRead) -> Response:
    """Answer what holds for each kind: the clinic's own plan, or the default."""
    async with begin(caller) as tx:
        found = await actions.in_force(tx)
    return answer(caller, wire.dumps({"plans": found}))


@router.post(
    "",
    status_code=201,
    summary="Add a notification plan",
    response_model=Data[schemas.Plan],
    responses=errors(409, 413, 422),
)
async def create_notification_plan(
    body: schemas.PlanWrite,
    request: Request,
    caller: NotificationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Add a plan for a kind of message; it holds for whatever is sent from now on."""
    return await create(caller, request, idempotency_key, lambda tx: actions.create(tx, body))


@router.get(
    "/{plan_id}",
    summary="Read a notification plan",
    response_model=Data[schemas.Plan],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_notification_plan(
    plan_id: UUID, request: Request, caller: NotificationsRead
) -> Response:
    """Answer one plan with its ETag."""
    async with begin(caller) as tx:
        found = await actions.get(tx, plan_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.put(
    "/{plan_id}",
    summary="Replace the steps of a notification plan",
    response_model=Data[schemas.Plan],
    responses=errors(404, 409, 412, 413, 422),
)
async def change_notification_plan(
    plan_id: UUID,
    body: schemas.PlanChange,
    caller: NotificationsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace the steps; what waits for a receipt already keeps its time."""
    async with begin(caller) as tx:
        plan = await actions.get(tx, plan_id, locked=True)
        check_version(if_match, plan.version)
        changed = await actions.change(tx, plan, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/{plan_id}",
    summary="Remove a notification plan",
    response_model=Data[None],
    responses=errors(404, 409, 412),
)
async def delete_notification_plan(
    plan_id: UUID, caller: NotificationsWrite, if_match: IfMatch = None
) -> Response:
    """Go back to the default for this kind of message."""
    async with begin(caller) as tx:
        plan = await actions.get(tx, plan_id, locked=True)
        check_version(if_match, plan.version)
        await actions.remove(tx, plan)
    return answer(caller, b"null")
