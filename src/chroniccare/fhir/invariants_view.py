"""What the rules are written against: a Struct of msgspec, or a dict seen through `View`.

Both answer `thing.element` with None where there is nothing, so that one function serves the quick
way and the walk. A rule returns whether it holds.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import cache
from typing import Any

from msgspec.structs import astuple

Rule = Callable[[Any], bool]


UNSAID = ""
"""A primitive that has an extension in place of a value: it is there, and says nothing."""


class View:
    """A dict whose members are attributes; `class_` is the member `class`."""

    __slots__ = ("_members",)

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def __getattr__(self, name: str) -> Any:
        member = name.removesuffix("_")
        value = self._members.get(member)
        return UNSAID if value is None and f"_{member}" in self._members else _seen(value)

    def all(self, name: str) -> list[Any]:
        """Return the values of a member: none, one or those of its array."""
        value = getattr(self, name)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def names(self) -> Iterable[str]:
        """Return the members that there are."""
        return self._members.keys()


def _seen(value: Any) -> Any:
    if isinstance(value, dict):
        return View(value)
    return [_seen(each) for each in value] if isinstance(value, list) else value


@cache
def _members_of(element: str) -> re.Pattern[str]:
    return re.compile(rf"_?{element}[A-Z]")


@cache
def _span(struct: Any, element: str) -> tuple[slice, int]:
    """Return where the members of a choice stand in a Struct, and how many there are."""
    fields: tuple[str, ...] = struct.__struct_fields__
    places = [i for i, name in enumerate(fields) if _members_of(element).match(name)]
    return slice(places[0], places[-1] + 1), len(places)


def has_choice(thing: Any, element: str) -> bool:
    """Whether `element[x]` is there, in whichever type, or at least its extension."""
    if isinstance(thing, View):
        return any(map(_members_of(element).match, thing.names()))
    struct: Any = type(thing)
    span, size = _span(struct, element)
    return astuple(thing)[span].count(None) != size


def has_code(concept: Any, system: str, *codes: str) -> bool:
    """Whether a CodeableConcept has one of these codes of the system."""
    codings = (concept.coding or ()) if concept is not None else ()
    return any(each.system == system and each.code in codes for each in codings)


def exactly_one(*values: Any) -> bool:
    """Whether one of the values is there and no other."""
    return sum(value is not None for value in values) == 1


def some(*names: str) -> Rule:
    """Return the rule that at least one of the elements is there."""

    def rule(thing: Any) -> bool:
        for name in names:  # noqa: SIM110  a generator costs more than the question
            if getattr(thing, name) is not None:
                return True
        return False

    return rule


def not_both(name: str, other: str) -> Rule:
    """Return the rule that at most one of the two elements is there."""

    def rule(thing: Any) -> bool:
        return getattr(thing, name) is None or getattr(thing, other) is None

    return rule


def needs(name: str, other: str) -> Rule:
    """Return the rule that one element needs another."""

    def rule(thing: Any) -> bool:
        return getattr(thing, name) is None or getattr(thing, other) is not None

    return rule


def certainly_after(first: str, second: str) -> bool:
    """Whether `first` (a date or dateTime of any precision) is surely later than `second`.

    2026-03 is not surely later than 2026-03-15, nor a day than a time next to it, because the day
    has no zone. An empty text (a value that only has an extension) is not later than anything.
    """
    if not first or not second:
        return False
    timed = ("T" in first, "T" in second)
    if all(timed):
        return _instant(first) > _instant(second)
    days = (_first_day(first) - _last_day(second)).days
    return days > (1 if any(timed) else 0)


def _instant(text: str) -> datetime:
    # A leap second counts as the one before it: datetime knows none.
    return datetime.fromisoformat(text[:17] + text[17:19].replace("60", "59") + text[19:])


def _first_day(text: str) -> date:
    return date.fromisoformat(f"{text[:10]}-01-01"[:10])


def _last_day(text: str) -> date:
    if len(text) >= len("2026-03-15"):
        return date.fromisoformat(text[:10])
    year, month = int(text[:4]), int(text[5:7] or 12)
    return date(year, month, monthrange(year, month)[1])
