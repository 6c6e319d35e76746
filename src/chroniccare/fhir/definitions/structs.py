"""Structs of msgspec, made of the table when a type is first met, and their decoders.

A Struct accepts what is surely right. Whoever is refused goes through the walk
(`validation_walk.py`), which also knows the rare things that are right all the same: `null` beside
an extension in an array, a required value that only has an extension, contained resources. So a
Struct may be stricter than R4, never more lenient. Nothing keeps one: it is decoded and dropped.
"""

import keyword
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import astuple

from chroniccare.fhir.definitions import made
from chroniccare.fhir.definitions.primitives import MAX_INTEGER, PRIMITIVES
from chroniccare.fhir.definitions.table import ANY_RESOURCE, Property, Type, type_of

Check = Callable[[Any], bool]

_COMMON_IN_EXTENSIONS = frozenset({
    "boolean", "code", "date", "dateTime", "decimal", "instant", "integer", "positiveInt", "string",
    "unsignedInt", "uri", "url", "CodeableConcept", "Coding", "Identifier", "Period", "Quantity",
    "Reference",
})  # fmt: skip
"""The others would triple what must be made before the first Patient is read."""


_FAR = 1e15


class UnsureError(ValueError):
    """The Struct cannot say: the walk must."""


@cache
def decoder(name: str, checks: Callable[[str], Sequence[Check]]) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type.

    Args:
        name: of the type.
        checks: what must be true of an object of a type; called once for each type.
    """
    _make(name, checks)
    return msgspec.json.Decoder(getattr(made, _identifier(name)))


def _identifier(name: str) -> str:
    return name.replace(".", "_")


def attribute(name: str) -> str:
    """Return the attribute for a member: `class_` for `class`, which Python keeps for itself."""
    return f"{name}_" if keyword.iskeyword(name) else name


def _make(name: str, checks: Callable[[str], Sequence[Check]]) -> None:
    if hasattr(made, _identifier(name)):
        return
    setattr(made, _identifier(name), None)  # now being made: circles end here
    type_ = type_of(name)
    properties = [each for each in type_.properties.values() if _is_common(type_, each)]
    fields: list[Any] = []
    if type_.resource:
        fields.append(("resourceType", Literal[name]))
    for each in properties:
        if not each.primitive and each.type != ANY_RESOURCE:
            _make(each.type, checks)
        field = (attribute(each.name), _annotation(each))
        # A choice has other members that may stand for it.
        alone = each.element in type_.required and len(type_.elements[each.element]) == 1
        fields.append(field if alone and not each.name.startswith("_") else (*field, None))
    look = _post_init(type_, properties, checks(name))
    struct = msgspec.defstruct(
        _identifier(name),
        fields,
        module=made.__name__,
        namespace={"__post_init__": look} if look else None,
        rename={attribute(each.name): each.name for each in properties},
        forbid_unknown_fields=True,
        kw_only=True,
        eq=False,
        gc=False,
    )
    setattr(made, _identifier(name), struct)


def _is_common(type_: Type, each: Property) -> bool:
    """Whether the Struct has the member; what comes with another one goes through the walk."""
    if each.type == ANY_RESOURCE:
        return each.name != "contained"
    if len(type_.elements[each.element]) == 1:
        return True
    if each.name.startswith("_"):
        return False
    return type_.name != "Extension" or each.type in _COMMON_IN_EXTENSIONS


def _annotation(each: Property) -> Any:
    if each.primitive:
        primitive = _primitive(each.type, each.codes)
        return Annotated[list[primitive], made.AT_LEAST_ONE] if each.many else primitive  # type: ignore[valid-type]  # made at run time
    one = "msgspec.Raw" if each.type == ANY_RESOURCE else _identifier(each.type)
    return f"Annotated[list[{one}], AT_LEAST_ONE]" if each.many else one


@cache
def _primitive(name: str, codes: frozenset[str] | None) -> Any:
    if codes is not None:
        return Literal[tuple(sorted(codes))]
    primitive = PRIMITIVES[name]
    if primitive.json is int:
        return Annotated[int, msgspec.Meta(ge=primitive.least, le=MAX_INTEGER)]
    if primitive.json is float:
        return Annotated[float, msgspec.Meta(ge=-_FAR, le=_FAR)]
    if primitive.json is not str:
        return primitive.json
    if primitive.pattern is None:
        return Annotated[str, msgspec.Meta(min_length=1)]
    pattern = primitive.usual or primitive.pattern
    return Annotated[str, msgspec.Meta(pattern=rf"^(?:{pattern})\Z")]


def _post_init(
    type_: Type, properties: Sequence[Property], checks: Sequence[Check]
) -> Callable[[Any], None] | None:
    """Return what looks at a new Struct: its choices, then `checks`; None if there is nothing."""
    every = [*_choices(type_, properties), *checks]
    if not every:
        return None
    if len(every) == 1:
        only = every[0]

        def look_once(struct: Any) -> None:
            if not only(struct):
                raise UnsureError

        return look_once

    def look(struct: Any) -> None:
        for check in every:
            if not check(struct):
                raise UnsureError

    return look


def _choices(type_: Type, properties: Sequence[Property]) -> list[Check]:
    """Return the check that of each choice at most one member is there, or exactly one.

    The members of a choice stand together, so a slice of the values holds them all.
    """
    start = int(type_.resource)
    spans = []
    for element, members in type_.elements.items():
        places = [start + i for i, each in enumerate(properties) if each.element == element]
        if len(members) > 1:
            size = len(places)
            allowed = {size - 1} if element in type_.required else {size - 1, size}
            spans.append((slice(places[0], places[-1] + 1), allowed))
    if not spans:
        return []
    (first, allowed), rest = spans[0], spans[1:]
    if type_.name == "Extension":
        return [_extension(first)]

    def one(struct: Any) -> bool:
        return astuple(struct)[first].count(None) in allowed

    def several(struct: Any) -> bool:
        values = astuple(struct)
        for span, allowed in spans:  # noqa: SIM110  a generator costs as much as the counting
            if values[span].count(None) not in allowed:
                return False
        return True

    return [several if rest else one]


def _extension(span: slice) -> Check:
    """Return the check of an extension: one value, or extensions in its place (ext-1)."""
    size = span.stop - span.start

    def one(struct: Any) -> bool:
        given: int = size - astuple(struct)[span].count(None)
        return given == int(struct.extension is None)

    return one
