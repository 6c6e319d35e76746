"""SMART scopes on paper (HL7 SMART App Launch 2.2, "Scopes for requesting FHIR resources").

`system/Observation.rs?category=laboratory`: for whom, of which type, what of create, read, update,
delete and search, and which records. The first edition's `.read`, `.write` and `.*` mean `.rs`,
`.cud` and `.cruds`. A scope that is refused is never repeated in the error.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Literal
from urllib.parse import quote, unquote

from chroniccare.core.caller import Filters, SmartScope

MOST = 50
"""Scopes that are asked for, or allowed, at once."""
OF_PATIENT = "of patient"
"""Stands in filters where a record must be of the patient whose id is the value; no scope can say
it, for it holds a blank."""
PROGRAMS, PEOPLE = frozenset({"system"}), frozenset({"user", "patient"})
"""Contexts of scopes that count for a program, and for a person."""
_LONGEST = 1000
_MOST_GRANTED = 200
_LETTERS = "cruds"
_FIRST_EDITION = {"read": "rs", "write": "cud", "*": _LETTERS}
_SCOPE = re.compile(
    r"(?P<context>system|user|patient)/(?P<type>\*|[A-Z][A-Za-z]{1,63})"
    r"\.(?P<letters>c?r?u?d?s?|read|write|\*)(?:\?(?P<query>.+))?",
    re.ASCII,
)
_LIMITS = re.compile(r"(?:system|user|patient)/|(?:^|/)launch(?:/|$)", re.ASCII | re.IGNORECASE)
"""What a word of a limited token holds: some issuers put a prefix before each scope."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}", re.ASCII)
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, 3.3
_PLAIN = "|/:,.-_~$!*'()"
"""What need not be encoded in a value; `&`, `=`, `%` and what no scope may hold must be."""


class ScopeError(ValueError):
    """A scope that is none; the message says why, in words that hold nothing of it."""


def parse(text: str) -> SmartScope:
    """Return what one scope means.

    Raises:
        ScopeError: it is none.
    """
    if len(text) > _LONGEST or not _TOKEN.fullmatch(text):
        raise ScopeError(f"must be at most {_LONGEST} printable ASCII characters without blanks")
    match = _SCOPE.fullmatch(text)
    if match is None or not match["letters"]:
        raise ScopeError(
            "must be such as system/Patient.rs: system, user or patient, a type or *, and letters"
            " of cruds in this order"
        )
    letters = _FIRST_EDITION.get(match["letters"], match["letters"])
    if match["query"] is not None and match["letters"] in _FIRST_EDITION:
        raise ScopeError("takes parameters with letters of cruds only")
    found = SmartScope(match["context"], match["type"], letters, _filters(match["query"]))
    _check_length(found)
    return found


def _check_length(scope: SmartScope) -> None:
    """Refuse what could not be read again: encoded, and joined, a scope becomes longer.

    Raises:
        ScopeError: it is too long when it is `written`.
    """
    if len(written(scope)) > _LONGEST:
        raise ScopeError(f"must be at most {_LONGEST} characters with its parameters encoded")


def _filters(query: str | None) -> Filters:
    found: dict[tuple[str, str], None] = {}
    for pair in query.split("&") if query is not None else []:
        name, equals, value = pair.partition("=")
        try:
            value = unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise ScopeError("holds a parameter that is not UTF-8") from None
        if not equals or not value or not _NAME.fullmatch(name) or not value.isprintable():
            raise ScopeError("must have parameters such as category=laboratory")
        found[name, value] = None
    return tuple(sorted(found))


def parse_all(text: str) -> tuple[SmartScope, ...]:
    """Return what a list of scopes with blanks between them means; one that is said twice, once.

    Raises:
        ScopeError: one of them is none, or there are none or too many.
    """
    listed = [one for one in text.split(" ") if one]
    if not 1 <= len(listed) <= MOST:
        raise ScopeError(f"must be 1 to {MOST} scopes")
    return tuple(dict.fromkeys(map(parse, listed)))


def parsed(listed: Sequence[str]) -> tuple[SmartScope, ...]:
    """Return what scopes mean that were `written`."""
    return tuple(map(parse, listed))


def written(scope: SmartScope) -> str:
    """Return the scope as text, in letters of the second edition."""
    pairs = [f"{name}={quote(value, safe=_PLAIN)}" for name, value in scope.filters]
    query = "?" + "&".join(pairs) if pairs else ""
    return f"{scope.context}/{scope.type}.{scope.letters}{query}"


def granted(
    requested: Iterable[SmartScope], allowed: Sequence[SmartScope]
) -> tuple[SmartScope, ...]:
    """Return what is both asked for and allowed, nothing of it twice; it may be nothing.

    Where both name records, a record must be among both.

    Raises:
        ScopeError: so many combinations of parameters would be left, or so long ones, that they
            cannot be told.
    """
    found: dict[SmartScope, None] = {}
    for one in requested:
        for other in allowed:
            if (both := _both(one, other)) is not None:
                found[both] = None
        if len(found) > _MOST_GRANTED:
            raise ScopeError("has too many combinations of parameters")
    listed = list(found)
    left = tuple(
        one for one in listed if not any(other != one and _covers(other, one) for other in listed)
    )
    for one in left:
        _check_length(one)
    return left


def _both(one: SmartScope, other: SmartScope) -> SmartScope | None:
    letters = "".join(
        letter for letter in _LETTERS if letter in one.letters and letter in other.letters
    )
    types = {one.type, other.type} - {"*"}
    if one.context != other.context or not letters or len(types) > 1:
        return None
    filters = tuple(sorted({*one.filters, *other.filters}))
    return SmartScope(one.context, types.pop() if types else "*", letters, filters)


def _covers(wide: SmartScope, narrow: SmartScope) -> bool:
    return (
        wide.context == narrow.context
        and wide.type in {"*", narrow.type}
        and set(wide.letters) >= set(narrow.letters)
        and set(wide.filters) <= set(narrow.filters)
    )


def of_person(
    words: Sequence[str], patient: str | None, *, is_launched: bool = False
) -> tuple[SmartScope, ...] | None:
    """Return what scopes in a person's token leave of what the person may do; nothing: all of it.

    Those of `patient/` are of the one patient whose id the token carries. What is no scope of a
    person's, such as `openid`, is passed over. `is_launched`: the token tells a patient, whom only
    an application is given.

    Returns:
        None: the token is limited, to nothing that can be read.
    """
    said = [one for one in words if _LIMITS.search(one)]
    if len(said) > MOST:
        return None
    found: dict[SmartScope, None] = {}
    for one in said:
        try:
            scope = parse(one)
        except ScopeError:
            continue
        if scope.context not in PEOPLE:
            continue
        if scope.context == "patient":
            if patient is None:
                continue
            scope = replace(scope, filters=((OF_PATIENT, patient), *scope.filters))
        found[scope] = None
    return tuple(found) if found or not (said or is_launched) else None


def grants(
    scopes: Iterable[SmartScope], kind: str, letter: str, contexts: Collection[str] = PROGRAMS
) -> Literal["all"] | list[Filters] | None:
    """Return which records of the type `kind` the scopes open for one letter of `cruds`.

    `all`; or a list of filters, of which a record must match at least one, and of that filter every
    `(parameter, value)`, as a search would; or None: not one. Only scopes of `contexts` count.
    """
    found: list[Filters] = []
    for one in scopes:
        if one.context not in contexts or one.type not in {"*", kind} or letter not in one.letters:
            continue
        if not one.filters:
            return "all"
        if one.filters not in found:
            found.append(one.filters)
    return found or None
