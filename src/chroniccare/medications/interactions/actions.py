"""A site's own sets of interactions: imported as a whole, listed, removed."""

import itertools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from chroniccare.audit.actions import record
from chroniccare.codes import queries as codes
from chroniccare.codes.rules import INGREDIENT
from chroniccare.core.errors import NotFound
from chroniccare.core.ids import new_id
from chroniccare.core.rows import FileError, refuse
from chroniccare.medications.interactions import queries
from chroniccare.medications.interactions.files import Reading
from chroniccare.medications.interactions.rules import normal
from chroniccare.medications.interactions.table import table
from chroniccare.platform.postgres import Tx

_BATCH = 5000
_ENTITY = "interaction_set"


async def listed(tx: Tx) -> dict[str, Any]:
    """Return `schemas.InteractionSets`."""
    built_in = table()
    first = {
        "name": built_in.name, "version": built_in.version, "sha256": built_in.sha256,
        "pairs": len(built_in.pairs), "imported_at": None,
    }  # fmt: skip
    own = [asdict(one) for one in await tx.all(queries.SETS)]
    for one in own:
        del one["id"]
    return {
        "checks": tx.settings.interaction_checks,
        "sets": [first, *own],
        "classes": [
            {"key": one.key, "name": one.name, "members": sorted(one.members)}
            for one in built_in.classes.values()
        ],
    }


def built_in_name() -> str:
    """Return the name of the built-in set, which no imported one may have."""
    return table().name


async def disagreements(tx: Tx) -> list[str]:
    """Return where the site's subset of RxNorm has another name for an id of the built-in table.

    RxNorm's name is the one that counts; see `rules.known`.
    """
    names = table().names
    found = await tx.all(codes.CONCEPTS, list(names))
    return [
        f"{one.rxcui}: {one.name} in RxNorm, {names[one.rxcui]} in the built-in table"
        for one in found
        if one.term_type != INGREDIENT or normal(one.name) != names[one.rxcui]
    ]


async def replace(tx: Tx, *, name: str, version: str, checked: Reading) -> queries.InteractionSet:
    """Import a file as the set called `name`; a set of that name that is there gives way.

    `checked` is what `files.check` returned, before the transaction began. The file is read once
    more, in batches, and whatever differs undoes everything.

    Raises:
        FileError: the file is not the one that was checked.
    """
    before = await tx.one(queries.GET_SET, name)
    if before is not None:
        await _delete(tx, before)
    set_id = new_id()
    await tx.run(queries.INSERT_SET, set_id, tx.caller.tenant_id, name, version, tx.now)
    reading = Reading(checked.path)
    for batch in _batches(reading):
        await tx.run(queries.INSERT_PAIRS, tx.caller.tenant_id, set_id, batch)
        members = list({row[side] for row in batch for side in "ab"})
        await tx.run(queries.INSERT_MEMBERS, tx.caller.tenant_id, set_id, members)
    refuse(reading.name, reading.faults)
    if reading.sha256() != checked.sha256():
        raise FileError(f"{reading.name}: was changed while it was read; nothing was imported")
    await tx.run(queries.FINISH_SET, set_id, reading.count, reading.sha256())
    made = await _get(tx, name)
    await record(
        tx, action="import", entity_type=_ENTITY, entity_id=set_id, before=before, after=made
    )
    return made


async def remove(tx: Tx, name: str) -> None:
    """Remove an imported set.

    Raises:
        NotFound: none is called `name`.
    """
    before = await _get(tx, name)
    await _delete(tx, before)
    await record(tx, action="delete", entity_type=_ENTITY, entity_id=before.id, before=before)


async def _get(tx: Tx, name: str) -> queries.InteractionSet:
    found = await tx.one(queries.GET_SET, name)
    if found is None:
        raise NotFound("No imported set has this name: `chroniccare interactions list` shows them.")
    return found


async def _delete(tx: Tx, one: queries.InteractionSet) -> None:
    while await tx.run(queries.DELETE_PAIRS, one.id, 4 * _BATCH):
        pass
    await tx.run(queries.DELETE_SET, one.id)


def _batches(reading: Reading) -> Iterator[list[dict[str, str]]]:
    rows = iter(reading)
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch
