"""The oldest part of a clinic's audit goes when it has been kept for the years that are set.

What goes is the beginning of its chain, whole: looked through first, then named by a signed anchor,
from which the rest can be verified. A legal hold keeps everything from the first row about its
patient on. Who calls it owns the schema: the application can only add to the audit.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from chroniccare.audit import anchors, heads, verifying
from chroniccare.audit.actions import record
from chroniccare.audit.rules import Head
from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict
from chroniccare.platform.owner import Owner, owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.privacy import actions, queries_erasing
from chroniccare.privacy import queries_audit as queries
from chroniccare.privacy.queries_tenants import ONE_AT_A_TIME
from chroniccare.settings import Settings

_JOB = "audit-retention"
_KIND = "audit_retention"
_BATCH = 5000
_YEAR = timedelta(days=366)
"""No year is longer, so that nothing goes too early."""


class PruningBusy(Conflict):
    """Another one, or the erasure of a clinic, is under way."""

    code = "AUDIT_PRUNING_BUSY"


class NotSound(Conflict):
    """The chain has faults; what shows them must not go."""

    code = "AUDIT_NOT_SOUND"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went: `rows` up to the number `last`; `held` is the number that a hold keeps, if any."""

    rows: int
    last: int
    until: datetime
    held: int | None


async def prune(settings: Settings, tenant_id: UUID) -> Pruned:
    """Remove what is older than `retain_audit_years`, and report it as a job.

    Killed in between, the same call goes on.

    Raises:
        PruningBusy: another one, or the erasure of a clinic, is under way.
        NotSound: `audit verify` finds faults in this chain; nothing was removed.
        BadKeyFile, OSError: the anchor cannot be written; nothing was removed.
    """
    async with owner_connection(settings.database_url) as owner:
        # Held to the end: both grant and revoke what the same tables are emptied with.
        if not await owner.fetchval(ONE_AT_A_TIME):
            raise PruningBusy("An erasure or another `audit prune` is under way; begin when done.")
        return await _prune(settings, owner, tenant_id)


async def _prune(settings: Settings, owner: Owner, tenant_id: UUID) -> Pruned:
    directory = Path(settings.audit_heads_dir)
    caller = system(tenant_id, job=_JOB)
    async with begin(caller) as tx:
        until = tx.now - settings.retain_audit_years * _YEAR
    told = await asyncio.to_thread(heads.of_tenant, directory / heads.FILE, tenant_id)
    anchor = (await asyncio.to_thread(anchors.read, directory)).get(tenant_id)
    report = await verifying.verify(tenant_id, told, anchor)
    if report.wrong:
        raise NotSound(f"{report.wrong} faults: see `chroniccare audit verify`.")
    last, held = await _end(tenant_id, until, copied=bool(settings.audit_copy))
    async with begin(caller) as tx:
        end = await tx.one(queries.SEAL, last)
        at = tx.now
    if end is None:  # nothing is old enough
        return Pruned(0, 0, until, held)
    head = Head(tenant_id, last, end.hash, at)
    await asyncio.to_thread(anchors.append, settings, head, until=until)
    rows, since = await _removed(owner, tenant_id, last)
    done = Pruned(rows, last, until, since or held)
    await _report(tenant_id, head, done, settings.retain_audit_years)
    return done


async def _end(tenant_id: UUID, until: datetime, *, copied: bool) -> tuple[int, int | None]:
    """Return the number of the last seal that may go, 0 for none, and where a hold stops it.

    The last seal of all stays: the next one follows it. What is copied elsewhere goes only after.
    """
    seq = 0
    async with begin(system(tenant_id, job=_JOB)) as tx:
        most = int(await tx.value(queries.MOST, copied))
    while True:
        async with begin(system(tenant_id, job=_JOB)) as tx:
            await tx.plan_afresh()
            found = await tx.all(queries.NEXT, seq, until, _BATCH)
        for one in found:
            if one.seq > most or not one.is_old:
                return seq, None
            if one.is_held:
                return seq, one.seq
            seq = one.seq
        if len(found) < _BATCH:
            return seq, None


async def _removed(owner: Owner, tenant_id: UUID, last: int) -> tuple[int, int | None]:
    """Remove seals up to `last`; return how many, and where a hold placed meanwhile stops it."""
    rows, free = 0, 0
    while free < last:
        # No hold is placed between the look and the removal: `hold` waits for this transaction.
        async with begin(system(tenant_id, job=_JOB)) as tx:
            await tx.value(queries_erasing.LOCK_HOLDS, str(tenant_id))
            found = await tx.all(queries.NEXT, free, tx.now, _BATCH)
            held = next((one.seq for one in found if one.is_held), None)
            free = min(last, found[-1].seq if held is None else held - 1) if found else last
            rows += await owner.fetchval(queries.PRUNE, tenant_id, free, _BATCH)
        if held is not None and held <= last:
            return rows, held
    return rows, None


async def _report(tenant_id: UUID, head: Head, done: Pruned, years: int) -> None:
    report: dict[str, Any] = {
        "until": done.until.isoformat(), "rows": {"audit_logs": done.rows},
        "last": {"seq": head.seq, "hash": head.hash.hex()}, "held_from": done.held,
    }  # fmt: skip
    async with begin(system(tenant_id, job=_JOB)) as tx:
        job = await actions.write(tx, _KIND, None, reason=f"kept: {years} years", report=report)
        await record(
            tx, action="retention", entity_type=actions.ENTITY, entity_id=job.id, after=report
        )
