"""Holds that lapse: given up when somebody wants their time, and otherwise by a loop."""

from dataclasses import replace
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import openings, queries, rules
from chroniccare.scheduling.telling import tell_many

_BATCH = 200


async def give_up(tx: Tx, appointment_ids: list[UUID] | None = None) -> set[UUID]:
    """Cancel holds that have lapsed, of those named or any, and return which.

    One that somebody is changing at this moment is left to them.
    """
    gone = await tx.all(queries.LAPSE, tx.now, appointment_ids, _BATCH, rules.LAPSED)
    if gone:
        await tx.run(queries.RELEASE_MANY, [visit.id for visit in gone])
        await openings.note(tx, gone)
        changed = [(_held(visit), visit) for visit in gone]
        await tell_many(tx, "lapse", "appointment.cancelled", changed)
    return {visit.id for visit in gone}


def _held(visit: queries.Appointment) -> queries.Appointment:
    """Return `visit` as it was before it lapsed, as far as it is known."""
    return replace(
        visit, status="held", cancelled_at=None, cancellation_reason=None,
        version=visit.version - 1, sequence=visit.sequence - 1,
    )  # fmt: skip


async def sweep(tenant_id: UUID) -> int:
    """Give up every hold of a tenant that has lapsed; return how many."""
    count, gone = 0, _BATCH
    while gone == _BATCH:
        async with begin(system(tenant_id, job="holds")) as tx:
            gone = len(await give_up(tx))
        count += gone
    return count
