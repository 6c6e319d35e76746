"""The primitive types of R4: which JSON value each is, and the pattern that its text must have.

Stricter than the patterns of the specification in one thing: a date must exist (no 30 February).
"""

import re
from dataclasses import dataclass

MAX_INTEGER = 2_147_483_647

_YEAR = r"(?!0000)[0-9]{4}"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = (
    rf"(?:{_YEAR}-(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    rf"|{_YEAR}-(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|{_YEAR}-02-(?:0[1-9]|1[0-9]|2[0-8])"
    rf"|(?!0000){_LEAP}-02-29)"
)
_MONTH = rf"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_HEX = "[0-9a-f]"
ASCII = "[!-~]+"
"""What most addresses and codes match."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """How a primitive stands in JSON.

    Attributes:
        json: the type of the value: str, int, float or bool.
        pattern: what the whole text matches; None for any text but the empty one.
        least: the smallest number.
        usual: what most texts that match the pattern also match, and sooner.
        what: what it must be, in words, for whoever sent something else.
    """

    json: type
    what: str
    pattern: str | None = None
    least: int | None = None
    usual: str | None = None


PRIMITIVES = {
    "base64Binary": Primitive(
        str, "base64", r"\s*(?:[0-9A-Za-z+/]{4}\s*)*(?:[0-9A-Za-z+/=]{4}\s*)"
    ),
    "boolean": Primitive(bool, "true or false"),
    "canonical": Primitive(str, "an address without blanks", r"\S+", usual=ASCII),
    "code": Primitive(str, "a code without outer or double blanks", r"\S+(?:\s\S+)*", usual=ASCII),
    "date": Primitive(str, "a date that exists: YYYY, YYYY-MM or YYYY-MM-DD", f"{_DAY}|{_MONTH}"),
    "dateTime": Primitive(
        str,
        "a date that exists, or one with a time and a zone",
        f"{_DAY}(?:T{_TIME}{_ZONE})?|{_MONTH}",
    ),
    "decimal": Primitive(float, "a number"),
    "id": Primitive(str, "1 to 64 letters, digits, - and .", r"[A-Za-z0-9.\-]{1,64}"),
    "instant": Primitive(
        str, "a date that exists with a time and a zone", f"{_DAY}T{_TIME}{_ZONE}"
    ),
    "integer": Primitive(int, "a whole number of 32 bits", least=-MAX_INTEGER - 1),
    "markdown": Primitive(str, "text"),
    "oid": Primitive(str, "urn:oid: and numbers", r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"),
    "positiveInt": Primitive(int, "a whole number from 1", least=1),
    "string": Primitive(str, "text"),
    "time": Primitive(str, "a time of day: hh:mm:ss", _TIME),
    "unsignedInt": Primitive(int, "a whole number from 0", least=0),
    "uri": Primitive(str, "an address without blanks", r"\S+", usual=ASCII),
    "url": Primitive(str, "an address without blanks", r"\S+", usual=ASCII),
    "uuid": Primitive(
        str, "urn:uuid: and a UUID", f"urn:uuid:{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}"
    ),
    "xhtml": Primitive(str, "XHTML"),
}

COMPILED = {
    name: re.compile(each.pattern) for name, each in PRIMITIVES.items() if each.pattern is not None
}
