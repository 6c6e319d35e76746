"""PDC and MPR against published examples, and against counting day by day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.medications.adherence import measures
from chroniccare.medications.adherence.measures import Fill

# The claims of the Pharmacy Quality Alliance's own worked examples, with the first and the last
# dose of each as PQA gives them: https://www.pqaalliance.org/assets/Measures/pdc-rasa.js.txt, and
# the same claims in pdc-dr.js.txt, pdc-doac.js.txt and pdc-sta.js.txt (pqa.memberclicks.net);
# measurement year 2018. A name stands for a drug.
YEAR = (date(2018, 1, 1), date(2018, 12, 31))
Claim = tuple[str, str, int, str, str]
PQA: dict[str, list[Claim]] = {
    "two drugs, one after the other": [
        ("2018-01-01", "lisinopril", 90, "2018-01-01", "2018-03-31"),
        ("2018-04-01", "losartan", 90, "2018-04-01", "2018-06-29"),
    ],
    "two drugs on one day": [
        ("2018-01-01", "lisinopril", 90, "2018-01-01", "2018-03-31"),
        ("2018-01-01", "losartan", 90, "2018-01-01", "2018-03-31"),
    ],
    "a refill that is early": [
        ("2018-03-25", "lisinopril", 90, "2018-03-25", "2018-06-22"),
        ("2018-07-05", "lisinopril", 90, "2018-07-05", "2018-10-02"),
        ("2018-09-25", "lisinopril", 90, "2018-10-03", "2018-12-31"),
    ],
    "supply beyond the year": [
        ("2018-01-01", "lisinopril", 90, "2018-01-01", "2018-03-31"),
        ("2018-03-25", "lisinopril", 90, "2018-04-01", "2018-06-29"),
        ("2018-07-05", "lisinopril", 90, "2018-07-05", "2018-10-02"),
        ("2018-10-15", "lisinopril", 90, "2018-10-15", "2018-12-31"),
    ],
    # The stored copy of the page ends in the third claim of this one, on 15 December.
    "begun too late in the year": [
        ("2018-10-04", "lisinopril", 30, "2018-10-04", "2018-11-02"),
        ("2018-11-01", "lisinopril", 30, "2018-11-03", "2018-12-02"),
    ],
}
# Days covered (from PQA's first and last doses), days of treatment, and whether the person counts.
WANTED = {
    "two drugs, one after the other": (180, 365, 49.3, None),
    "two drugs on one day": (90, 365, None, "one_fill"),
    "a refill that is early": (270, 282, 95.7, None),
    "supply beyond the year": (348, 365, 95.3, None),
    "begun too late in the year": (60, 89, None, "too_short"),
}


def drugs(claims: list[Claim]) -> dict[str, list[Fill]]:
    found: dict[str, list[Fill]] = {}
    for day, drug, supply, _, _ in claims:
        found.setdefault(drug, []).append(Fill(date.fromisoformat(day), supply))
    return found


@pytest.mark.parametrize("name", PQA)
def test_first_and_last_doses_are_those_of_pqa(name: str) -> None:
    mine = [
        (start, min(end, YEAR[1]))
        for fills in drugs(PQA[name]).values()
        for start, end in measures.spans(fills)
    ]
    theirs = [(date.fromisoformat(a), date.fromisoformat(b)) for *_, a, b in PQA[name]]
    assert mine == theirs


@pytest.mark.parametrize("name", PQA)
def test_the_proportion_of_days_covered_is_that_of_pqas_examples(name: str) -> None:
    covered, treatment, value, reason = WANTED[name]
    theirs = {
        date.fromisoformat(first) + timedelta(days=n)
        for *_, first, last in PQA[name]
        for n in range((date.fromisoformat(last) - date.fromisoformat(first)).days + 1)
    }
    assert len(theirs) == covered
    found = measures.pdc(drugs(PQA[name]).values(), first=YEAR[0], last=YEAR[1])
    assert (found.numerator, found.denominator) == (covered, treatment)
    assert (found.value, found.reason) == (value, reason)


def test_the_claims_of_a_sas_paper() -> None:
    """R. S. Leslie, Using Arrays to Calculate Medication Utilization, SAS Global Forum 2007, 043.

    Its member 603: days 1 to 30 and 117 to 146 of 180, and what is left of a fill on day 176.
    """
    fills = [Fill(date(2005, 2, 17), 30), Fill(date(2005, 6, 13), 30), Fill(date(2005, 8, 11), 30)]
    first = date(2005, 2, 17)
    last = first + timedelta(days=179)
    days = [((a - first).days + 1, (b - first).days + 1) for a, b in measures.spans(fills)]
    assert days == [(1, 30), (117, 146), (176, 205)]
    found = measures.pdc([fills], first=first, last=last)
    assert (found.numerator, found.denominator, found.value) == (65, 180, 36.1)


@pytest.mark.parametrize(
    ("refills", "days", "supply", "value"),
    [(20, 30, 600, 100.0), (15, 30, 450, 75.0), (5, 90, 450, 75.0)],
)
def test_the_possession_ratios_of_a_published_table(
    refills: int, days: int, supply: int, value: float
) -> None:
    """Days' supply and MPR over 600 days: BMC Health Services Research 2007;7:122, table 2."""
    first = date(2005, 1, 1)
    fills = [Fill(first + timedelta(days=n * 600 // refills), days) for n in range(refills)]
    found = measures.mpr(fills, first=first, last=first + timedelta(days=599))
    assert (found.numerator, found.denominator, found.value) == (supply, 600, value)


def test_a_possession_ratio_may_pass_a_hundred_where_days_covered_do_not() -> None:
    """The same table's second example: 750 days' supply in 600 days, 125 %."""
    first = date(2005, 1, 1)
    fills = [Fill(first + timedelta(days=n * 24), 30) for n in range(25)]
    last = first + timedelta(days=599)
    assert measures.mpr(fills, first=first, last=last).value == 125.0
    assert measures.pdc([fills], first=first, last=last).value == 100.0


FIRST = date(2028, 1, 1)  # a leap year
fill = st.builds(
    Fill,
    st.integers(-40, 420).map(lambda n: FIRST + timedelta(days=n)),
    st.sampled_from([1, 7, 28, 30, 84, 90, 400]),
)


def by_counting(each: list[list[Fill]], first: date, last: date) -> tuple[set[date], date | None]:
    """Walk through the days with a pill box for each drug."""
    within = [[one for one in fills if first <= one.day <= last] for fills in each]
    covered = set()
    for fills in within:
        left, day = 0, first
        while day <= last:
            left += sum(one.days for one in fills if one.day == day)
            if left:
                covered.add(day)
                left -= 1
            day += timedelta(days=1)
    begun = [one.day for fills in within for one in fills]
    return covered, min(begun, default=None)


@given(
    each=st.lists(st.lists(fill, max_size=8), min_size=1, max_size=3),
    span=st.integers(1, 400),
    start=st.integers(0, 60),
)
def test_counting_day_by_day_finds_the_same(each: list[list[Fill]], span: int, start: int) -> None:
    first = FIRST + timedelta(days=start)
    last = first + timedelta(days=span - 1)
    covered, index = by_counting(each, first, last)
    found = measures.pdc(each, first=first, last=last)
    assert found.numerator == len(covered)
    days = {one.day for fills in each for one in fills if first <= one.day <= last}
    if index is None:
        assert (found.value, found.reason, found.denominator) == (None, "no_fills", 0)
        return
    assert found.denominator == (last - index).days + 1
    counts = len(days) >= 2 and found.denominator >= 91
    assert (found.value is not None) == counts == (found.reason is None)
    if counts:
        assert found.value == round(100 * len(covered) / found.denominator, 1)
        assert 0 < found.value <= 100


@given(st.lists(fill, max_size=8))
def test_supply_runs_out_on_the_last_day_that_a_pill_box_has_something(fills: list[Fill]) -> None:
    covered, _ = by_counting([fills], FIRST - timedelta(days=50), FIRST + timedelta(days=4000))
    assert measures.run_out(fills) == max(covered, default=None)


CODES = st.lists(st.tuples(st.sampled_from("tlsemio"), st.integers(0, 40)), max_size=120)


@given(CODES)
def test_measures_of_doses_are_what_a_recount_finds(doses: list[tuple[str, int]]) -> None:
    ordered = sorted(doses, key=lambda one: one[1])
    days = measures.by_day("".join(c for c, _ in ordered), [day for _, day in ordered])
    found = measures.of_doses(days)
    observed = [c for c, _ in doses if c in "tlsm"]
    due = [c for c, _ in doses if c in "tlsmi"]
    taken = [c for c in observed if c in "tl"]
    assert (found.doses_taken.numerator, found.doses_taken.denominator) == (
        len(taken), len(observed),
    )  # fmt: skip
    assert found.doses_taken.reason == (None if observed else "nothing_observed")
    assert (found.doses_taken_at_least.denominator, found.on_time.numerator) == (
        len(due), sum(c == "t" for c, _ in doses),
    )  # fmt: skip
    assert found.missed_inferred.numerator == sum(c == "i" for c, _ in doses)
    assert found.missed_observed.numerator == sum(c == "m" for c, _ in doses)
    coverage = round(100 * len(observed) / len(due), 1) if due else None
    assert {found.doses_taken.coverage, found.longest_gap.coverage} == {coverage}
    # Streaks by brute force: every stretch of days with doses due is looked at.
    on = sorted({day for c, day in doses if c in "tlsmi"})
    of = {day: [c for c, at in doses if at == day and c in "tlsmi"] for day in on}
    every = [on[a:b] for a in range(len(on)) for b in range(a + 1, len(on) + 1)]
    full = [s for s in every if all(c in "tl" for day in s for c in of[day])]
    none = [s for s in every if all(c not in "tl" for day in s for c in of[day])]
    assert found.streak_longest.numerator == max(map(len, full), default=0)
    assert found.longest_gap.numerator == max(map(len, none), default=0)
    to_the_last = [s for s in full if s[-1] == on[-1]]
    assert found.streak_current.numerator == max(map(len, to_the_last), default=0)
    assert (found.streak_longest.value is None) == (not on)


@given(CODES, st.dates(date(2030, 1, 1), date(2030, 1, 14)))
def test_weeks_begin_on_monday_and_lose_nothing(doses: list[tuple[str, int]], first: date) -> None:
    days = measures.by_day("".join(c for c, _ in doses), [day for _, day in doses])
    weeks = measures.in_weeks(days, first)
    assert all((first + timedelta(days=day)).weekday() == 0 for day in weeks)
    for monday, codes in weeks.items():
        wanted = [c for c, day in doses if monday <= day < monday + 7]
        assert sorted(codes) == sorted(wanted)
