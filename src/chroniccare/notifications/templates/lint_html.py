"""HTML that a template may hold: what mail clients show, and nothing that runs or calls home.

Escaping keeps a value from becoming markup in text and inside quotes. Everywhere else in a tag it
does not, so no tag of the template may stand there. A reader of our own, because it only has to
know what is allowed: the standard library's forgives, differs from version to version, takes a
time that grows with the square of the length, and fails on `<![`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from jinja2 import nodes

from chroniccare.notifications.templates import engine

_VALUE = "\ue000"  # private use: stands for `{{ ... }}`
_BLOCK = "\ue001"  # the same for `{% ... %}`
_ADDRESS = "\ue002"  # a variable that holds an address of ours
_PLACES = (_VALUE, _BLOCK, _ADDRESS)
_LINKS = frozenset({"link", "join_link"})
_WHOLE = re.compile(r"^(https://[^\s\"'<>\ue000-\ue002]+|mailto:[^\s\"'<>\ue000-\ue002]+"
                    r"|tel:\+?[\d-]+|\ue002)$", re.ASCII)  # fmt: skip
# Possessive, so that no text makes it look twice at the same place.
_ATTRIBUTE = r"""\s++([A-Za-z][A-Za-z-]*+)(?:\s*+=\s*+("[^"<>]*+"|'[^'<>]*+'))?+"""
_TAG = re.compile(rf"<(?:/([A-Za-z][A-Za-z0-9]*+)|([A-Za-z][A-Za-z0-9]*+)((?:{_ATTRIBUTE})*+)"
                  r"\s*+/?)\s*+>")  # fmt: skip
_ATTRIBUTES_OF = re.compile(_ATTRIBUTE)
_MOST = 20
"""Faults that are named; the rest wait until these are mended."""
_TAGS = frozenset(
    {
        "a", "b", "br", "div", "em", "h1", "h2", "h3", "hr", "i", "img", "li", "ol", "p", "span",
        "strong", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
    }
)  # fmt: skip
_ATTRIBUTES = frozenset(
    {
        "align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "class", "colspan",
        "dir", "height", "href", "lang", "role", "rowspan", "src", "style", "title", "valign",
        "width",
    }
)  # fmt: skip
_STYLE = re.compile(r"url\s*\(|expression|@import|\\", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and on which line, from 1."""

    line: int
    reason: str


def faults(source: str) -> list[Fault]:
    """Return what HTML of an email must not hold, in the order of its lines.

    Looks at what the template prints by its syntax tree: what only looks like a tag of the
    template is text.
    """
    if any(char in source for char in _PLACES):
        return [Fault(1, "holds characters that have no meaning")]
    found: list[Fault] = []
    for line, reason in _reasons(_printed(source)):
        found.append(Fault(line, reason))
        if len(found) == _MOST:
            break
    return list(dict.fromkeys(found))


def _reasons(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and fault of everything that is no tag of an email."""
    line, place = 1, 0
    while (start := text.find("<", place)) >= 0:
        line += text.count("\n", place, start)
        match = _TAG.match(text, start)
        if match is None:
            yield line, "holds a < that begins no tag of an email, its attributes in quotes"
            place = start + 1
            continue
        for reason in _of_tag(match[1] or match[2], match[3] or ""):
            yield line, reason
        line += match[0].count("\n")
        place = match.end()


def _of_tag(name: str, attributes: str) -> Iterator[str]:
    if name.lower() not in _TAGS:
        yield "holds a tag that is not for emails"
        return
    for attribute, quoted in _ATTRIBUTES_OF.findall(attributes):
        yield from _of_attribute(attribute.lower(), unescape(quoted[1:-1]))


def _of_attribute(name: str, value: str) -> Iterator[str]:
    if name not in _ATTRIBUTES:
        yield "has an attribute that is not for emails"
    elif name in {"href", "src"}:
        if not _WHOLE.match(value) or (name == "src" and not value.startswith("https://")):
            yield "links to something else than https, mailto, tel or a link's variable"
    elif any(char in value for char in _PLACES):
        yield "has a variable or an if inside a tag; only href may be a link's variable"
    elif name == "style" and _STYLE.search(value):
        yield "has a style that loads something"


def _printed(source: str) -> str:
    """Return what a template prints, on the lines on which it stands in the source."""
    made: list[str] = []
    line = 1
    for at, piece in _pieces(engine.tree(source)):
        made.append("\n" * (at - line) + piece)
        line = max(at, line) + piece.count("\n")
    return "".join(made)


def _pieces(node: nodes.Node) -> Iterator[tuple[int, str]]:
    """Yield what a template prints, with the line of each piece, both ways of each `if`."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.TemplateData):
            yield child.lineno, child.data
        elif isinstance(child, nodes.Output):
            yield from _pieces(child)
        elif isinstance(child, nodes.If):
            yield child.lineno, _BLOCK
            for inner in (*child.body, *child.elif_, *child.else_):
                yield from _pieces(nodes.Template([inner]))
            yield child.lineno, _BLOCK
        elif isinstance(child, nodes.Name) and child.name in _LINKS:
            yield child.lineno, _ADDRESS
        else:
            yield child.lineno, _VALUE
