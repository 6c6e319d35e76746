"""`Patient/$everything`: a patient, and all records that are of the patient, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Forbidden, Invalid
from chroniccare.fhir import (
    actions,
    asking,
    bundles,
    composing,
    conditions,
    cursors,
    dates,
    outcome,
)
from chroniccare.fhir.kind import Kind, Resource
from chroniccare.fhir.operations import Given, In
from chroniccare.fhir.parameters import Asked, Date, Reference
from chroniccare.fhir.registry import KINDS, opened, seen_by
from chroniccare.fhir.values import split
from chroniccare.platform.postgres import Tx, begin

EVERYTHING = {
    "start": In(("Date", "String")),
    "end": In(("Date", "String")),
    "_since": In(("Instant", "DateTime", "String")),
    "_type": In(("Code", "String"), 50),
    "_count": In(("Integer", "UnsignedInt", "PositiveInt", "String")),
    "_cursor": In(("String",)),
}
_USUAL = 100
_WHEN = ("date", "effective-time", "effective", "whenhandedover", "sent", "authoredon", "authored")
"""Parameters that say when what a record tells of was; the first that a type has."""
_GROWING = frozenset({"AuditEvent"})
"""Each page that is read adds to these, so that there would be no last one; they are searched."""
_PATIENT = KINDS["Patient"]


@dataclass(frozen=True, slots=True)
class _Ask:
    filters: Sequence[tuple[str, str]]
    types: Sequence[str]
    count: int
    cursor: str | None
    pairs: Sequence[tuple[str, str]]


@dataclass(slots=True)
class _Page:
    """What of each type a page has, and where the next one begins."""

    seen: list[tuple[Kind, list[Any]]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    is_last: bool = True


def compartment() -> list[Kind]:
    """Return the types whose records are of a patient, in the order in which they are told."""
    return [
        kind
        for kind in KINDS.values()
        if "Patient" in getattr(kind.parameters.get("patient"), "targets", {})
        and kind.name not in _GROWING
    ]


async def everything(caller: Caller, text: str, given: Given) -> Resource:
    """Return one page of a patient's records; who sees them is in the audit first.

    Raises:
        Forbidden: the scopes do not open the patient, or a type that is asked for by name.
        Invalid: something is unknown or wrong; each thing is named.
        NotFound, Gone: there is no such patient.
    """
    ask = _read(given)
    kinds, closed = _opened(caller, ask.types)
    async with begin(caller) as tx:
        patient = await actions.look(tx, seen_by(caller, _PATIENT), _PATIENT, text)
        [row] = patient.rows
        digest = cursors.digest(["$everything", text, list(ask.pairs)])
        after = None
        if ask.cursor is not None:
            casts = ["text", "uuid"]
            after = cursors.read(tx.settings, caller.tenant_id, digest, ask.cursor, casts)
        is_asked = not ask.types or _PATIENT.name in ask.types
        first = [(_PATIENT, [row])] if is_asked and after is None else []
        page = await _page(
            tx, caller, row.id, kinds, ask, after=after, count=ask.count - len(first)
        )
        base = actions.base_of(tx)
    address = f"{base}/Patient/{row.id}/$everything"
    links = [("self", _linked(address, ask.pairs))]
    if not page.is_last:
        text = cursors.written(tx.settings, caller.tenant_id, digest, page.keys)
        links.append(("next", _linked(address, [*ask.pairs, ("_cursor", text)])))
    await note_read(caller, entity_type="patient", seen=[row.id], action="read")
    entries = []
    for kind, rows in [*first, *page.seen]:
        if kind.entity is not None and kind is not _PATIENT and rows:
            ids = [one.id for one in rows]
            await note_read(caller, entity_type=kind.entity, seen=ids, action="list")
        whose = seen_by(caller, kind)
        entries += [
            bundles.entry(base, actions.rendered(whose, kind, one), "match") for one in rows
        ]
    if closed:
        words = outcome.warnings(
            f"{name} is left out: your scopes do not open it" for name in closed
        )
        entries.append({"resource": words, "search": {"mode": "outcome"}})
    return bundles.searchset(entries, links=links, total=None)


def _linked(address: str, pairs: Sequence[tuple[str, str]]) -> str:
    return f"{address}?{urlencode(pairs)}" if pairs else address


def _read(given: Given) -> _Ask:
    wrong: list[FieldError] = []
    filters: list[tuple[str, str]] = []
    pairs: list[tuple[str, str]] = []
    for name, prefix in (("start", "ge"), ("end", "le"), ("_since", "ge")):
        text = given.one(name)
        if text is None:
            continue
        if dates.parse(str(text)) is None or not str(text)[0].isdigit():
            wrong.append(FieldError(name, "must be a date, such as 2026-03-01", "value"))
        filters.append((name, f"{prefix}{text}"))
        pairs.append((name, str(text)))
    known = {kind.name for kind in compartment()} | {_PATIENT.name}
    types = [one for text in given.all("_type") for one in split(str(text))]
    if any(one not in known for one in types):
        wrong.append(FieldError("_type", f"must be among {', '.join(sorted(known))}", "value"))
    count = str(given.one("_count") if given.all("_count") else _USUAL)
    if not count.isascii() or not count.isdigit() or not 0 < len(count) < 10 or not int(count):  # noqa: PLR2004
        wrong.append(FieldError("_count", "must be a number from 1", "value"))
    if wrong:
        raise Invalid(details=wrong)
    pairs += [("_type", ",".join(types))] if types else []
    pairs += [("_count", count)] if given.all("_count") else []
    return _Ask(filters, types, min(int(count), asking.MOST), given.one("_cursor"), pairs)


def _opened(caller: Caller, types: Sequence[str]) -> tuple[list[Kind], list[str]]:
    """Return the types that are told, and the names of those that the scopes do not open.

    Raises:
        Forbidden: one that is asked for by name is not opened.
    """
    found, closed = [], []
    for kind in compartment():
        if types and kind.name not in types:
            continue
        try:
            opened(caller, kind, "s")
        except Forbidden:
            if types:
                raise
            closed.append(kind.name)
        else:
            found.append(kind)
    return found, closed


async def _page(
    tx: Tx, caller: Caller, patient_id: Any, kinds: Sequence[Kind], ask: _Ask, *,
    after: Sequence[Any] | None, count: int,
) -> _Page:  # fmt: skip
    """Return what comes behind `after`, as much as fits."""
    page, about = _Page(), await actions.asked_of(tx, zones=True)
    names = [kind.name for kind in kinds]
    if after is not None:
        kinds = kinds[names.index(after[0]) if after[0] in names else 0 :]
    for kind in kinds:
        behind = after[1:] if after is not None and after[0] == kind.name else None
        asked = replace(about, arguments=[])
        wanted = _conditions(caller, kind, ask, asked)
        reference = kind.parameters["patient"]
        assert isinstance(reference, Reference)  # noqa: S101  `compartment` has looked
        template = reference.targets[_PATIENT.name]
        wanted.append(template.format(f"= {asked.put(patient_id, 'uuid')}"))
        order = [(kind.id, "uuid", False)]
        statement = composing.page(kind, asked, wanted, order, after=behind, limit=count + 1)
        rows = await tx.all(statement, *asked.arguments)
        if len(rows) > count:
            page.is_last = False
            rows = rows[:count]
        if rows:
            page.seen.append((kind, rows))
            page.keys = [kind.name, str(rows[-1].id)]
            count -= len(rows)
        if not page.is_last:
            # With no room for any of this type, the next page begins with its first.
            page.keys = page.keys if rows else [kind.name, _BEFORE_ALL]
            break
    return page


_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"


def _conditions(caller: Caller, kind: Kind, ask: _Ask, asked: Asked) -> list[str]:
    """Return the conditions of one type; one that has no time is not narrowed by a span."""
    when = next((name for name in _WHEN if isinstance(kind.parameters.get(name), Date)), None)
    wanted = conditions.scoped(caller, kind, asked)
    for name, value in ask.filters:
        own = "_lastUpdated" if name == "_since" else when
        if own is not None:
            wanted.append(kind.parameters[own].condition(asked, None, [value]))
    return wanted
