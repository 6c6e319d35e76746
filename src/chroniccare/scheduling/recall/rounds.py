"""What happens to recalls by itself: opened for visits missed, closed for patients who came.

Each round looks at what is new since the last: an idle round reads a few index pages. Every
statement works on a set; what somebody has locked is left to the next round.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record_many
from chroniccare.core.caller import system
from chroniccare.core.ids import new_id
from chroniccare.core.time import EARLIEST
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.recall import queries, queries_loop, rules
from chroniccare.scheduling.recall.actions import ENTITY
from chroniccare.scheduling.rules import LAPSED
from chroniccare.webhooks.actions import emit_many

_BATCH = 500
_GRACE = timedelta(hours=1)
"""From a no-show or cancellation on, for staff to undo it or to book another visit."""
_OVERLAP = timedelta(days=1)
"""Looked at again each time: what was locked, claimed or not yet committed at the last look."""
_HIGH = frozenset({"high", "urgent"})


@dataclass(frozen=True, slots=True)
class Round:
    """How many recalls one round opened and closed."""

    opened: int
    closed: int


async def run(tenant_id: UUID) -> Round:
    """Open and close a tenant's recalls; any number of processes may do it at once."""
    return Round(await open_missed(tenant_id), await close_answered(tenant_id))


async def open_missed(tenant_id: UUID) -> int:
    """Open recalls for visits that became no-shows or were cancelled; return how many.

    Each visit is looked at once, after a grace time.
    """
    count, looked = 0, _BATCH
    while looked == _BATCH:
        async with begin(system(tenant_id, job="recall")) as tx:
            looked, opened = await _open_batch(tx)
        count += opened
    return count


async def _open_batch(tx: Tx) -> tuple[int, int]:
    grace = max(_GRACE, timedelta(minutes=tx.settings.undo_minutes))
    await tx.plan_afresh()
    missed = await tx.all(queries_loop.MISSED, tx.now, tx.now - grace, _BATCH, LAPSED)
    if not missed:
        return 0, 0
    wanted = sorted((one for one in missed if one.is_wanted), key=lambda one: one.scheduled_start)
    documents = [_document(visit) for visit in wanted]  # the earliest first, and it alone, counts
    opened = await tx.all(queries.INSERT, documents, tx.caller.tenant_id, tx.now)
    await tx.run(queries_loop.SEEN, [visit.id for visit in missed])
    await _bring_forward(tx, wanted)
    if opened:
        changed = {recall.id: (None, asdict(recall)) for recall in opened}
        await record_many(tx, action="create", entity_type=ENTITY, changed=changed)
        payloads = {recall.id: {"version": recall.version} for recall in opened}
        await emit_many(tx, "recall.opened", entity_type=ENTITY, payloads=payloads)
    return len(missed), len(opened)


async def _bring_forward(tx: Tx, missed: list[queries_loop.Missed]) -> None:
    patients, ended = [one.patient_id for one in missed], [one.ended_at for one in missed]
    again = await tx.all(queries_loop.BRING_FORWARD, tx.now, patients, ended)
    if again:
        changed = {one.id: ({"version": one.version - 1}, asdict(one)) for one in again}
        await record_many(tx, action="relist", entity_type=ENTITY, changed=changed)


async def close_answered(tenant_id: UUID) -> int:
    """Close recalls whose patient has come, has died, is inactive or removed; return how many."""
    count, is_full = 0, True
    while is_full:
        async with begin(system(tenant_id, job="recall")) as tx:
            closed, is_full = await _close_batch(tx)
        count += closed
    return count


async def _close_batch(tx: Tx) -> tuple[int, bool]:
    """Return how many were closed, and whether there may be more."""
    look = await tx.one(queries_loop.LOOK)
    if look is None:
        if not await tx.run(queries_loop.MAKE_LOOK, tx.caller.tenant_id):
            return 0, False  # another worker is at it
        look = queries_loop.Look(None)
    await tx.plan_afresh()
    # A check-in can be undone for a while, a recall closed for it could not be opened again.
    settled = tx.now - timedelta(minutes=tx.settings.undo_minutes)
    since = (look.looked_at or EARLIEST) - _OVERLAP
    back = await tx.all(queries_loop.CLOSE_RETURNED, tx.now, since, settled, _BATCH)
    gone = await tx.all(queries_loop.CLOSE_GONE, tx.now, since, _BATCH)
    is_full = _BATCH in {len(back), len(gone)}
    if not is_full:
        await tx.run(queries_loop.LOOKED, tx.now)
    await _tell_closed(tx, back + gone)
    return len(back) + len(gone), is_full


async def _tell_closed(tx: Tx, closed: list[queries.Recall]) -> None:
    if not closed:
        return
    changed = {recall.id: (_before(recall), asdict(recall)) for recall in closed}
    await record_many(tx, action="close", entity_type=ENTITY, changed=changed)
    payloads = {recall.id: {"version": recall.version} for recall in closed}
    await emit_many(tx, "recall.closed", entity_type=ENTITY, payloads=payloads)


def _before(recall: queries.Recall) -> dict[str, Any]:
    """Return what `recall` was before it was closed, as far as it is known and differs."""
    was = {"status": "open", "closed_reason": None, "closed_at": None}
    return {**asdict(recall), **was, "version": recall.version - 1}


def _document(visit: queries_loop.Missed) -> dict[str, Any]:
    """Return the recall for a missed visit: due on the visit's own day."""
    due_on = rules.today(visit.scheduled_start, visit.time_zone)
    return {
        "id": new_id(),
        "patient_id": visit.patient_id,
        "provider_id": visit.provider_id,
        "facility_id": visit.facility_id,
        "appointment_type": visit.appointment_type,
        "due_on": due_on,
        "time_zone": visit.time_zone,
        "due_at": rules.begin_of(due_on, visit.time_zone),
        "high_risk": visit.priority in _HIGH,
        "source": visit.status,
        "source_appointment_id": visit.id,
    }
