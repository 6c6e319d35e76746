"""Jinja2 in a sandbox, less most of Jinja2: text, variables, `if`, and a few filters.

A template of a clinic comes from outside. What it may hold is decided on its syntax tree, before
anything of it runs: nothing that repeats, computes, calls or looks inside a value is let through,
so that rendering takes a time in proportion to its length, and cannot reach anything but the
variables. The sandbox stands behind that.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chroniccare.notifications.templates import words
from chroniccare.notifications.templates.text import Source

_DEPTH = 24
_MOST_TAGS = 400
"""Tags of a source: to compile more of them would hold up everybody else."""
# A tag alone on its line leaves no line behind.
_ALONE = re.compile(r"^[ \t]*(\{%[^%{}]*%\})[ \t]*\n", re.MULTILINE)
_TAG = re.compile(r"\{[{%#][^{}\n]*[}%#]\}")
_MOST_NAME = 40
_LARGEST = 999_999_999
_LONGEST_CUT = 255
_SHORTEST_CUT = 4
_KNOWN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If,
    nodes.CondExpr, nodes.Filter, nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand,
)  # fmt: skip


def _each(change: Callable[[str], str]) -> Callable[[object], str | None]:
    return lambda value: None if value is None else change(str(value))


def _default(value: object, other: str) -> str:
    return str(value or other)


def _cut(value: object, length: int) -> str | None:
    return None if value is None else words.cut(str(value), length)


FILTERS: dict[str, Callable[..., Any]] = {
    "upper": _each(str.upper),
    "lower": _each(str.lower),
    "capitalize": _each(lambda value: value[:1].upper() + value[1:]),
    "default": _default,
    "cut": _cut,
}
_ARGUMENT = {"default": str, "cut": int}


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=html,
        finalize=lambda value: "" if value is None else value,
        cache_size=0,
    )
    made.filters, made.tests = dict(FILTERS), {}
    made.globals.clear()
    return made


_PLAIN, _HTML = _environment(html=False), _environment(html=True)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one part of a template; `line` counts from 1."""

    line: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template that can be rendered; `version_id` is None for a built-in text."""

    locale: str
    text: Template
    subject: Template | None
    html: Template | None
    version_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Literal:
    """Words that a template prints as they stand."""

    line: int
    text: str


def compiled(source: Source, *, locale: str, version_id: UUID | None = None) -> Compiled:
    """Return the template of a source that `faults` found nothing in."""
    return Compiled(
        locale,
        _template(_PLAIN, source.text),
        None if source.subject is None else _template(_PLAIN, source.subject),
        None if source.html is None else _template(_HTML, source.html),
        version_id,
    )


def _template(environment: ImmutableSandboxedEnvironment, source: str) -> Template:
    return environment.from_string(_ALONE.sub(r"\1", source))


def render(template: Template, values: Mapping[str, str | None]) -> str:
    """Return the template with these values in it.

    Raises:
        ValueError: it could not be rendered, for example because a variable is missing.
    """
    try:
        return template.render(values)
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise ValueError(f"cannot be rendered: {type(error).__name__}") from None


def faults(source: str, variables: tuple[str, ...]) -> list[Fault]:
    """Return everything in `source` that no template may hold, in the order of its lines."""
    try:
        parsed = _PLAIN.parse(source)
    except TemplateSyntaxError as error:
        return [Fault(error.lineno, "syntax", "is no template: look at its brackets and tags")]
    except (RecursionError, MemoryError):
        return [Fault(1, "depth", "is nested too deeply")]
    except (ValueError, OverflowError):  # a number of thousands of digits
        return [Fault(1, "syntax", "holds a number that is none")]
    if source.count("{{") + source.count("{%") > _MOST_TAGS:
        return [Fault(1, "size", f"has more than {_MOST_TAGS} variables and ifs")]
    found: list[Fault] = []
    waiting: list[tuple[nodes.Node, int]] = [(parsed, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _DEPTH:
            return [Fault(node.lineno, "depth", "is nested too deeply")]
        fault = _fault(node, variables)
        if fault is None:
            inner = [(child, depth + 1) for child in node.iter_child_nodes()]
            waiting += reversed(inner)
        else:
            found.append(fault)
    return sorted(found, key=lambda fault: fault.line)


def _fault(node: nodes.Node, variables: tuple[str, ...]) -> Fault | None:
    if not isinstance(node, _KNOWN):
        kind = "a loop" if isinstance(node, nodes.For) else "something"
        return Fault(
            node.lineno, "not_allowed",
            f"holds {kind} that templates may not: only variables, if, and filters",
        )  # fmt: skip
    if isinstance(node, nodes.Name) and (node.name not in variables or node.ctx != "load"):
        return Fault(
            node.lineno,
            "variable",
            f"{node.name[:_MOST_NAME]} is not there; there are {', '.join(variables)}",
        )
    if isinstance(node, nodes.Operand) and node.op not in {"eq", "ne"}:
        return Fault(node.lineno, "not_allowed", "compares by something else than == and !=")
    if isinstance(node, nodes.Const) and not _is_constant(node.value):
        return Fault(
            node.lineno,
            "constant",
            "constants are text without control characters and whole numbers",
        )
    if isinstance(node, nodes.Filter) and not _is_filter(node):
        return Fault(
            node.lineno, "filter",
            "filters are upper, lower, capitalize, default('text') and cut(number)",
        )  # fmt: skip
    return None


def _is_constant(value: object) -> bool:
    """Say whether a constant can be stored and sent: an escape can write what a source cannot."""
    if isinstance(value, str):
        return not any(unicodedata.category(c) in {"Cc", "Cs"} and c != "\n" for c in value)
    return value is None or (isinstance(value, int) and abs(value) <= _LARGEST)


def _is_filter(node: nodes.Filter) -> bool:
    """Say whether a filter is one of ours, with the constant that it takes."""
    if node.name not in FILTERS or node.node is None:
        return False
    if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
        return False
    wanted = _ARGUMENT.get(node.name)
    if wanted is None:
        return not node.args
    if len(node.args) != 1 or not isinstance(node.args[0], nodes.Const):
        return False
    value = node.args[0].value
    if wanted is int:
        return type(value) is int and _SHORTEST_CUT <= value <= _LONGEST_CUT
    return isinstance(value, str)


def tree(source: str) -> nodes.Template:
    """Return the syntax tree of a source that `faults` found nothing in."""
    return _PLAIN.parse(source)


def names(source: str) -> set[str]:
    """Return the variables of a source that `faults` found nothing in."""
    return {name.name for name in tree(source).find_all(nodes.Name)}


def raw_literals(source: str) -> list[Literal]:
    """Return the lines of a source that is no template, without what looks like tags."""
    bare = _TAG.sub(" ", source)
    return [Literal(number, line) for number, line in enumerate(bare.split("\n"), 1)]


def literals(source: str) -> list[Literal]:
    """Return what a source prints as it stands, which `faults` found nothing in."""
    parsed = tree(source)
    found = [Literal(data.lineno, data.data) for data in parsed.find_all(nodes.TemplateData)]
    found += [
        Literal(const.lineno, const.value)
        for const in parsed.find_all(nodes.Const)
        if isinstance(const.value, str)
    ]
    return found
