"""Tasks: opened by what staff must decide, claimed, completed or cancelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record, record_many
from chroniccare.core import paging
from chroniccare.core.errors import Forbidden, NotFound
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.tasks import queries, rules
from chroniccare.webhooks.actions import EventType, emit, emit_many

ENTITY = "task"
_LISTING = "tasks"
_REVIEWED = "break_glass"
"""What a task is about that reviews what a member of staff has done."""
_EVENTS: dict[str, EventType] = {"completed": "task.completed", "cancelled": "task.cancelled"}


class OwnReview(Forbidden):
    """The task reviews what the caller did."""

    code = "OWN_REVIEW"
    message = "This task reviews your own access; somebody else has to deal with it."


@dataclass(frozen=True, slots=True)
class New:
    """A task to open; `key` names its cause, of which one task at most is open at a time.

    `code` says what is to be done, `reason` why; both are words and hold nothing of a patient.
    """

    code: str
    reason: str
    key: str
    patient_id: UUID | None = None
    focus_type: str | None = None
    focus_id: UUID | None = None
    priority: str = "normal"
    due_at: datetime | None = None


async def open_tasks(tx: Tx, several: Sequence[New]) -> list[queries.Task]:
    """Open tasks and emit `task.opened`; return those that no open task stood in the way of."""
    if not several:
        return []
    rows = [
        {
            "id": new_id(),
            "code": one.code,
            "reason": one.reason,
            "dedupe_key": one.key,
            "patient_id": one.patient_id,
            "focus_type": one.focus_type,
            "focus_id": one.focus_id,
            "priority": one.priority,
            "due_at": one.due_at,
        }
        for one in several
    ]
    made = await tx.all(queries.OPEN, rows, tx.caller.tenant_id, tx.caller.actor_type, tx.now)
    if made:
        changed: dict[UUID, tuple[Any, Any]] = {one.id: (None, one) for one in made}
        await record_many(tx, action="create", entity_type=ENTITY, changed=changed)
        payloads = {one.id: _payload(one) for one in made}
        await emit_many(tx, "task.opened", entity_type=ENTITY, payloads=payloads)
    return made


async def close(
    tx: Tx, keys: Sequence[str], *, outcome: str, opened_by_then: datetime | None = None,
    only: frozenset[str] = rules.OPEN,
) -> list[queries.Task]:  # fmt: skip
    """Complete the open tasks of these causes, which need nobody any more.

    Only those that are in a state of `only` and were opened by then, if an instant is given.
    """
    found = await tx.all(queries.OPEN_FOR_UPDATE, list(keys), opened_by_then)
    return [
        await _step(
            tx,
            task,
            "complete",
            assigned_to=task.assigned_to,
            key=task.assigned_key,
            outcome=outcome,
        )
        for task in found
        if task.status in only
    ]


async def get(tx: Tx, task_id: UUID) -> queries.Task:
    """Return one task.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    task = await tx.one(queries.GET, task_id)
    return _found(task)


async def get_locked(tx: Tx, task_id: UUID) -> queries.Task:
    """Return one task and lock its row; see `get`."""
    task = await tx.one(queries.GET_FOR_UPDATE, task_id)
    return _found(task)


async def listed(
    tx: Tx, filters: list[Any], *, cursor: str | None, limit: int
) -> paging.Page[queries.Task]:
    """Return one page, the longest waiting first.

    `filters` are status (None: what is open), code, priority, patient and who has claimed it.
    """
    after = paging.decode(cursor, _LISTING, filters, [datetime.fromisoformat, UUID])
    await tx.plan_afresh()
    rows = await tx.all(queries.LIST, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.created_at, row.id]
    )


async def claim(tx: Tx, task: queries.Task, *, worker: str) -> queries.Task:
    """Give `task`, which this transaction has locked, to `worker`; they may take it over.

    Raises:
        TaskState: it is closed.
        OwnReview: it reviews what the caller did.
    """
    return await _step(tx, task, "claim", assigned_to=worker, key=tx.caller.actor_id)


async def release(tx: Tx, task: queries.Task) -> queries.Task:
    """Put `task`, which this transaction has locked, back on the worklist.

    Raises:
        TaskState: nobody has claimed it, or it is closed.
        OwnReview: it reviews what the caller did.
    """
    return await _step(tx, task, "release", assigned_to=None, key=None)


async def complete(
    tx: Tx, task: queries.Task, *, outcome: str, note: str | None = None
) -> queries.Task:
    """Close `task`, which this transaction has locked, and emit `task.completed`.

    Raises:
        TaskState: it is closed.
        OwnReview: it reviews what the caller did.
    """
    return await _step(
        tx,
        task,
        "complete",
        assigned_to=task.assigned_to,
        key=task.assigned_key,
        outcome=outcome,
        note=note,
    )


async def cancel(
    tx: Tx, task: queries.Task, *, reason: str, note: str | None = None
) -> queries.Task:
    """Close `task`, which this transaction has locked, since nothing need be done.

    Raises:
        TaskState: it is closed.
        OwnReview: it reviews what the caller did.
    """
    return await _step(
        tx,
        task,
        "cancel",
        assigned_to=task.assigned_to,
        key=task.assigned_key,
        outcome=reason,
        note=note,
    )


async def _step(
    tx: Tx, task: queries.Task, step: rules.Step, *, assigned_to: str | None, key: UUID | None,
    outcome: str | None = None, note: str | None = None,
) -> queries.Task:  # fmt: skip
    status = rules.next_status(step, task.status)
    await _not_by_whom_it_is_about(tx, task)
    row = await tx.one(queries.STEP, task.id, status, assigned_to, outcome, note, tx.now, key)
    changed = _found(row)
    await record(tx, action=step, entity_type=ENTITY, entity_id=task.id, before=task, after=changed)
    if status not in rules.OPEN:
        await emit(
            tx, _EVENTS[status], entity_type=ENTITY, entity_id=task.id, payload=_payload(changed)
        )
    return changed


async def _not_by_whom_it_is_about(tx: Tx, task: queries.Task) -> None:
    """Leave a review to others: a claim would hide it from them, a closed one nobody reads."""
    if task.focus_type != _REVIEWED or tx.caller.role is None:
        return
    if await tx.value(queries.REVIEWED, task.focus_id) == tx.caller.actor_id:
        raise OwnReview


def _payload(task: queries.Task) -> dict[str, Any]:
    return {"version": task.version, "status": task.status, "code": task.code}


def _found(task: queries.Task | None) -> queries.Task:
    if task is None:
        raise NotFound("No such task.")
    return task
