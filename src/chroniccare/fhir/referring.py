"""References of a transaction's entries: to other entries, and to what a search finds."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from chroniccare.core.errors import Invalid, PreconditionFailed
from chroniccare.fhir import conditional
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.registry import found
from chroniccare.platform.postgres import Tx


def refers_to_entries(resource: Resource, entries: Collection[str]) -> bool:
    """Say whether a reference of the resource needs another entry, or a search."""
    found = False

    def look(text: str) -> str:
        nonlocal found
        found = found or text.startswith("urn:") or "?" in text or text in entries
        return text

    _each_reference(resource, look)
    return found


def has_search(resource: Resource | None) -> bool:
    """Say whether a reference of the resource is a search: what it finds may be an entry's."""
    found = False

    def look(text: str) -> str:
        nonlocal found
        found = found or "?" in text
        return text

    _each_reference(resource, look)
    return found


async def referring(tx: Tx, resource: Resource, known: Mapping[str, str]) -> Resource:
    """Return the resource with references to entries and to searches replaced by the records'.

    What a search may find is written by then, see `has_search`.

    Raises:
        Invalid: a reference names no entry, or its search finds no record.
        PreconditionFailed: its search finds several.
    """
    texts: list[str] = []

    def gather(text: str) -> str:
        texts.append(text)
        return text

    _each_reference(resource, gather)
    names: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        if text in known:
            names[text] = known[text]
        elif text.startswith("urn:"):
            raise Invalid.field(
                "resource", "refers to an entry that is not there, or that comes later", "not-found"
            )
        elif "?" in text:
            names[text] = await _searched(tx, text)
    changed: Resource = _each_reference(resource, lambda text: names.get(text, text))
    return changed


async def _searched(tx: Tx, text: str) -> str:
    name, _, query = text.partition("?")
    row = await conditional.existing(tx, found(name), query)
    if row is None:
        raise PreconditionFailed("No record matches a reference that is a search.")
    return f"{name}/{row.id}"


def _each_reference(value: Any, change: Callable[[str], str]) -> Any:
    """Return `value` with each of its references as `change` has it."""
    if isinstance(value, list):
        return [_each_reference(one, change) for one in value]
    if isinstance(value, dict):
        return {
            name: change(one)
            if name == "reference" and isinstance(one, str)
            else _each_reference(one, change)
            for name, one in value.items()
        }
    return value
