"""Rows from before a tenant had keys, or from before a rotation, are sealed under its latest key.

Batch by batch beside everybody else's work: rows that somebody holds are left for the next round,
nobody waits for a batch longer than it takes, and a record's version does not change. When no row
is left, keys that have not sealed for `SETTLED` are destroyed.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from chroniccare.core.caller import Caller, system
from chroniccare.platform import masterkey, sealing
from chroniccare.platform.postgres import Command, Query, Tx, begin
from chroniccare.tenancy import addresses, keys
from chroniccare.tenancy import queries_keys as queries

log = logging.getLogger(__name__)

SETTLED = timedelta(seconds=150)
"""After a rotation: `KEPT_S`, in which a process may seal with the key before, and two minutes in
which the slowest transaction that did so has ended."""
BATCH = 200
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sealed column and how its stale values are found and written.

    Attributes:
        find: rows after the id $2 whose value does not begin with $1, at most $3 by id, locked.
        left: whether there is any.
        write: takes one jsonb document: `id`, `value` and, if it is `blind`, the blind index:
            one of its column, or that of an address.
        clear: what of a document is not sealed, if it is a document.
        reseal: seals a value anew that holds several, of several places.
    """

    column: sealing.Column
    find: Query[Any]  # of a Stale, or a StaleRest
    left: Command
    write: Command
    within: Literal["field", "address"] = "field"
    blind: Literal["", "column", "address"] = ""
    clear: frozenset[str] = frozenset()
    reseal: Callable[[sealing.Keyring, Any], Any] | None = None


async def run(tenant_id: UUID, sweeps: Sequence[Sweep]) -> None:
    """Give a tenant keys if it has none, and seal what is not sealed under the latest."""
    caller = system(tenant_id, job="sealing")
    async with begin(caller) as tx:
        await keys.ensure(tx)
        found = await tx.all(queries.LIST)
    active = next((key for key in found if key.purpose == "data" and key.state == "active"), None)
    if active is None:
        return
    if active.swept_at is not None and active.swept_columns == len(sweeps):
        return
    try:
        for sweep in sweeps:
            await _sweep(caller, sweep, active.version)
    except masterkey.CannotUnwrap as error:
        log.error("cannot unwrap: %s", error)  # noqa: TRY400  ids alone; where it was is known
        return
    async with begin(caller) as tx:
        if tx.now - active.created_at < SETTLED:
            return
        lead = sealing.lead(active.version)
        for sweep in sweeps:
            if await tx.value(sweep.left, lead):
                return
        if await tx.run(queries.SWEPT, tx.now, active.version, len(sweeps)):
            await tx.run(queries.DESTROY_RETIRED, tx.now)
            tx.rekeyed = True


async def _sweep(caller: Caller, sweep: Sweep, version: int) -> None:
    after: UUID | None = _FIRST
    while after is not None:
        async with begin(caller) as tx:
            after = await _batch(tx, sweep, version, after)


async def _batch(tx: Tx, sweep: Sweep, version: int, after: UUID) -> UUID | None:
    """Seal one batch; return its last id, None when it was the last batch."""
    rows: list[queries.Stale] = await tx.all(sweep.find, sealing.lead(version), after, BATCH)
    if not rows:
        return None
    held = await tx.keyring()
    if held.active.get(sweep.column.purpose) != version:
        held = await tx.keyring(afresh=True)
    written: list[dict[str, Any]] = []
    for row in rows:
        try:
            written.append(_resealed(held, sweep, row))
        except sealing.Unreadable:  # it has been logged; the others go on
            continue
    await tx.run(sweep.write, written)
    return rows[-1].id if len(rows) == BATCH else None


def _resealed(held: sealing.Keyring, sweep: Sweep, row: queries.Stale) -> dict[str, Any]:
    column, value = sweep.column, row.value
    if sweep.reseal is not None:
        return {"id": row.id, "value": sweep.reseal(held, value)}
    if isinstance(row, queries.StaleRest):
        rest = held.unsealed_rest(column, row.row, value)
        return {"id": row.id, "value": held.sealed_rest(column, row.row, rest, clear=sweep.clear)}
    if sweep.within == "address":
        info = held.unsealed(column, row.id, value["sealed"]) if "sealed" in value else value
        return {"id": row.id, "value": held.sealed_address(column, row.id, info)}
    plain = held.unsealed(column, row.id, value)
    found = {"id": row.id, "value": held.sealed(column, row.id, plain)}
    if sweep.blind == "address":
        found["blind"] = addresses.index(held, plain)
    elif sweep.blind:
        found["blind"] = sealing.as_bytea(held.blind(column, plain))
    return found
