"""Search parameters of stored resources: conditions on the rows of the index. No I/O, no clock.

Each condition reads the index without a look at the resource, so that PostgreSQL may begin with
either; what decides is compared with leakproof operators (HOUSE).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf, nextafter
from typing import Any, ClassVar

from chroniccare.core.errors import Invalid
from chroniccare.core.text import prefix_range
from chroniccare.fhir import dates
from chroniccare.fhir.parameters import Asked, Parameter, Reference, any_of, folded, uuids
from chroniccare.fhir.stored.indexing import cut
from chroniccare.fhir.values import coded, typed, whole
from chroniccare.platform.sealing import Column, Keyring, as_text

_CODE = Column("fhir_index.code")
# `whose` on both sides: where the patient is given, PostgreSQL reads the index for that one alone.
_IN = "(r.whose, r.id) IN (SELECT i.whose, i.resource_id FROM fhir_index i WHERE i.path {} AND {})"
_NO = "r.id NOT IN (SELECT i.resource_id FROM fhir_index i WHERE i.path {})"
_NUMBER = re.compile(
    r"(?P<prefix>eq|ne|gt|ge|lt|le|sa|eb|ap)?(?P<number>[+-]?[0-9]{1,20}(\.[0-9]{1,20})?"
    r"(?:[eE][+-]?[0-9]{1,2})?)"
)


def blind(keys: Keyring) -> Callable[[str], str]:
    """Return what a number with a system is found by: its hash, or itself without keys."""
    return lambda value: as_text(keys.blind(_CODE, value)) or value


def under(keys: Sequence[str]) -> str:
    """Return what stands behind `path`: names of the table of types, none of a client."""
    named = ", ".join(f"'{key}'" for key in keys)
    return f"= {named}" if len(keys) == 1 else f"IN ({named})"


def none_under(keys: Sequence[str]) -> str:
    """Return the condition that a resource has nothing under these keys."""
    return _NO.format(under(keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Parameter):
    """A parameter whose values are rows of the index.

    Attributes:
        keys: under which they are.
        has_parts: bars separate parts of a value.
    """

    keys: tuple[str, ...]

    has_parts: ClassVar[bool] = False

    def rows(self, *conditions: str) -> str:
        """Return the condition that one row meets all of `conditions`."""
        return _IN.format(under(self.keys), " AND ".join(conditions))

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition that any of `values` is met."""
        said = values if self.has_parts else list(map(whole, values))
        found = any_of([self.one(asked, modifier, value) for value in said])
        return f"({found}) IS NOT TRUE" if modifier == "not" else found

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition of one value."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken(Stored):
    """A code."""

    type: ClassVar[str] = "token"
    has_parts: ClassVar[bool] = True
    modifiers: ClassVar[tuple[str, ...]] = ("not",)

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition of `code`, `system|code`, `|code` or `system|`."""
        del modifier
        return self.rows(*token(asked, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNumber(StoredToken):
    """An identifier; `:of-type` is `system|code|number`, whose first two are of its type."""

    modifiers: ClassVar[tuple[str, ...]] = ("not", "of-type")

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition of one value.

        Raises:
            Invalid: a number with its type has not three parts.
        """
        if modifier != "of-type":
            return self.rows(*token(asked, value, is_number=True))
        found = typed(value)
        if found is None:
            raise Invalid.field(self.name, "must be like system|code|number", "value")
        kind, number = found
        rows = replace(self, keys=tuple(f"{key}:of-type" for key in self.keys))
        codes = list(dict.fromkeys([cut(number), cut(blind(asked.keys)(number))]))
        return rows.rows(
            f"i.code = {asked.among(codes, 'text')}", f"i.system = {asked.put(cut(kind), 'text')}"
        )


def token(asked: Asked, value: str, *, is_number: bool = False) -> list[str]:
    """Return the conditions on the row of a code."""
    system, bar, code = coded(value)
    found = []
    if code or not bar:
        codes = [cut(code), cut(blind(asked.keys)(code))] if is_number else [cut(code)]
        found.append(f"i.code = {asked.among(list(dict.fromkeys(codes)), 'text')}")
    if bar:
        found.append(f"i.system = {asked.put(cut(system), 'text')}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUri(Stored):
    """An address, whole."""

    type: ClassVar[str] = "uri"

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition."""
        del modifier
        return self.rows(f"i.code = {asked.put(cut(value), 'text')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredText(Stored):
    """A string: how it begins, without case and accents; `:exact`; `:contains`."""

    type: ClassVar[str] = "string"
    modifiers: ClassVar[tuple[str, ...]] = ("exact", "contains")

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition."""
        if modifier == "exact":
            exact = replace(self, keys=tuple(f"{key}:exact" for key in self.keys))
            return exact.rows(f"i.code = {asked.put(cut(value), 'text')}")
        plain = cut(folded(value))
        if not plain:
            return "false"
        if modifier == "contains":
            return self.rows(f"strpos(i.code, {asked.put(plain, 'text')}) > 0")
        low, high = prefix_range(plain)
        return self.rows(
            f"i.code >= {asked.put(low, 'text')}", f"i.code < {asked.put(high, 'text')}"
        )


# https://hl7.org/fhir/R4/search.html#prefix: {0} to {1} is said, low to high is the row's time.
_TIMES = {
    "eq": ("i.low >= {0}", "i.low < {1}", "i.high <= {1}"),
    "ne": ("NOT (i.low >= {0} AND i.high <= {1})",),
    "gt": ("i.high > {1}",),
    "lt": ("i.low < {0}",),
    "ge": ("(i.high > {1} OR (i.low >= {0} AND i.high <= {1}))",),
    "le": ("(i.low < {0} OR (i.low >= {0} AND i.high <= {1}))",),
    "sa": ("i.low >= {1}",),
    "eb": ("i.high <= {0}",),
    "ap": ("i.low < {1}", "i.high > {0}"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDate(Stored):
    """A time, which may last: without an offset read in the clinic's usual zone."""

    type: ClassVar[str] = "date"

    def fault(self, values: list[str]) -> str | None:
        """Return that a value is no date."""
        if all(map(dates.parse, values)):
            return None
        return "must be a date such as ge2026-03-01"

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition."""
        del modifier
        span = dates.parse(value)
        if span is None:
            return "false"
        templates = _TIMES[span.prefix]
        if span.prefix == "ap":
            span = dates.approximately(span, asked.now)
        ends = dates.instants(span, asked.zones[0])
        places = [
            asked.put(end, "timestamptz") if f"{{{number}}}" in "".join(templates) else ""
            for number, end in enumerate(ends)
        ]
        return self.rows(*(one.format(*places) for one in templates))


_AMOUNTS = {
    "eq": ("i.amount >= {0}", "i.amount < {1}"),
    "ne": ("(i.amount < {0} OR i.amount >= {1})",),
    "ap": ("i.amount >= {0}", "i.amount <= {1}"),
    "gt": ("i.amount > {0}",),
    "sa": ("i.amount > {0}",),
    "ge": ("i.amount >= {0}",),
    "lt": ("i.amount < {0}",),
    "eb": ("i.amount < {0}",),
    "le": ("i.amount <= {0}",),
}


def amount(asked: Asked, value: str) -> list[str]:
    """Return the conditions on the row of `[prefix]number`, `...|system|code` or `...||code`.

    5.4 means 5.35 and all below 5.45, as FHIR has it; 1 percent and more with `gt` and so on.
    """
    text, _, unit = value.partition("|")
    match = _NUMBER.fullmatch(text)
    if match is None:
        return ["false"]
    prefix, number = match["prefix"] or "eq", Decimal(match["number"])
    if prefix in {"eq", "ne"}:
        exponent = number.as_tuple().exponent
        half = Decimal(5).scaleb(int(exponent) - 1)
        ends = [number - half, number + half]
    elif prefix == "ap":
        ends = [number - abs(number) / 10, number + abs(number) / 10]
    else:
        ends = [number]
    places = [asked.put(end, "float8") for end in _apart(list(map(float, ends)))]
    found = [one.format(*places) for one in _AMOUNTS[prefix]]
    system, _, code = unit.rpartition("|")
    if code:
        found.append(f"i.unit = {asked.put(whole(code), 'text')}")
    if system:
        found.append(f"i.unit_system = {asked.put(whole(system), 'text')}")
    return found


def _apart(ends: list[float]) -> list[float]:
    """Return the ends; two that have so many digits that they became one number, a step apart."""
    if len(set(ends)) == len(ends):
        return ends
    return [ends[0], nextafter(ends[0], inf)]


def _is_amount(value: str) -> bool:
    text, _, unit = value.partition("|")
    return bool(_NUMBER.fullmatch(text)) and unit.count("|") <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAmount(Stored):
    """A number with its unit, which is compared as it was written: nothing is converted."""

    type: ClassVar[str] = "quantity"
    has_parts: ClassVar[bool] = True

    def fault(self, values: list[str]) -> str | None:
        """Return that a value is no amount."""
        if all(map(_is_amount, values)):
            return None
        return "must be an amount such as gt140, or 5.4|http://unitsofmeasure.org|mmol/L"

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition."""
        del modifier
        return self.rows(*amount(asked, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPair(Stored):
    """A code and the amount beside it, `code$amount`: of one component, if it is of components."""

    type: ClassVar[str] = "composite"
    has_parts: ClassVar[bool] = True

    def fault(self, values: list[str]) -> str | None:
        """Return that a value is no such pair."""
        for value in values:
            code, dollar, number = value.partition("$")
            if not dollar or not code or not _is_amount(number):
                return "must be a code and an amount such as 8480-6$gt140"
        return None

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition."""
        del modifier
        code, _, number = value.partition("$")
        return self.rows(*token(asked, code), *amount(asked, number))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyReference(Stored):
    """A reference to whatever there is, `Type/id` or an id: found, not chained."""

    type: ClassVar[str] = "reference"
    has_parts: ClassVar[bool] = True
    modifiers: ClassVar[tuple[str, ...]] = ("identifier",)

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition."""
        if modifier == "identifier":
            return numbered(asked, self.keys, [value])
        found = leads(asked, whole(value))
        return self.rows(*found) if found else "false"


def leads(asked: Asked, value: str) -> list[str]:
    """Return the conditions on the row of a reference; none: it leads to nobody's record."""
    kind, _, name = value.removeprefix(asked.base + "/").rpartition("/")
    ids: list[Any] = uuids([name])
    if not ids:
        return []
    found = [f"i.target = {asked.put(ids[0], 'uuid')}"]
    return [*found, f"i.system = {asked.put(kind, 'text')}"] if kind else found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCanonical(Stored):
    """A reference by address, with or without the version behind its bar."""

    type: ClassVar[str] = "reference"

    def one(self, asked: Asked, modifier: str | None, value: str) -> str:
        """Return the condition."""
        del modifier
        return self.rows(f"i.code = {asked.put(cut(value), 'text')}")


def numbered(asked: Asked, keys: tuple[str, ...], values: list[str]) -> str:
    """Return the condition that a reference has one of these identifiers beside its address."""
    under_ = under(tuple(f"{key}:identifier" for key in keys))
    each = [" AND ".join(token(asked, one, is_number=True)) for one in values]
    return any_of([_IN.format(under_, one) for one in each])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReference(Reference):
    """A reference; `:identifier` is of the number that stands in the reference itself.

    Attributes:
        keys: under which its rows are.
    """

    keys: tuple[str, ...]

    modifiers: ClassVar[tuple[str, ...]] = ("identifier",)

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition."""
        if modifier == "identifier":
            return numbered(asked, self.keys, values)
        return Reference.condition(self, asked, modifier, values)


def reference(
    name: str, keys: tuple[str, ...], targets: Sequence[str], *, leads_home: bool
) -> Reference:
    """Return the parameter of references to these types; `leads_home`: to whose it is."""
    found = {
        one: "r.whose {}"
        if leads_home and one == "Patient"
        else _IN.format(under(keys), f"i.system = '{one}' AND i.target {{}}")
        for one in targets
    }
    null = "r.patient_id IS NULL" if leads_home and list(found) == ["Patient"] else none_under(keys)
    return StoredReference(name=name, keys=keys, targets=found, null=null)
