"""Queries made at random of what the CapabilityStatement offers: right, odd and wrong ones."""

from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]
Records = dict[str, list[Json]]
"""What is there, by type."""

ODD = (
    "", " ", "\0", "\x7f", "|", "||", "$", ",", "\\", "a\\,b", "\\|", "null", "true", "0", "-1",
    "1e400", "NaN", "9" * 400, "x" * 3000, "' OR 1=1 --", "%", "%_", "../..", "urn:uuid:",
    "http://[", "//", "#a", "Patient/", "Patient/1/_history/1", "caf\xe9", "\U0001f600",
    "\u202ex", "\u0130",
    "\ufeff", "\n", "a\r\nb: c", "{}", "[]", "2026-02-30", "0000", "9999-12-31",
    "00000000-0000-0000-0000-000000000000", "A" * 64, "A" * 65,
)  # fmt: skip
_RAW = ("%ff", "%00", "%", "%zz", "+", "&", "=", "&&", "a=b=c", ";", "%c0%80", "%ed%a0%80", "?")
"""What quoting would mend, as it stands."""
_PREFIXES = ("", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "zz", "GE")
_DATES = (
    "2026", "2026-11", "2026-11-30", "2026-11-30T10:00", "2026-11-30T10:00:00Z",
    "2026-11-30T10:00:00.123-05:00", "2026-11-30T24:00:00Z", "2026-13", "2026-02-29", "0001",
    "9999", "9999-12-31T23:59:59.999-14:00", "0001-01-01T00:00:00+14:00", "1e3", "now",
    "2026-11-30T23:59:60Z", "10000", "26",
)  # fmt: skip
_NUMBERS = ("0", "100", "1e2", "-5.40", "1e-9", "1e400", "1e-400", "0x1", ".5", "5.", "+1", "NaN")
_MODIFIERS = (
    "missing", "exact", "contains", "text", "not", "in", "not-in", "above", "below", "of-type",
    "identifier", "iterate", "Patient", "Practitioner", "Nonsense", "", "missing:missing",
)  # fmt: skip
_RESULT: dict[str, tuple[str, ...]] = {
    "_count": ("0", "1", "2", "1000", "1001", "-1", "x", "1.5", "9" * 20),
    "_total": ("none", "estimate", "accurate", "all"),
    "_summary": ("true", "text", "data", "count", "false", "some"),
    "_elements": ("id", "status,subject", "nonsense", "", "id,,id"),
    "_pretty": ("true", "false", "yes"),
    "_format": ("json", "application/fhir+json", "application/fhir json", "xml", "text/html", ""),
    "_cursor": ("a", "", "eyJ9", "A" * 300, "\0"),
    "_contained": ("true",),
    "_query": ("x",),
    "_filter": ("name eq x",),
    "_since": ("2026-11-30T10:00:00Z", "2026", "x"),
    "_at": ("2026-11-30T10:00:00Z", "2026", "x"),
}


def leaves(value: Any) -> Iterator[Any]:
    """Yield every text and number of a resource."""
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


class Asking:
    """What is asked of the types of `statement`, among `records`, by throws of `dice`."""

    def __init__(self, dice: Random, statement: Json, records: Records) -> None:
        self.dice = dice
        self.records = records
        resources = statement["rest"][0]["resource"]
        self.types: dict[str, Json] = {one["type"]: one for one in resources}
        self.cursors: list[str] = []

    def some(self, *choices: Any) -> Any:
        return self.dice.choice(choices)

    def is_rare(self, share: float = 0.1) -> bool:
        return self.dice.random() < share

    def type(self) -> str:
        """Return a type; mostly one that is served."""
        if self.is_rare(0.02):
            return str(self.some("Basic", "patient", "Nonsense", "metadata", "_history", "$x", " "))
        return self.dice.choice(list(self.types))

    def record(self, name: str) -> Json | None:
        found = self.records.get(name)
        return self.dice.choice(found) if found else None

    def id(self, name: str) -> str:
        """Return an id of a type; mostly one that is there."""
        record = None if self.is_rare() else self.record(name)
        return str(record["id"]) if record else quote(self.dice.choice(ODD), safe="")

    def leaf(self, name: str) -> str:
        """Return a text that stands in a record of a type."""
        record = self.record(name)
        found = list(leaves(record)) if record else []
        return str(self.dice.choice(found)) if found else "x"

    def reference(self) -> str:
        name = self.type()
        one = f"{name}/{self.id(name)}"
        return str(
            self.some(one, one, self.id(name), f"http://clinic.test/fhir/{one}",
                      f"{one}/_history/1", "urn:uuid:1", f"#{name}", "http://example.org/Patient/1")
        )  # fmt: skip

    def value(self, name: str, kind: str) -> str:
        """Return a value for a parameter of a kind."""
        if self.is_rare():
            return self.dice.choice(ODD)
        leaf = self.leaf(name)
        if kind == "date":
            return self.dice.choice(_PREFIXES) + self.dice.choice(_DATES)
        if kind in {"number", "quantity"}:
            unit = self.some("", "|http://unitsofmeasure.org|mg", "||mg", "|", "|a|b|c")
            number = self.dice.choice(_PREFIXES) + self.dice.choice(_NUMBERS)
            return number + (unit if kind == "quantity" else "")
        if kind == "reference":
            return self.reference()
        system = self.some("urn:x", "http://loinc.org", leaf)
        forms = {
            "token": (leaf, f"{system}|{leaf}", f"|{leaf}", f"{system}|", f"{system}|a|{leaf}"),
            "composite": (f"{leaf}$gt5", "8480-6$gt100||mm[Hg]", "$", "a$b$c"),
        }
        return str(self.some(*forms.get(kind, (leaf, leaf[: self.dice.randint(1, 12)]))))

    def _parameter(self, name: str) -> tuple[str, str] | None:
        """Return a search parameter of a type, and its kind."""
        known = self.types.get(name, {}).get("searchParam")
        if not known:
            return None
        one = self.dice.choice(known)
        return one["name"], one["type"]

    def filter(self, name: str) -> tuple[str, str]:
        """Return a parameter and its value: plain, changed, chained or turned round."""
        found = self._parameter(name) or ("_id", "token")
        said, kind = found
        of = name
        if kind == "reference" and self.is_rare(0.3):  # chained
            of = self.some("Patient", "Practitioner", self.type())
            inner = self._parameter(of) or ("name", "string")
            typed = f":{of}" if self.is_rare(0.5) else ""
            said, kind = f"{said}{typed}.{inner[0]}", inner[1]
        elif self.is_rare(0.08):
            said, of, kind = self._turned(name)
        if self.is_rare(0.3):
            said += f":{self.dice.choice(_MODIFIERS)}"
            if said.endswith("missing") and self.is_rare(0.8):
                return said, self.some("true", "false")
        values = [self.value(of, kind) for _ in range(self.some(1, 1, 1, 2, 3))]
        return said, ",".join(values)

    def _turned(self, name: str) -> tuple[str, str, str]:
        """Return `_has` of a type that may refer to this one."""
        led = self.types.get(name, {}).get("searchRevInclude")
        other, _, by = (self.dice.choice(led) if led else "Appointment:patient").partition(":")
        inner = self._parameter(other) or ("_id", "token")
        return f"_has:{other}:{by}:{inner[0]}", other, inner[1]

    def result(self, name: str) -> tuple[str, str]:
        """Return a parameter of the result itself."""
        served = self.types.get(name, {})
        if self.is_rare(0.4):
            which = self.some("searchInclude", "searchRevInclude")
            said = "_include" if which == "searchInclude" else "_revinclude"
            value = self.dice.choice(served.get(which) or [f"{name}:nonsense", "*", "a"])
            if self.is_rare(0.3):
                value += self.some(":Patient", ":", ":Nonsense:x")
            return said + self.some("", "", ":iterate", ":recurse"), value
        if self.is_rare(0.3):
            names = [(self._parameter(name) or ("_id", ""))[0] for _ in range(self.some(1, 1, 2))]
            return "_sort", ",".join(self.some("", "-", "--") + one for one in names)
        said = self.dice.choice(list(_RESULT))
        return said, self.dice.choice(_RESULT[said])

    def query(self, name: str) -> str:
        """Return a query, as it stands in an address or a form."""
        filters = [self.filter(name) for _ in range(self.some(0, 1, 1, 1, 2, 3))]
        pairs = filters + [self.result(name) for _ in range(self.some(0, 0, 1, 1, 2))]
        if self.is_rare(0.03):
            pairs += self.dice.choices(pairs or [("a", "b")], k=40)
        parts = [f"{quote(one, safe=':.')}={quote(value, safe='')}" for one, value in pairs]
        if self.is_rare(0.05):
            parts.append(self.dice.choice(_RAW))
        return "&".join(parts)
