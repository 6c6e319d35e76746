"""What a client asks of a search: the query read, every mistake named at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from chroniccare.core.errors import FieldError, Invalid
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.values import split

MOST = 1000
USUAL = 20
_MOST_PAIRS, _MOST_VALUES, _MOST_ITERATES = 200, 100, 10
_MOST_LEVELS = 3
"""Steps of a chain and of `_has`, together."""
_MOST_ENDS = 30
"""Types that the chains of a search lead to, each way counted: each is a search of its own."""
_TOO_DEEP = f"chains more than {_MOST_LEVELS} levels"
_CONTROL = frozenset({"_format", "_pretty", "_count", "_cursor", "_sort", "_total", "_summary",
                      "_elements", "_include", "_revinclude", "_include:iterate",
                      "_revinclude:iterate", "_totalMethod"})  # fmt: skip
_ONCE = {"_count", "_summary", "_total"}
_SUMMARIES = {"true", "text", "data", "count", "false"}
_TOTALS = {"none", "estimate", "accurate"}


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter as it was given.

    Attributes:
        said: its name as the client wrote it.
        path: names of a chain, `patient` and `name` for `patient.name`; one name without.
        modifiers: for each name of the path what stands behind its colon, or None.
        values: alternatives, of which one must match.
        reverse: `_has`: type and reference parameter of the records that must be there.
        inner: what those must match; with `reverse` alone, when there is no path.
    """

    said: str
    path: tuple[str, ...]
    modifiers: tuple[str | None, ...]
    values: list[str]
    reverse: tuple[str, str] | None = None
    inner: "Filter | None" = None


@dataclass(frozen=True, slots=True)
class Iterate:
    """An include of whatever is found or has come along.

    Attributes:
        source: type that has the parameter.
        target: type that it leads to; None: any.
        is_reverse: what refers is brought along, not what is referred to.
    """

    source: str
    parameter: str
    target: str | None
    is_reverse: bool


@dataclass(slots=True)
class Ask:
    """A search as it was asked for.

    Attributes:
        filters: all must match.
        sort: names of parameters, with whether the largest come first.
        count: most matches a page.
        includes: type, parameter and type of the target or None; in either direction.
        includes_all: `*`, what the type refers to, as far as the caller may read it.
        led: types that its chains and `_has` lead to, each way counted.
        ignored: names of parameters that are not known, when the client is lenient.
    """

    filters: list[Filter] = field(default_factory=list)
    sort: list[tuple[str, bool]] = field(default_factory=list)
    count: int = USUAL
    cursor: str | None = None
    total: str = "none"
    summary: str = "false"
    elements: list[str] = field(default_factory=list)
    includes: list[tuple[str, str, str | None]] = field(default_factory=list)
    includes_all: bool = False
    revincludes: list[tuple[str, str, str | None]] = field(default_factory=list)
    iterates: list[Iterate] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[FieldError] = field(default_factory=list)
    led: int = 0


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Return names and values of a query.

    Raises:
        Invalid: it is no UTF-8, or has over 200 parameters.
    """
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS)
    except ValueError:
        reason = f"is not UTF-8, or has over {_MOST_PAIRS} parameters"
        raise Invalid.field("query", reason, "query") from None


def read(
    kind: Kind, kinds: Mapping[str, Kind], pairs: Sequence[tuple[str, str]], *, strict: bool
) -> Ask:
    """Return what `pairs` ask for.

    Raises:
        Invalid: something is unknown or has a wrong value; every one is named. When not `strict`,
            parameters that are not known are left out, and told.
    """
    ask = Ask()
    ask.pairs = [pair for pair in pairs if pair[0] not in {"_cursor", "_format", "_pretty"}]
    for name, value in pairs:
        if "\0" in value:
            ask.wrong.append(FieldError(name, "must not contain control characters", "characters"))
            continue
        if name in _CONTROL:
            reason = _control(ask, kind, kinds, name, value)
            if reason is not None:
                ask.wrong.append(FieldError(name, reason, "value"))
            continue
        values = split(value)
        if len(values) > _MOST_VALUES:
            ask.wrong.append(FieldError(name, f"has over {_MOST_VALUES} values", "value"))
            continue
        found = parsed(kind, kinds, name, values)
        if isinstance(found, Filter):
            _add(ask, kind, kinds, found)
        elif strict:
            ask.wrong.append(FieldError(name, found, "unknown"))
        else:
            ask.ignored.append(name)
    names = [name for name, _ in pairs]
    twice = sorted(name for name in _ONCE if names.count(name) > 1)
    ask.wrong += [FieldError(name, "must be given once", "value") for name in twice]
    if ask.wrong:
        raise Invalid(details=ask.wrong)
    # The links hold what was used, so that who follows them needs no leniency.
    ask.pairs = [pair for pair in ask.pairs if pair[0] not in ask.ignored]
    return ask


def _add(ask: Ask, kind: Kind, kinds: Mapping[str, Kind], found: Filter) -> None:
    reason = _fault(kind, kinds, found) if found.values else "has no value"
    ask.led += _led(kind, kinds, found)
    if reason is None and ask.led > _MOST_ENDS:
        reason = f"leads, with the parameters before it, to over {_MOST_ENDS} types"
    if reason is None:
        ask.filters.append(found)
    else:
        ask.wrong.append(FieldError(found.said, reason, "value"))


def _fault(kind: Kind, kinds: Mapping[str, Kind], one: Filter) -> str | None:
    """Return what is wrong with the values of a filter."""
    if one.reverse is not None and one.inner is not None:
        return _fault(kinds[one.reverse[0]], kinds, one.inner)
    if one.modifiers[-1] == "missing":
        return None if one.values in (["true"], ["false"]) else "must be true or false"
    if len(one.path) == 1:
        if one.modifiers[0] == "identifier":  # that is a number, and no reference
            return None
        return kind.parameters[one.path[0]].fault(one.values)
    for target in followed(kind, kinds, one):
        reason = _fault(target, kinds, behind(one))
        if reason is not None:
            return reason
    return None


def behind(one: Filter) -> Filter:
    """Return what the records must match to which the first step of a chain leads."""
    return replace(one, path=one.path[1:], modifiers=one.modifiers[1:])


def followed(kind: Kind, kinds: Mapping[str, Kind], one: Filter) -> list[Kind]:
    """Return the types to which the first step of a chain leads, and that the rest of it fits."""
    found = []
    for name in getattr(kind.parameters.get(one.path[0]), "targets", {}):
        if name in kinds and one.modifiers[0] in {None, name}:
            target, rest = kinds[name], behind(one)
            fits = len(rest.path) == 1 and rest.path[0] in target.parameters
            if fits or (len(rest.path) > 1 and followed(target, kinds, rest)):
                found.append(target)
    return found


def parsed(
    kind: Kind, kinds: Mapping[str, Kind], name: str, values: list[str], *, level: int = 0
) -> Filter | str:
    """Return the filter that `name` asks for, or what is wrong with it.

    `level` says how many records away from those that are searched this is.
    """
    if name.startswith("_has:"):
        return _reversed(kind, kinds, name, values, level=level)
    steps = [one.partition(":") for one in name.split(".")]
    path = tuple(one for one, _, _ in steps)
    found = Filter(name, path, tuple(modifier or None for _, _, modifier in steps), values)
    if level + len(path) - 1 > _MOST_LEVELS:
        return _TOO_DEEP
    if path[0] not in kind.parameters:
        return f"is not a parameter of {kind.name}"
    return _misled(kind, kinds, found) or found


def _misled(kind: Kind, kinds: Mapping[str, Kind], one: Filter) -> str | None:
    """Return what is wrong with where a filter leads, and with its modifier there."""
    ends, path = _ends(kind, kinds, one), one.path
    if not ends:
        return f"{'.'.join(path[1:])} is no parameter of what {path[0]} refers to"
    if len(ends) > _MOST_ENDS:
        return "leads to too many types: name them, as in subject:Patient.name"
    reasons = [_modifier(end, path[-1], one.modifiers[-1]) for end in ends]
    return next((reason for reason in reasons if reason is not None), None)


def _ends(kind: Kind, kinds: Mapping[str, Kind], one: Filter) -> list[Kind]:
    """Return the types whose parameter a chain ends with, one for each way there."""
    if len(one.path) == 1:
        return [kind]
    return [
        end for target in followed(kind, kinds, one) for end in _ends(target, kinds, behind(one))
    ]


def _led(kind: Kind, kinds: Mapping[str, Kind], one: Filter) -> int:
    """Return how many searches of other types a filter is."""
    if one.reverse is not None and one.inner is not None:
        return 1 + _led(kinds[one.reverse[0]], kinds, one.inner)
    return len(_ends(kind, kinds, one)) if len(one.path) > 1 else 0


def _modifier(kind: Kind, name: str, modifier: str | None) -> str | None:
    """Return what is wrong with a modifier."""
    parameter = kind.parameters[name]
    if modifier in {None, *parameter.modifiers, *getattr(parameter, "targets", {})}:
        return None
    return None if modifier == "missing" else f"the modifier of {name} is not known here"


def _reversed(
    kind: Kind, kinds: Mapping[str, Kind], name: str, values: list[str], *, level: int
) -> Filter | str:
    steps = name.split(":", 3)
    if len(steps) != 4 or steps[1] not in kinds:  # noqa: PLR2004  _has:Type:reference:parameter
        return "must be like _has:Appointment:patient:date"
    if level == _MOST_LEVELS:
        return _TOO_DEEP
    other = kinds[steps[1]]
    if kind.name not in getattr(other.parameters.get(steps[2]), "targets", {}):
        return f"does not lead from {other.name} to {kind.name}"
    inner = parsed(other, kinds, steps[3], values, level=level + 1)
    if isinstance(inner, str):
        return inner
    return Filter(name, (), (), values, reverse=(steps[1], steps[2]), inner=inner)


def _control(ask: Ask, kind: Kind, kinds: Mapping[str, Kind], name: str, value: str) -> str | None:
    """Read a parameter of the result itself; return what is wrong with it."""
    match name:
        case "_count":
            if not value.isascii() or not value.isdigit() or len(value) > 9:  # noqa: PLR2004
                return "must be a number"
            ask.count = min(int(value), MOST)
        case "_cursor":
            ask.cursor = value
        case "_total":
            ask.total = value
            return None if value in _TOTALS else "must be none, estimate or accurate"
        case "_summary":
            ask.summary = value
            return None if value in _SUMMARIES else "must be true, text, data, count or false"
        case "_elements":
            ask.elements = split(value)
        case "_sort":
            return _sort(ask, kind, value)
        case "_include" | "_revinclude" | "_include:iterate" | "_revinclude:iterate":
            include = _iterate if ":" in name else _include
            return include(ask, kind, kinds, name, value)
    return None


def _sort(ask: Ask, kind: Kind, value: str) -> str | None:
    for one in split(value):
        parameter = kind.parameters.get(one.removeprefix("-"))
        if parameter is None or parameter.sort is None:
            able = sorted(name for name, each in kind.parameters.items() if each.sort)
            return f"must be among {', '.join(able)}"
        ask.sort.append((parameter.name, one.startswith("-")))
    return None


def _include(ask: Ask, kind: Kind, kinds: Mapping[str, Kind], name: str, value: str) -> str | None:
    source, _, rest = value.partition(":")
    parameter, _, target = rest.partition(":")
    if name == "_include":
        if kind.includes and value in {"*", f"{kind.name}:*"}:
            ask.includes_all = True
            return None
        if source != kind.name or parameter not in kind.includes:
            able = ", ".join(f"{kind.name}:{one}" for one in sorted(kind.includes))
            return f"must be among {able}" if able else "cannot be used with this type"
        ask.includes.append((source, parameter, target or None))
        return None
    other = kinds.get(source)
    targets = getattr(other.parameters.get(parameter), "targets", {}) if other else {}
    if kind.name not in targets or target not in {"", kind.name}:
        return f"must be a reference to {kind.name}, such as Appointment:patient"
    ask.revincludes.append((source, parameter, None))
    return None


def _iterate(ask: Ask, kind: Kind, kinds: Mapping[str, Kind], name: str, value: str) -> str | None:
    del kind  # whatever comes along may be followed
    source, _, rest = value.partition(":")
    parameter, _, target = rest.partition(":")
    is_reverse, other = name.startswith("_rev"), kinds.get(source)
    if other is None:
        targets: set[str] = set()
    elif is_reverse:
        targets = set(getattr(other.parameters.get(parameter), "targets", ()))
    else:
        targets = {one.target for one in other.includes.get(parameter, ())}
    if not targets or (target and target not in targets):
        return "must be a reference of a type, such as Appointment:patient"
    one = Iterate(source, parameter, target or None, is_reverse)
    if one in ask.iterates:
        return None
    if len(ask.iterates) == _MOST_ITERATES:
        return f"can be given {_MOST_ITERATES} times at most, both directions together"
    ask.iterates.append(one)
    return None


def is_plain(ask: Ask) -> bool:
    """Say whether a search looks at the records themselves: no chain, include, sort or page."""
    plain = {one.said.partition(":")[0] for one in ask.filters if len(one.path) == 1}
    said = {name.partition(":")[0] for name, _ in ask.pairs}
    return said == plain and all(one.reverse is None for one in ask.filters)
