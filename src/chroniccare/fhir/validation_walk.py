"""The slow way through a resource: collects everything that is wrong, and knows the rare things.

It runs when the Struct of the type has refused, and decides: what it finds nothing in is valid.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chroniccare.fhir.definitions.primitives import COMPILED, MAX_INTEGER, PRIMITIVES
from chroniccare.fhir.definitions.table import (
    ANY_RESOURCE,
    Property,
    Type,
    resource_types,
    rules,
    type_of,
)
from chroniccare.fhir.invariants import RULES
from chroniccare.fhir.invariants_contained import Local, breaks
from chroniccare.fhir.invariants_view import View
from chroniccare.fhir.validation_issues import Issues

MAX_DEPTH = 64
"""Objects within objects; the front refuses JSON that is nested over 32 deep already."""
MAX_DIGITS = 40
"""Of a decimal; R4 asks for 18 at least."""

_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}\Z")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_LARGEST = 308
_WHOLE = 2**63
"""A number without a point is kept as one of 64 bits."""
_ADDRESSES = frozenset({"canonical", "uri", "url"})


class Walk:
    """One walk through one resource."""

    def __init__(self, *, nested: bool) -> None:
        """Begin; `nested` says whether the resources of a Bundle or Parameters are entered."""
        self.issues = Issues()
        self.nested = nested
        self.locals: list[Local] = []

    def resource(
        self, value: Any, path: str, expected: str | None = None, *, depth: int = 0
    ) -> None:
        """Walk a resource; `expected` is its type, None for any.

        Raises:
            TooManyIssuesError: the list is full.
        """
        if not isinstance(value, dict):
            self.issues.add("structure", path, "must be an object")
            return
        name = value.get("resourceType")
        if name is None:
            self.issues.add("required", f"{path}.resourceType", "is missing")
        elif expected is not None and name != expected:
            self.issues.add("value", f"{path}.resourceType", f"must be {expected}")
        elif not isinstance(name, str) or name not in resource_types():
            self.issues.add("not-supported", f"{path}.resourceType", "is no resource type of R4")
        else:
            self.object(value, type_of(name), path, depth=depth)

    def root(self, value: Any, path: str, expected: str | None = None) -> None:
        """Walk a resource that is contained in none, then what holds for it as a whole."""
        outer, self.locals = self.locals, []
        before = len(self.issues)
        self.resource(value, path, expected)
        if len(self.issues) == before:
            for key, where in breaks(value, path, self.locals):
                self._broken(key, where)
        self.locals = outer

    def _broken(self, key: str, where: str) -> None:
        self.issues.add("invariant", where, rules()[key].human, key.partition(":")[0])

    def object(self, value: Any, type_: Type, path: str, *, depth: int) -> None:
        """Walk an object of a type."""
        if not isinstance(value, dict):
            self.issues.add("structure", path, "must be an object")
            return
        if depth > MAX_DEPTH:
            self.issues.add("too-long", path, f"is nested more than {MAX_DEPTH} deep")
            return
        before = len(self.issues)
        for name, member in value.items():
            each = type_.properties.get(name)
            if each is not None:
                self._member(value, each, member, f"{path}.{each.step}", depth)
            elif not (type_.resource and name == "resourceType"):
                where = f"{path}.{name}" if _NAME.match(name) else path
                self.issues.add("structure", where, f"is no element of {type_.name}")
        self._presence(value, type_, path)
        if not value:
            self._broken("ele-1", path)
        if len(self.issues) == before:
            self._rules(value, type_, path)

    def _presence(self, value: Mapping[str, Any], type_: Type, path: str) -> None:
        for element, names in type_.elements.items():
            if len(names) == 1 and element not in type_.required:
                continue
            there = sum(name in value or f"_{name}" in value for name in names)
            if there > 1:
                self.issues.add("structure", f"{path}.{element}", "may be given in one type only")
            elif not there and element in type_.required:
                self.issues.add("required", f"{path}.{element}", "is missing")

    def _rules(self, value: dict[str, Any], type_: Type, path: str) -> None:
        view = View(value)
        for key in type_.rules:
            rule = RULES.get(key)
            if rule is not None and not rule(view):
                self._broken(key, path)
        for element, keys in type_.element_rules.items():
            for key in keys:
                rule = RULES.get(key)
                for number, one in enumerate(view.all(element)):
                    if rule is not None and not rule(one):
                        many = isinstance(value.get(element), list)
                        where = f"{path}.{element}" + (f"[{number}]" if many else "")
                        self._broken(key, where)

    def _member(
        self, owner: Mapping[str, Any], each: Property, member: Any, path: str, depth: int
    ) -> None:
        if each.many:
            self._array(owner, each, member, path, depth)
        elif isinstance(member, list):
            self.issues.add("structure", path, "must be one value, not an array")
        else:
            self._value(each, member, path, depth)

    def _array(
        self, owner: Mapping[str, Any], each: Property, member: Any, path: str, depth: int
    ) -> None:
        if not isinstance(member, list):
            self.issues.add("structure", path, "must be an array")
        elif not member:
            self.issues.add("structure", path, "must not be an empty array")
        else:
            other = owner.get(each.name[1:] if each.name.startswith("_") else f"_{each.name}")
            paired = other if isinstance(other, list) else []
            for number, one in enumerate(member):
                beside = paired[number] if number < len(paired) else None
                if one is None and beside is not None and self._pairs(each):
                    continue  # what stands beside it in the other array is the element
                self._value(each, one, f"{path}[{number}]", depth)

    def _pairs(self, each: Property) -> bool:
        return each.primitive or each.name.startswith("_")

    def _value(self, each: Property, value: Any, path: str, depth: int) -> None:
        if value is None:
            self.issues.add("structure", path, "must not be null")
        elif each.primitive:
            wrong = wrong_primitive(each, value)
            if wrong is not None:
                self.issues.add(wrong[0], path, wrong[1])
            elif isinstance(value, str) and value.startswith("#"):
                self._note_local(each, value[1:], path)
        elif each.type != ANY_RESOURCE:
            before = len(self.issues)
            self.object(value, type_of(each.type), path, depth=depth + 1)
            if each.codes is not None and len(self.issues) == before:
                self._bound(each.codes, value, path)
        elif each.name == "contained":
            self.resource(value, path, depth=depth + 1)
        elif self.nested:
            self.root(value, path)

    def _bound(self, codes: frozenset[str], concept: dict[str, Any], path: str) -> None:
        codings = concept.get("coding", [])
        if not codings and "extension" in concept and "text" not in concept:
            return  # it says why there is no code
        if not any(f"{each.get('system')}|{each.get('code')}" in codes for each in codings):
            self.issues.add("code-invalid", path, "must have a code of the required value set")

    def _note_local(self, each: Property, target: str, path: str) -> None:
        is_reference = each.type == "string" and each.name == "reference"
        if is_reference or each.type in _ADDRESSES:
            self.locals.append(Local(target, path, is_reference))


def wrong_primitive(each: Property, value: Any) -> tuple[str, str] | None:
    """Return what is wrong with a primitive value, as a code and words; None if it is right."""
    primitive = PRIMITIVES[each.type]
    if primitive.json is str:
        return _wrong_text(each, value)
    if primitive.json is bool:
        return None if isinstance(value, bool) else ("structure", "must be true or false")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return "structure", f"must be {primitive.what}"
    if primitive.json is float:
        return None if _is_fair(value) else ("value", "has too many digits")
    least = primitive.least or 0
    if not isinstance(value, int) or not least <= value <= MAX_INTEGER:
        return "value", f"must be {primitive.what}"
    return None


def _wrong_text(each: Property, value: Any) -> tuple[str, str] | None:
    what = PRIMITIVES[each.type].what
    if not isinstance(value, str):
        return "structure", f"must be a string: {what}"
    if not value:
        return "value", "must not be empty"
    if _CONTROL.search(value):
        return "value", "must not hold control characters"
    if each.codes is not None and value not in each.codes:
        return "code-invalid", _listed(each.codes)
    pattern = COMPILED.get(each.type)
    if pattern is not None and not pattern.fullmatch(value):
        return "value", f"must be {what}"
    return None


def _listed(codes: frozenset[str]) -> str:
    if len(codes) > 20:  # noqa: PLR2004  a list to be read
        return "is not a code of the required value set"
    return "must be one of " + ", ".join(sorted(codes))


def _is_fair(value: float | Decimal) -> bool:
    """Whether a number can be kept: by PostgreSQL, and by a double."""
    if isinstance(value, int | float):
        return abs(value) < _WHOLE
    return len(value.as_tuple().digits) <= MAX_DIGITS and abs(value.adjusted()) <= _LARGEST
