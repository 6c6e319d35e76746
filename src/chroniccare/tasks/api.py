"""/api/v1/tasks: the worklist of staff."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Name, Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tasks import actions, schemas
from chroniccare.tasks.queries import Task
from chroniccare.tenancy.api import (
    Cursor,
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    authorise,
    check_version,
    page,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"], route_class=KeyFirst)

TasksRead = Annotated[Caller, Security(authorise, scopes=["tasks:read"])]
TasksWrite = Annotated[Caller, Security(authorise, scopes=["tasks:write"])]


async def _seen_again(tx: Tx, location: str) -> None:
    await replayed(tx, location, entity_type=actions.ENTITY)


@router.get("", summary="List tasks", response_model=Listed[schemas.Task], responses=errors())
async def list_tasks(
    caller: TasksRead,
    status: Annotated[
        schemas.Status | None, Query(description="In this state; unless told, those that are open.")
    ] = None,
    code: Annotated[
        list[Word] | None, Query(max_length=20, description="With this to be done; repeat it.")
    ] = None,
    priority: Annotated[schemas.Priority | None, Query(description="Of this priority.")] = None,
    patient_id: Annotated[UUID | None, Query(description="About this patient.")] = None,
    assigned_to: Annotated[Name | None, Query(description="Claimed by this person.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the longest waiting first; what was seen is audited."""
    filters = [status, code or None, priority, patient_id, assigned_to]
    async with begin(caller) as tx:
        found = await actions.listed(tx, filters, cursor=cursor, limit=limit)
    seen = [task.id for task in found.items]
    await note_read(caller, entity_type=actions.ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{task_id}", summary="Read a task", response_model=Data[schemas.Task], responses=errors(404)
)
async def read_task(task_id: UUID, caller: TasksRead) -> Response:
    """Answer one task with its ETag; the read is audited."""
    async with begin(caller) as tx:
        task = await actions.get(tx, task_id)
    await note_read(caller, entity_type=actions.ENTITY, seen=[task_id])
    return answer(caller, wire.dumps(task), etag=task.version)


@router.post(
    "/{task_id}/claim",
    summary="Claim a task",
    response_model=Data[schemas.Task],
    responses=errors(404, 409, 412, 413, 422),
)
async def claim_task(
    task_id: UUID,
    body: schemas.Claim,
    request: Request,
    caller: TasksWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Give it to somebody; who claims it after them takes it over."""
    return await _taken(
        caller, request, task_id, lambda tx, task: actions.claim(tx, task, worker=body.worker),
        key=idempotency_key, if_match=if_match,
    )  # fmt: skip


@router.post(
    "/{task_id}/release",
    summary="Release a task",
    response_model=Data[schemas.Task],
    responses=errors(404, 409, 412, 413, 422),
)
async def release_task(
    task_id: UUID,
    request: Request,
    caller: TasksWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Put it back on the worklist."""
    return await _taken(
        caller, request, task_id, actions.release, key=idempotency_key, if_match=if_match
    )


@router.post(
    "/{task_id}/complete",
    summary="Complete a task",
    response_model=Data[schemas.Task],
    responses=errors(404, 409, 412, 413, 422),
)
async def complete_task(
    task_id: UUID,
    body: schemas.Completion,
    request: Request,
    caller: TasksWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Close it with what came of it."""
    return await _taken(
        caller, request, task_id,
        lambda tx, task: actions.complete(tx, task, outcome=body.outcome, note=body.note),
        key=idempotency_key, if_match=if_match,
    )  # fmt: skip


@router.post(
    "/{task_id}/cancel",
    summary="Cancel a task",
    response_model=Data[schemas.Task],
    responses=errors(404, 409, 412, 413, 422),
)
async def cancel_task(
    task_id: UUID,
    body: schemas.Cancellation,
    request: Request,
    caller: TasksWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Close it since nothing need be done."""
    return await _taken(
        caller, request, task_id,
        lambda tx, task: actions.cancel(tx, task, reason=body.reason, note=body.note),
        key=idempotency_key, if_match=if_match,
    )  # fmt: skip


async def _taken(
    caller: Caller,
    request: Request,
    task_id: UUID,
    act: Callable[[Tx, Task], Awaitable[Task]],
    *,
    key: str | None,
    if_match: str | None,
) -> Response:
    """Answer a step once, with the task as it is then and its ETag."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            task = await actions.get_locked(tx, task_id)
            check_version(if_match, task.version)
            changed = await act(tx, task)
            headers = {
                "etag": f'"{changed.version}"',
                "location": f"{router.prefix}/{task_id}",
            }
            return Reply(200, wire.dumps(changed), headers)

        return await post(tx, request, key, work, replayed=_seen_again)
