"""Abbreviations and ways to write a dose that are mistaken for others, found in a text.

Source: ISMP List of Error-Prone Abbreviations, Symbols, and Dose Designations (2021), and the
"Do Not Use" list of The Joint Commission, which is a part of it. The facts of the list are written
here in our own words. A warning is no refusal: what was read is printed in words beside it.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caution:
    """Something error-prone: where it stands, what it is mistaken for, what to write instead."""

    start: int
    text: str
    mistaken_for: str
    write: str


# Pattern, whether capitals matter, what it is mistaken for, what to write.
_LIST: tuple[tuple[str, bool, str, str], ...] = (
    (r"q\.?d\.?", False, "four times a day (qid)", "daily"),
    (r"q\.?o\.?d\.?", False, "daily (qd) or four times a day (qid)", "every other day"),
    (r"q1d", False, "four times a day (qid)", "daily"),
    (r"o\.?d\.?", False, "right eye, or once a day", "daily, or right eye"),
    (r"O\.?[SU]\.?", True, "ear (AS, AU)", "left eye, or both eyes"),
    (r"A\.?[DSU]\.?", True, "eye (OD, OS, OU)", "right ear, left ear, or both ears"),
    (r"hs", False, "half-strength", "at bedtime"),
    (r"qhs|q hs", False, "every hour (qhr)", "at bedtime"),
    (r"qn", False, "every hour (qh)", "nightly"),
    (r"bt", False, "twice a day (bid)", "at bedtime"),
    (r"(?<=\d)\s?u|(?<=\d )u", False, "the digits 0 or 4, or cc", "units"),
    (r"(?<=\d)\s?iu|iu", False, "IV, or the number 10", "units"),
    (r"(?<=\d)\s?cc|cc", False, "units (u)", "mL"),
    (r"(?<=\d)\s?(?:[µμ]g|ug)|[µμ]g|ug", False, "mg", "mcg"),
    (r"s\.?c\.?|s\.?q\.?|sub ?q", False, "sublingual (SL), or 5 every", "subcutaneously"),
    (r"per os", False, "left eye (OS)", "by mouth"),
    (r"I\.?N\.?", True, "IM or IV", "into the nose"),
    (r"ij", False, "IV or intrajugular", "injection"),
    (r"t\.?i\.?w\.?", False, "three times a day, or twice a week", "on three named days"),
    (r"b\.?i\.?w\.?", False, "twice a day", "on two named days"),
    (r"q ?\d{1,2} ?[ap]m", False, "every so many hours", "daily at that hour"),
    (r"d/c", False, "discharge, or discontinue", "stop, or discharge"),
    (r"u\.?d\.?", False, "unit dose", "as directed"),
    (r"x ?\d{1,3} ?d", False, "doses instead of days", "for so many days"),
    (r"SS", True, "55, or sliding scale", "one-half, or sliding scale"),
    (r"MS", True, "morphine or magnesium sulfate", "the drug's name"),
    (r"ms04|mso4|mgso4", False, "morphine and magnesium sulfate for each other", "the drug's name"),
)
_ZERO = re.compile(r"(?<![\d.,])\d+\.0+(?!\d)")
_NAKED = re.compile(r"(?<![\d\w])\.\d+")
_LARGE = re.compile(r"(?<![\d.,])\d{5,}(?![\d,.])")
_SYMBOLS = re.compile(r"@|&|(?<=\s)\+(?=\s)|[<>]")
_WORDS = [
    (
        re.compile(rf"(?<![\w./])(?:{forms})(?![\w/])", 0 if capitals else re.IGNORECASE),
        about,
        write,
    )
    for forms, capitals, about, write in _LIST
] + [
    (re.compile(rf"(?<=\d)(?:{unit})(?![\w/])", re.IGNORECASE), about, write)
    for unit, about, write in (
        ("u", "the digits 0 or 4, or cc", "units"),
        ("iu", "IV, or the number 10", "units"),
        ("cc", "units (u)", "mL"),
        ("[µμ]g|ug", "mg", "mcg"),
    )
]
_SHAPES = (
    (_ZERO, "ten times as much, if the point is not seen", "the number without .0"),
    (_NAKED, "ten times as much, if the point is not seen", "0 before the point"),
    (_LARGE, "a number with another count of zeros", "a comma between thousands"),
    (_SYMBOLS, "a digit or its opposite", "the word: at, and, plus, less or more than"),
)


def warnings(text: str) -> list[Caution]:
    """Return what is error-prone in a text, in order; each place once."""
    found: dict[tuple[int, int], Caution] = {}
    for pattern, about, write in (*_WORDS, *_SHAPES):
        for match in pattern.finditer(text):
            said = match.group().strip()
            start = match.start() + len(match.group()) - len(match.group().lstrip())
            found.setdefault((start, match.end()), Caution(start, said, about, write))
    kept: list[Caution] = []
    for (start, end), warning in sorted(found.items(), key=lambda one: (one[0][0], -one[0][1])):
        if kept and start < kept[-1].start + len(kept[-1].text) and end:
            continue
        kept.append(warning)
    return kept
