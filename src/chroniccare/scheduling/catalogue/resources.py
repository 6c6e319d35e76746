"""Rooms and equipment: add, change, take out of service, remove.

Every change takes the resource's advisory lock, the one that bookings take, so that no visit gets
a place while the look at what is booked decides.
"""

from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling.catalogue import queries, rules
from chroniccare.scheduling.catalogue.schemas import ResourceChange, ResourceWrite
from chroniccare.scheduling.queries import LOCK
from chroniccare.scheduling.rules import lock_keys


class ResourceInUse(Conflict):
    """Visits have the room or equipment; `details` names what cannot be changed for that reason."""

    code = "RESOURCE_IN_USE"
    message = "Visits have this room or equipment."


async def create(tx: Tx, body: ResourceWrite) -> queries.Resource:
    """Add a room or a piece of equipment, which can be booked from now on.

    Raises:
        Unprocessable: no such facility.
    """
    await _check_facility(tx, body.facility_id)
    made = await tx.one(
        queries.INSERT_RESOURCE, new_id(), body.model_dump(), tx.caller.tenant_id, tx.now
    )
    if made is None:
        raise NotFound
    await _tell(tx, "create", before=None, after=made)
    return made


async def update(tx: Tx, resource: queries.Resource, body: ResourceChange) -> queries.Resource:
    """Replace `resource`, which this transaction has locked.

    With `keep_visits` it can be taken out of service while visits to come have it; they stay.

    Raises:
        ResourceInUse: visits to come have it, and kind or facility change, or it would be taken
            out of service without `keep_visits`, or the capacity would not suffice for them.
        Unprocessable: no such facility.
    """
    if body.facility_id != resource.facility_id:
        await _check_facility(tx, body.facility_id)
    await _check_use(tx, resource, body)
    if body.capacity < resource.capacity:
        await _move_together(tx, resource, capacity=body.capacity)
    document = body.model_dump(exclude={"keep_visits"})
    changed = await tx.one(queries.UPDATE_RESOURCE, resource.id, document, tx.now)
    if changed is None:
        raise NotFound
    await _tell(tx, "update", before=resource, after=changed)
    return changed


async def delete(tx: Tx, resource: queries.Resource) -> None:
    """Delete `resource`, which this transaction has locked and which no visit ever had.

    Raises:
        ResourceInUse: some visit has it or had it; it can be taken out of service.
        Conflict: a visit is being booked with it at this moment.
    """
    await tx.value(queries.LOCK_TO_DELETE, resource.id)
    if await tx.value(queries.EVER_USED, resource.id):
        raise ResourceInUse(
            details=[FieldError("id", "visits have or had it; set is_active to false", "in_use")]
        )
    await tx.run(queries.DELETE_RESOURCE, resource.id)
    await _tell(tx, "delete", before=resource, after=None)


async def get(tx: Tx, resource_id: UUID) -> queries.Resource:
    """Return one room or piece of equipment.

    Raises:
        NotFound: none with this id in the caller's tenant; providers and patients are none.
    """
    resource = await tx.one(queries.GET_RESOURCE, resource_id)
    return _found(resource)


async def get_locked(tx: Tx, resource_id: UUID) -> queries.Resource:
    """Return one room or piece of equipment, which nobody books until this commits; see `get`."""
    await get(tx, resource_id)  # before the lock: a patient's or provider's is none of ours
    # The advisory lock first, as bookings do.
    await tx.values(LOCK, lock_keys(tx.caller.tenant_id, [resource_id]))
    resource = await tx.one(queries.GET_RESOURCE_LOCKED, resource_id)
    return _found(resource)


async def search(
    tx: Tx, *, filters: list[Any], cursor: str | None, limit: int
) -> paging.Page[queries.Resource]:
    """Return one page by name and id; `filters` are kind, facility, category and active."""
    after = paging.decode(cursor, "resources", filters, [str, UUID]) or [None, None]
    rows = await tx.all(queries.LIST_RESOURCES, *filters, *after, limit + 1)
    return paging.page(
        rows, limit, listing="resources", filters=filters, key=lambda row: [row.name, row.id]
    )


async def _check_facility(tx: Tx, facility_id: UUID) -> None:
    if await tx.value(queries.FACILITY, facility_id) is None:
        raise Unprocessable.field("facility_id", "no such facility", "unknown")


async def _check_use(tx: Tx, resource: queries.Resource, body: ResourceChange) -> None:
    """Refuse what the visits to come stand against, apart from the capacity."""
    faults = [
        FieldError(name, "cannot change while visits to come have it", "in_use")
        for name in ("kind", "facility_id")
        if getattr(body, name) != getattr(resource, name)
    ]
    if resource.is_active and not body.is_active and not body.keep_visits:
        reason = "visits to come have it; move them, or set keep_visits to true"
        faults.append(FieldError("is_active", reason, "in_use"))
    if faults and await tx.value(queries.VISITS_TO_COME, resource.id, tx.now):
        raise ResourceInUse(details=faults)


async def _move_together(tx: Tx, resource: queries.Resource, *, capacity: int) -> None:
    """Give visits in places from `capacity` on others below, where there are enough of them.

    Raises:
        ResourceInUse: more visits have it at once at some time to come, or one that has begun is
            in a place that would go.
        Conflict: one of the visits is being changed at this moment.
    """
    if not await tx.value(queries.BEYOND, resource.id, tx.now, capacity):
        return
    await tx.run(queries.FORGET_EXPIRED, resource.id, tx.now)
    taken = await tx.all(queries.TO_COME, resource.id, tx.now)
    stays = [
        rules.Stay(row.holder_id, row.starts_at, row.ends_at, row.lane, row.starts_at <= tx.now)
        for row in taken
    ]
    given = rules.places(stays, capacity=capacity)
    if given is None:
        reason = "more visits than that have it at once at some time to come"
        raise ResourceInUse(details=[FieldError("capacity", reason, "in_use")])
    moved = [
        {"holder_id": stay.holder_id, "lane": given[stay.holder_id]}
        for stay in stays
        if given[stay.holder_id] != stay.lane
    ]
    await tx.run(queries.STEP_ASIDE, resource.id, moved)
    await tx.run(queries.SETTLE, resource.id, moved)


def _found(resource: queries.Resource | None) -> queries.Resource:
    if resource is None:
        raise NotFound("No such room or equipment.")
    return resource


async def _tell(tx: Tx, action: str, *, before: Any, after: Any) -> None:
    await record(
        tx, action=action, entity_type="resource", entity_id=(after or before).id, before=before,
        after=after,
    )  # fmt: skip
