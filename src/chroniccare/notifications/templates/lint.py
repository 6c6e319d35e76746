"""What is wrong with a text before anybody reads it. No I/O.

An error keeps a version from being written. A warning is for whoever writes it to weigh.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from chroniccare.notifications.rules_categories import INVITING, category_of
from chroniccare.notifications.templates import engine, lint_html, making, segments, vocabulary
from chroniccare.notifications.templates.kinds import (
    MOST,
    MOST_SHORT,
    PARTS,
    allowed,
)
from chroniccare.notifications.templates.text import Facts, Source, Text

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `line` counts from 1 in the source of `field`, None: in the whole."""

    field: str
    line: int | None
    severity: Severity
    code: str
    message: str


EXAMPLE = Facts(
    datetime(2031, 3, 4, 9, 30, tzinfo=UTC),
    first_name="Maria",
    facility_name="Riverside Clinic",
    facility_phone="+14155550100",
    provider_name="Aisha Rahman",
    until=datetime(2031, 3, 4, 8, 5, tzinfo=UTC),
    link="https://clinic.example/offers/" + "x" * 86,
    join="https://video.example.com/r/7",
    medication="Metformin 500 mg",
    credentials=("MD",),
)
_LONGEST = replace(
    EXAMPLE,
    starts_at=datetime(2031, 9, 24, 10, 30, tzinfo=UTC),
    now=datetime(2030, 1, 1, tzinfo=UTC),
    until=datetime(2031, 9, 23, 10, 30, tzinfo=UTC),
    first_name="M" * making.NAME,
    facility_name="C" * making.PLACE,
)


def findings(
    kind: str, channel: str, locale: str, source: Source, policy: making.Policy
) -> list[Finding]:
    """Return everything that is wrong with a source, or may be, in the order of its parts.

    Everything that can be seen is told at once; the text is only rendered when nothing stands in
    it that must not.
    """
    found = _shape(channel, source)
    sound = set[str]()
    for field, part in parts(source):
        wrong = engine.faults(part, allowed(kind, channel, field))
        found += [Finding(field, one.line, "error", one.code, one.reason) for one in wrong]
        if not wrong:
            sound.add(field)
    whole = not found
    for field, part in parts(source):
        # What cannot be read as a template is looked through as it stands.
        said = engine.literals(part) if field in sound else engine.raw_literals(part)
        found += _words(field, said, channel)
    if source.html is not None and "html" in sound:
        found += [
            Finding("html", fault.line, "error", "html", fault.reason)
            for fault in lint_html.faults(source.html)
        ]
    if whole:
        found += _whole(kind, channel, locale, source, policy, before=found)
    return list(dict.fromkeys(found))


def parts(source: Source) -> list[tuple[str, str]]:
    """Return the parts that a source has, by name."""
    named = [(name, getattr(source, name)) for name in PARTS]
    return [(name, part) for name, part in named if part is not None]


def _shape(channel: str, source: Source) -> list[Finding]:
    """Return what is missing, too much or too long."""
    found: list[Finding] = []
    if channel == "email" and source.subject is None:
        found.append(Finding("subject", None, "error", "required", "an email needs a subject"))
    if channel != "email":
        found += [
            Finding(name, None, "error", "not_allowed", "only an email has one")
            for name in ("subject", "html")
            if getattr(source, name) is not None
        ]
    for name, part in parts(source):
        most = MOST_SHORT if name == "text" and channel != "email" else MOST[name]
        if len(part) > most:
            found.append(
                Finding(name, None, "error", "length", f"is longer than {most} characters")
            )
    return found


def _words(field: str, said: Iterable[engine.Literal], channel: str) -> list[Finding]:
    """Return the words that a lock screen or a carrier must not see."""
    found: list[Finding] = []
    shows = channel != "email" or field == "subject"
    for literal in said:
        for number, line in enumerate(visible(literal.text).split("\n"), literal.line):
            if vocabulary.HEALTH.search(line):
                found.append(_health(field, number, severe=shows))
            if channel == "sms":
                found += _opt_out(field, number, line)
    return found


def _health(field: str, line: int, *, severe: bool) -> Finding:
    reason = "names an illness, a drug or a speciality"
    if severe:
        return Finding(field, line, "error", "health", f"{reason}, where others may read it")
    return Finding(field, line, "warning", "health", f"{reason}: does the patient need it here?")


def _opt_out(field: str, number: int | None, line: str) -> list[Finding]:
    """Return the opt-out words of a line: as a choice an error, else a warning."""
    found: list[Finding] = []
    for match in vocabulary.OPT_OUT.finditer(line):
        if match[0].isupper() or _is_quoted(match, line) or vocabulary.ASKS.search(line):
            reason = (
                "offers %r, which carriers take for an opt-out: who answers it gets no SMS more"
            )
            found.append(Finding(field, number, "error", "opt_out_word", reason % match[0]))
        else:
            reason = "holds %r, which carriers take for an opt-out, if somebody answers it"
            found.append(Finding(field, number, "warning", "opt_out_word", reason % match[0]))
    for match in vocabulary.OUR_OPT_OUT.finditer(line):
        # Common words in a sentence (`planta baja`): only what is plainly a choice.
        asked = vocabulary.ASKED.search(line[: match.start()])
        capitals = match[0].isupper() and not line.isupper()
        if capitals or asked or _is_quoted(match, line):
            reason = "offers %r, which is read as an opt-out when somebody answers it"
            found.append(Finding(field, number, "error", "opt_out_word", reason % match[0]))
    return found


def _is_quoted(match: re.Match[str], line: str) -> bool:
    around = line[max(match.start() - 1, 0) : match.start()] + line[match.end() : match.end() + 1]
    return len(around) == 2 and all(char in vocabulary.QUOTES for char in around)  # noqa: PLR2004


def _whole(
    kind: str, channel: str, locale: str, source: Source, policy: making.Policy,
    *, before: list[Finding],
) -> list[Finding]:  # fmt: skip
    """Return what only shows in the finished text."""
    template = engine.compiled(source, locale=locale)
    try:
        text = making.rendered(template, channel, EXAMPLE, policy)
    except ValueError:
        return [Finding("text", None, "error", "render", "cannot be made")]
    found: list[Finding] = []
    if not text.body.strip():
        found.append(Finding("text", None, "error", "empty", "prints nothing"))
    if channel == "email" and not text.subject:
        found.append(Finding("subject", None, "error", "empty", "prints nothing"))
    if channel != "sms":
        return found
    if not any(one.code == "opt_out_word" and one.severity == "error" for one in before):
        # Put together from pieces, of which none is the word.
        lines = visible(text.body).split("\n")
        found += [
            one for line in lines for one in _opt_out("text", None, line) if one.severity == "error"
        ]
    inviting = category_of(kind) == INVITING
    if "clinic" not in engine.names(source.text):
        severity: Severity = "error" if inviting else "warning"
        found.append(
            Finding("text", None, severity, "sender", "does not say which clinic it is from")
        )
    return found + _length(template, text, policy, opt_out=inviting)


def _length(
    template: engine.Compiled, text: Text, policy: making.Policy, *, opt_out: bool
) -> list[Finding]:
    """Return what an SMS costs too much for."""
    language = template.locale.partition("-")[0]
    longest = next(making.writings(template, language, replace(_LONGEST, opt_out=opt_out), policy))
    parts, most = segments.count(longest).segments, policy.max_segments
    if parts > most:
        return [
            Finding(
                "text", None, "error", "segments",
                f"takes {parts} segments with long names, {most} are allowed",
            )
        ]  # fmt: skip
    if segments.count(text.body).encoding == "ucs2":
        return [
            Finding(
                "text", None, "warning", "ucs2",
                "holds characters that leave 70 of 160 characters in a segment",
            )
        ]  # fmt: skip
    return []


def visible(text: str) -> str:
    """Return `text` as a reader sees it: without characters that have no width, composed."""
    bare = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", bare)
