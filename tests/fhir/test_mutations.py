"""Every example is broken at every place: each mistake is found, and found where it is."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.fhir import validation
from chroniccare.fhir.definitions.table import Property, Type, type_of
from chroniccare.fhir.validation_issues import InvalidResourceError
from tests.fhir import generated
from tests.fhir.examples_records import EXAMPLES

Json = dict[str, Any]
Place = tuple[Json, Type, str]
"""An object, its type, and its FHIRPath."""


def places(value: Json, type_: Type, path: str) -> Iterator[Place]:
    """Yield every object of a resource."""
    yield value, type_, path
    for name, member in value.items():
        each = type_.properties.get(name)
        if each is None or each.primitive:
            continue
        for number, one in enumerate(member if each.many else [member]):
            where = f"{path}.{each.step}" + (f"[{number}]" if each.many else "")
            inner = one["resourceType"] if each.type == "Resource" else each.type
            yield from places(one, type_of(inner), where)


def required(place: Place) -> list[Property]:
    value, type_, _ = place
    return [
        each
        for each in map(type_.properties.get, value)
        if each is not None and each.element in type_.required
    ]


def first(each: Property) -> str:
    return f"{each.step}[0]" if each.many else each.step


def remove_required(place: Place, dice: random.Random) -> str | None:
    value, _, path = place
    found = required(place)
    if not found:
        return None
    each = dice.choice(found)
    del value[each.name]
    return f"{path}.{each.element}"


def add_unknown(place: Place, dice: random.Random) -> str | None:
    value, _, path = place
    name = dice.choice(["colour", "resource_type", "Name", "valueNonsense", "_colour"])
    value[name] = 1
    return f"{path}.{name}" if "_" not in name[1:] else path


def change_type(place: Place, dice: random.Random) -> str | None:
    value, type_, path = place
    each = dice.choice([each for name in value if (each := type_.properties.get(name))])
    wrong: Any = {"number": 1} if each.primitive else 7
    value[each.name] = [wrong] if each.many else wrong
    return f"{path}.{first(each)}"


def make_scalar_or_array(place: Place, dice: random.Random) -> str | None:
    value, type_, path = place
    each = dice.choice([each for name in value if (each := type_.properties.get(name))])
    value[each.name] = value[each.name][0] if each.many else [value[each.name]]
    return f"{path}.{each.step}"


def empty_array(place: Place, dice: random.Random) -> str | None:
    value, type_, path = place
    found = [each for name in value if (each := type_.properties.get(name)) and each.many]
    if not found:
        return None
    each = dice.choice(found)
    value[each.name] = []
    return f"{path}.{each.step}"


def put_null(place: Place, dice: random.Random) -> str | None:
    value, type_, path = place
    each = dice.choice([each for name in value if (each := type_.properties.get(name))])
    value[each.name] = [None] if each.many else None
    return f"{path}.{first(each)}"


def break_code(place: Place, dice: random.Random) -> str | None:
    value, type_, path = place
    found = [each for name in value if (each := type_.properties.get(name)) and each.codes]
    if not found:
        return None
    each = dice.choice(found)
    wrong: Any = "no-such-code" if each.primitive else {"text": "no-such-code"}
    value[each.name] = [wrong] if each.many else wrong
    return f"{path}.{first(each)}"


_WRONG: dict[str, list[Any]] = {
    "date": ["2023-02-29", "23-01-01", "2023-1-1", "2023-01-01T10:00:00Z", "0000"],
    "dateTime": ["2023-04-31", "2023-01-01T10:00:00", "2023-01-01T24:00:00Z", "now"],
    "instant": [
        "2023-01-01",
        "2023-01-01T10:00:00",
        "2023-01-01 10:00:00Z",
        "2023-13-01T10:00:00Z",
    ],
    "time": ["24:00:00", "9:00:00", "09:00"],
    "id": ["a b", "a/b", "x" * 65, ""],
    "uri": ["a b", "", "\n"],
    "url": ["a b", ""],
    "canonical": ["a b", ""],
    "code": [" a", "a ", "a  b", ""],
    "string": ["", "a\x00b", "a\x1fb"],
    "markdown": ["", "\x08"],
    "base64Binary": ["a", "====="],
    "positiveInt": [0, -1, 1.5, 2**31],
    "unsignedInt": [-1, 0.5, 2**31],
    "integer": [1.5, 2**31, -(2**31) - 1],
    "boolean": ["true", 0, 1],
    "decimal": ["1.5", True],
}


def break_primitive(place: Place, dice: random.Random) -> str | None:
    value, type_, path = place
    found = [each for name in value if (each := type_.properties.get(name)) and each.type in _WRONG]
    if not found:
        return None
    each = dice.choice(found)
    wrong = dice.choice(_WRONG[each.type])
    value[each.name] = [wrong] if each.many else wrong
    return f"{path}.{first(each)}"


MUTATIONS: list[Callable[[Place, random.Random], str | None]] = [
    remove_required,
    add_unknown,
    change_type,
    make_scalar_or_array,
    empty_array,
    put_null,
    break_code,
    break_primitive,
]


@given(st.sampled_from(sorted(EXAMPLES)), st.sampled_from(MUTATIONS), st.integers(0, 2**32))
def test_each_mistake_is_found_where_it_is(
    name: str, mutate: Callable[[Place, random.Random], str | None], seed: int
) -> None:
    dice = generated.thrown(seed)
    resource = copy.deepcopy(EXAMPLES[name])
    every = list(places(resource, type_of(name), name))
    dice.shuffle(every)
    for place in every:
        expected = mutate(place, dice)
        if expected is not None:
            break
    else:
        return  # nothing of the kind in this example
    body = orjson.dumps(resource)
    assert validation._quickly(name, body, nested=True) is None
    with pytest.raises(InvalidResourceError) as caught:
        validation.parse(name, body)
    assert expected in [each.expression for each in caught.value.issues]
