"""What R4 says of each type: its elements as they stand in JSON, read from a file at first use.

`tools/fhir_definitions.py` writes `data/r4.json`. A type is a resource (`Patient`), a data type
(`Period`) or the path of a backbone element (`Patient.contact`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

_FILE = Path(__file__).parents[1] / "data" / "r4.json"

PRIMITIVES = frozenset({
    "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant",
    "integer", "markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url",
    "uuid", "xhtml",
})  # fmt: skip
ANY_RESOURCE = "Resource"
"""The type of `contained`, `Bundle.entry.resource` and the like."""


@dataclass(frozen=True, slots=True)
class Property:
    """One member that a JSON object of the type may have.

    Attributes:
        name: the member's name: `valueQuantity`, `birthDate`, `_birthDate`.
        element: the element's name in the definitions: `value`, `birthDate`.
        step: how FHIRPath goes there: `value.ofType(Quantity)`, `birthDate`.
        type: the type of one value; `Element` behind `_birthDate`.
        many: whether the values stand in an array.
        codes: the codes of the required binding; None for any. Of a CodeableConcept `system|code`,
            of which one must be among its codings.
        targets: the types that a reference may point to; empty for any.
    """

    name: str
    element: str
    step: str
    type: str
    many: bool
    codes: frozenset[str] | None = None
    targets: tuple[str, ...] = ()

    @property
    def primitive(self) -> bool:
        """Whether the value is a string, a number or a boolean."""
        return self.type in PRIMITIVES


@dataclass(frozen=True, slots=True)
class Type:
    """A type as JSON has it.

    Attributes:
        name: `Patient`, `Period`, `Patient.contact`.
        resource: whether objects of it carry `resourceType`.
        properties: by the member's name.
        elements: element -> the names that may stand for it, of which at most one may be there
            (a primitive's `_name` counts as the same).
        required: the elements of which one must be there.
        rules: keys of the invariants that hold for an object of the type.
        element_rules: element -> keys of the invariants of that element here.
    """

    name: str
    resource: bool
    properties: dict[str, Property]
    elements: dict[str, tuple[str, ...]]
    required: frozenset[str]
    rules: tuple[str, ...]
    element_rules: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Rule:
    """An invariant as the definitions have it.

    Attributes:
        severity: `error` or `warning`.
        human: the sentence for people.
        expression: the same in FHIRPath.
    """

    severity: str
    human: str
    expression: str


@cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = orjson.loads(_FILE.read_bytes())
    return tables


@cache
def rules() -> dict[str, Rule]:
    """Return every invariant of R4 by its key."""
    return {key: Rule(*parts) for key, parts in _tables()["rules"].items()}


@cache
def codes(value_set: str) -> frozenset[str]:
    """Return the codes of a value set that some element must be taken from."""
    return frozenset(_tables()["codes"][value_set])


@cache
def resource_types() -> frozenset[str]:
    """Return the names of the resources of R4."""
    return frozenset(name for name, each in _tables()["types"].items() if each["resource"])


@cache
def type_of(name: str) -> Type:
    """Return the type of this name.

    Raises:
        KeyError: R4 has no such type.
    """
    entry = _tables()["types"][name]
    properties = {each.name: each for line in entry["elements"] for each in _properties(line)}
    elements: dict[str, tuple[str, ...]] = {}
    for each in properties.values():
        if not each.name.startswith("_"):
            elements[each.element] = (*elements.get(each.element, ()), each.name)
    return Type(
        name,
        entry["resource"],
        properties,
        elements,
        frozenset(_bare(line[0]) for line in entry["elements"] if line[2]),
        tuple(entry["rules"]),
        {_bare(key): tuple(keys) for key, keys in entry.get("element_rules", {}).items()},
    )


def _bare(name: str) -> str:
    return name.removesuffix("[x]")


def _properties(line: list[Any]) -> Iterator[Property]:
    name, types, _minimum, many, *rest = line
    extra = rest[0] if rest else None
    element, kinds = _bare(name), types.split(" ")
    listed = codes(extra) if isinstance(extra, str) else None
    for kind in kinds:
        bare = kind.endswith("!")  # FHIRPath's own string, which nothing can extend
        outer, _, inner = kind.removesuffix("!").partition(":")
        json, step = element, element
        if name.endswith("[x]"):
            json, step = f"{element}{outer[0].upper()}{outer[1:]}", f"{element}.ofType({outer})"
        targets = tuple(extra) if isinstance(extra, list) and outer == "Reference" else ()
        yield Property(json, element, step, inner or outer, bool(many), listed, targets)
        # XHTML has attributes of its own, and takes no extension.
        if outer in PRIMITIVES and not bare and outer != "xhtml":
            yield Property(f"_{json}", element, step, "Element", bool(many))
