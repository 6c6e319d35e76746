"""Whether the XHTML of a narrative is harmless: it is shown to people by other systems.

Allowed is what R4's txt-1 allows: formatting, tables, lists, links and pictures. Refused are
scripts, forms, frames, event handlers, styles that load something, declarations of entities, and
every address that a browser would fetch by itself: a picture must be within the resource (`#id`)
or within the address (`data:image/...`).
"""

import re
from html.entities import name2codepoint
from xml.parsers import expat

_NAMESPACE = "http://www.w3.org/1999/xhtml"
_ELEMENTS = frozenset({
    "a", "abbr", "acronym", "b", "big", "blockquote", "br", "caption", "cite", "code", "col",
    "colgroup", "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i",
    "img", "li", "ol", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table",
    "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "ul", "var",
})  # fmt: skip
_ATTRIBUTES = frozenset({
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding",
    "cellspacing", "cellvalign", "char", "charoff", "charset", "cite", "class", "colspan",
    "compact", "coords", "dir", "frame", "headers", "height", "href", "hreflang", "hspace", "id",
    "lang", "longdesc", "name", "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape",
    "span", "src", "start", "style", "summary", "tabindex", "title", "type", "valign", "value",
    "vspace", "width",
})  # fmt: skip
_XML_ATTRIBUTES = frozenset({"lang", "space"})
_LINK = re.compile(r"(?:https?:|mailto:|tel:|#|[A-Za-z0-9./_%-]*(?:[?#]|\Z))", re.IGNORECASE)
_PICTURE = re.compile(r"(?:#|data:image/(?:png|jpeg|gif);base64,)", re.IGNORECASE)
_STYLE = re.compile(
    r"url\s*\(|expression|@import|javascript|behaviou?r\s*:|-moz-binding|\\", re.IGNORECASE
)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_SEPARATOR = " "
_USUAL = re.compile(
    r'<div xmlns="http://www\.w3\.org/1999/xhtml">[^<&>]*'
    r"(?:<(p|b|i|li|h[1-6]|strong|em|span)>\s*[^\s<&>][^<&>]*</\1>[^<&>]*)+</div>"
)
"""Texts of one level, without attributes or entities: safe, not empty, and no work for a parser."""


class _UnsafeError(Exception):
    """Something that is not allowed."""


class _Reader:
    """Reads one narrative."""

    def __init__(self) -> None:
        self.depth = 0
        self.content = False

    def read(self, div: str) -> None:
        """Read the text.

        Raises:
            _UnsafeError: it holds what is not allowed.
            expat.ExpatError: it is not well-formed.
        """
        parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.ProcessingInstructionHandler = self._refuse
        parser.Parse(_ENTITY.sub(_as_number, div), True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, element = name.rpartition(_SEPARATOR)
        if namespace != _NAMESPACE or element not in _ELEMENTS:
            raise _UnsafeError
        if self.depth == 0 and element != "div":
            raise _UnsafeError
        self.depth += 1
        self.content = self.content or element == "img"
        for attribute, value in attributes.items():
            _check_attribute(element, attribute, value.strip())

    def _end(self, _name: str) -> None:
        self.depth -= 1

    def _text(self, text: str) -> None:
        self.content = self.content or not text.isspace()

    def _refuse(self, *_: object) -> None:
        raise _UnsafeError


def _as_number(match: re.Match[str]) -> str:
    name = match[1]
    if name in _OF_XML or name not in name2codepoint:
        return match[0]
    return f"&#{name2codepoint[name]};"


def _check_attribute(element: str, attribute: str, value: str) -> None:
    namespace, _, name = attribute.rpartition(_SEPARATOR)
    if namespace:
        good = namespace.endswith("/XML/1998/namespace") and name in _XML_ATTRIBUTES
    elif name == "src":
        good = element == "img" and _PICTURE.match(value) is not None
    elif name in {"href", "cite", "longdesc"}:
        good = _LINK.match(value) is not None
    elif name == "style":
        good = _STYLE.search(value) is None
    else:
        good = name in _ATTRIBUTES
    if not good:
        raise _UnsafeError


def is_fit(div: str) -> bool:
    """Whether both of the following hold, read once."""
    if _USUAL.fullmatch(div):
        return True
    reader = _Reader()
    try:
        reader.read(div)
    except (_UnsafeError, expat.ExpatError):
        return False
    return reader.content


def is_safe(div: str) -> bool:
    """Whether the narrative is well-formed, within one `div`, and holds only what is allowed."""
    try:
        _Reader().read(div)
    except (_UnsafeError, expat.ExpatError):
        return False
    return True


def has_content(div: str) -> bool:
    """Whether there is a text or a picture; an unsafe narrative counts as one that has."""
    return is_fit(div) or not is_safe(div)
