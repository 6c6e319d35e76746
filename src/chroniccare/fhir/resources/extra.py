"""What a client wrote and no column holds: kept beside the record, and put back when it is read.

For each element that the record would be told otherwise, what the client wrote is kept with a
digest of what the record tells. It is put back while the record still tells the same; once the
record was changed, by whichever door, the record speaks for itself. In lists it speaks for its own
items alone: the extensions, numbers and names that it does not hold are told all the same.
"""

import hashlib
from collections.abc import Collection
from typing import Any

import orjson

from chroniccare.core.wire import dumps
from chroniccare.fhir.resources.common import Resource
from chroniccare.fhir.resources.patient_write import best

_SERVERS = frozenset({"created", "id", "meta", "minutesDuration", "resourceType", "status"})
"""What the server decides, whatever a client says."""
_META = frozenset({"versionId", "lastUpdated"})

_LISTS = ("extension", "identifier", "name", "telecom")
_REACHED = frozenset({"email", "phone", "sms"})
"""Systems of contact points that records hold: a number that was changed must not come back."""


def _digest(value: Any) -> str:
    return hashlib.blake2s(dumps(value), digest_size=8).hexdigest()


def left(said: Resource, told: Resource) -> dict[str, Any]:
    """Return what must be kept of what a client said; `told` is what the record tells."""
    found: dict[str, Any] = {
        name: {"said": value, "as": _digest(told.get(name.removeprefix("_")))}
        for name, value in said.items()
        if name not in _SERVERS and _plain(told.get(name)) != value
    }
    for name in _LISTS:
        if name in found and isinstance(said[name], list):
            found[name]["others"] = _others(name, said[name], told.get(name, []))
    meta = {name: one for name, one in said.get("meta", {}).items() if name not in _META}
    if meta:
        found["meta"] = {"said": meta, "as": ""}
    if "text" in found:  # says in words what the rest says, so it goes with the first change
        found["text"]["as"] = told["meta"]["versionId"]
    return found


def _others(name: str, said: list[Resource], told: list[Resource]) -> list[Resource]:
    """Return the items of a list that no record holds, so that no change of one replaces them."""
    if name == "telecom":
        return [one for one in said if one.get("system") not in _REACHED]
    if name == "name":
        taken = best(said, ("official", "usual"))
        return [one for one in said if one is not taken]
    member = {"extension": "url", "identifier": "value"}[name]
    ours = {one.get(member) for one in told}
    return [one for one in said if str(one.get(member, "")).strip() not in ours]


def apart(said: Resource, addresses: Collection[str]) -> tuple[Resource, list[Resource]]:
    """Return a resource without the extensions at these addresses, and those."""
    found = said.get("extension", [])
    own = [one for one in found if one.get("url") in addresses]
    if not own:
        return said, []
    rest = {name: one for name, one in said.items() if name != "extension"}
    others = [one for one in found if one.get("url") not in addresses]
    return ({**rest, "extension": others} if others else rest), own


def _plain(value: Any) -> Any:
    return orjson.loads(dumps(value))


def whole(told: Resource, extra: dict[str, Any] | None) -> Resource:
    """Return what the record tells, with what the client wrote in its place."""
    if not extra:
        return told
    found = dict(told)
    for name, kept in extra.items():
        if name == "meta":
            found["meta"] = {**kept["said"], **told["meta"]}
        elif name == "text":
            if kept["as"] == told["meta"]["versionId"]:
                found["text"] = kept["said"]
        elif kept["as"] == _digest(told.get(name.removeprefix("_"))):
            found[name] = kept["said"]
        elif others := kept.get("others"):
            found[name] = [*told.get(name, ()), *others]
    if "deceasedDateTime" in found:  # one of the two, and the record decides whether
        del found["deceasedBoolean" if told.get("deceasedBoolean") else "deceasedDateTime"]
    if "identifier" in found and "identifier" in told:  # the record's own number is always told
        known = {(one.get("system"), one.get("value")) for one in found["identifier"]}
        found["identifier"] = [
            *(one for one in told["identifier"] if (one["system"], one["value"]) not in known),
            *found["identifier"],
        ]
    return found
