"""From the filters of a search to conditions of SQL: modifiers, chains, `_has`, scopes."""

from collections.abc import Sequence
from typing import Any

from chroniccare.core.caller import Caller, Filters
from chroniccare.core.errors import FieldError, Invalid
from chroniccare.fhir import asking, composing, values
from chroniccare.fhir.asking import Filter
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.parameters import Asked, Date, Reference, any_of, uuids
from chroniccare.fhir.registry import KINDS, opened
from chroniccare.fhir.stored.parameters import StoredDate
from chroniccare.tenancy.masks import MASKS
from chroniccare.tenancy.smart_scopes import OF_PATIENT


def conditions(caller: Caller, kind: Kind, filters: Sequence[Filter], asked: Asked) -> list[str]:
    """Return the conditions that all of `filters` are met.

    Raises:
        Invalid: values are wrong, or tell what is hidden from the caller; each is named.
        Forbidden: a chain leads to records that the caller may not search.
    """
    found: list[str] = []
    wrong: list[FieldError] = []
    for one in filters:
        try:
            found.append(_condition(caller, kind, one, asked))
        except Invalid as error:
            wrong += error.details
    if wrong:
        raise Invalid(details=wrong)
    return found


def _condition(caller: Caller, kind: Kind, one: Filter, asked: Asked) -> str:
    if one.reverse is not None:
        return _reverse(caller, kind, one, asked)
    if len(one.path) == 1:
        return _plain(caller, kind, one, asked)
    parameter = kind.parameters[one.path[0]]
    assert isinstance(parameter, Reference)  # noqa: S101  `asking` has looked
    found = []
    for target in asking.followed(kind, KINDS, one):
        inner = [_condition(caller, target, asking.behind(one), asked)]
        inner += scoped(caller, target, asked)
        template = parameter.targets[target.name]
        found.append(template.format(composing.ids(target, target.id, inner)))
    return any_of(found)


def _plain(caller: Caller, kind: Kind, one: Filter, asked: Asked) -> str:
    parameter = kind.parameters[one.path[0]]
    hidden = MASKS.get(caller.role or "", {}).get(kind.tag, frozenset())
    if caller.emergency_id is None and hidden & parameter.reveals:
        raise Invalid.field(one.said, "is hidden from your role", "hidden")
    if one.modifiers[0] != "missing":
        return parameter.condition(asked, one.modifiers[0], one.values)
    null = parameter.null or "false"
    return f"({null})" if one.values == ["true"] else f"NOT ({null})"


def _reverse(caller: Caller, kind: Kind, one: Filter, asked: Asked) -> str:
    """Return the condition that some record of another type refers to this one and matches."""
    assert one.reverse is not None and one.inner is not None  # noqa: S101, PT018  the caller has looked
    other = KINDS[one.reverse[0]]
    reference = other.parameters[one.reverse[1]]
    assert isinstance(reference, Reference)  # noqa: S101  `asking` has looked
    inner = [_condition(caller, other, one.inner, asked), *scoped(caller, other, asked)]
    inner.append(reference.targets[kind.name].format(f"= {composing.THIS}"))
    return composing.exists(kind, other, inner)


def scoped(caller: Caller, kind: Kind, asked: Asked, letter: str = "s") -> list[str]:
    """Return the conditions under which the caller's scopes open a record.

    Raises:
        Forbidden: they open none.
    """
    return scope_conditions(kind, opened(caller, kind, letter), asked)


def scope_conditions(kind: Kind, granted: Sequence[Filters], asked: Asked) -> list[str]:
    """Return the condition that a record matches one of the filters of the scopes."""
    alternatives = []
    for one in granted:
        each = [_of_scope(kind, name, value, asked) for name, value in one]
        alternatives.append("(" + " AND ".join(each) + ")")
    return [any_of(alternatives)] if alternatives else []


def _of_scope(kind: Kind, name: str, value: str, asked: Asked) -> str:
    """Return the condition of a scope's parameter; one that is not known opens nothing."""
    if name == OF_PATIENT:
        return of_patients(kind, [value], asked)
    found: Any = asking.parsed(kind, {}, name, values.split(value))
    if not isinstance(found, Filter) or len(found.path) > 1 or found.modifiers[0] == "missing":
        return "false"
    parameter = kind.parameters[found.path[0]]
    if parameter.fault(found.values) is not None:
        return "false"
    return parameter.condition(asked, found.modifiers[0], found.values)


def of_patients(kind: Kind, patients: Sequence[str], asked: Asked) -> str:
    """Return the condition that a record is one of these patients, or of one of them."""
    reference = kind.parameters.get("patient")
    if kind.name != "Patient" and not isinstance(reference, Reference):
        return "false"
    among = f"= ANY({asked.put(uuids(patients), 'uuid[]')})"
    if isinstance(reference, Reference):
        return reference.targets["Patient"].format(among)
    return f"{kind.id} {among}"


def needs_zones(kind: Kind, filters: Sequence[Filter]) -> bool:
    """Say whether a filter may hold a time without an offset."""
    for one in filters:
        if one.reverse is not None and one.inner is not None:
            if needs_zones(KINDS[one.reverse[0]], [one.inner]):
                return True
            continue
        parameter = kind.parameters.get(one.path[0])
        is_time = isinstance(parameter, Date | StoredDate)
        if len(one.path) > 1 or (is_time and getattr(parameter, "cast", "") != "date"):
            return True
    return False
