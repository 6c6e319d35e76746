"""Codes: looked up, and a site's subset of RxNorm loaded."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from chroniccare.audit.actions import record
from chroniccare.codes import icd10 as tables
from chroniccare.codes import queries, rules
from chroniccare.core import paging
from chroniccare.core.errors import Invalid
from chroniccare.platform.postgres import Tx

_LISTING = "icd-10-cm"
_BATCH = 5000


def icd10(text: str) -> dict[str, Any]:
    """Return what the shipped table says of a code.

    Raises:
        Invalid: it does not have the form of a code.
    """
    code = rules.icd10(text)
    if code is None:
        raise Invalid.field("code", "must be like E11.9", "icd10")
    table = tables.table()
    found = table.find(code)
    return {
        "code": code,
        "known": found is not None,
        "billable": None if found is None else found.billable,
        "description": None if found is None else found.description,
        "warning": _warning(table, found),
        "release": table.release,
        "effective_from": table.effective_from,
        "effective_until": table.effective_until,
    }


def doubts(codes: Iterable[str]) -> list[dict[str, str]]:
    """Return each code of ICD-10-CM that somebody should look at twice, and why."""
    table = tables.table()
    found = {code: _warning(table, table.find(code)) for code in codes}
    return [{"code": code, "warning": why} for code, why in found.items() if why is not None]


def _warning(table: tables.Table, found: tables.Code | None) -> str | None:
    if found is None:
        return f"not in release {table.release}: mistyped, or of another release"
    return None if found.billable else "a longer code says more, and only that can be billed"


def begin_with(prefix: str, *, cursor: str | None, limit: int) -> paging.Page[tables.Code]:
    """Return one page of the codes that begin with `prefix`, in order."""
    start = rules.dotted(prefix)
    after = paging.decode(cursor, _LISTING, [start], [str])
    rows = tables.table().begin(start, after=after[0] if after else None, limit=limit + 1)
    return paging.page(rows, limit, listing=_LISTING, filters=[start], key=lambda row: [row.code])


async def rxnorm(tx: Tx, rxcui: str) -> dict[str, Any]:
    """Return what the site's subset says of a concept."""
    release = await tx.one(queries.RELEASE)
    [*found] = await tx.all(queries.CONCEPTS, [rxcui])
    made_of = await tx.all(queries.CONCEPTS, found[0].ingredients) if found else []
    return {
        "rxcui": rxcui,
        "known": bool(found),
        "term_type": found[0].term_type if found else None,
        "name": found[0].name if found else None,
        "ingredients": [{"rxcui": one.rxcui, "name": one.name} for one in made_of],
        "release": None if release is None else release.release,
    }


async def replace_rxnorm(tx: Tx, release: str, concepts: Iterable[queries.Concept]) -> int:
    """Put a release in the place of the one there is; return how many concepts it has.

    Raises:
        Invalid: it has none.
    """
    before = await tx.one(queries.RELEASE)
    await tx.run(queries.PUT_RELEASE, tx.caller.tenant_id, release, 1, tx.now)
    while await tx.run(queries.CLEAR, 4 * _BATCH):
        pass
    count = 0
    for batch in _batches(concepts):
        await tx.run(queries.INSERT, tx.caller.tenant_id, batch)
        count += len(batch)
    if not count:
        raise Invalid.field("file", "holds no concept of RxNorm", "empty")
    await tx.run(queries.PUT_RELEASE, tx.caller.tenant_id, release, count, tx.now)
    await record(
        tx, action="import", entity_type="rxnorm_release", entity_id=tx.caller.tenant_id,
        before=before, after=queries.Release(release, count, tx.now),
    )  # fmt: skip
    return count


def _batches(concepts: Iterable[queries.Concept]) -> Iterator[list[queries.Concept]]:
    rows = iter(concepts)
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch
