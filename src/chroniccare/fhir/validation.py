"""Whether a body is a valid resource of R4: quickly yes, or everything that is wrong with it.

The body is read once, as a dict, in which every number with a point or an exponent is a Decimal
with the digits that were sent: 1.50 stays 1.50, and `wire.dumps` writes it so. The quick way makes
a Struct of that and drops it; what the Struct is not sure about is walked through.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from chroniccare.core.wire import dumps
from chroniccare.fhir import validation_us_core
from chroniccare.fhir.definitions import structs
from chroniccare.fhir.definitions.looks import Check, UnsureError
from chroniccare.fhir.definitions.table import resource_types, type_of
from chroniccare.fhir.invariants import RULES
from chroniccare.fhir.validation_issues import (
    InvalidResourceError,
    Issue,
    Issues,
    ProfileError,
    TooManyIssuesError,
)
from chroniccare.fhir.validation_narrative import is_fit
from chroniccare.fhir.validation_walk import Walk

_ESCAPED = re.compile(rb"\\(?:u00[0-2]|[bf])")
"""A control character, or the # of a local reference."""
_EMPTY = re.compile(rb"\{\s*\}")
_TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
MAX_DEPTH = 64
"""Arrays and objects in one another; of a request's body fewer are taken already."""
_FEW_OBJECTS = MAX_DEPTH // 2
_WITH_OTHERS = frozenset({"Bundle", "Parameters"})
"""Types that hold other resources."""
_DEEP = f"The body is nested more than {MAX_DEPTH} deep."
_NO_JSON = "The body is not JSON that can be read."
_MOST_DIGITS = 40


def _short_decimal(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS or "e" in text.lower():
        raise UnsureError  # the walk looks how far it goes
    return Decimal(text)


_ANYTHING = msgspec.json.Decoder(float_hook=Decimal)
_SHORT = msgspec.json.Decoder(float_hook=_short_decimal)


def parse(
    type_name: str,
    body: bytes | dict[str, Any],
    *,
    nested: bool = True,
    us_core: bool = False,
) -> dict[str, Any]:
    """Return a valid resource as a dict.

    Args:
        type_name: `Patient` and so on: the type that it must have.
        body: JSON as it came, or a dict (which is written and read again).
        nested: whether the resources within a Bundle or Parameters must be valid as well; a batch
            looks at each entry itself.
        us_core: whether the resource must also conform to US Core 7; not what it contains or
            bundles.

    Raises:
        InvalidResourceError: with every issue.
        ProfileError: it is valid, but against US Core, with every issue.
    """
    raw = body if isinstance(body, bytes) else _written(type_name, body)
    found = _valid(type_name, raw, nested=nested)
    if us_core:
        issues = Issues()
        with suppress(TooManyIssuesError):
            validation_us_core.check(found, issues)
        if issues.found:
            raise ProfileError(tuple(issues.found))
    return found


def _written(type_name: str, body: dict[str, Any]) -> bytes:
    try:
        return dumps(body)
    except TypeError:  # over 254 deep; the values come from JSON
        raise _refused(type_name, "too-long", _DEEP) from None


def _is_deep(raw: bytes) -> bool:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _TOKENS.finditer(raw):
        first = match[0][0]
        depth += 1 if first in b"[{" else -1 if first in b"]}" else 0
        if depth > MAX_DEPTH:
            return True
    return False


def _refused(type_name: str, code: str, words: str) -> InvalidResourceError:
    return InvalidResourceError((Issue("fatal", code, words, type_name),))


def _valid(type_name: str, raw: bytes, *, nested: bool) -> dict[str, Any]:
    found = _quickly(type_name, raw, nested=nested)
    return _walked(type_name, raw, nested=nested) if found is None else found


def _quickly(type_name: str, raw: bytes, *, nested: bool) -> dict[str, Any] | None:
    """Return the resource if the Struct of its type says that it is valid; None: it is not sure."""
    if type_name not in resource_types() or _has_marks(raw):
        return None
    try:
        found: dict[str, Any] = _SHORT.decode(raw)
        return found if _fits(type_name, raw, found, nested=nested) else None
    except (msgspec.MsgspecError, UnsureError, RecursionError):
        return None  # a Struct's own check is one of the first


def _fits(type_name: str, raw: bytes, found: Any, *, nested: bool) -> bool:
    """Whether the Struct takes a resource, which is in the bytes.

    Raises:
        msgspec.MsgspecError: it does not.
        RecursionError: it is too deep.
    """
    # In what a Struct takes no array is in another, so that few objects cannot be deep. A Bundle's
    # Struct has no circles.
    if raw.count(b"{") >= _FEW_OBJECTS and type_name != "Bundle" and _is_deep(raw):
        return False
    if type_name not in _WITH_OTHERS:
        msgspec.convert(found, structs.struct_of(type_name, _checks))
        return True
    struct = structs.decoder(type_name, _checks).decode(raw)
    if not nested:
        return True
    if type_name == "Bundle":
        return all(map(_entry, struct.entry or (), found.get("entry", ())))
    return _parameters(struct.parameter or (), found.get("parameter", ()))


def _has_marks(body: bytes) -> bool:
    """Whether there is an empty object, a local reference or a control character in the bytes."""
    # One byte is found sooner than two, and LOINC's names are full of [#/volume].
    if b"#" in body and b'"#' in body:
        return True
    if _EMPTY.search(body) is not None:
        return True
    return b"\\" in body and _ESCAPED.search(body) is not None


def _entry(entry: Any, found: Any) -> bool:
    if entry.resource is not None and not _any(entry.resource, found["resource"]):
        return False
    response = entry.response
    return (
        response is None
        or response.outcome is None
        or _any(response.outcome, found["response"]["outcome"])
    )


def _parameters(parameters: Sequence[Any], found: Sequence[Any]) -> bool:
    return all(
        (each.resource is None or _any(each.resource, one["resource"]))
        and _parameters(each.part or (), one.get("part", ()))
        for each, one in zip(parameters, found, strict=True)
    )


def _any(raw: msgspec.Raw, found: Any) -> bool:
    name = found.get("resourceType") if isinstance(found, dict) else None
    # A Bundle in a Bundle is rare, and could go on: it is walked to, where depth is counted.
    if not isinstance(name, str) or name not in resource_types() or name == "Bundle":
        return False
    return _fits(name, bytes(raw), found, nested=True)


@cache
def _checks(type_name: str) -> tuple[Check, ...]:
    if type_name == "Extension":
        return ()  # its choice is its only rule: structs.py counts
    type_ = type_of(type_name)
    found = [RULES[key] for key in type_.rules if key in RULES]
    if type_name == "Narrative":
        return (*found, lambda narrative: is_fit(narrative.div))
    found += [
        _of_element(element, tuple(RULES[key] for key in keys if key in RULES))
        for element, keys in type_.element_rules.items()
    ]
    return tuple(found)


def _of_element(name: str, element_rules: tuple[Check, ...]) -> Check:
    def holds(struct: Any) -> bool:
        value = getattr(struct, name, None)
        values = value if isinstance(value, list) else () if value is None else (value,)
        return all(rule(each) for each in values for rule in element_rules)

    return holds


def _walked(type_name: str, raw: bytes, *, nested: bool) -> dict[str, Any]:
    if _is_deep(raw):
        raise _refused(type_name, "too-long", _DEEP)
    try:
        found: dict[str, Any] = _ANYTHING.decode(raw)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        raise _refused(type_name, "structure", _NO_JSON) from None
    walk = Walk(nested=nested)
    with suppress(TooManyIssuesError):
        walk.root(found, type_name, type_name)
    if walk.issues.found:
        raise InvalidResourceError(tuple(walk.issues.found))
    return found
