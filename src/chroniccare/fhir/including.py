"""`_include` and `_revinclude`: what comes along with the matches of a search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Forbidden
from chroniccare.fhir import holding, iterating
from chroniccare.fhir.asking import MOST, Ask
from chroniccare.fhir.composing import Beside, Stamped
from chroniccare.fhir.holding import Held
from chroniccare.fhir.iterating import Brought, Fetch
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.parameters import Reference
from chroniccare.fhir.registry import KINDS, opened


def spelled(caller: Caller, kind: Kind, ask: Ask) -> Ask:
    """Return the search with `*` as the includes of the types that the caller may read."""
    if not ask.includes_all:
        return ask
    every = [
        (kind.name, name, one.target)
        for name, each in kind.includes.items()
        for one in each
        if _is_open(caller, KINDS[one.target])
    ]
    return replace(ask, includes=[*ask.includes, *every])


def _is_open(caller: Caller, kind: Kind) -> bool:
    try:
        opened(caller, kind, "r")
    except Forbidden:
        return False
    return True


def check(caller: Caller, kind: Kind, ask: Ask) -> None:
    """Check that the caller may read what a search of `kind` brings along.

    Raises:
        Forbidden: not all of it.
    """
    for _, name, target in ask.includes:
        for include in kind.includes[name]:
            if target in {None, include.target}:
                opened(caller, KINDS[include.target], "r")
    for source, _, _ in ask.revincludes:
        opened(caller, KINDS[source], "s")


def beside(caller: Caller, kind: Kind, ask: Ask) -> Beside | None:
    """Return what comes along whose stamps the page's own statement can read.

    So a page of visits with their patients takes one round trip less.
    """
    if not holding.is_held(kind, ask):
        return None
    for _, name, target in ask.includes:
        for one in kind.includes[name]:
            if one.column is not None and target in {None, one.target}:
                other = KINDS[one.target]
                if other.stamp is not None and not opened(caller, other, "r"):
                    return Beside(other, one.column)
    return None


def stamped(page: Sequence[Stamped]) -> list[Stamped]:
    """Return what comes along `beside` a page by its stamps, each record once, in its order."""
    stamps = {one.beside: one.beside_stamp for one in page}
    return [Stamped(id_, "", stamp) for id_, stamp in stamps.items() if id_ and stamp]


async def brought(
    kind: Kind, ask: Ask, rows: list[Any], fetch: Fetch, *, beside: Beside | None
) -> tuple[Brought, list[str]]:
    """Return what comes along with the matches, and words on what does not.

    Without what comes along `beside`; each record once, but it may be one of those.
    """
    wanted: dict[str, set[UUID]] = {}
    for _, name, target in ask.includes:
        for number, include in enumerate(kind.includes[name]):
            is_there = beside is not None and include.column == beside.column
            if target in {None, include.target} and not is_there:
                for row in rows:
                    those = row.refers[name][number] if isinstance(row, Held) else include.ids(row)
                    wanted.setdefault(include.target, set()).update(those)
    asked = [(KINDS[name], f"{KINDS[name].id} {{}}", ids, "r") for name, ids in wanted.items()]
    for source, name, _ in ask.revincludes:
        other = KINDS[source]
        reference = other.parameters[name]
        assert isinstance(reference, Reference)  # noqa: S101  `asking` has looked
        asked.append((other, reference.targets[kind.name], {row.id for row in rows}, "s"))
    found, cut = Brought(), list[str]()
    for other, template, ids, letter in asked:
        if ids:
            rows_ = await fetch(other, template=template, ids=ids, letter=letter)
            found.append((other, rows_[:MOST]))
            cut += [iterating.cut_off(other.name)] * (len(rows_) > MOST)
    return found, cut
