"""Facilities: open, change, close, find."""

from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging, wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.text import prefix_range
from chroniccare.facilities import queries, rules
from chroniccare.facilities.schemas import FacilityWrite, OperatingHours
from chroniccare.platform.cache import Rendered, cache
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tenancy import addresses

CACHED_S = 600


class FacilityInUse(Conflict):
    """Visits are still to come at the facility, or providers still work there."""

    code = "FACILITY_IN_USE"
    message = "The facility is still in use."


def key(tenant_id: UUID, facility_id: UUID) -> str:
    """Return the cache key of one facility."""
    return f"facility:{tenant_id}:{facility_id}"


def lists(tenant_id: UUID) -> str:
    """Return the key of the generation of cached facility lists."""
    return f"facilities:{tenant_id}:list"


async def create(tx: Tx, body: FacilityWrite) -> queries.Facility:
    """Open a facility.

    Raises:
        Unprocessable: operating hours overlap.
    """
    check_hours(body.operating_hours)
    facility_id = new_id()
    await tx.run(queries.INSERT, _document(facility_id, body), tx.caller.tenant_id, tx.now)
    await _write_contact_points(tx, facility_id, body)
    facility = await get(tx, facility_id)
    await _tell(tx, "create", facility_id, before=None, after=facility)
    return facility


async def update(tx: Tx, facility: queries.Facility, body: FacilityWrite) -> queries.Facility:
    """Replace `facility`, which this transaction has locked, by `body`.

    Raises:
        Unprocessable: operating hours overlap.
    """
    check_hours(body.operating_hours)
    await tx.run(queries.UPDATE, _document(facility.id, body), tx.now)
    await _write_contact_points(tx, facility.id, body)
    changed = await get(tx, facility.id)
    await _tell(tx, "update", facility.id, before=facility, after=changed)
    return changed


async def delete(tx: Tx, facility: queries.Facility) -> None:
    """Remove `facility`, which this transaction has locked, softly: nobody finds it any more.

    Raises:
        FacilityInUse: a visit that is not over stands there, or a provider works there.
    """
    [use] = await tx.all(queries.USE, facility.id, tx.now)
    in_use = []
    if use.appointments:
        in_use.append(
            FieldError("appointments", "cancel or move what is still to come here", "in_use")
        )
    if use.providers:
        in_use.append(FieldError("providers", "take the providers who work here off it", "in_use"))
    if in_use:
        raise FacilityInUse(details=in_use)
    await tx.run(queries.DELETE, facility.id, tx.now)
    await _tell(tx, "delete", facility.id, before=facility, after=None)


async def get(tx: Tx, facility_id: UUID) -> queries.Facility:
    """Return one facility.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    facility = await tx.one(queries.GET, facility_id)
    if facility is None:
        raise NotFound("No such facility.")
    return facility


async def get_locked(tx: Tx, facility_id: UUID) -> queries.Facility:
    """Return one facility and lock its row; see `get`."""
    facility = await tx.one(queries.GET_FOR_UPDATE, facility_id)
    if facility is None:
        raise NotFound("No such facility.")
    return facility


async def rendered(caller: Caller, facility_id: UUID) -> Rendered:
    """Return one facility as bytes, from the cache where it can be had.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """

    async def load() -> Rendered:
        async with begin(caller) as tx:
            facility = await get(tx, facility_id)
        return Rendered(facility.version, wire.dumps(facility))

    return await cache().through(key(caller.tenant_id, facility_id), CACHED_S, load)


async def search(
    tx: Tx,
    *,
    facility_type: str | None,
    is_active: bool | None,
    name: str | None,
    cursor: str | None,
    limit: int,
) -> paging.Page[queries.Facility]:
    """Return one page of facilities by name and id; `name` is what a name begins with, as is."""
    filters = [facility_type, is_active, name]
    after = paging.decode(cursor, "facilities", filters, [str, UUID]) or [None, None]
    low, high = (None, None) if name is None else prefix_range(name)
    rows = await tx.all(queries.LIST, facility_type, is_active, low, high, *after, limit + 1)
    return paging.page(
        rows, limit, listing="facilities", filters=filters, key=lambda row: [row.name, row.id]
    )


def check_hours(hours: OperatingHours) -> None:
    """Check that operating hours can be kept.

    Raises:
        Unprocessable: two ranges overlap; the later one is named.
    """
    ranges = {day: [(span.open, span.close) for span in getattr(hours, day)] for day in rules.DAYS}
    if paths := rules.overlapping(ranges):
        raise Unprocessable(
            details=[
                FieldError(f"operating_hours.{path}", "overlaps another range", "overlap")
                for path in paths
            ]
        )


def _document(facility_id: UUID, body: FacilityWrite) -> dict[str, Any]:
    document = body.model_dump(mode="json", exclude={"contact_info": {"telecom"}})
    return {"id": str(facility_id), **document}


async def _write_contact_points(tx: Tx, facility_id: UUID, body: FacilityWrite) -> None:
    points = await addresses.points(tx, body.contact_info)
    await tx.run(queries.REPLACE_CONTACT_POINTS, points, tx.caller.tenant_id, facility_id, tx.now)


async def _tell(
    tx: Tx,
    action: str,
    facility_id: UUID,
    *,
    before: queries.Facility | None,
    after: queries.Facility | None,
) -> None:
    """Audit a change and name what it makes stale."""
    await record(
        tx, action=action, entity_type="facility", entity_id=facility_id, before=before, after=after
    )
    tx.drop(key(tx.caller.tenant_id, facility_id))
    tx.bump(lists(tx.caller.tenant_id))
