"""Measures of adherence, from doses and from fills. Pure; docs/medications.md has the formulas."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

LEAST_DAYS = 91
"""PQA: the treatment period has at least so many days, both ends included."""
LEAST_FILLS = 2
"""PQA: on different days."""


@dataclass(frozen=True, slots=True)
class Fill:
    """What was dispensed on a day, and for how many days it lasts."""

    day: date
    days: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure and what it is made of.

    Attributes:
        value: percent with one decimal, or a count; None: `reason` says why there is none.
        coverage: share of the due doses that somebody observed, in percent; None: none was due.
    """

    value: float | None
    numerator: int
    denominator: int
    coverage: float | None
    reason: str | None = None


def percent(numerator: int, denominator: int) -> float | None:
    """Return a share in percent with one decimal; None of nothing."""
    return round(100 * numerator / denominator, 1) if denominator else None


def ratio(numerator: int, denominator: int, coverage: float | None, why_not: str) -> Measure:
    """Return a share; `why_not` is the reason where there is nothing to divide by."""
    value = percent(numerator, denominator)
    return Measure(value, numerator, denominator, coverage, why_not if value is None else None)


# --- fills ------------------------------------------------------------------------------------


def spans(fills: Iterable[Fill]) -> list[tuple[date, date]]:
    """Return the first and last day that each fill of one drug covers, in order of the fills.

    What is filled early begins when the supply before it ends.
    """
    found: list[tuple[date, date]] = []
    for fill in sorted(fills, key=lambda one: one.day):
        start = max(fill.day, found[-1][1] + timedelta(days=1)) if found else fill.day
        found.append((start, start + timedelta(days=fill.days - 1)))
    return found


def run_out(fills: Iterable[Fill]) -> date | None:
    """Return the last day that the fills of one drug cover; None: there is none."""
    covered = spans(fills)
    return covered[-1][1] if covered else None


def covered_days(drugs: Iterable[Sequence[Fill]], last: date) -> int:
    """Return how many days to `last` at least one of the drugs of a class covers.

    Supplies of the same drug follow each other; those of different drugs may overlap.
    """
    pieces = sorted(piece for fills in drugs for piece in spans(fills))
    days, until = 0, date.min
    for start, end in pieces:
        begin, end_ = max(start, until + timedelta(days=1)), min(end, last)
        if begin <= end_:
            days += (end_ - begin).days + 1
            until = end_
    return days


def pdc(drugs: Iterable[Sequence[Fill]], *, first: date, last: date) -> Measure:
    """Return the proportion of days covered of one drug, or of the drugs of a class, as PQA does.

    Only fills of the period count; the treatment period runs from the first of them to `last`,
    the end of the period. Days in hospital are not known here and are not taken out.
    """
    within = [[fill for fill in fills if first <= fill.day <= last] for fills in drugs]
    days = {fill.day for fills in within for fill in fills}
    if not days:
        return Measure(None, 0, 0, None, "no_fills")
    treatment = (last - min(days)).days + 1
    covered = covered_days(within, last)
    why_not = None
    if len(days) < LEAST_FILLS:
        why_not = "one_fill"
    elif treatment < LEAST_DAYS:
        why_not = "too_short"
    value = None if why_not else percent(covered, treatment)
    return Measure(value, covered, treatment, None, why_not)


def mpr(fills: Sequence[Fill], *, first: date, last: date) -> Measure:
    """Return the medication possession ratio of one drug: days supplied by days; it may pass 100.

    It has the same conditions as PDC, beside which it is read.
    """
    beside = pdc([fills], first=first, last=last)
    supplied = sum(fill.days for fill in fills if first <= fill.day <= last)
    value = None if beside.reason else percent(supplied, beside.denominator)
    return Measure(value, supplied, beside.denominator, None, beside.reason)


# --- doses ------------------------------------------------------------------------------------

Days = Mapping[int, str]
"""The doses of each day, counted from some first one: a letter for each, as in `words.Code`."""


def by_day(codes: str, days: Sequence[int]) -> dict[int, str]:
    """Return the doses of each day, from a letter and a day for each dose."""
    found: dict[int, str] = {}
    for code, day in zip(codes, days, strict=True):
        found[day] = found.get(day, "") + code
    return found


def together(several: Iterable[Days]) -> dict[int, str]:
    """Return the days of several medications as those of one."""
    found: dict[int, str] = {}
    for days in several:
        for day, codes in days.items():
            found[day] = found.get(day, "") + codes
    return found


@dataclass(frozen=True, slots=True)
class Doses:
    """How many doses of a time became what; those still open are not in it.

    Attributes:
        taken: late ones included.
        skipped: without those that were `excused`.
        missed: as somebody observed.
        inferred: nobody said anything in time.
    """

    taken: int
    late: int
    skipped: int
    excused: int
    missed: int
    inferred: int

    @property
    def observed(self) -> int:
        """Doses about which somebody said something that counts."""
        return self.taken + self.skipped + self.missed

    @property
    def due(self) -> int:
        """Doses that were to be taken."""
        return self.observed + self.inferred


def counted(codes: str) -> Doses:
    """Return how many doses became what, from a letter for each."""
    late, of = codes.count("l"), codes.count
    return Doses(of("t") + late, late, of("s"), of("e"), of("m"), of("i"))


@dataclass(frozen=True, slots=True)
class OfDoses:
    """The measures that come from doses; streaks and gap are days on which a dose was due.

    Attributes:
        doses_taken: taken, of those observed.
        doses_taken_at_least: taken, of all that were due, as if silence meant a missed dose.
        on_time: taken and not late, of those observed.
        missed_observed: of those due.
        missed_inferred: of those due.
        streak_current: days in a row, to the last, on which every dose due was taken.
        streak_longest: most of them in a row.
        longest_gap: most days in a row on which none was.
    """

    doses_taken: Measure
    doses_taken_at_least: Measure
    on_time: Measure
    missed_observed: Measure
    missed_inferred: Measure
    streak_current: Measure
    streak_longest: Measure
    longest_gap: Measure


def of_doses(days: Days) -> OfDoses:
    """Return the measures of the doses of one medication, or of several together."""
    went = "".join(_went(days[day]) for day in sorted(days))
    doses = counted("".join(days.values()))
    coverage = percent(doses.observed, doses.due)

    def share(numerator: int, denominator: int, why_not: str) -> Measure:
        return ratio(numerator, denominator, coverage, why_not)

    def count(value: int) -> Measure:
        reason = None if went else "no_doses_due"
        return Measure(value if went else None, value, len(went), coverage, reason)

    return OfDoses(
        doses_taken=share(doses.taken, doses.observed, "nothing_observed"),
        doses_taken_at_least=share(doses.taken, doses.due, "no_doses_due"),
        on_time=share(doses.taken - doses.late, doses.observed, "nothing_observed"),
        missed_observed=share(doses.missed, doses.due, "no_doses_due"),
        missed_inferred=share(doses.inferred, doses.due, "no_doses_due"),
        streak_current=count(len(went) - len(went.rstrip("a"))),
        streak_longest=count(_longest("a", went)),
        longest_gap=count(_longest("n", went)),
    )


@lru_cache(maxsize=4096)
def _went(codes: str) -> str:
    """Return `a`, `s` or `n` for a day of which all, some or none of the due doses were taken.

    Nothing where none was due. Days are much alike, so few are worked out.
    """
    doses = counted(codes)
    if not doses.due:
        return ""
    if not doses.taken:
        return "n"
    return "a" if doses.taken == doses.due else "s"


def _longest(letter: str, went: str) -> int:
    """Return how often a letter stands in a row at most."""
    return max(map(len, re.findall(f"{letter}+", went)), default=0)


def in_weeks(days: Days, first: date) -> dict[int, str]:
    """Return the same by week, each under its Monday; `first` is day 0."""
    found: dict[int, str] = {}
    for day, codes in days.items():
        monday = day - (first.weekday() + day) % 7
        found[monday] = found.get(monday, "") + codes
    return found
