"""Structs of msgspec, made of the table when a type is first met.

A Struct accepts what is surely right. Whoever is refused goes through the walk
(`validation_walk.py`), which also knows the rare things that are right all the same: `null` beside
an extension in an array, a required value that only has an extension, contained resources. So a
Struct may be stricter than R4, never more lenient. Nothing keeps one: it is made and dropped.
"""

from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock
from typing import Annotated, Any, Literal

import msgspec

from chroniccare.fhir.definitions import made
from chroniccare.fhir.definitions.looks import RECURRING, Check, attribute, look_of
from chroniccare.fhir.definitions.primitives import MAX_INTEGER, PRIMITIVES
from chroniccare.fhir.definitions.table import ANY_RESOURCE, Property, Type, type_of

_COMMON_IN_EXTENSIONS = frozenset({
    "boolean", "code", "date", "dateTime", "decimal", "instant", "integer", "positiveInt", "string",
    "unsignedInt", "uri", "url", "CodeableConcept", "Coding", "Identifier", "Period", "Quantity",
    "Reference",
})  # fmt: skip
"""The others would triple what must be made before the first Patient is read."""
_FAR = 1e15
"""Larger numbers are rare enough to be walked to."""
_MAKING = Lock()


@cache
def struct_of(name: str, checks: Callable[[str], Sequence[Check]]) -> Any:
    """Return the Struct of a type; what has `msgspec.Raw` in it can be decoded, not converted.

    Args:
        name: of the type.
        checks: what must be true of an object of a type; called once for each type.
    """
    with _MAKING:
        _make(name, checks)
    return getattr(made, _identifier(name))


@cache
def decoder(name: str, checks: Callable[[str], Sequence[Check]]) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type; see `struct_of`."""
    return msgspec.json.Decoder(struct_of(name, checks))


def _identifier(name: str) -> str:
    return name.replace(".", "_")


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
        is_looked_at = each.name in RECURRING.get(name, ())
        annotation = made.Short if is_looked_at else _annotation(each)
        field = (attribute(each.name), annotation)
        # A choice has other members that may stand for it.
        alone = each.element in type_.required and len(type_.elements[each.element]) == 1
        fields.append(field if alone and not each.name.startswith("_") else (*field, None))
    look = look_of(type_, properties, checks(name))
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
    """Whether the Struct has the member; what comes with another one goes through the walk.

    A Bundle's own parts have no extensions, so that its depth is known without counting.
    """
    if type_.name.startswith("Bundle") and each.type == "Extension":
        return False
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
