"""Resources as they are answered: what was asked for of each, and Bundles of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from chroniccare.fhir.kind import Kind, Resource

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
_KEPT = frozenset({"resourceType", "id", "meta", "implicitRules"})


def reduced(kind: Kind, resource: Resource, *, summary: str, elements: Sequence[str]) -> Resource:
    """Return what `_summary` and `_elements` leave of a resource, tagged as reduced."""
    if elements:
        wanted = _KEPT | kind.always | {one.partition(".")[0] for one in elements}
    elif summary == "true":
        wanted = _KEPT | kind.always | kind.summary
    elif summary == "text":
        wanted = _KEPT | kind.always | {"text"}
    elif summary == "data":
        wanted = frozenset(resource) - {"text"}
    else:
        return resource
    return tagged({name: value for name, value in resource.items() if name in wanted})


def tagged(resource: Resource) -> Resource:
    """Return the resource marked as not the whole: it must not be written back."""
    meta = resource["meta"]
    return {**resource, "meta": {**meta, "tag": [*meta.get("tag", []), SUBSETTED]}}


def untagged(resource: Resource) -> Resource:
    """Return the resource without that mark."""
    tags = [one for one in resource["meta"].get("tag", []) if one != SUBSETTED]
    meta = {name: one for name, one in resource["meta"].items() if name != "tag"}
    return {**resource, "meta": {**meta, "tag": tags} if tags else meta}


def http_date(instant: datetime) -> str:
    """Return a UTC instant as headers have it."""
    return instant.strftime("%a, %d %b %Y %H:%M:%S GMT")


def entry(base: str, resource: Resource, mode: str) -> Resource:
    """Return an entry of a searchset."""
    return {
        "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
        "resource": resource,
        "search": {"mode": mode},
    }


def address(base: str, kind: Kind, pairs: Sequence[tuple[str, str]]) -> str:
    """Return the absolute address of a search."""
    query = urlencode(pairs)
    return f"{base}/{kind.name}?{query}" if query else f"{base}/{kind.name}"


def searchset(entries: list[Any], *, links: list[tuple[str, str]], total: int | None) -> Resource:
    """Return the Bundle of a search."""
    found: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        found["total"] = total
    found["link"] = [{"relation": relation, "url": url} for relation, url in links]
    if entries:
        found["entry"] = entries
    return found
