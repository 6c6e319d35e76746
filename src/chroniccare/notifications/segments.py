r"""How many segments an SMS takes, which is what it costs: 3GPP TS 23.038 and 23.040. Pure.

    GSM-7     160 septets in one segment, 153 in each of several; ^{}\[~]| and the euro take two
    UCS-2      70 units in one, 67 in each of several; what lies beyond U+FFFF takes two

One character outside of GSM-7 makes the whole text UCS-2. No pair of septets or units is divided
between two segments, so a segment may end one short.
"""

from dataclasses import dataclass
from typing import Literal

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM = _BASIC | _EXTENDED
_ALONE = {"gsm-7": 160, "ucs-2": 70}
_JOINED = {"gsm-7": 153, "ucs-2": 67}
_BMP = 0xFFFF


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text takes; `units` are septets of GSM-7 or 16-bit units of UCS-2."""

    encoding: Literal["gsm-7", "ucs-2"]
    segments: int
    units: int


def count(text: str) -> Segments:
    """Return the encoding that `text` needs and what it takes; nothing takes no segment."""
    used = frozenset(text)
    encoding: Literal["gsm-7", "ucs-2"] = "gsm-7" if used <= _GSM else "ucs-2"
    if encoding == "gsm-7":
        double = used & _EXTENDED
    else:
        double = frozenset(character for character in used if ord(character) > _BMP)
    units = len(text) + sum(text.count(character) for character in double)
    if units <= _ALONE[encoding]:
        return Segments(encoding, 1 if units else 0, units)
    room = _JOINED[encoding]
    if not double:
        return Segments(encoding, -(-units // room), units)
    segments, filled = 1, 0
    for character in text:
        size = 2 if character in double else 1
        if filled + size > room:
            segments, filled = segments + 1, 0
        filled += size
    return Segments(encoding, segments, units)
