"""Invariants of Bundle and Parameters.

In a Struct the resources of a Bundle are bytes still: a rule that must look into one says no there,
and the walk decides.
"""

from typing import Any

from chroniccare.fhir.invariants_view import Rule, exactly_one, has_choice

_ASKING = frozenset({"batch", "transaction", "history"})
_ANSWERING = frozenset({"batch-response", "transaction-response", "history"})


def bdl_1(bundle: Any) -> bool:
    """A total belongs to a search or a history."""
    return bundle.total is None or bundle.type in {"searchset", "history"}


def bdl_2(bundle: Any) -> bool:
    """How an entry was found belongs to a search."""
    return bundle.type == "searchset" or all(each.search is None for each in bundle.entry or ())


def bdl_3(bundle: Any) -> bool:
    """Requests stand in what asks, and in a history."""
    asking = bundle.type in _ASKING
    return all((each.request is not None) == asking for each in bundle.entry or ())


def bdl_4(bundle: Any) -> bool:
    """Responses stand in what answers, and in a history."""
    answering = bundle.type in _ANSWERING
    return all((each.response is not None) == answering for each in bundle.entry or ())


def bdl_5(entry: Any) -> bool:
    """An entry holds something."""
    return any(each is not None for each in (entry.resource, entry.request, entry.response))


def bdl_7(bundle: Any) -> bool:
    """No address twice, but with another version."""
    if bundle.type == "history":
        return True
    found = [each for each in bundle.entry or () if each.fullUrl is not None]
    if len({each.fullUrl for each in found}) == len(found):
        return True
    keys = [(each.fullUrl, _version(each.resource)) for each in found]
    return len(set(keys)) == len(keys)


def _version(resource: Any) -> str | None:
    meta = getattr(resource, "meta", None)
    version = getattr(meta, "versionId", None)
    return version if isinstance(version, str) else None  # nobody has looked into it yet


def bdl_8(entry: Any) -> bool:
    """An address names no version."""
    return entry.fullUrl is None or "/_history/" not in entry.fullUrl


def bdl_9(bundle: Any) -> bool:
    """A document has an identifier."""
    known = bundle.identifier
    return bundle.type != "document" or (
        known is not None and known.system is not None and known.value is not None
    )


def bdl_10(bundle: Any) -> bool:
    """A document has a time."""
    return bundle.type != "document" or bundle.timestamp is not None


def bdl_11(bundle: Any) -> bool:
    """A document begins with its composition."""
    return bundle.type != "document" or _begins_with(bundle, "Composition")


def bdl_12(bundle: Any) -> bool:
    """A message begins with its header."""
    return bundle.type != "message" or _begins_with(bundle, "MessageHeader")


def _begins_with(bundle: Any, kind: str) -> bool:
    first = bundle.entry[0].resource if bundle.entry else None
    return getattr(first, "resourceType", None) == kind


def inv_1(parameter: Any) -> bool:
    """A parameter has parts, or one value or resource."""
    value = True if has_choice(parameter, "value") else None
    return exactly_one(parameter.part, value, parameter.resource)


RULES: dict[str, Rule] = {
    "bdl-1": bdl_1,
    "bdl-2": bdl_2,
    "bdl-3": bdl_3,
    "bdl-4": bdl_4,
    "bdl-5": bdl_5,
    "bdl-7": bdl_7,
    "bdl-8": bdl_8,
    "bdl-9": bdl_9,
    "bdl-10": bdl_10,
    "bdl-11": bdl_11,
    "bdl-12": bdl_12,
    "inv-1:Parameters": inv_1,
}
