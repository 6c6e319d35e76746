"""HTML that a template may hold: what mail clients show, and nothing that runs or calls home.

Escaping keeps a value from becoming markup in text and inside quotes. Everywhere else in a tag it
does not, so no tag of the template may stand there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

from jinja2 import nodes

from chroniccare.notifications.templates import engine

_VALUE = "\ue000"  # private use: stands for `{{ ... }}`
_BLOCK = "\ue001"  # the same for `{% ... %}`
_PLACES = (_VALUE, _BLOCK)
_LINKS = frozenset({"link", "join_link"})
_WHOLE = re.compile(r"^(https://[^\s\"'<>]+|mailto:[^\s\"'<>]+|tel:\+?[\d-]+|\ue002)$")
_ADDRESS = "\ue002"  # a variable that holds an address of ours
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


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.faults: list[Fault] = []

    def fault(self, reason: str) -> None:
        self.faults.append(Fault(self.getpos()[0], reason))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.fault("holds a tag that is not for emails")
            return
        raw = self.get_starttag_text() or ""
        if any(place in raw for place in _PLACES):
            self.fault("has a variable or an if inside a tag; only href may be a link's variable")
        for name, value in attrs:
            self._attribute(name, value or "", raw)

    def _attribute(self, name: str, value: str, raw: str) -> None:
        if name not in _ATTRIBUTES:
            self.fault("has an attribute that is not for emails")
        elif name in {"href", "src"}:
            if not _WHOLE.match(value) or (name == "src" and not value.startswith("https://")):
                self.fault("links to something else than https, mailto, tel or a link's variable")
        elif _ADDRESS in value:
            self.fault("has a variable inside a tag; only href may be a link's variable")
        elif name == "style" and _STYLE.search(value):
            self.fault("has a style that loads something")
        if _ADDRESS in value and not re.search(rf"=\s*([\"']){_ADDRESS}\1", raw):
            self.fault("has a variable without quotes inside a tag")

    def handle_data(self, data: str) -> None:
        if "<" in data:
            self.fault("holds a < that begins no tag: write &lt;")

    def handle_comment(self, data: str) -> None:  # noqa: ARG002  HTMLParser's signature
        self.fault("holds a comment")

    def handle_decl(self, decl: str) -> None:  # noqa: ARG002
        self.fault("holds a declaration: what stands around it is ours")

    def unknown_decl(self, data: str) -> None:  # noqa: ARG002
        self.fault("holds a declaration: what stands around it is ours")

    def handle_pi(self, data: str) -> None:  # noqa: ARG002
        self.fault("holds an instruction")


def faults(source: str) -> list[Fault]:
    """Return what HTML of an email must not hold, in the order of its lines.

    Looks at what the template prints by its syntax tree: what only looks like a tag of the
    template is text.
    """
    if any(char in source for char in (*_PLACES, _ADDRESS)):
        return [Fault(1, "holds characters that have no meaning")]
    printed = ""
    for line, piece in _pieces(engine.tree(source)):
        printed += "\n" * (line - 1 - printed.count("\n")) + piece
    reader = _Reader()
    reader.feed(printed)
    reader.close()
    return list(dict.fromkeys(reader.faults))


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
