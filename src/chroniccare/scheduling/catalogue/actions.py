"""Kinds of visits, and a clinic's rules of booking."""

from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling.catalogue import queries, rules
from chroniccare.scheduling.catalogue.schemas import SchedulingPolicyWrite, VisitTypeWrite
from chroniccare.scheduling.queries import LOCK
from chroniccare.scheduling.rules import lock_keys

DEFAULT_POLICY = queries.SchedulingPolicy(
    cancel_notice_minutes=0,
    reschedule_notice_minutes=0,
    max_reschedules=None,
    overbooking_lanes=1,
    waitlist_offer_minutes=60,
    recall_return_days=15,
    calendar_details=False,
    version=0,
    updated_at=None,
)
"""What holds for a clinic that never said otherwise; the same as the table's own defaults."""


class CodeTaken(Conflict):
    """Another visit type of this clinic has the code."""

    code = "CODE_TAKEN"
    message = "Another visit type has this code."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("code", "is another visit type's", "taken")])


async def create_type(tx: Tx, body: VisitTypeWrite) -> queries.VisitType:
    """Add a visit type.

    Raises:
        CodeTaken: another visit type has the code.
        Unprocessable: it is too long with its buffers, or requires one category twice.
    """
    _check(body)
    made = await tx.one(
        queries.INSERT_TYPE, new_id(), body.model_dump(), tx.caller.tenant_id, tx.now
    )
    if made is None:
        raise CodeTaken
    await _tell_type(tx, "create", before=None, after=made)
    return made


async def update_type(
    tx: Tx, visit_type: queries.VisitType, body: VisitTypeWrite
) -> queries.VisitType:
    """Replace `visit_type`, which this transaction has locked; booked visits stay as they are.

    Raises:
        CodeTaken: another visit type has the code.
        Unprocessable: it is too long with its buffers, or requires one category twice.
    """
    _check(body)
    if await tx.value(queries.CODE_TAKEN, body.code, visit_type.id):
        raise CodeTaken
    changed = await tx.one(queries.UPDATE_TYPE, visit_type.id, body.model_dump(), tx.now)
    if changed is None:
        raise NotFound
    await _tell_type(tx, "update", before=visit_type, after=changed)
    return changed


async def delete_type(tx: Tx, visit_type: queries.VisitType) -> None:
    """Take `visit_type`, which this transaction has locked, out of the catalogue for good.

    Visits keep its code as their appointment_type, and the buffers they were booked with.
    """
    await tx.run(queries.DELETE_TYPE, visit_type.id)
    await _tell_type(tx, "delete", before=visit_type, after=None)


async def get_type(tx: Tx, visit_type_id: UUID) -> queries.VisitType:
    """Return one visit type.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    visit_type = await tx.one(queries.GET_TYPE, visit_type_id)
    return _found(visit_type)


async def get_type_locked(tx: Tx, visit_type_id: UUID) -> queries.VisitType:
    """Return one visit type and lock its row; see `get_type`."""
    visit_type = await tx.one(queries.GET_TYPE_FOR_UPDATE, visit_type_id)
    return _found(visit_type)


async def search_types(
    tx: Tx, *, code: str | None, is_active: bool | None, cursor: str | None, limit: int
) -> paging.Page[queries.VisitType]:
    """Return one page of visit types by code, in code point order."""
    filters = [code, is_active]
    after = paging.decode(cursor, "visit-types", filters, [str]) or [None]
    rows = await tx.all(queries.LIST_TYPES, *filters, *after, limit + 1)
    return paging.page(
        rows, limit, listing="visit-types", filters=filters, key=lambda row: [row.code]
    )


async def policy(tx: Tx) -> queries.SchedulingPolicy:
    """Return the clinic's rules of booking: its own, or the defaults."""
    return await tx.one(queries.GET_POLICY) or DEFAULT_POLICY


async def policy_locked(tx: Tx) -> queries.SchedulingPolicy:
    """Return the rules of booking; until this commits, nobody else comes past here."""
    # A lock of its own: as long as the defaults hold, there is no row to lock.
    await tx.values(LOCK, lock_keys(tx.caller.tenant_id, [tx.caller.tenant_id]))
    return await policy(tx)


async def set_policy(
    tx: Tx, before: queries.SchedulingPolicy, body: SchedulingPolicyWrite
) -> queries.SchedulingPolicy:
    """Replace the rules of booking, which were `before`; visits booked already stay."""
    tenant_id = tx.caller.tenant_id
    changed = await tx.one(queries.SET_POLICY, tenant_id, body.model_dump(), tx.now)
    if changed is None:
        raise NotFound
    await record(
        tx, action="update", entity_type="scheduling_policy", entity_id=tenant_id, before=before,
        after=changed,
    )  # fmt: skip
    return changed


def _check(body: VisitTypeWrite) -> None:
    fault = rules.length_fault(
        duration=body.duration_minutes, before=body.buffer_before_minutes,
        after=body.buffer_after_minutes,
    )  # fmt: skip
    faults = [] if fault is None else [fault]
    asked = [(one.kind, one.category) for one in body.requirements]
    faults += [
        FieldError(f"requirements.{number}", "stands there twice; raise its count", "distinct")
        for number in rules.repeated(asked)
    ]
    if faults:
        raise Unprocessable(details=faults)


def _found(visit_type: queries.VisitType | None) -> queries.VisitType:
    if visit_type is None:
        raise NotFound("No such visit type.")
    return visit_type


async def _tell_type(tx: Tx, action: str, *, before: Any, after: Any) -> None:
    await record(
        tx, action=action, entity_type="visit_type", entity_id=(after or before).id, before=before,
        after=after,
    )  # fmt: skip
