"""FHIRPath Patch on paper: a Parameters resource whose operations name elements by simple paths.

A path is made of elements, `[2]`, `first()`, `last()`, `ofType(X)` and `where(a.b = 'x' and ...)`;
that is what addresses one element, and needs no engine (https://hl7.org/fhir/R4/fhirpatch.html).
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from chroniccare.core.errors import Invalid, Unprocessable
from chroniccare.fhir.definitions.table import ANY_RESOURCE, Property, type_of
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.patching import same

_NAME = r"[A-Za-z][A-Za-z0-9]*"
_VALUE = r"'(?:[^'\\]|\\.)*'|true|false|-?[0-9]+(?:\.[0-9]+)?"
_TEST = rf"{_NAME}(?:\.{_NAME})*\s*=\s*(?:{_VALUE})"
_STEP = re.compile(
    rf"\.?(?:where\(\s*(?P<where>{_TEST}(?:\s+and\s+{_TEST})*)\s*\)"
    rf"|ofType\((?P<type>{_NAME})\)|(?P<end>first|last)\(\)"
    rf"|\[(?P<index>[0-9]{{1,9}})\]|(?P<name>{_NAME}))"
)
_EACH_TEST = re.compile(rf"(?P<path>{_NAME}(?:\.{_NAME})*)\s*=\s*(?P<value>{_VALUE})")
_OPERATIONS = {
    "add": {"path", "name", "value"}, "insert": {"path", "index", "value"}, "delete": {"path"},
    "replace": {"path", "value"}, "move": {"path", "source", "destination"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a resource.

    Attributes:
        owner: the object that has the element.
        name: of the member there.
        index: in the member's array; None: it is none.
        type: of the value, as the definitions name it.
    """

    owner: dict[str, Any]
    name: str
    index: int | None
    type: str
    value: Any


def patched(document: Resource, parameters: Resource) -> Resource:
    """Return `document`, which is changed, as the operations of `parameters` leave it.

    Raises:
        Invalid: they are no FHIRPath Patch, or a path is none that is understood here.
        Unprocessable: a path leads to no element, or to several, or to one that cannot be changed
            like that.
    """
    for number, one in enumerate(parameters.get("parameter", [])):
        place = f"Parameters.parameter[{number}]"
        if one.get("name") != "operation":
            raise Invalid.field(f"{place}.name", "must be operation", "value")
        parts = {part["name"]: part for part in one.get("part", [])}
        operation = _plain(parts.pop("type", {}))
        if operation not in _OPERATIONS:
            raise Invalid.field(f"{place}.part", "names no operation of FHIRPath Patch", "value")
        if parts.keys() != _OPERATIONS[operation] or len(parts) + 1 != len(one["part"]):
            needed = ", ".join(sorted(_OPERATIONS[operation]))
            raise Invalid.field(f"{place}.part", f"of {operation} are {needed}", "structure")
        path = str(_plain(parts["path"]))
        _do(document, operation, path, parts, place)
    return document


def _do(
    document: Resource, operation: str, path: str, parts: dict[str, Resource], place: str
) -> None:
    if operation == "add":
        _add(_one(document, path, place), parts, place)
    elif operation == "replace":
        _replace(_one(document, path, place), parts["value"], place)
    elif operation == "delete":
        if found := nodes(document, path, place):
            _only(found, place)
            _delete(found[0], place)
    elif operation == "insert":
        values = _array(nodes(document, path, place), place)
        made, _ = _made(parts["value"], nodes(document, path, place)[0].type, place)
        values.insert(_number(parts["index"], len(values), place), made)
    else:
        values = _array(nodes(document, path, place), place)
        source = _number(parts["source"], len(values) - 1, place)
        values.insert(_number(parts["destination"], len(values) - 1, place), values.pop(source))


def _plain(part: Resource) -> Any:
    """Return the value of a part that is a primitive."""
    return next((value for name, value in part.items() if name.startswith("value")), None)


def _number(part: Resource, most: int, place: str) -> int:
    value = _plain(part)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Unprocessable.field(f"{place}.part", "is an index that is not there", "value")
    return value


def nodes(document: Resource, path: str, place: str) -> list[Node]:
    """Return what a path leads to.

    Raises:
        Invalid: it is no such path.
    """
    kind = document["resourceType"]
    found = [Node({"": document}, "", None, kind, document)]
    head = re.match(rf"{_NAME}", path)
    if head is None or head[0] != kind:
        raise Invalid.field(f"{place}.part", f"must begin with {kind}", "value")
    at = head.end()
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None or (step["index"] is None) != path.startswith(".", at):
            raise Invalid.field(f"{place}.part", "is no path that is understood here", "value")
        found = _stepped(found, step)
        at = step.end()
    return found


def _stepped(found: list[Node], step: re.Match[str]) -> list[Node]:
    if step["where"] is not None:
        tests = list(_EACH_TEST.finditer(step["where"]))
        return [one for one in found if all(_holds(one, test) for test in tests)]
    if step["type"] is not None:
        return [one for one in found if one.type == step["type"]]
    if step["end"] is not None:
        return found[:1] if step["end"] == "first" else found[-1:]
    if step["index"] is not None:
        return found[int(step["index"]) :][:1]
    return [child for one in found for child in _children(one, step["name"])]


def _holds(node: Node, test: re.Match[str]) -> bool:
    found = [node]
    for name in test["path"].split("."):
        found = [child for one in found for child in _children(one, name)]
    text = test["value"]
    wanted: Any = text == "true"
    if text.startswith("'"):
        wanted = re.sub(r"\\(.)", r"\1", text[1:-1])
    elif text not in {"true", "false"}:
        wanted = float(text)
    return len(found) == 1 and same(found[0].value, wanted)


def _properties(node: Node) -> dict[str, Property]:
    name = node.type
    if name == ANY_RESOURCE and isinstance(node.value, dict):
        name = node.value.get("resourceType", "")
    try:
        return type_of(name).properties
    except KeyError:  # a primitive
        return {}


def _children(node: Node, name: str) -> Iterator[Node]:
    if not isinstance(node.value, dict):
        return
    for one in _properties(node).values():
        if one.element != name or one.name.startswith("_") or one.name not in node.value:
            continue
        value = node.value[one.name]
        if isinstance(value, list):
            for index, each in enumerate(value):
                yield Node(node.value, one.name, index, one.type, each)
        else:
            yield Node(node.value, one.name, None, one.type, value)


def _only(found: list[Node], place: str) -> None:
    if len(found) != 1:
        reason = "leads to no element" if not found else "leads to several elements"
        raise Unprocessable.field(f"{place}.part", reason, "not-found")


def _one(document: Resource, path: str, place: str) -> Node:
    found = nodes(document, path, place)
    _only(found, place)
    return found[0]


def _array(found: list[Node], place: str) -> list[Any]:
    """Return the array that a path without an index leads to."""
    if not found or any(one.owner is not found[0].owner or one.index is None for one in found):
        raise Unprocessable.field(f"{place}.part", "leads to no list", "not-found")
    _no_twin(found[0].owner, found[0].name, place)
    values: list[Any] = found[0].owner[found[0].name]
    return values


def _no_twin(owner: dict[str, Any], name: str, place: str) -> None:
    """Check that no second array holds the ids and extensions of these values."""
    if isinstance(owner.get(f"_{name}"), list):
        raise Unprocessable.field(
            f"{place}.part", "has extensions: use JSON Patch", "not-supported"
        )


def _member(node: Node, name: str, part: Resource, place: str) -> Property:
    """Return the member that an element becomes, by the type of the value if there is a choice."""
    able = [
        one for one in _properties(node).values()
        if one.element == name and not one.name.startswith("_")
    ]  # fmt: skip
    if not able:
        raise Unprocessable.field(f"{place}.part", "names no element of this type", "structure")
    given = next((key for key in part if key.startswith("value")), "")
    for one in able:
        if len(able) == 1 or one.name == name + given.removeprefix("value"):
            return one
    raise Unprocessable.field(f"{place}.part", "is of no type that the element takes", "value")


def _made(part: Resource, kind: str, place: str) -> tuple[Any, str]:
    """Return the value of a part, and the member that it came in."""
    for key, value in part.items():
        if key.startswith("value") or key == "resource":
            return deepcopy(value), key  # a patch may be done twice
    made: dict[str, Any] = {}
    inside = Node({}, "", None, kind, made)
    for each in part.get("part", []):
        _add(inside, {"name": {"valueString": each["name"]}, "value": each}, place)
    if not made:
        raise Invalid.field(f"{place}.part", "has no value", "required")
    return made, ""


def _add(node: Node, parts: dict[str, Resource], place: str) -> None:
    if not isinstance(node.value, dict):
        raise Unprocessable.field(f"{place}.part", "leads to a simple value", "structure")
    name = str(_plain(parts["name"]))
    one = _member(node, name, parts["value"], place)
    value, _ = _made(parts["value"], one.type, place)
    if one.many:
        _no_twin(node.value, one.name, place)
        node.value.setdefault(one.name, []).append(value)
    elif any(_children(node, name)):
        raise Unprocessable.field(f"{place}.part", "is there already: replace it", "duplicate")
    else:
        node.value[one.name] = value


def _replace(node: Node, part: Resource, place: str) -> None:
    value, _ = _made(part, node.type, place)
    if not node.name:
        raise Unprocessable.field(f"{place}.part", "is the whole: use PUT", "structure")
    if node.index is not None:
        node.owner[node.name][node.index] = value
    else:
        node.owner[node.name] = value


def _delete(node: Node, place: str) -> None:
    if not node.name:
        raise Unprocessable.field(f"{place}.part", "is the whole: use DELETE", "structure")
    if node.index is None:
        node.owner.pop(f"_{node.name}", None)
        del node.owner[node.name]
        return
    _no_twin(node.owner, node.name, place)
    del node.owner[node.name][node.index]
    if not node.owner[node.name]:
        del node.owner[node.name]
