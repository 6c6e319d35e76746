"""What looks at a new Struct: the things that a type of msgspec cannot say.

A look runs for each object of a resource, so each is one plain function that raises: a call more,
or a generator, would cost as much as the question.
"""

import keyword
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from msgspec.structs import astuple

from chroniccare.fhir.definitions.primitives import ASCII
from chroniccare.fhir.definitions.table import Property, Type

Check = Callable[[Any], bool]
Look = Callable[[Any], None]


RECURRING = {"Coding": ("system", "code"), "Extension": ("url",), "Identifier": ("system",)}
"""Members whose texts are the same ones again and again, so that their pattern is asked once."""
_ASCII = re.compile(ASCII)


class UnsureError(ValueError):
    """The Struct cannot say: the walk must."""


@lru_cache(maxsize=4096)
def _is_usual(text: str | None) -> bool:
    """Whether a text is there and matches what most addresses and codes do, or is not there."""
    return text is None or _ASCII.fullmatch(text) is not None


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
        *_recurring(type_),
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


def _recurring(type_: Type) -> Iterator[Look]:
    """Yield the look at recurring texts; the one at an extension's is part of `_extension`."""

    def coding(struct: Any) -> None:
        if not (_is_usual(struct.system) and _is_usual(struct.code)):
            raise UnsureError

    def identifier(struct: Any) -> None:
        if not _is_usual(struct.system):
            raise UnsureError

    if type_.name in {"Coding", "Identifier"}:
        yield coding if type_.name == "Coding" else identifier


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
        yield _extension(len(properties)) if type_.name == "Extension" else _one_of_each(spans)


def _one_of_each(spans: list[tuple[slice, set[int]]]) -> Look:
    def look(struct: Any) -> None:
        values = astuple(struct)
        for span, allowed in spans:
            if values[span].count(None) not in allowed:
                raise UnsureError

    return look


def _extension(size: int) -> Look:
    """Return the look at an extension: one value, or extensions in its place (ext-1).

    So of its members there are the address, one more, and perhaps an id.
    """
    nothing = size - 2

    def look(struct: Any) -> None:
        missing = astuple(struct).count(None) + (struct.id is not None)
        if missing != nothing or not _is_usual(struct.url):
            raise UnsureError

    return look
