"""What a kick-off asks for: parameters of Bulk Data Access 2.0, and of its later POST form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Forbidden, Invalid
from chroniccare.fhir import asking, conditions, dates
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.parameters import Asked
from chroniccare.fhir.registry import KINDS, opened
from chroniccare.fhir.values import split

FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})
SCOPE = "privacy:read"
"""What keys need beside what reads the types: an export is everything about everybody."""
_CALLERS = frozenset({"api_key", "smart_client"})
_NEXT = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
_KNOWN = frozenset({"_outputFormat", "_since", "_until", "_type", "_typeFilter"})
_MOST_FILTERS = 50
Pairs = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Wanted:
    """What is exported: types in order; of each, what its records must match one of.

    Attributes:
        named: patients that the caller names, as references.
        patients: ids of those whose records are exported; None: of all.
    """

    types: list[str]
    since: str | None = None
    until: str | None = None
    filters: dict[str, list[str]] = field(default_factory=dict)
    request: str = ""
    named: list[str] = field(default_factory=list)
    patients: list[str] | None = None

    def document(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "types": self.types, "since": self.since, "until": self.until,
            "filters": self.filters, "request": self.request, "patients": self.patients,
        }  # fmt: skip


def compartment() -> list[str]:
    """Return the types whose records are a patient's."""
    return [
        name for name, kind in KINDS.items() if name == "Patient" or "patient" in kind.parameters
    ]


def read(caller: Caller, pairs: Pairs, *, of_patients: bool, lenient: bool) -> Wanted:
    """Return what the caller asks for and may have.

    Raises:
        Invalid: something is not known here; everything is named.
        Forbidden: not all of what is named, or nothing.
    """
    wrong: list[FieldError] = []
    able = compartment() if of_patients else list(KINDS)
    found = Wanted([])
    for name, value in pairs:
        known = _KNOWN | {"patient"} if of_patients else _KNOWN
        reason = _take(found, able, name, value) if name in known else "is not known here"
        if name not in known and lenient:
            continue
        if reason is not None:
            wrong.append(FieldError(name, reason, "not-supported"))
    if wrong:
        raise Invalid(details=wrong)
    found.types = list(dict.fromkeys(found.types)) or _allowed(caller, able)
    check_types(caller, found.types)
    stray = [one for one in found.filters if one not in found.types]
    if stray:
        raise Invalid.field("_typeFilter", f"is of {stray[0]}, which is not exported", "value")
    return found


def _take(found: Wanted, able: Sequence[str], name: str, value: str) -> str | None:
    """Take one parameter; return what is wrong with it."""
    match name:
        case "_outputFormat":
            if value.replace(" ", "+") not in FORMATS:
                return "must be application/fhir+ndjson"
        case "_since" | "_until":
            moment = value.replace(" ", "+")
            span = None if moment[:1].isalpha() else dates.parse(moment)
            if span is None or span.offset is None:
                return "must be an instant with its offset, such as 2026-11-30T09:00:00Z"
            setattr(found, name[1:], moment)
        case "_type":
            listed = split(value)
            if not listed or set(listed) - set(able):
                return f"must be among {', '.join(able)}"
            found.types += listed
        case "_typeFilter":
            return _filters(found, able, value)
        case "patient":
            found.named.append(value)
    return None


def _filters(found: Wanted, able: Sequence[str], value: str) -> str | None:
    for one in _NEXT.split(value):
        name, mark, query = one.partition("?")
        if not mark or name not in able:
            return "must be a search such as Patient?gender=female"
        try:
            ask = asking.read(KINDS[name], KINDS, asking.pairs_of(query), strict=True)
        except Invalid as error:
            return "; ".join(f"{each.field} {each.reason}" for each in error.details)
        if not (ask.filters and asking.is_plain(ask)):
            return "takes parameters of the type itself: no chain, include, sort or page"
        found.filters.setdefault(name, []).append(query)
    if sum(map(len, found.filters.values())) > _MOST_FILTERS:
        return f"are over {_MOST_FILTERS}"
    return None


def _allowed(caller: Caller, able: Sequence[str]) -> list[str]:
    found = []
    for one in able:
        try:
            _check(caller, one)
        except Forbidden:
            continue
        found.append(one)
    if not found:
        raise Forbidden
    return found


def check_caller(caller: Caller) -> None:
    """Check that the caller is a program that may export at all.

    Raises:
        Forbidden: it is a person, or a key without the scope.
    """
    if caller.actor_type not in _CALLERS or caller.actor_id is None:
        raise Forbidden
    if not caller.smart_scopes and SCOPE not in caller.scopes:
        raise Forbidden


def check_types(caller: Caller, names: Sequence[str]) -> None:
    """Check that the caller may read all there is of these types.

    Raises:
        Forbidden: not all.
    """
    for one in names:
        _check(caller, one)


def _check(caller: Caller, name: str) -> None:
    for letter in "rs":
        if opened(caller, KINDS[name], letter):
            raise Forbidden  # some records only: an export is of all


def narrowed(
    caller: Caller, kind: Kind, document: dict[str, Any], asked: Asked, *, began: datetime
) -> list[str]:
    """Return the conditions of a stored request for one type."""
    limits = [("_lastUpdated", f"{prefix}{document[name]}")
              for name, prefix in (("since", "ge"), ("until", "le")) if document[name]]  # fmt: skip
    found = _conditions(caller, kind, limits, asked)
    patients = document.get("patients")
    if patients is not None:
        found.append(conditions.of_patients(kind, patients, asked))
    if kind.grows:  # else its own pages would make the next ones
        found.append(f"{kind.grows} <= {asked.put(began, 'timestamptz')}")
    either = [
        " AND ".join(_conditions(caller, kind, asking.pairs_of(query), asked))
        for query in document["filters"].get(kind.name, [])
    ]
    if either:
        found.append("(" + " OR ".join(f"({one})" for one in either) + ")")
    return found


def _conditions(caller: Caller, kind: Kind, pairs: Pairs, asked: Asked) -> list[str]:
    ask = asking.read(kind, KINDS, pairs, strict=True)
    return conditions.conditions(caller, kind, ask.filters, asked)
