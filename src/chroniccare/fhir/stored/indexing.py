"""What a stored resource is found by, whose it is, and what it refers to. No I/O, no clock."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from chroniccare.fhir import dates
from chroniccare.fhir.parameters import folded
from chroniccare.fhir.resources.common import relative
from chroniccare.fhir.stored.table import HAPPENED, Leaf, Search, searches

Resource = dict[str, Any]
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
"""Ends of a time that is open: before and after every date that a resource may say."""
_REFERENCE = re.compile(
    r"(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?"
)
_LONGEST = 1000
"""Bytes of a code, a text or a system in the index, in a row of which two have room (2.7 kB)."""
_WIDEST = 4
"""Bytes of a character."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is needed to read values: the server's address, the clinic's zone, its blind index."""

    base: str
    zone: ZoneInfo
    blind: Callable[[str], str]


def values(resource: Any, members: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """Yield each value at the end of a path, with the object that it is a member of."""
    holder = resource
    for each in _listed(resource.get(members[0])):
        if len(members) == 1:
            yield each, holder
        elif isinstance(each, dict):
            yield from values(each, members[1:])


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [one for one in value if one is not None] if isinstance(value, list) else [value]


def target(text: str, base: str) -> tuple[str, str] | None:
    """Return type and id of what a reference leads to; None: to nothing of this server."""
    match = _REFERENCE.fullmatch(text.removeprefix(base + "/"))
    return (match["type"], match["id"]) if match else None


def references(value: Any) -> Iterator[Resource]:
    """Yield each Reference within a resource."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        for one in value.values():
            yield from references(one)


def index(resource: Resource, place: Place) -> list[dict[str, Any]]:
    """Return the rows of the index, each once: by column what it holds."""
    name = resource["resourceType"]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for search in searches()[name].values():
        for leaf in search.leaves:
            for value, holder in values(resource, leaf.members):
                for row in _rows(search, leaf, value, holder, place):
                    whole = {"path": leaf.key, **row}
                    rows.setdefault(tuple(sorted(whole.items(), key=_first)), whole)
    return list(rows.values())


def _first(item: tuple[str, Any]) -> str:
    return item[0]


def _rows(
    search: Search, leaf: Leaf, value: Any, holder: Resource, place: Place
) -> Iterator[dict[str, Any]]:
    match search.kind:
        case "token":
            yield from _tokens(leaf, value, place)
        case "reference":
            yield from _referring(leaf, value, place)
        case "date":
            for low, high in spans(value, place.zone):
                yield {"low": low, "high": high}
        case "quantity":  # a composite's rows are those of its amount
            yield from _amounts(leaf, value, holder)
        case "string":
            yield {"code": cut(folded(value))}
            yield {"path": f"{leaf.key}:exact", "code": cut(value)}
        case "uri":
            yield {"code": cut(value)}


def _tokens(leaf: Leaf, value: Any, place: Place) -> Iterator[dict[str, Any]]:
    match leaf.type:
        case "CodeableConcept":
            for coding in value.get("coding", []):
                yield from _coding(coding)
        case "Coding":
            yield from _coding(value)
        case "Identifier":
            if "value" in value:
                yield from _numbered(leaf, value, place)
        case "boolean":
            yield {"code": "true" if value else "false", "system": ""}
        case _:
            yield {"code": cut(str(value)), "system": ""}


def _numbered(leaf: Leaf, value: Resource, place: Place) -> Iterator[dict[str, Any]]:
    """Yield the rows of an Identifier with a value: by its system, and by each of its types."""
    code = cut(place.blind(value["value"]))
    yield {"code": code, "system": cut(value.get("system", ""))}
    for one in value.get("type", {}).get("coding", []):
        if {"system", "code"} <= one.keys():
            kind = cut(f"{one['system']}|{one['code']}")
            yield {"path": f"{leaf.key}:of-type", "code": code, "system": kind}


def _coding(coding: Resource) -> Iterator[dict[str, Any]]:
    if "code" in coding:
        yield {"code": cut(coding["code"]), "system": cut(coding.get("system", ""))}


def _referring(leaf: Leaf, value: Any, place: Place) -> Iterator[dict[str, Any]]:
    if leaf.type != "Reference":
        yield {"code": cut(value.partition("|")[0])}
        if "|" in value:
            yield {"code": cut(value)}
        return
    if "value" in value.get("identifier", {}):
        number = value["identifier"]
        code, system = cut(place.blind(number["value"])), cut(number.get("system", ""))
        yield {"path": f"{leaf.key}:identifier", "code": code, "system": system}
    found = target(value.get("reference", ""), place.base)
    if found is not None:
        yield {"target": found[1], "system": found[0]}


def spans(value: Any, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield first moment and first moment after of a date, a period, or each event of a timing."""
    if isinstance(value, str):
        span = dates.parse(value)
        if span is not None:
            yield dates.instants(span, zone)
    elif "event" in value:
        for one in value["event"]:
            yield from spans(one, zone)
    elif "repeat" in value:
        yield from spans(value["repeat"].get("boundsPeriod", {}), zone)
    elif value.keys() & {"start", "end"}:
        first = [one for one, _ in spans(value.get("start", ""), zone)]
        last = [one for _, one in spans(value.get("end", ""), zone)]
        yield (first or [EARLIEST])[0], (last or [LATEST])[0]


def _amounts(leaf: Leaf, value: Resource, holder: Resource) -> Iterator[dict[str, Any]]:
    if "value" not in value:
        return
    found = {
        "amount": float(value["value"]),
        "unit": value.get("code") or value.get("currency") or value.get("unit"),
        "unit_system": value.get("system"),
    }
    codes = holder.get(leaf.beside, {}).get("coding", []) if leaf.beside else []
    rows = [{**found, **row} for coding in codes for row in _coding(coding)]
    yield from rows or [found]


def cut(text: str) -> str:
    """Return how a text begins: as much of it as is indexed, and so as is searched for."""
    if len(text) * _WIDEST <= _LONGEST:
        return text
    return text.encode()[:_LONGEST].decode(errors="ignore")


def happened(name: str, rows: list[dict[str, Any]]) -> datetime:
    """Return the earliest moment of what a type is sorted by in time."""
    if name not in HAPPENED:
        return EARLIEST
    keys = searches()[name][HAPPENED[name]].keys
    return min((row["low"] for row in rows if row["path"] in keys), default=EARLIEST)


def kept(said: Mapping[str, Any], *, whose: Resource | None, base: str) -> Resource:
    """Return what is stored of a resource: all but what the server says, and names of patients.

    A name beside a reference to a patient would outlive that patient's erasure in a record of
    somebody else: only the record's own patient (`whose` is that reference) is named in it.
    """
    found = {name: value for name, value in said.items() if name not in {"id", "meta"}}
    meta = {k: v for k, v in said.get("meta", {}).items() if k not in {"versionId", "lastUpdated"}}
    if meta:
        found["meta"] = meta
    own = target(whose.get("reference", ""), base) if whose else None
    stored: Resource = relative(_without_names(found, own, base), base)
    return stored


def _without_names(value: Any, own: tuple[str, str] | None, base: str) -> Any:
    if isinstance(value, list):
        return [_without_names(one, own, base) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _without_names(one, own, base) for name, one in value.items()}
    if "display" in found and _is_patients(found, own, base):
        del found["display"]
        found.pop("_display", None)
    return found


def _is_patients(value: Resource, own: tuple[str, str] | None, base: str) -> bool:
    """Say whether it is a reference to another patient, by address or by identifier alone."""
    text, kind = value.get("reference"), value.get("type")
    led = target(text, base) if isinstance(text, str) else None
    if led is not None:
        return led[0] == "Patient" and led != own
    return isinstance(kind, str) and kind.rpartition("/")[2] == "Patient"
