"""Resources as bytes, kept in the process: made again only when their stamp is another one.

The stamp of a record is a hash of everything that its resource is made of (`Kind.stamp`). A search
reads ids and stamps, and then the rows of those that are not in memory. A read by id has the stamp
from the cache, where /api/v1 has the record itself: it tells nothing of the patient. Every change
of a record drops that key, see `held_key` of its slice.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from chroniccare.core.caller import Caller
from chroniccare.core.wire import dumps
from chroniccare.fhir import bundles, composing
from chroniccare.fhir.asking import Ask
from chroniccare.fhir.kind import Kind, Resource
from chroniccare.platform.memory import memory
from chroniccare.platform.postgres import Tx
from chroniccare.tenancy.masks import hidden

EMPTY: Mapping[str, Any] = {"contact_info": {}, "emergency_contact": {}}
"""What may be hidden of what FHIR tells at all, and what stands there instead."""
CACHED_S = 300
"""As long as /api/v1 caches the record."""
Render = Callable[[Any], Resource]


@dataclass(frozen=True, slots=True)
class Held:
    """A resource as it is told in one view.

    Attributes:
        modified: the time of the last change as a header has it.
        opening: what stands before the resource in an entry, behind the server's address.
        refers: ids that the record refers to, by parameter, for `_include`, in the order of the
            type's `Include`s.
    """

    id: UUID
    version: int
    updated_at: datetime
    modified: str
    stamp: str
    data: bytes
    opening: bytes
    refers: Mapping[str, tuple[list[UUID], ...]]


def is_held(kind: Kind, ask: Ask) -> bool:
    """Say whether resources of this type are told from memory; what is reduced is made anew."""
    return kind.stamp is not None and ask.summary == "false" and not ask.elements


def key(kind: Kind, tenant_id: UUID, record_id: UUID) -> str:
    """Return the key under which the record's stamp is cached, and what is told of it is held."""
    return f"{kind.entity}:{tenant_id}:{record_id}:fhir"


def masked(caller: Caller, kind: Kind) -> frozenset[str]:
    """Return the fields that FHIR would tell and the caller does not see."""
    names = hidden(caller, "GET", kind.tag)
    return names.intersection(EMPTY) if names else names


def view(caller: Caller, kind: Kind) -> Hashable:
    """Return what two callers must have in common to be told the same of a record."""
    return masked(caller, kind), kind.view(caller)


async def found(
    tx: Tx, caller: Caller, kind: Kind, stamped: Sequence[composing.Stamped], render: Render
) -> list[Held]:
    """Return what is told of records, in this order; what is not in memory is read and kept.

    One that was removed since its stamp was read is left out.
    """
    seen, before = view(caller, kind), f"{kind.entity}:{caller.tenant_id}:"
    get = memory().get
    held: list[Any] = [  # the key is as `key` has it
        get(f"{before}{one.id}:fhir", one.stamp, seen) for one in stamped
    ]
    missing = [one.id for one, kept in zip(stamped, held, strict=True) if kept is None]
    if not missing:
        return held
    rows = await tx.all(composing.stamped(kind), missing)
    made = {row.id: keep(caller, kind, row, render) for row in rows}
    both = zip(stamped, held, strict=True)
    return [one for one in (kept or made.get(each.id) for each, kept in both) if one is not None]


def keep(caller: Caller, kind: Kind, row: Any, render: Render) -> Held:
    """Keep what is told of a row, whose stamp stands in its `keys`."""
    [stamp] = row.keys
    data = dumps(render(row))
    refers = {
        name: tuple(one.ids(row) for one in includes) for name, includes in kind.includes.items()
    }
    opening = f'/{kind.name}/{row.id}","resource":'.encode()
    modified = bundles.http_date(row.updated_at)
    made = Held(row.id, row.version, row.updated_at, modified, stamp, data, opening, refers)
    memory().put(key(kind, caller.tenant_id, row.id), stamp, view(caller, kind), made, len(data))
    return made


def entries(base: bytes, held: Iterable[Held], mode: bytes) -> orjson.Fragment:
    """Return entries of a searchset, as `bundles.entry` does, one behind the other.

    Args:
        base: part of a JSON text.
        held: at least one.
        mode: match or include.
    """
    opening, closing = b'{"fullUrl":"' + base, b',"search":{"mode":"' + mode + b'"}}'
    between, parts = closing + b"," + opening, [opening]
    for one in held:
        parts += (one.opening, one.data, between)
    parts[-1] = closing
    return orjson.Fragment(b"".join(parts))
