"""Whether a body is a valid resource of R4: quickly yes, or everything that is wrong with it.

The quick way decodes the bytes into a Struct that is dropped; what the Struct is not sure about is
walked through. Both end with the body as a dict, in which every number with a point or an exponent
is a Decimal with the digits that were sent: 1.50 stays 1.50, and `wire.dumps` writes it so.
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
_DEEP = f"The body is nested more than {MAX_DEPTH} deep."
_NO_JSON = "The body is not JSON that can be read."
_MOST_DIGITS = 40


def _short_decimal(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS or "e" in text.lower():
        raise UnsureError  # the walk looks how far it goes
    return Decimal(text)


_ANYTHING = msgspec.json.Decoder(float_hook=Decimal)
_SHORT = msgspec.json.Decoder(float_hook=_short_decimal)


class _Head(msgspec.Struct, gc=False):
    resource_type: str = msgspec.field(name="resourceType")


_HEAD = msgspec.json.Decoder(_Head)


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
    if type_name in resource_types() and _is_surely_valid(type_name, raw, nested=nested):
        try:
            found: dict[str, Any] = _SHORT.decode(raw)
        except (msgspec.MsgspecError, UnsureError):
            pass
        else:
            return found
    return _walked(type_name, raw, nested=nested)


def _is_surely_valid(type_name: str, raw: bytes | msgspec.Raw, *, nested: bool) -> bool:
    """Whether the Struct says so; False means that it is not sure."""
    body = bytes(raw)
    if _has_marks(body):
        return False
    # In what a Struct takes no array is in another, so that few objects cannot be deep. A Bundle's
    # Struct has no circles.
    if body.count(b"{") >= _FEW_OBJECTS and type_name != "Bundle" and _is_deep(body):
        return False
    try:
        struct = structs.decoder(type_name, _checks).decode(body)
    except (msgspec.MsgspecError, RecursionError):  # a Struct's own check is one of the former
        return False
    if not nested:
        return True
    if type_name == "Bundle":
        return all(_entry(each) for each in struct.entry or ())
    return type_name != "Parameters" or _parameters(struct.parameter or ())


def _has_marks(body: bytes) -> bool:
    """Whether there is an empty object, a local reference or a control character in the bytes."""
    # One byte is found sooner than two, and LOINC's names are full of [#/volume].
    if b"#" in body and b'"#' in body:
        return True
    if _EMPTY.search(body) is not None:
        return True
    return b"\\" in body and _ESCAPED.search(body) is not None


def _entry(entry: Any) -> bool:
    if entry.resource is not None and not _any(entry.resource):
        return False
    response = entry.response
    return response is None or response.outcome is None or _any(response.outcome)


def _parameters(parameters: Sequence[Any]) -> bool:
    return all(
        (each.resource is None or _any(each.resource)) and _parameters(each.part or ())
        for each in parameters
    )


def _any(raw: msgspec.Raw) -> bool:
    try:
        name = _HEAD.decode(raw).resource_type
    except msgspec.MsgspecError:
        return False
    # A Bundle in a Bundle is rare, and could go on: it is walked to, where depth is counted.
    known = name in resource_types() and name != "Bundle"
    return known and _is_surely_valid(name, raw, nested=True)


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
