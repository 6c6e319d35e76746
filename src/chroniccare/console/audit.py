"""Shapes entries of the audit for its pages."""

from collections.abc import Mapping
from typing import Any

_LONGEST = 300


def entry(raw: Mapping[str, Any], people: Mapping[str, str]) -> dict[str, Any]:
    """Return an entry with what changed field by field, and who did it, if one of `people`."""
    who = people.get(raw["user_id"] or "", "")
    return {**raw, "who": who, "diff": diff(raw["changes"])}


def diff(changes: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return field, before and after of each field that differs, in the order of their names."""
    before, after = _flat(changes.get("before")), _flat(changes.get("after"))
    names = sorted(before.keys() | after.keys())
    return [
        (name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _flat(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for name, one in value.items():
            found |= _flat(one, f"{path}.{name}" if path else name)
        return found
    if isinstance(value, list):
        found = {}
        for place, one in enumerate(value):
            found |= _flat(one, f"{path}.{place}")
        return found
    if value is None or not path:
        return {}
    text = str(value)
    return {path: text if len(text) <= _LONGEST else text[:_LONGEST] + "…"}
