"""`_include:iterate` and `_revinclude:iterate`: what is brought along brings more along, to an end.

A search may lead in circles (a visit's patient, the patient's visits), so each record is looked
at once, and there are steps and records enough.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.fhir.asking import MOST, Ask, Iterate
from chroniccare.fhir.holding import Held
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.parameters import Reference
from chroniccare.fhir.registry import KINDS, opened

STEPS = 5
Brought = list[tuple[Kind, list[Any]]]


class Fetch(Protocol):
    """Reads the records of a type that have, or refer to, some ids, as the scopes open them."""

    def __call__(
        self, kind: Kind, *, template: str, ids: set[UUID], letter: str
    ) -> Awaitable[list[Any]]:
        """Return them; `template` is the condition, whose `{}` is where `= ANY(ids)` goes."""
        ...


def check(caller: Caller, ask: Ask) -> None:
    """Check that the caller may read what a search can bring along.

    Raises:
        Forbidden: not all of it.
    """
    for one in ask.iterates:
        if one.is_reverse:
            opened(caller, KINDS[one.source], "s")
            continue
        for include in KINDS[one.source].includes[one.parameter]:
            if one.target in {None, include.target}:
                opened(caller, KINDS[include.target], "r")


async def followed(ask: Ask, seen: Brought, fetch: Fetch) -> Brought:
    """Return what comes along with what was found and has come along already, each record once."""
    known = {(kind.name, row.id) for kind, rows in seen for row in rows}
    left, found = MOST, Brought()
    fresh = seen if ask.iterates else []
    for _ in range(STEPS):
        if not any(rows for _, rows in fresh):
            break
        following: Brought = []
        for kind, template, ids, letter in _wanted(ask.iterates, fresh):
            rows = await fetch(kind, template=template, ids=ids, letter=letter)
            new = [row for row in rows if (kind.name, row.id) not in known][:left]
            known.update((kind.name, row.id) for row in new)
            left -= len(new)
            following.append((kind, new))
        found += following
        fresh = following
    return found


def _wanted(iterates: Sequence[Iterate], fresh: Brought) -> list[tuple[Kind, str, set[UUID], str]]:
    """Return what is to be read: a type, the condition, of which ids, by which letter of scopes."""
    found = []
    for one in iterates:
        source = KINDS[one.source]
        if one.is_reverse:
            reference = source.parameters[one.parameter]
            assert isinstance(reference, Reference)  # noqa: S101  `asking` has looked
            for name, template in reference.targets.items():
                ids = {row.id for kind, rows in fresh if kind.name == name for row in rows}
                if one.target in {None, name} and ids:
                    found.append((source, template, ids, "s"))
            continue
        rows = [row for kind, rows in fresh if kind is source for row in rows]
        for number, include in enumerate(source.includes[one.parameter]):
            ids = {led for row in rows for led in _ids(row, one.parameter, number, include.ids)}
            if one.target in {None, include.target} and ids:
                target = KINDS[include.target]
                found.append((target, f"{target.id} {{}}", ids, "r"))
    return found


def _ids(row: Any, name: str, number: int, read: Callable[[Any], list[UUID]]) -> Sequence[UUID]:
    return row.refers[name][number] if isinstance(row, Held) else read(row)
