"""JSON Patch (RFC 6902) on paper: from a document and operations to the document changed."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from chroniccare.core.errors import Invalid, TooLarge, Unprocessable
from chroniccare.core.wire import dumps

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_MOST_COPIED = 1 << 20
"""Bytes that all `copy` of a patch may add: each could double the document."""


class _NoPlaceError(Exception):
    """A pointer leads to nothing."""


def patched(document: Any, operations: Any) -> Any:
    """Return a copy of `document` as the operations leave it.

    Raises:
        Invalid: they are no JSON Patch.
        Unprocessable: a path leads nowhere, or a `test` does not hold.
        TooLarge: they copy more than 1 MiB.
    """
    if not isinstance(operations, list):
        raise Invalid.field("body", "must be an array of operations", "structure")
    left = _MOST_COPIED
    found = _copy(document)
    for number, one in enumerate(operations):
        place = f"body[{number}]"
        operation, path, value = _read(place, one)
        try:
            if operation in {"move", "copy"}:
                value = _at(found, value)
                if operation == "copy":
                    left -= len(dumps(value))
                    if left < 0:
                        raise TooLarge("The patch copies more than 1 MiB.")
                    value = _copy(value)
                else:
                    found = _changed(found, _pointer(place, one["from"], "from"), _remove, None)
            if operation == "test":
                if not same(_at(found, path), value):
                    raise Unprocessable.field(f"{place}.value", "is not what is there", "value")
                continue
            found = _changed(found, path, _CHANGES[operation], value)
        except _NoPlaceError:
            reason = "leads to nothing"
            raise Unprocessable.field(f"{place}.path", reason, "not-found") from None
    return found


def _read(place: str, one: Any) -> tuple[str, list[str], Any]:
    """Return operation, path, and the value, or for `move` and `copy` the path of it."""
    operation = one.get("op") if isinstance(one, dict) else None
    if not isinstance(operation, str) or operation not in {*_CHANGES, "test"}:
        raise Invalid.field(f"{place}.op", "is no operation of JSON Patch", "value")
    path = _pointer(place, one.get("path"), "path")
    if operation in {"move", "copy"}:
        source = _pointer(place, one.get("from"), "from")
        if operation == "move" and path[: len(source)] == source and path != source:
            raise Invalid.field(f"{place}.path", "is inside of what is moved", "value")
        return operation, path, source
    if operation != "remove" and "value" not in one:
        raise Invalid.field(f"{place}.value", "is needed", "required")
    return operation, path, _copy(one.get("value"))


def _pointer(place: str, text: Any, name: str) -> list[str]:
    """Return the steps of a JSON Pointer (RFC 6901)."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise Invalid.field(f"{place}.{name}", "must be a JSON Pointer", "value")
    if re.search(r"~(?![01])", text):
        raise Invalid.field(f"{place}.{name}", "must be a JSON Pointer", "value")
    return [one.replace("~1", "/").replace("~0", "~") for one in text.split("/")[1:]]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(one) for name, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value


def _at(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[_key(document, step)]
    return document


def _key(container: Any, step: str) -> Any:
    """Return the key or index of what is there."""
    if isinstance(container, dict) and step in container:
        return step
    if isinstance(container, list) and _INDEX.fullmatch(step) and int(step) < len(container):
        return int(step)
    raise _NoPlaceError


_Change = Callable[[Any, str, Any], None]


def _changed(document: Any, path: list[str], change: _Change, value: Any) -> Any:
    """Return the document after a change at the path; the whole is one as well."""
    if not path:
        return None if change is _remove else value
    change(_at(document, path[:-1]), path[-1], value)
    return document


def _add(container: Any, step: str, value: Any) -> None:
    if isinstance(container, dict):
        container[step] = value
    elif isinstance(container, list) and step == "-":
        container.append(value)
    elif isinstance(container, list) and _INDEX.fullmatch(step) and int(step) <= len(container):
        container.insert(int(step), value)
    else:
        raise _NoPlaceError


def _remove(container: Any, step: str, _value: Any) -> None:
    del container[_key(container, step)]


def _replace(container: Any, step: str, value: Any) -> None:
    container[_key(container, step)] = value


_CHANGES: dict[str, _Change] = {
    "add": _add, "remove": _remove, "replace": _replace, "move": _add, "copy": _add
}  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal: `true` is not 1, but 1 is 1.0."""
    numbers = (int, float, Decimal)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, numbers) and isinstance(other, numbers):
        return Decimal(str(one)) == Decimal(str(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)
