"""Sig text ("1 tab po bid prn pain") read into FHIR Dosage, wholly or not at all.

No scoring and no correction of typing errors: a phrase is known or it is not, and a text with a
word that is not known is refused with that word's place. What is known but could mean two things is
refused with a question.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from chroniccare.core.errors import FieldError, Unprocessable
from chroniccare.medications.dosing import timing
from chroniccare.medications.dosing.said import Said, to_fhir
from chroniccare.medications.dosing.sig_forms import NUM, UNIT
from chroniccare.medications.dosing.sig_grammar import phrases
from chroniccare.medications.dosing.sig_says import Clause

MAX_LENGTH = 1000
_THEN = re.compile(r"[\s,;.]*\b(?:and |y )?(?:then|luego|followed by)\b[\s,]*")
_AND_DOSE = re.compile(rf"(?:\s*[,;+]\s*|\s+)(?:and |plus |y |& ?)\s*(?=(?:take )?{NUM} ?{UNIT}\b)")
_STOP = re.compile(r"\s*(?:stop|discontinue|suspender)\s*\.?\s*")
_GAP = re.compile(r"[\s,;.]+")
_WORD = re.compile(r"[^\s,;]+")
_SCHEME = ("MORN", "NOON", "EVE", "HS")
# Which events can be before, so that the words are always in the order of the day.
DAY_ORDER = (
    "WAKE", "ACM", "CM", "PCM", "MORN", "ACD", "NOON", "CD", "PCD", "AFT", "ACV", "CV", "PCV",
    "EVE", "HS", "NIGHT",
)  # fmt: skip


class NotUnderstood(Unprocessable):
    """A sig text is not read wholly; `data` holds the words, where they are, and the questions."""

    code = "SIG_NOT_UNDERSTOOD"
    message = "The sig text is not understood wholly; nothing is guessed."

    def __init__(self, field: str, words: "Sequence[Words]", questions: Sequence[str]) -> None:
        details = []
        if words:
            places = ", ".join(f"{one.start + 1} to {one.start + len(one.text)}" for one in words)
            reason = f"not understood: characters {places}"
            details.append(FieldError(field, reason, "not_understood"))
        details += [FieldError(field, question, "ask") for question in questions]
        super().__init__(
            details=details,
            data={
                "not_understood": [{"start": one.start, "text": one.text} for one in words],
                "questions": list(questions),
            },
        )


@dataclass(frozen=True, slots=True)
class Words:
    """Words that no phrase takes; `start` counts the characters before them."""

    start: int
    text: str


@dataclass(slots=True)
class _Reading:
    """What could not be read so far."""

    text: str
    words: list[Words]
    questions: list[str]

    def ask(self, question: str) -> None:
        if question not in self.questions:
            self.questions.append(question)


def read(text: str, *, field: str = "sig") -> list[dict[str, Any]]:
    """Return the FHIR Dosages that a sig text says, in order; faults name `field`.

    Raises:
        NotUnderstood: some words are not known, or what they say is not enough or two things.
    """
    lower = "".join(map(_lower, text))
    reading = _Reading(text, [], [])
    if len(text) > MAX_LENGTH:
        raise Unprocessable.field(field, f"must be at most {MAX_LENGTH} characters", "too_long")
    made: list[Said] = []
    steps = _split(lower, 0, len(lower), _THEN)
    if len(steps) > 1 and _STOP.fullmatch(lower[slice(*steps[-1])]):
        steps.pop()
        closed = True
    else:
        closed = False
    for sequence, (start, end) in enumerate(steps, 1):
        clauses = [_clause(reading, lower, *part) for part in _split(lower, start, end, _AND_DOSE)]
        _check_shared(reading, clauses)
        before = [one for one in made if one.sequence == sequence - 1]
        for clause in clauses:
            made += _said(reading, clause, sequence, before[0] if len(before) == 1 else None, made)
    if not reading.words and not reading.questions:
        if closed and any(one.length is None for one in made):
            reading.ask("what is stopped needs a length: for how many days?")
        elif any(one.length is None for one in made if one.sequence < len(steps)):
            reading.ask("say for how many days, before what follows then")
    if reading.words or reading.questions:
        raise NotUnderstood(field, reading.words, reading.questions)
    return _checked(made, field)


def _lower(char: str) -> str:
    """Return a character in lower case, at the same place; digits of other scripts are none."""
    if char.isdecimal() and not char.isascii():
        return "\N{REPLACEMENT CHARACTER}"
    return char.lower() if len(char.lower()) == 1 else char


def amount(text: str) -> tuple[Decimal, str] | None:
    """Return the amount that a text such as `500 mg` says and nothing else; None for any other."""
    reading = _Reading(text, [], [])
    clause = _clause(reading, "".join(map(_lower, text)), 0, len(text))
    wholly = not (reading.words or reading.questions)
    if not wholly or set(clause.slots) != {"quantity", "unit"} or clause.events:
        return None
    return clause.slots["quantity"], clause.slots["unit"]


def _checked(made: list[Said], field: str) -> list[dict[str, Any]]:
    dosages = [to_fhir(one) for one in made]
    try:
        timing.steps(dosages)
    except Unprocessable as refused:
        questions = list(dict.fromkeys(detail.reason for detail in refused.details))
        raise NotUnderstood(field, [], questions) from None
    return dosages


def _split(text: str, start: int, end: int, by: re.Pattern[str]) -> list[tuple[int, int]]:
    parts, at = [], start
    for found in by.finditer(text, start, end):
        parts.append((at, found.start()))
        at = found.end()
    return [*parts, (at, end)]


def _clause(reading: _Reading, text: str, at: int, end: int) -> Clause:
    """Read one instruction: at each place the longest phrase that ends at the end of a word."""
    clause = Clause()
    unread: list[tuple[int, int]] = []
    text = text[:end]
    while True:
        gap = _GAP.match(text, at)
        # A point that begins a number is no gap.
        if gap is not None:
            at = gap.end() - (text[gap.end() - 1 : gap.end() + 1].strip("0123456789") == "."
                              and text[gap.end() : gap.end() + 1].isdigit())  # fmt: skip
        if at >= end:
            break
        found = [
            (match, handle) for pattern, handle in phrases() if (match := pattern.match(text, at))
        ]
        if not found:
            word = _WORD.match(text, at)
            stop = word.end() if word is not None else at + 1
            unread.append((at, stop))
            at = stop
            continue
        match, handle = max(found, key=lambda one: one[0].end())
        try:
            handle(clause, match)
        except (ValueError, StopIteration):
            unread.append(match.span())
        at = match.end()
    unread += clause.clashes
    reading.words += [Words(one, reading.text[one:two].strip()) for one, two in sorted(set(unread))]
    for question in clause.asks.values():
        reading.ask(question)
    return clause


def _check_shared(reading: _Reading, clauses: list[Clause]) -> None:
    """What is said of one of two instructions side by side may be meant of both: ask."""
    for name in ("length", "count", "cycle", "as_needed", "maximum", "days"):
        if len({clause.slots.get(name) for clause in clauses}) > 1:
            reading.ask("say for each of the amounts for how long, on which days, if as needed")


def _said(
    reading: _Reading, clause: Clause, sequence: int, before: Said | None, made: list[Said]
) -> list[Said]:
    """Return what a clause comes to; what it leaves out is as `before`, the step before it."""
    slots = clause.slots
    unit, route = slots.get("unit"), slots.get("route")
    first = made[0] if made else None
    base = Said(
        sequence=sequence,
        quantity=slots.get("quantity"),
        unit=unit or (first.unit if first is not None and "quantity" in slots else None),
        route=route or (first.route if first is not None else None),
        site=slots.get("site", first.site if first is not None else None),
        days=slots.get("days", ()),
        count=slots.get("count"),
        length=slots.get("length"),
        cycle=slots.get("cycle"),
        as_needed=slots.get("as_needed", False),
        reason=slots.get("reason"),
        food=slots.get("food"),
    )
    base = _with_maximum(reading, base, slots.get("maximum"))
    if "scheme" in slots:
        return _by_scheme(reading, base, clause)
    timed = _with_timing(reading, base, clause)
    if timed is not None:
        return [timed]
    if before is not None:
        return [
            replace(
                base,
                frequency=before.frequency,
                period=before.period,
                period_max=before.period_max,
                period_unit=before.period_unit,
                days=base.days or before.days,
                times=before.times,
                when=before.when,
                offset=before.offset,
                as_needed=base.as_needed or before.as_needed,
                reason=base.reason or before.reason,
                food=base.food or before.food,
            )
        ]
    if not base.as_needed and not reading.words:
        reading.ask("how often is it taken?")
    return [base]


def _with_maximum(
    reading: _Reading, said: Said, maximum: tuple[Decimal, str | None] | None
) -> Said:
    """Return `said` with the most in a day; a bare number is doses where a dose is one."""
    if maximum is None:
        return said
    value, unit = maximum
    if unit == "dose":
        return replace(said, maximum=value)
    if unit is None and said.quantity not in {None, 1}:
        reading.ask("the most in a day: say of what, such as 4 tablets or 4 doses")
    return replace(said, maximum=value, maximum_unit=unit)


def _by_scheme(reading: _Reading, said: Said, clause: Clause) -> list[Said]:
    """Return 1-0-1 as one instruction, or one for each amount if they differ."""
    amounts = clause.slots["scheme"]
    given = [(number_, event) for number_, event in zip(amounts, _SCHEME, strict=False) if number_]
    rate = clause.slots.get("rate")
    if not given or clause.events or "times" in clause.slots or "quantity" in clause.slots:
        reading.ask("a scheme such as 1-0-1 says how much and when by itself")
        return []
    if rate not in {None, (1, Decimal(1), "d"), (len(given), Decimal(1), "d")}:
        reading.ask("a scheme such as 1-0-1 is for every day")
    made = []
    for value in dict.fromkeys(number_ for number_, _ in given):
        events = tuple(event for number_, event in given if number_ == value)
        made.append(
            replace(
                said,
                quantity=value,
                unit=clause.slots.get("unit", said.unit),
                when=events,
                frequency=len(events),
                period=Decimal(1),
                period_unit="d",
            )
        )
    return made


def _with_timing(reading: _Reading, said: Said, clause: Clause) -> Said | None:
    """Return `said` with how often and when; None if the clause says neither."""
    slots = clause.slots
    frequency, period, unit = slots.get("rate", (None, None, None))
    times = slots.get("times", ())
    said = _with_events(reading, said, clause)
    named = len(times) or len(said.when)
    if unit in {"h", "min"}:
        most = slots.get("rate_max")
        if most is not None and not said.as_needed:
            reading.ask("a range of hours: say one number, or that it is taken as needed")
        return replace(
            said, times=times, frequency=1, period=period, period_unit=unit, period_max=most
        )
    if said.as_needed and unit is None and not named and not said.days and said.count is None:
        return said
    if unit is None and not named and not said.days:
        return None if said.count is None else replace(
            said, frequency=1, period=Decimal(1), period_unit="d"
        )  # fmt: skip
    if unit is None or (unit == "wk" and period == 1 and said.days):
        if unit == "wk" and frequency not in {None, len(said.days) * max(1, named)}:
            reading.ask("how often a week and the days of the week disagree")
        frequency, period, unit = named or 1, Decimal(1), "d"
    elif frequency is None:
        frequency = max(1, named) * max(1, len(said.days))
    elif named and unit == "d" and frequency == 1 < named:
        reading.ask("how often a day and the times of the day disagree")
    return replace(said, times=times, frequency=frequency, period=period, period_unit=unit)


def _with_events(reading: _Reading, said: Said, clause: Clause) -> Said:
    """Return `said` with the events of the day that it is anchored to."""
    events = dict.fromkeys(clause.events)
    frequency, _, unit = clause.slots.get("rate", (None, None, None))
    meals = clause.slots.get("all_meals")
    if meals is not None and frequency is not None and (frequency, unit) != (3, "d"):
        # "Twice a day with meals": how often is said, the meals say how it goes with food.
        word, offset = meals
        if offset is not None or unit != "d":
            reading.ask("which meals?")
        if said.food is not None:
            reading.ask("say once how it goes with food")
        return replace(said, food=f"{word} meals")
    offsets = {offset for _, offset in events}
    if len(offsets) > 1:
        reading.ask("one time before or after for all meals, please: say each on its own")
    names = tuple(sorted((name for name, _ in events), key=DAY_ORDER.index))
    return replace(said, when=names, offset=next(iter(offsets), None))
