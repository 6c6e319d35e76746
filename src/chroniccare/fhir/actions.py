"""Reads and searches: one transaction, the audit of what was seen, then the answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound
from chroniccare.core.time import zone
from chroniccare.core.wire import dumps
from chroniccare.fhir import (
    bundles,
    composing,
    conditions,
    cursors,
    holding,
    including,
    iterating,
    outcome,
    queries,
)
from chroniccare.fhir.asking import MOST, Ask
from chroniccare.fhir.holding import Held
from chroniccare.fhir.iterating import Brought
from chroniccare.fhir.kind import Kind, Resource
from chroniccare.fhir.parameters import Asked
from chroniccare.fhir.registry import opened
from chroniccare.fhir.resources import extra
from chroniccare.platform.cache import Rendered, cache
from chroniccare.platform.memory import memory
from chroniccare.platform.postgres import Tx, begin
from chroniccare.settings import address


def base_of(tx: Tx) -> str:
    """Return the address under which clients reach the types."""
    return address(tx.settings) + outcome.BASE


@dataclass(frozen=True, slots=True)
class Seen:
    """What a read or a search came upon; `told` writes that down before it tells.

    Attributes:
        rows: records, or what is `Held` of them.
        cut: words on what would have come along, had it been followed to the end.
    """

    caller: Caller
    kind: Kind
    rows: list[Any]
    ask: Ask | None = None
    brought: Brought = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    total: int | None = None
    base: str = ""
    cut: Sequence[str] = ()


async def read(caller: Caller, kind: Kind, text: str) -> Resource:
    """Return one resource; the read is audited first. Raises what `look` does."""
    async with begin(caller) as tx:
        seen = await look(tx, caller, kind, text)
    return await told(seen)


async def held(caller: Caller, kind: Kind, text: str) -> Held | None:
    """Return one resource as it is told, as `read` does; None: it must be read.

    The cache says which stamp the record has, where it can be had; the read is audited.
    """
    if kind.stamp is None or opened(caller, kind, "r"):
        return None
    record_id = _id(text)
    made: Held | None = None

    async def load() -> Rendered:
        nonlocal made
        made = await _made(caller, kind, record_id)
        return Rendered(made.version, made.stamp.encode())

    name = holding.key(kind, caller.tenant_id, record_id)
    stamp = (await cache().through(name, holding.CACHED_S, load)).data.decode()
    if made is None:  # else it was just read
        made = memory().get(name, stamp, holding.view(caller, kind))
    if made is None:
        made = await _made(caller, kind, record_id)
    if kind.entity is not None:
        await note_read(caller, entity_type=kind.entity, seen=[record_id])
    return made


async def _made(caller: Caller, kind: Kind, record_id: UUID) -> Held:
    """Return what is told of a record, from PostgreSQL."""
    async with begin(caller) as tx:
        render = partial(rendered, caller, kind)
        row = await tx.one(composing.stamped(kind), [record_id])
        if row is None:
            raise await _absent(tx, kind, record_id)
        return holding.keep(caller, kind, row, render)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        if text == "_search":
            raise outcome.NotWritable from None
        raise NotFound from None


async def _absent(tx: Tx, kind: Kind, record_id: UUID) -> NotFound | outcome.Gone:
    if kind.gone is not None and await tx.value(kind.gone, record_id):
        return outcome.Gone()
    return NotFound()


async def look(tx: Tx, caller: Caller, kind: Kind, text: str) -> Seen:
    """Read one record.

    Raises:
        Forbidden: the caller's scopes do not open the type.
        NotFound: none with this id in the caller's tenant, or none that the scopes open.
        Gone: it was removed.
    """
    granted = opened(caller, kind, "r")
    record_id = _id(text)
    if granted:
        asked = await asked_of(tx, zones=True)
        wanted = [f"{kind.id} = {asked.put(record_id, 'uuid')}"]
        wanted += conditions.scope_conditions(kind, granted, asked)
        order = [(kind.id, "uuid", False)]
        statement = composing.page(kind, asked, wanted, order, after=None, limit=1)
        row = await tx.one(statement, *asked.arguments)
    else:
        row = await tx.one(kind.read, record_id)
    if row is None:
        raise await _absent(tx, kind, record_id)
    return Seen(caller, kind, [row])


async def told(seen: Seen) -> Resource:
    """Return what was seen, once the audit has it."""
    caller, kind, ask = seen.caller, seen.kind, seen.ask
    if ask is None:
        [row] = seen.rows
        if kind.entity is not None:
            await note_read(caller, entity_type=kind.entity, seen=[row.id])
        return rendered(caller, kind, row)
    found = [(kind, seen.rows), *seen.brought]
    await _note(caller, found, action="list")
    entries = _entries(caller, seen.base, ask, found)
    texts = [f"{name} is not known and was left out" for name in ask.ignored]
    if texts or seen.cut:
        words = outcome.warnings(texts, seen.cut)
        entries.append({"resource": words, "search": {"mode": "outcome"}})
    return bundles.searchset(entries, links=seen.links, total=seen.total)


def rendered(caller: Caller, kind: Kind, row: Any) -> Resource:
    """Return a record as the caller may see it."""
    seen = kind.shown(caller, row)
    names = [one for one in holding.masked(caller, kind) if hasattr(row, one)]
    if not names:
        whole = _with_extra(kind, kind.to_fhir(seen, caller.tenant_id), row)
        return whole if seen is row else bundles.tagged(whole)
    row = replace(seen, **{one: holding.EMPTY[one] for one in names})
    return bundles.tagged(kind.to_fhir(row, caller.tenant_id))


def _with_extra(kind: Kind, told: Resource, row: Any) -> Resource:
    """Return what a record tells, with what is kept beside it.

    What the record tells by an extension comes from it alone: it may need a scope.
    """
    addresses = kind.writer.told if kind.writer else frozenset()
    if not addresses:
        return extra.whole(told, getattr(row, "extra", None))
    rest, own = extra.apart(told, addresses)
    whole, _ = extra.apart(extra.whole(rest, getattr(row, "extra", None)), addresses)
    return {**whole, "extension": [*own, *whole.get("extension", [])]} if own else whole


async def search(caller: Caller, kind: Kind, ask: Ask) -> Resource:
    """Return one page of a search; everything in it is audited as seen. Raises what `find` does."""
    async with begin(caller) as tx:
        seen = await find(tx, caller, kind, ask)
    return await told(seen)


async def find(tx: Tx, caller: Caller, kind: Kind, ask: Ask) -> Seen:
    """Read one page of a search; a count alone is a search as well.

    Raises:
        Forbidden: the caller's scopes do not open a type that is searched or brought along.
        Invalid: values or the cursor are wrong.
    """
    ask = including.spelled(caller, kind, ask)
    including.check(caller, kind, ask)
    iterating.check(caller, ask)
    narrowed = bool(opened(caller, kind, "s"))
    asked = await asked_of(tx, zones=narrowed or conditions.needs_zones(kind, ask.filters))
    wanted = conditions.scoped(caller, kind, asked)
    wanted += conditions.conditions(caller, kind, ask.filters, asked)
    only_count = ask.summary == "count" or ask.count == 0
    total = None
    if ask.total != "none" or only_count:
        total = await tx.value(composing.count(kind, wanted), *asked.arguments)
    links = [("self", bundles.address(asked.base, kind, ask.pairs))]
    if only_count:
        return Seen(caller, kind, [], ask, links=links, total=total, base=asked.base)
    beside = including.beside(caller, kind, ask)
    page, link = await _page(tx, kind, ask, asked, wanted, beside=beside)
    rows = await _whole(tx, caller, kind, page)
    fetch = partial(_by_ids, tx, caller, ask=ask)
    brought, cut = await including.brought(kind, ask, rows, fetch, beside=beside)
    if beside is not None:
        along = await _whole(tx, caller, beside.kind, including.stamped(page))
        brought = [(beside.kind, along), *brought] if along else brought
    more, is_cut = await iterating.followed(ask, [(kind, rows), *brought], fetch)
    cut += [iterating.CUT] * is_cut
    return Seen(caller, kind, rows, ask, brought + more, links + link, total, asked.base, cut)


def plain(raw: bytes) -> Resource:
    """Return JSON read back."""
    found: Resource = orjson.loads(raw)
    return found


async def asked_of(tx: Tx, *, zones: bool) -> Asked:
    """Return what conditions need to know; `zones` only where a time may have no offset."""
    names = await tx.values(queries.ZONES) if zones else []
    found: list[ZoneInfo] = [zone(name) for name in names or ["UTC"]]
    keys = await tx.keyring()
    return Asked(tx.caller.tenant_id, tx.now, found, base_of(tx), keys)


async def _page(
    tx: Tx, kind: Kind, ask: Ask, asked: Asked, wanted: Sequence[str], *,
    beside: composing.Beside | None,
) -> tuple[list[Any], list[tuple[str, str]]]:  # fmt: skip
    """Return the records of a page or their stamps, and the link to the next if there is one."""
    order = ordered(kind, ask)
    search_ = cursors.digest([kind.name, [p for p in ask.pairs if p[0] != "_count"]])
    after, began, wanted = None, tx.now, list(wanted)
    if ask.cursor is not None:
        casts = [cast for _, cast, _ in order] + ["timestamptz"] * bool(kind.grows)
        after = cursors.read(tx.settings, tx.caller.tenant_id, search_, ask.cursor, casts)
        if kind.grows:
            began = after.pop()
            wanted.append(f"{kind.grows} <= {asked.put(began, 'timestamptz')}")
    compose = composing.page
    if holding.is_held(kind, ask):
        compose = partial(composing.stamps, beside=beside)
    statement = compose(kind, asked, wanted, order, after=after, limit=ask.count + 1)
    rows: list[Any] = await tx.all(statement, *asked.arguments)
    links = []
    if len(rows) > ask.count:
        rows = rows[: ask.count]
        keys = rows[-1].keys
        keys = orjson.loads(keys) if isinstance(keys, str) else keys
        keys = [*keys, began] if kind.grows else keys
        text = cursors.written(tx.settings, tx.caller.tenant_id, search_, keys)
        url = bundles.address(asked.base, kind, [*ask.pairs, ("_cursor", text)])
        links = [("next", url)]
    return rows, links


async def _whole(tx: Tx, caller: Caller, kind: Kind, rows: list[Any]) -> list[Any]:
    """Return the records, or in the place of stamps what is held of theirs."""
    if not rows or not isinstance(rows[0], composing.Stamped):
        return rows
    return await holding.found(tx, caller, kind, rows, partial(rendered, caller, kind))


def ordered(kind: Kind, ask: Ask) -> list[tuple[str, str, bool]]:
    """Return what a search sorts by; the id last, so that no two records stand together."""
    names = ask.sort or [(name, False) for name in kind.order]
    found: dict[str, tuple[str, str, bool]] = {}
    for name, is_down in names:
        expression, cast = kind.parameters[name].sort or (kind.id, "uuid")
        found.setdefault(expression, (expression, cast, is_down))
    is_down = next(iter(found.values()))[2]
    found.setdefault(kind.id, (kind.id, "uuid", is_down))
    return list(found.values())


async def _by_ids(
    tx: Tx, caller: Caller, kind: Kind, *, ask: Ask, template: str, ids: set[UUID], letter: str
) -> list[Any]:
    """Return the records that refer to these ids, or have them, as far as the scopes open them.

    One more than `MOST` of them at most: so it is known that there are more.
    """
    granted = opened(caller, kind, letter)
    asked = await asked_of(tx, zones=bool(granted))
    wanted = [template.format(f"= ANY({asked.put(list(ids), 'uuid[]')})")]
    wanted += conditions.scope_conditions(kind, granted, asked)
    order = [(kind.id, "uuid", False)]
    compose = composing.stamps if holding.is_held(kind, ask) else composing.page
    statement = compose(kind, asked, wanted, order, after=None, limit=MOST + 1)
    return await _whole(tx, caller, kind, await tx.all(statement, *asked.arguments))


async def _note(caller: Caller, seen: Brought, *, action: str) -> None:
    """Write to the audit what was seen; a search that found nothing is written too."""
    noted = [
        note_read(caller, entity_type=kind.entity, seen=[row.id for row in rows], action=action)
        for number, (kind, rows) in enumerate(seen)
        if kind.entity is not None and (rows or number == 0)
    ]
    await asyncio.gather(*noted)  # at once, so that they share a commit


def _entries(caller: Caller, base: str, ask: Ask, seen: Brought) -> list[Any]:
    """Return the entries, the matches first, each record once; what is held of a type as one."""
    shown: dict[str, set[UUID]] = {}
    entries: list[Any] = []
    start = dumps(base)[1:-1]
    for number, (kind, rows) in enumerate(seen):
        mode = "include" if number else "match"
        known = shown.setdefault(kind.name, set())
        fresh = {row.id: row for row in rows if row.id not in known}
        known.update(fresh)
        if fresh and isinstance(rows[0], Held):  # and so are all others of the type
            entries.append(holding.entries(start, fresh.values(), mode.encode()))
            continue
        for row in fresh.values():
            whole = rendered(caller, kind, row)
            resource = bundles.reduced(kind, whole, summary=ask.summary, elements=ask.elements)
            entries.append(bundles.entry(base, resource, mode))
    return entries
