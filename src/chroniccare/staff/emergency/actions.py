"""Break the glass, end it, list it."""

from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, Forbidden, NotFound
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.staff.emergency import queries
from chroniccare.staff.emergency.schemas import BreakGlassWrite
from chroniccare.tasks.actions import New, open_tasks
from chroniccare.webhooks.actions import EventType, emit

ENTITY = "break_glass"
LASTS = timedelta(hours=1)
_LISTING = "break-glass"


class GlassBroken(Conflict):
    """The caller's hour is not over."""

    code = "GLASS_BROKEN"
    message = "You have broken the glass already; it has not ended."


class GlassEnded(Conflict):
    """It is over."""

    code = "GLASS_ENDED"
    message = "It has ended already."


async def start(tx: Tx, body: BreakGlassWrite) -> queries.BreakGlass:
    """Give the caller a clinician's view for an hour, and have colleagues look at it.

    Raises:
        Forbidden: the caller is no member of staff: a key has the scopes it was given.
        GlassBroken: their last hour is not over.
    """
    staff_id = tx.caller.actor_id
    if tx.caller.role is None or staff_id is None:
        raise Forbidden("Only a member of staff, signed in as such, can break the glass.")
    await tx.run(queries.END_EXPIRED, staff_id, tx.now)
    glass_id = new_id()
    started = await tx.run(
        queries.INSERT, glass_id, tx.caller.tenant_id, staff_id, body.reason, tx.now, tx.now + LASTS
    )
    if not started:
        raise GlassBroken
    glass = await get(tx, glass_id)
    await _tell(tx, "start", "break_glass.started", before=None, after=glass)
    await open_tasks(
        tx,
        [
            New(
                "review_break_glass", "break_glass", f"break-glass:{glass_id}", priority="urgent",
                focus_type=ENTITY, focus_id=glass_id,
            )
        ],
    )  # fmt: skip
    return glass


async def end(tx: Tx, glass: queries.BreakGlass) -> queries.BreakGlass:
    """End `glass`, which this transaction has locked, within a second.

    Raises:
        GlassEnded: it is over.
        Forbidden: it is somebody else's, and the caller is a member of staff but no administrator.
    """
    if tx.caller.role not in {None, "administrator"} and tx.caller.actor_id != glass.staff_id:
        raise Forbidden("Only an administrator ends what somebody else has started.")
    if glass.ended_at is not None or glass.expires_at <= tx.now:
        raise GlassEnded
    await tx.run(queries.END, glass.id, tx.now)
    ended = await get(tx, glass.id)
    await _tell(tx, "end", "break_glass.ended", before=glass, after=ended)
    return ended


async def get(tx: Tx, glass_id: UUID) -> queries.BreakGlass:
    """Return one.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    glass = await tx.one(queries.GET, glass_id)
    return _found(glass)


async def get_locked(tx: Tx, glass_id: UUID) -> queries.BreakGlass:
    """Return one and lock its row; see `get`."""
    glass = await tx.one(queries.GET_FOR_UPDATE, glass_id)
    return _found(glass)


async def listed(
    tx: Tx, *, staff_id: UUID | None, cursor: str | None, limit: int
) -> paging.Page[queries.BreakGlass]:
    """Return one page, the newest first."""
    after = paging.decode(cursor, _LISTING, [staff_id], [datetime.fromisoformat, UUID])
    rows = await tx.all(queries.LIST, staff_id, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=[staff_id], key=lambda row: [row.started_at, row.id]
    )


async def _tell(
    tx: Tx,
    action: str,
    event: EventType,
    *,
    before: queries.BreakGlass | None,
    after: queries.BreakGlass,
) -> None:
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=after.id, before=before, after=after
    )
    payload = {"version": after.version, "staff_id": str(after.staff_id)}
    await emit(tx, event, entity_type=ENTITY, entity_id=after.id, payload=payload)


def _found(glass: queries.BreakGlass | None) -> queries.BreakGlass:
    if glass is None:
        raise NotFound("No such break-glass access.")
    return glass
