"""What looks at a new Struct: the things that a type of msgspec cannot say.

A look runs for each object of a resource, so each is one plain function that raises: a call more,
or a generator, would cost as much as the question.
"""

import keyword
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import astuple

from chroniccare.fhir.definitions.table import Property, Type

Check = Callable[[Any], bool]
Look = Callable[[Any], None]


class UnsureError(ValueError):
    """The Struct cannot say: the walk must."""


def attribute(name: str) -> str:
    """Return the attribute for a member: `class_` for `class`, which Python keeps for itself."""
    return f"{name}_" if keyword.iskeyword(name) else name


def look_of(type_: Type, properties: Sequence[Property], checks: Sequence[Check]) -> Look | None:
    """Return what looks at a new Struct of a type; None if there is nothing to see.

    Args:
        type_: of the objects.
        properties: the members that the Struct has, in its order.
        checks: what must be true beside.
    """
    looks = [
        *_choices(type_, properties),
        *(_checked(_concept(each)) for each in properties if each.codes and not each.primitive),
        *map(_checked, checks),
    ]
    if len(looks) < 2:  # noqa: PLR2004  one needs no other around it
        return looks[0] if looks else None

    def look(struct: Any) -> None:
        for each in looks:
            each(struct)

    return look


def _checked(check: Check) -> Look:
    def look(struct: Any) -> None:
        if not check(struct):
            raise UnsureError

    return look


def _concept(each: Property) -> Check:
    """Return the check that a concept has a code of the value set that it is bound to."""
    name, codes, many = attribute(each.name), each.codes or (), each.many

    def bound(struct: Any) -> bool:
        value = getattr(struct, name)
        values = () if value is None else value if many else (value,)
        return all(
            any(f"{each.system}|{each.code}" in codes for each in concept.coding or ())
            for concept in values
        )

    return bound


def _choices(type_: Type, properties: Sequence[Property]) -> Iterator[Look]:
    """Yield the look at choices: of each at most one member is there, or exactly one.

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
    if spans:
        yield _extension(spans[0][0]) if type_.name == "Extension" else _one_of_each(spans)


def _one_of_each(spans: list[tuple[slice, set[int]]]) -> Look:
    def look(struct: Any) -> None:
        values = astuple(struct)
        for span, allowed in spans:
            if values[span].count(None) not in allowed:
                raise UnsureError

    return look


def _extension(span: slice) -> Look:
    """Return the look at an extension: one value, or extensions in its place (ext-1)."""
    size = span.stop - span.start

    def look(struct: Any) -> None:
        given = size - astuple(struct)[span].count(None)
        if given != (struct.extension is None):
            raise UnsureError

    return look
