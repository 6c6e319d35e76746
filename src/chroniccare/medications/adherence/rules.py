"""Adherence on paper: what may follow what, and when it is low and has recovered. Pure.

The doses of a medication are one letter each, the first due first: see `words.Code`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from chroniccare.medications.adherence.measures import Fill, run_out
from chroniccare.medications.adherence.words import Reason, Source, Status

OPEN = frozenset({"planned", "due", "reminded"})
SETTLED = frozenset({"taken", "skipped", "missed"})
NEXT: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    **dict.fromkeys(OPEN, (SETTLED, frozenset({"missed"}))),
    # Who was there knows better than what was said before; an inference never does.
    **dict.fromkeys(SETTLED, (SETTLED, frozenset())),
    "cancelled": (frozenset(), frozenset()),
    "not_applicable": (frozenset(), frozenset()),
}
"""Every step there is: from a state, where an observer's report leads, and where inference does."""

EARLY = timedelta(hours=12)
"""How long before it is due a dose may be reported taken or skipped."""
SKEW = timedelta(minutes=5)
"""How far ahead of ours a client's clock may be."""

WINDOW = timedelta(days=30)
LEAST_OBSERVED = 10
IN_A_ROW = 3
"""Doses in a row that open an episode when they are not taken, and end it when they are."""
DEFAULT_PERCENT, ANTIRETROVIRAL_PERCENT = 80, 90
HYSTERESIS = 5
_ANTIRETROVIRAL = frozenset({"antiretroviral", "antiretrovirals", "arv"})


def may_become(state: str, status: Status, source: Source) -> bool:
    """Return whether a report may bring a dose from `state` to `status`."""
    observed, inferred = NEXT[state]
    return status in (inferred if source == "inference" else observed)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Percent of the observed doses: low is less than `low`, recovered at least `clear`."""

    low: int
    clear: int


def thresholds(own: int | None, drug_class: str | None) -> Thresholds:
    """Return the thresholds of a medication: its own, its class's, or everybody's."""
    of_class = (drug_class or "").strip().lower() in _ANTIRETROVIRAL
    low = own or (ANTIRETROVIRAL_PERCENT if of_class else DEFAULT_PERCENT)
    return Thresholds(low, min(100, low + HYSTERESIS))


def thresholds_by_class() -> tuple[list[str], int, int]:
    """Return the drug classes with a `low` of their own in small letters, it, and all others'."""
    return sorted(_ANTIRETROVIRAL), ANTIRETROVIRAL_PERCENT, DEFAULT_PERCENT


@dataclass(frozen=True, slots=True)
class Course:
    """How a medication went of late, from its doses of `WINDOW` and its fills.

    Attributes:
        taken: doses observed to be taken.
        observed: doses about which somebody said something that counts.
        run: doses in a row, to the last, that were not taken.
        streak: doses in a row, to the last, that were.
        gap: there has been no supply for as long as the last one lasted.
    """

    taken: int
    observed: int
    run: int
    streak: int
    gap: bool


def course(codes: str, fills: Sequence[Fill] = (), today: date | None = None) -> Course:
    """Return how a medication went; `today` is the day where the patient lives.

    A dose that is only inferred to be missed counts in a run where somebody reports as a rule;
    where nobody does, silence says nothing. A patient who takes it has a supply, whatever the fills
    say.
    """
    taken = sum(one in "tl" for one in codes)
    observed = sum(one in "tlsm" for one in codes)
    counted = [one for one in codes if one in "tlsm" or (one == "i" and observed >= LEAST_OBSERVED)]
    run = streak = 0
    for one in counted:
        run, streak = (0, streak + 1) if one in "tl" else (run + 1, 0)
    return Course(taken, observed, run, streak, _is_out(fills, today) and not streak)


def _is_out(fills: Sequence[Fill], today: date | None) -> bool:
    last = run_out(fills)
    if last is None or today is None:
        return False
    latest = max(fills, key=lambda fill: fill.day)
    return (today - last).days > latest.days


def why_low(course: Course, limits: Thresholds) -> Reason | None:
    """Return why an episode of low adherence would begin now; None: it would not."""
    if course.observed >= LEAST_OBSERVED and 100 * course.taken < limits.low * course.observed:
        return "rate"
    if course.run >= IN_A_ROW:
        return "missed_doses"
    return "gap" if course.gap else None


def has_recovered(course: Course, limits: Thresholds, reason: str) -> bool:
    """Return whether an episode that began for `reason` is over.

    Between the two thresholds it goes on, so that one dose does not end it and the next begin
    another. Where too few doses are observed to tell a rate, doses in a row decide, unless it
    began with a rate.
    """
    if why_low(course, limits) is not None:
        return False
    if course.observed >= LEAST_OBSERVED:
        return 100 * course.taken >= limits.clear * course.observed
    return reason == "gap" or (reason == "missed_doses" and course.streak >= IN_A_ROW)
