"""Search parameters: each turns values into a condition of SQL. No I/O, no clock.

The SQL in here are templates of constants, in which `{}` is where a placeholder goes: values only
ever travel as arguments. Conditions that decide which index is used compare with leakproof
operators (HOUSE), for row-level security switches the others off.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from chroniccare.core.text import prefix_range
from chroniccare.fhir import dates
from chroniccare.fhir.resources.common import local
from chroniccare.fhir.values import coded, whole
from chroniccare.patients.rules import fold
from chroniccare.platform.sealing import Keyring
from chroniccare.tenancy.addresses import either

LOCAL = "local:"
"""Begins the name of a system of codes that is a clinic's own, see `common.local`."""


@dataclass(slots=True)
class Asked:
    """What conditions of one search need to know, and the arguments that they gather.

    Attributes:
        now: of the transaction.
        zones: of the clinic's facilities, the usual one first.
        keys: the clinic's, for what is found by a hash.
    """

    tenant_id: UUID
    now: datetime
    zones: Sequence[ZoneInfo]
    base: str
    keys: Keyring
    arguments: list[Any] = field(default_factory=list)

    def put(self, value: Any, cast: str) -> str:
        """Add an argument and return its placeholder."""
        self.arguments.append(value)
        return f"${len(self.arguments)}::{cast}"

    def among(self, values: Sequence[Any], cast: str) -> str:
        """Return what stands behind `=`: one value, or any of several."""
        if len(values) == 1:
            return self.put(values[0], cast)
        return f"ANY({self.put(list(values), cast + '[]')})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One search parameter.

    Attributes:
        name: in the address.
        null: condition under which a record has no value; None: each has one.
        sort: expression, never NULL, and its type, by which results are sorted.
        reveals: fields of the record that it tells something of; refused where they are hidden.
    """

    name: str
    null: str | None = None
    sort: tuple[str, str] | None = None
    reveals: frozenset[str] = frozenset()

    type: ClassVar[str] = "special"
    modifiers: ClassVar[tuple[str, ...]] = ()

    def fault(self, values: list[str]) -> str | None:
        """Return what is wrong with `values`, without repeating them."""
        del values
        return None

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition that any of `values`, which have no fault, is met."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids(Parameter):
    """`_id`."""

    expression: str

    type: ClassVar[str] = "token"

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; an id of another form is nobody's."""
        del modifier
        ids = uuids(values)
        return f"{self.expression} = {asked.among(ids, 'uuid')}" if ids else "false"


def uuids(values: Sequence[str]) -> list[UUID]:
    """Return those of `values` that are UUIDs."""
    found = []
    for value in values:
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Parameter):
    """A code or a number, `system|code`, `system|`, `|code` or `code`.

    Attributes:
        match: condition; `{}` is where `= value` or `= ANY(values)` goes.
        systems: what may stand before the bar, with the condition that it adds, `{}` as above.
            Without any, the code has no system of its own.
        codes: what is stored for each code of FHIR; None: the same.
        prepare: what is stored for a value; None for what cannot be stored.
        is_sealed: it is a telephone number or an address, which are sealed and found by a hash.
    """

    match: str
    systems: tuple[str, ...] = ()
    codes: Mapping[str, tuple[Any, ...]] | None = None
    prepare: Callable[[str], str | None] | None = None
    cast: str = "text"
    is_sealed: bool = False

    type: ClassVar[str] = "token"
    modifiers: ClassVar[tuple[str, ...]] = ("not",)

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; `:not` is also met by records without a value."""
        stored: list[Any] = []
        everything = False
        for value in values:
            system, bar, code = coded(value)
            if bar and system not in {local_or(asked, one) for one in self.systems}:
                continue  # of a system, or of none, that its codes are not of
            if bar and not code:
                everything = True
            else:
                stored += self._stored(code)
        if self.is_sealed:
            stored = either(asked.keys, stored)
        if everything:
            found = f"NOT ({self.null})" if self.null else "true"
        else:
            found = self.match.format(asked.among(stored, self.cast)) if stored else "false"
        return f"({found}) IS NOT TRUE" if modifier == "not" else found

    def _stored(self, code: str) -> list[Any]:
        if self.codes is not None:
            return list(self.codes.get(code, ()))
        if self.prepare is not None:
            prepared = self.prepare(code)
            return [] if prepared is None else [prepared]
        return [code]


def local_or(asked: Asked, system: str) -> str:
    """Return the URI of a system."""
    if not system.startswith(LOCAL):
        return system
    return local(asked.tenant_id, system.removeprefix(LOCAL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers(Parameter):
    """`identifier`: numbers of several systems, each with a condition of its own.

    Attributes:
        systems: condition by system; `{}` is where `= value` or `= ANY(values)` goes.
        other: condition for systems that the record itself names; its first `{}` is the value's,
            its second the system's.
    """

    systems: Mapping[str, str]
    other: str | None = None
    cast: str = "text"

    type: ClassVar[str] = "token"

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; a number without a system is looked for in all."""
        del modifier
        by_system: dict[str, list[str]] = {}
        found: list[str] = []
        names = {local_or(asked, one): one for one in self.systems}
        for value in values:
            system, bar, number = coded(value)
            for name in [names[system]] if system in names else [] if bar else self.systems:
                by_system.setdefault(name, []).append(number)
            if self.other is not None and system not in names:
                wanted = asked.put(system, "text") if bar else "NULL::text"
                found.append(self.other.format(asked.put(number, "text"), wanted))
        for name, numbers in by_system.items():
            stored = uuids(numbers) if self.cast == "uuid" else numbers
            if stored:
                found.append(self.systems[name].format(asked.among(stored, self.cast)))
        return any_of(found)


def any_of(conditions: Sequence[str]) -> str:
    """Return the condition that one of these is met."""
    return "(" + " OR ".join(conditions) + ")" if conditions else "false"


_BLANKS = ".,;:/()&'\"-_"
"""Read as blanks in what is searched and in what is looked for."""
FOLDED = (
    r"regexp_replace(translate(regexp_replace(normalize(lower({}), NFKD), '[\u0300-\u036f]', '',"
    r""" 'g'), '.,;:/()&''"-_', '            '), ' +', ' ', 'g')"""
)
"""Text without case, accents and punctuation, as `folded` makes it."""


def folded(text: str) -> str:
    """Return `text` without case, accents and punctuation."""
    plain = "".join(
        " " if one in _BLANKS else one
        for one in unicodedata.normalize("NFKD", text.lower())
        if not unicodedata.combining(one)
    )
    return " ".join(plain.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Parameter):
    """A string: what it begins with, without case and accents; `:exact`; `:contains`.

    Attributes:
        expressions: of the columns, of which one must match.
        narrow: condition that an index serves and that each word of a value meets; its two `{}`
            are the ends of the range of what begins with the word.
    """

    expressions: tuple[str, ...]
    narrow: str | None = None
    by_word: bool = False

    type: ClassVar[str] = "string"
    modifiers: ClassVar[tuple[str, ...]] = ("exact", "contains")

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition."""
        return any_of([self._one(asked, modifier, value) for value in values])

    def _one(self, asked: Asked, modifier: str | None, value: str) -> str:
        if modifier == "exact":
            place = asked.put(whole(value), "text")
            return any_of([f"{one} = {place}" for one in self.expressions])
        plain = folded(whole(value))
        if not plain:
            return "false"
        if modifier == "contains":
            place = asked.put(plain, "text")
            return any_of(
                [f"strpos({FOLDED.format(one)}, {place}) > 0" for one in self.expressions]
            )
        if self.narrow is None:
            return self._begins(asked, plain)
        narrowed = [
            self.narrow.format(*(asked.put(end, "text") for end in prefix_range(word)))
            for word in fold(value)
        ]
        if not self.by_word or not narrowed:
            narrowed.append(self._begins(asked, plain))
        return "(" + " AND ".join(narrowed) + ")"

    def _begins(self, asked: Asked, plain: str) -> str:
        place = asked.put(plain, "text")
        return any_of(
            [
                f"({FOLDED.format(one)} ^@ {place} OR strpos({FOLDED.format(one)}, ' ' || {place})"
                " > 0)"
                for one in self.expressions
            ]
        )


_COMPARE = {
    "eq": "({0} >= {1} AND {0} < {2})",
    "ne": "({0} < {1} OR {0} >= {2})",
    "gt": "{0} >= {2}",
    "sa": "{0} >= {2}",
    "ge": "{0} >= {1}",
    "lt": "{0} < {1}",
    "eb": "{0} < {1}",
    "le": "{0} < {2}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Date(Parameter):
    """A day, or an instant.

    Attributes:
        cast: `date` or `timestamptz`.
        placed: condition that the record belongs to a zone; `{}` is where its name goes. Without
            one a value without an offset is read in the clinic's usual zone.
    """

    expression: str
    cast: str = "timestamptz"
    placed: str | None = None

    type: ClassVar[str] = "date"

    def fault(self, values: list[str]) -> str | None:
        """Return that a value is no date."""
        if all(map(dates.parse, values)):
            return None
        return "must be a date such as ge2026-03-01"

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition."""
        del modifier
        return any_of([self._one(asked, span) for span in map(dates.parse, values) if span])

    def _one(self, asked: Asked, span: dates.Span) -> str:
        if span.prefix == "ap":
            span = dates.approximately(span, asked.now)
        if self.cast == "date":
            last = (span.high - timedelta(microseconds=1)).date()  # of a time: its whole day
            return self._compared(asked, span.prefix, span.low.date(), last + timedelta(days=1))
        zones = asked.zones if span.offset is None and self.placed is not None else asked.zones[:1]
        found = []
        for zone in zones:
            one = self._compared(asked, span.prefix, *dates.instants(span, zone))
            if len(zones) > 1 and self.placed is not None:
                one = f"({one} AND {self.placed.format(asked.put(zone.key, 'text'))})"
            found.append(one)
        return any_of(found)

    def _compared(self, asked: Asked, prefix: str, low: Any, high: Any) -> str:
        template = _COMPARE[prefix]
        first = asked.put(low, self.cast) if "{1}" in template else ""
        last = asked.put(high, self.cast) if "{2}" in template else ""
        return template.format(self.expression, first, last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference(Parameter):
    """A reference.

    Attributes:
        targets: by type of the target, the condition; `{}` is where `= id`, `= ANY(ids)` or
            `IN (...)` goes.
    """

    targets: Mapping[str, str]

    type: ClassVar[str] = "reference"

    def fault(self, values: list[str]) -> str | None:
        """Return that a value names a type that is none of the targets."""
        for value in values:
            kind = value.rpartition("/")[0].rpartition("/")[2]
            if kind and kind not in self.targets:
                return f"refers to {' or '.join(self.targets)}"
        return None

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; `modifier` may name the type. Another server's are nobody's."""
        by_type: dict[str, list[str]] = {}
        for value in values:
            kind, _, name = value.removeprefix(asked.base + "/").rpartition("/")
            kind = kind or modifier or ""
            for target in [kind] if kind else self.targets:
                if target not in self.targets:
                    continue
                by_type.setdefault(target, []).append(name)
        found = []
        for target, names in by_type.items():
            if ids := uuids(names):
                found.append(self.targets[target].format("= " + asked.among(ids, "uuid")))
        return any_of(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Always(Parameter):
    """A code that every record has the same of, such as the intent of what was prescribed."""

    code: str

    type: ClassVar[str] = "token"
    modifiers: ClassVar[tuple[str, ...]] = ("not",)

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition."""
        del asked
        is_met = self.code in {coded(value)[2] for value in values}
        return "true" if is_met is (modifier != "not") else "false"
