"""How an SMS is charged: alphabet, segments, and the letters that make it dear."""

# ruff: noqa: RUF001  characters that look alike are what is told apart
import unicodedata
from dataclasses import dataclass

# 3GPP TS 23.038, 6.2.1: the default alphabet, and what takes an escape before it.
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")
_PLAIN = {
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "ʼ": "'", "′": "'", "`": "'", "´": "'",
    "“": '"', "”": '"', "„": '"', "″": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "•": "-",
    "…": "...", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\t": " ",
    "ª": "a", "º": "o", "×": "x", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i",
    "œ": "oe", "Œ": "OE", "\u200b": "", "\u200c": "", "\u200d": "", "\ufeff": "", "\u00ad": "",
}  # fmt: skip
_SINGLE = {"gsm7": 160, "ucs2": 70}
_PART = {"gsm7": 153, "ucs2": 67}
"""Units of a part of a longer message: its header takes the rest."""


_LAST_SINGLE = "\uffff"
"""The last character that UTF-16 writes in one unit."""


@dataclass(frozen=True, slots=True)
class Dear:
    """A character that no GSM-7 text can hold, and what could stand in its place, if anything."""

    character: str
    rewrite: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How a text travels.

    Attributes:
        encoding: `gsm7`, or `ucs2` as soon as one character needs it.
        units: septets, an extended character counts two; or 16-bit units, an emoji counts two.
        segments: parts that are charged.
        left: units that the last part still has room for.
        dear: the characters that make it `ucs2`, each once, in order.
    """

    encoding: str
    units: int
    segments: int
    left: int
    dear: tuple[Dear, ...]


def count(text: str) -> Count:
    """Return how `text` travels as SMS; no part ends within a character."""
    if BASIC.issuperset(text):  # nearly always
        return _even(len(text), "gsm7", ())
    dear = tuple(
        Dear(char, _rewrite(char))
        for char in dict.fromkeys(text)
        if char not in BASIC and char not in EXTENDED
    )
    encoding = "ucs2" if dear else "gsm7"
    if dear and max(text) <= _LAST_SINGLE:
        return _even(len(text), encoding, dear)
    sizes = [_size(char, encoding) for char in text]
    units = sum(sizes)
    if units <= _SINGLE[encoding]:
        return Count(encoding, units, 1, _SINGLE[encoding] - units, dear)
    segments, used = 1, 0
    for size in sizes:
        if used + size > _PART[encoding]:
            segments, used = segments + 1, 0
        used += size
    return Count(encoding, units, segments, _PART[encoding] - used, dear)


def _even(units: int, encoding: str, dear: tuple[Dear, ...]) -> Count:
    """Return the count of a text whose characters all take one unit."""
    segments = 1 if units <= _SINGLE[encoding] else -(-units // _PART[encoding])
    room = _SINGLE[encoding] if segments == 1 else segments * _PART[encoding]
    return Count(encoding, units, segments, room - units, dear)


def plain(text: str) -> str | None:
    """Return `text` without what makes it dear: `María` as `Maria`; None where that cannot be."""
    if BASIC.issuperset(text):
        return text
    made = "".join(
        char if char in BASIC or char in EXTENDED else _rewrite(char) or _lost(char)
        for char in text
    )
    return None if _LOST in made else made


_LOST = "\x00"


def _lost(char: str) -> str:
    return "" if _rewrite(char) == "" else _LOST


def _size(char: str, encoding: str) -> int:
    if encoding == "gsm7":
        return 2 if char in EXTENDED else 1
    return 2 if char > _LAST_SINGLE else 1


def _rewrite(char: str) -> str | None:
    """Return the nearest writing of one character in GSM-7, if there is one."""
    if char in _PLAIN:
        return _PLAIN[char]
    if unicodedata.combining(char):
        return ""  # an accent by itself, as in decomposed text
    base = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return base if base and all(c in BASIC or c in EXTENDED for c in base) else None
