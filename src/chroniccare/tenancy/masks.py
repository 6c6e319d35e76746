"""What a role does not see of what it may read: the only place that says so.

By the tag of an operation: names of fields that are left out of its answers at any depth, refused
in its bodies, and refused as filters. A field that is not there is hidden: others are always there.
Fields that a PUT of such a caller cannot name keep their values.
"""

from typing import Any

import orjson

from chroniccare.core.caller import Caller
from chroniccare.core.wire import dumps

_CONTACT = frozenset({"contact_info", "emergency_contact", "telecom"})

MASKS: dict[str, dict[str, frozenset[str]]] = {
    # Medications, allergies and adherence: the role lacks the scope.
    "front_desk": {
        "patients": frozenset({"icd10_codes", "insurance_info", "primary_diagnosis", "warnings"}),
    },
    "auditor": {
        "patients": _CONTACT,
        "recalls": frozenset({"has_phone", "phone"}),
        "notifications": frozenset({"address"}),
        # Before and after of what was written, and of contact points.
        "audit": _CONTACT | {"address", "phone", "sender", "telecom", "token", "url", "value"},
    },
}
_NOTHING: frozenset[str] = frozenset()


def hidden(caller: Caller, method: str, tag: str) -> frozenset[str]:
    """Return the fields that `caller` does not see in operations with `tag`.

    Who has broken the glass reads everything, and writes as before.
    """
    if caller.role is None or (caller.emergency_id is not None and method == "GET"):
        return _NOTHING
    return MASKS.get(caller.role, {}).get(tag, _NOTHING)


def masked(data: bytes, names: frozenset[str]) -> bytes:
    """Return rendered `data` without the fields called `names`."""
    return dumps(_without(orjson.loads(data), names))


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(one, names) for key, one in value.items() if key not in names}
    if isinstance(value, list):
        return [_without(one, names) for one in value]
    return value


def named(value: Any, names: frozenset[str]) -> list[str]:
    """Return those of `names` that are fields of `value`, a body, at any depth; sorted."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found |= one.keys() & names
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return sorted(found)


def describe(document: dict[str, Any]) -> None:
    """Have the OpenAPI document promise no field that some role does not see."""
    names: dict[str, set[str]] = {}
    for by_tag in MASKS.values():
        for tag, hidden_there in by_tag.items():
            names.setdefault(tag, set()).update(hidden_there)
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            fields = names.get(operation.get("tags", [""])[0], set())
            for name in _reached(operation["responses"], schemas, set()) if fields else ():
                schema = schemas[name]
                if not fields.isdisjoint(schema.get("required", [])):
                    schema["required"] = [one for one in schema["required"] if one not in fields]


def _reached(value: Any, schemas: dict[str, Any], found: set[str]) -> set[str]:
    """Return the names of the schemas that `value` refers to, directly or not."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and str(value.get("$ref", "")).startswith("#/components/schemas/"):
        name = value["$ref"].rpartition("/")[2]
        if name in schemas and name not in found:
            found.add(name)
            _reached(schemas[name], schemas, found)
    for part in parts:
        _reached(part, schemas, found)
    return found
