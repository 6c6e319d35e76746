"""Earlier versions: one of a record (vread), and the history of a record, a type, or everything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Forbidden, Invalid, NotFound
from chroniccare.fhir import actions, asking, composing_versions, cursors, dates, outcome
from chroniccare.fhir.kind import Kind, Resource
from chroniccare.fhir.queries_versions import Version
from chroniccare.fhir.registry import KINDS, found, opened, seen_by
from chroniccare.platform.postgres import Tx, begin

_KNOWN = frozenset({"_count", "_since", "_at", "_cursor", "_format", "_pretty"})
_UNSIGNED = frozenset({"_cursor", "_count"})
_CASTS = ["timestamptz", "uuid", "int"]


@dataclass(slots=True)
class Wanted:
    """What is asked of a history.

    Attributes:
        since: versions from this time on, if one is given.
        at: those that were the latest at some moment of it.
    """

    count: int = asking.USUAL
    since: dates.Span | None = None
    at: dates.Span | None = None
    cursor: str | None = None
    pairs: list[tuple[str, str]] = field(default_factory=list)


def wanted(pairs: Sequence[tuple[str, str]]) -> Wanted:
    """Return what a client asks for.

    Raises:
        Invalid: something is unknown or has a wrong value; every one is named.
    """
    asked, wrong = Wanted(), []
    for name, value in pairs:
        reason = _read(asked, name, value)
        if reason is not None:
            wrong.append(FieldError(name, reason, "value" if name in _KNOWN else "unknown"))
    if wrong:
        raise Invalid(details=wrong)
    asked.pairs = [(name, value) for name, value in pairs if name in {"_count", "_since", "_at"}]
    return asked


def _read(asked: Wanted, name: str, value: str) -> str | None:
    """Read one parameter; return what is wrong with it."""
    match name:
        case "_count":
            if not value.isascii() or not value.isdigit() or not 1 <= len(value) <= 9:  # noqa: PLR2004
                return "must be a number"
            asked.count = min(max(int(value), 1), asking.MOST)
        case "_since" | "_at":
            span = dates.parse(value)
            if span is None or span.prefix != "eq" or value.startswith("eq"):
                return "must be a date or a time, without a prefix"
            if name == "_at":
                asked.at = span
            else:
                asked.since = span
        case "_cursor":
            asked.cursor = value
        case _ if name not in _KNOWN:
            return "is not a parameter of a history"
    return None


def _versioned(caller: Caller, kind: Kind, letter: str) -> None:
    """Check that there is a history of the type, and that the caller may read all of it.

    As SMART has it, the letter `r` opens the versions of one record, `s` those of a type.

    Raises:
        NotWritable: there is none.
        Forbidden: the scopes do not open the type, or only some of its records: what a record was
            then may be outside of what they open.
    """
    if kind.versions is None:
        raise outcome.NotWritable
    if opened(caller, kind, letter):
        raise Forbidden


async def version(caller: Caller, kind: Kind, text: str, number: str) -> Resource:
    """Return one version of a record; the read is audited first.

    Raises:
        Forbidden: the caller's scopes do not open the type as a whole.
        NotFound: there is no such version.
        Gone: by it, the record was removed.
    """
    _versioned(caller, kind, "r")
    if not number.isascii() or not number.isdigit() or len(number) > 9:  # noqa: PLR2004  int4
        raise NotFound
    async with begin(caller) as tx:
        record_id, behind = _id(text), (tx.now, _id(text), int(number) + 1)
        statement = composing_versions.page([kind], of_one=True)
        one = await tx.one(statement, None, None, None, *behind, 1, record_id)
        if one is None or one.version != int(number):
            raise NotFound
        if one.is_gone:
            raise outcome.Gone
        rows = await _rows(tx, kind, [one])
    [row] = rows.values()
    if kind.entity is not None:
        await note_read(caller, entity_type=kind.entity, seen=[row.id])
    return actions.rendered(caller, kind, row)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


async def by_path(caller: Caller, path: Sequence[str], query: str, *, most: int) -> Resource:
    """Return what is at an address with `_history`, as an entry of a batch names it.

    Raises:
        NotFound: it is no such address.
        Problem: what `version`, `of_record` and `of_type` refuse.
    """
    kind = found(path[0])
    caller = seen_by(caller, kind)
    match path[1:]:
        case [record_id, "_history", number]:
            return await version(caller, kind, record_id, number)
        case [*ids, "_history"] if len(ids) <= 1:
            ask = wanted(asking.pairs_of(query))
            ask.count = min(ask.count, most)
            if ids:
                return await of_record(caller, kind, ids[0], ask)
            return await of_type(caller, kind, ask)
    raise NotFound


async def of_record(caller: Caller, kind: Kind, text: str, ask: Wanted) -> Resource:
    """Return a page of a record's history. Raises what `version` does, but Gone."""
    _versioned(caller, kind, "r")
    return await _bundle(caller, [kind], f"{kind.name}/{text}", ask, record_id=_id(text))


async def of_type(caller: Caller, kind: Kind, ask: Wanted) -> Resource:
    """Return a page of the history of a type. Raises what `version` does, but Gone."""
    _versioned(caller, kind, "s")
    return await _bundle(caller, [kind], kind.name, ask, record_id=None)


async def of_all(caller: Caller, ask: Wanted) -> Resource:
    """Return a page of the history of every type that the caller may read as a whole.

    Raises:
        Forbidden: there is none.
    """
    kinds = [kind for kind in KINDS.values() if kind.versions and _is_open(caller, kind)]
    if not kinds:
        raise Forbidden
    return await _bundle(caller, kinds, "", ask, record_id=None)


def _is_open(caller: Caller, kind: Kind) -> bool:
    try:
        _versioned(caller, kind, "s")
    except Forbidden:
        return False
    return True


async def _bundle(
    caller: Caller, kinds: Sequence[Kind], path: str, ask: Wanted, *, record_id: UUID | None
) -> Resource:
    async with begin(caller) as tx:
        page, links = await _page(tx, kinds, path, ask, record_id)
        if not page and record_id is not None and not await _exists(tx, kinds, record_id):
            raise NotFound
        rows: dict[tuple[UUID, int], Any] = {}
        for kind in kinds:
            rows |= await _rows(tx, kind, [one for one in page if one.kind == kind.name])
        base = actions.base_of(tx)
    entries = []
    for one in page:
        kind = KINDS[one.kind]
        row = rows.get((one.id, one.version))
        resource = None if row is None else actions.rendered(seen_by(caller, kind), kind, row)
        entries.append(_entry(base, one, resource))
    for kind in kinds:
        seen = list(dict.fromkeys(one.id for one in page if one.kind == kind.name))
        if kind.entity is not None and seen:
            await note_read(caller, entity_type=kind.entity, seen=seen, action="list")
    bundle: Resource = {"resourceType": "Bundle", "type": "history", "link": links}
    if ask.cursor is None:  # from when on to ask the next time, see OVERLAP
        bundle["meta"] = {"lastUpdated": tx.now - dates.OVERLAP}
    return {**bundle, "entry": entries} if entries else bundle


async def _exists(tx: Tx, kinds: Sequence[Kind], record_id: UUID) -> bool:
    statement = composing_versions.page(kinds, of_one=True)
    return await tx.one(statement, *(None,) * 6, 1, record_id) is not None


async def _page(
    tx: Tx, kinds: Sequence[Kind], path: str, ask: Wanted, record_id: UUID | None
) -> tuple[list[Version], list[Resource]]:
    """Return the versions of a page, and the links."""
    asked = await actions.asked_of(tx, zones=True)
    since, (low, high) = _begin(ask.since, asked.zones[0]), _span(ask.at, asked.zones[0])
    signed = [pair for pair in ask.pairs if pair[0] not in _UNSIGNED]
    search = cursors.digest(["_history", path, [kind.name for kind in kinds], signed])
    behind: Sequence[Any] = (None, None, None)
    if ask.cursor is not None:
        behind = cursors.read(tx.settings, tx.caller.tenant_id, search, ask.cursor, _CASTS)
    statement = composing_versions.page(
        kinds, of_one=record_id is not None, is_first=ask.cursor is None
    )
    page = await tx.all(statement, since, low, high, *behind, ask.count + 1, record_id)
    links = [_link("self", asked.base, path, ask.pairs)]
    if len(page) > ask.count:
        page = page[: ask.count]
        keys = [page[-1].updated_at, page[-1].id, page[-1].version]
        text = cursors.written(tx.settings, tx.caller.tenant_id, search, keys)
        links.append(_link("next", asked.base, path, [*ask.pairs, ("_cursor", text)]))
    return page, links


def _begin(span: dates.Span | None, here: ZoneInfo) -> datetime | None:
    return None if span is None else dates.instants(span, here)[0]


def _span(span: dates.Span | None, here: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    return (None, None) if span is None else dates.instants(span, here)


def _link(relation: str, base: str, path: str, pairs: Sequence[tuple[str, str]]) -> Resource:
    url = f"{base}/{path}/_history" if path else f"{base}/_history"
    return {"relation": relation, "url": f"{url}?{urlencode(pairs)}" if pairs else url}


async def _rows(tx: Tx, kind: Kind, versions: Sequence[Version]) -> dict[tuple[UUID, int], Any]:
    """Return the records of these versions, by id and version; those of removals are none."""
    there = [one for one in versions if not one.is_gone]
    latest = [one.id for one in there if not one.is_kept]
    rows = await tx.all(composing_versions.latest(kind), latest) if latest else []
    known = {(row.id, row.version): row for row in rows}
    # A record that was the latest a moment ago may be an earlier version by now.
    missing = [one for one in there if (one.id, one.version) not in known]
    if missing:
        ids, numbers = [one.id for one in missing], [one.version for one in missing]
        rows = await tx.all(composing_versions.kept(kind), ids, numbers)
        known |= {(row.id, row.version): row for row in rows}
    asked_for = {(one.id, one.version) for one in there}
    return {key: row for key, row in known.items() if key in asked_for}


def _entry(base: str, one: Version, resource: Resource | None) -> Resource:
    """Return an entry: what was done, what came of it, and the resource as it was then."""
    name = f"{one.kind}/{one.id}"
    method, status = ("PUT", "200") if one.version > 1 else ("POST", "201")
    if one.is_gone:
        method, status = "DELETE", "204"
    entry: Resource = {"fullUrl": f"{base}/{name}"}
    if resource is not None:
        entry["resource"] = resource
    return {
        **entry,
        "request": {"method": method, "url": one.kind if method == "POST" else name},
        "response": {
            "status": status,
            "etag": f'W/"{one.version}"',
            "lastModified": one.updated_at,
        },
    }
