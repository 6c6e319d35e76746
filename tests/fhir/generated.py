"""Resources made at random of the definitions: right in structure, whatever the rules say."""

import random
from typing import Any

from chroniccare.fhir.definitions.table import Property, Type, resource_types, type_of

Json = dict[str, Any]

_TEXTS = {
    "base64Binary": ["aGVsbG8=", "aGVsbG8h"],
    "canonical": ["http://example.org/a|1.0", "urn:x"],
    "code": ["a", "two words", "x-1"],
    "date": ["2024-02-29", "2026-11", "1961", "2000-02-29"],
    "dateTime": ["2026", "2026-03", "2026-03-08", "2026-03-08T09:00:00.123-06:00"],
    "id": ["a", "x.1-b", "9" * 64],
    "instant": ["2026-03-08T09:00:00Z", "2026-12-31T23:59:60+14:00"],
    "markdown": ["*text*", "two\nlines", "\N{GREEK SMALL LETTER ALPHA}"],
    "oid": ["urn:oid:1.2.840.0"],
    "string": ["text", " x ", "\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{GRINNING FACE}", '"\\/'],
    "time": ["23:59:59", "00:00:00.5"],
    "uri": ["http://example.org", "urn:oid:1.2", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"],
    "url": ["https://example.org/a?b=c"],
    "uuid": ["urn:uuid:0f3a7a4e-5c2b-4c7e-9d2b-0a1b2c3d4e5f"],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div>'],
}
_NUMBERS: dict[str, list[Any]] = {
    "boolean": [True, False],
    "decimal": [0, 1.5, -2, 1e10, 0.001],
    "integer": [0, -5, 2**31 - 1],
    "positiveInt": [1, 2**31 - 1],
    "unsignedInt": [0, 7],
}


def thrown(seed: int) -> random.Random:
    """Return the dice of a seed: Hypothesis draws it, and would rather not draw every throw."""
    return random.Random(seed)  # noqa: S311  no secret


def resource(name: str, dice: random.Random, share: float) -> Json:
    """Return a resource of a type; `share` of what may be there is."""
    made = _object(type_of(name), dice, share, 0)
    return {"resourceType": name, **made}


def _object(type_: Type, dice: random.Random, share: float, depth: int) -> Json:
    made: Json = {}
    for element, names in type_.elements.items():
        wanted = dice.random() < share / (1 + depth)
        if element in type_.required or wanted:
            each = type_.properties[dice.choice(names)]
            made[each.name] = _member(each, dice, share, depth)
            beside = type_.properties.get(f"_{each.name}")
            if beside is not None and not each.many and dice.random() < share / 10:
                made[beside.name] = {"id": "x"}
    if not made:
        made["id"] = "x"
    return made


def _member(each: Property, dice: random.Random, share: float, depth: int) -> Any:
    if not each.many:
        return _value(each, dice, share, depth)
    return [_value(each, dice, share, depth) for _ in range(dice.choice([1, 1, 2]))]


def _value(each: Property, dice: random.Random, share: float, depth: int) -> Any:
    if each.codes is not None:
        code = dice.choice(sorted(each.codes))
        if each.primitive:
            return code
        system, _, code = code.rpartition("|")
        return {"coding": [{"code": "x"}, {"system": system, "code": code}]}
    if each.primitive:
        return dice.choice(_TEXTS.get(each.type) or _NUMBERS[each.type])
    small = 0.0 if depth > 3 else share
    if each.type == "Resource":
        name = dice.choice(["Basic", "Patient", "Slot"] if depth else sorted(resource_types()))
        return {"resourceType": name, **_object(type_of(name), dice, small, depth + 1)}
    return _object(type_of(each.type), dice, small, depth + 1)
