"""Seals what was written to the audit: a chain of hashes for each tenant, a moment behind it.

No request waits for it. A row that its transaction commits late is sealed late, but never missed:
see the column `horizon` of `audit_seals`.
"""

import asyncio
from contextlib import suppress
from uuid import UUID

from chroniccare.audit import queries_seals, rules
from chroniccare.core.caller import system
from chroniccare.platform.postgres import Tx, begin, begin_system

PAUSE_S = 0.5
"""Between two rounds; a row is sealed within two seconds (SEC-27)."""
_BATCH = 2000
_NOWHERE = (0, UUID(int=0))


async def run(*, stop: asyncio.Event) -> None:
    """Seal until `stop`, tenant by tenant; several processes may do so at once."""
    seen = 0  # the first round looks at every tenant
    while not stop.is_set():
        seen = await round_from(seen)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PAUSE_S)


async def round_from(seen: int) -> int:
    """Seal the tenants with rows of transactions from `seen` on; return where the next begins."""
    async with begin_system("audit-seals") as tx:
        horizon = int(await tx.value(queries_seals.HORIZON))
        # A database that was restored from a dump counts from a lower number.
        tenants = await tx.values(queries_seals.TENANTS, min(seen, horizon))
    done = [await seal(tenant_id) for tenant_id in tenants]
    return horizon if all(done) else seen


async def seal(tenant_id: UUID) -> bool:
    """Seal every row of one tenant that waits; False if another process is at it."""
    caller, after, horizon = system(tenant_id, job="audit-seals"), _NOWHERE, None
    while True:
        async with begin(caller) as tx:
            if not await tx.value(queries_seals.TAKE_TURN, str(tenant_id)):
                return False
            if horizon is None:  # of the first batch: what a later one passes by was running then
                horizon = int(await tx.value(queries_seals.HORIZON))
            rows = await _seal_batch(tx, horizon, after)
        if len(rows) < _BATCH:
            return True
        after = (rows[-1].xact, rows[-1].id)


async def _seal_batch(tx: Tx, horizon: int, after: tuple[int, UUID]) -> list[queries_seals.Waiting]:
    """Seal the rows that come next after `after`, in the order of their transactions."""
    last = await tx.one(queries_seals.LAST) or queries_seals.Last(0, rules.START, 0)
    since = last.horizon if last.horizon <= horizon else 0  # 0: restored from a dump
    await tx.plan_afresh()
    rows = await tx.all(queries_seals.WAITING, since, *after, _BATCH)
    if not rows:
        return rows
    if len(rows) == _BATCH:
        horizon = min(horizon, rows[-1].xact)
    prev, hashes = last.hash, []
    for seq, row in enumerate(rows, last.seq + 1):
        prev = rules.link(
            tx.caller.tenant_id, prev, row.digest, seq=seq, horizon=horizon, sealed_at=tx.now
        )
        hashes.append(prev)
    await tx.run(
        queries_seals.SEAL, tx.caller.tenant_id,
        list(range(last.seq + 1, last.seq + 1 + len(rows))), [row.id for row in rows],
        [last.hash, *hashes[:-1]], hashes, horizon, tx.now,
    )  # fmt: skip
    return rows
