"""`_include:iterate` and `_revinclude:iterate`: what is brought along brings more along, to an end.

A search may lead in circles (a visit's patient, the patient's visits), so each record is looked
at once, and there are steps and records enough.
"""

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.fhir.asking import MOST, Ask, Iterate
from chroniccare.fhir.holding import Held
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.parameters import Reference
from chroniccare.fhir.registry import KINDS, opened

STEPS = 5
CUT = f"includes that iterate were followed {STEPS} steps or {MOST} records far: there may be more"
Brought = list[tuple[Kind, list[Any]]]


def cut_off(name: str) -> str:
    """Return the words for an include that did not bring along all of a type."""
    return f"{MOST} records of {name} were included: there are more, ask for smaller pages"


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


async def followed(ask: Ask, seen: Brought, fetch: Fetch) -> tuple[Brought, bool]:
    """Return what comes along with what was found and has come along already, each record once.

    And whether there may be more, which is beyond the steps or the records.
    """
    if not ask.iterates:
        return [], False
    known = {(kind.name, row.id) for kind, rows in seen for row in rows}
    found, wanted = Brought(), _wanted(ask.iterates, seen, known)
    left, step = MOST, 0
    while wanted and left and step < STEPS:
        step, following = step + 1, Brought()
        while wanted and left:
            kind, template, ids, letter = wanted.pop(0)
            rows = await fetch(kind, template=template, ids=ids, letter=letter)
            new = [row for row in rows if (kind.name, row.id) not in known]
            is_cut = len(rows) > MOST or len(new) > left
            known.update((kind.name, row.id) for row in new[:left])
            following.append((kind, new[:left]))
            left -= len(new[:left])
            if is_cut:
                return found + following, True
        found += following
        wanted = wanted or _wanted(ask.iterates, following, known)
    return found, bool(wanted)


def _wanted(
    iterates: Sequence[Iterate], fresh: Brought, known: AbstractSet[tuple[str, UUID]]
) -> list[tuple[Kind, str, set[UUID], str]]:
    """Return what is to be read: a type, the condition, of which ids, by which letter of scopes."""
    found: dict[tuple[str, str, str], set[UUID]] = {}
    for one in iterates:
        source = KINDS[one.source]
        if one.is_reverse:
            reference = source.parameters[one.parameter]
            assert isinstance(reference, Reference)  # noqa: S101  `asking` has looked
            for name, template in reference.targets.items():
                if one.target in {None, name}:
                    ids = {row.id for kind, rows in fresh if kind.name == name for row in rows}
                    found.setdefault((source.name, template, "s"), set()).update(ids)
            continue
        rows = [row for kind, rows in fresh if kind is source for row in rows]
        for number, include in enumerate(source.includes[one.parameter]):
            if one.target in {None, include.target}:
                target = KINDS[include.target]
                ids = {led for row in rows for led in _ids(row, one.parameter, number, include.ids)}
                ids = {led for led in ids if (target.name, led) not in known}
                found.setdefault((target.name, f"{target.id} {{}}", "r"), set()).update(ids)
    return [
        (KINDS[name], template, ids, letter)
        for (name, template, letter), ids in found.items()
        if ids
    ]


def _ids(row: Any, name: str, number: int, read: Callable[[Any], list[UUID]]) -> Sequence[UUID]:
    return row.refers[name][number] if isinstance(row, Held) else read(row)
