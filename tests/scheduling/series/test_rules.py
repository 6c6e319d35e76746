"""Recurrence on paper: the examples of RFC 5545, dateutil itself, changes of clocks, bad rules."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule as dateutil
from hypothesis import assume, given
from hypothesis import strategies as st

from chroniccare.core.errors import FieldError, Problem
from chroniccare.scheduling.series import rules
from chroniccare.scheduling.series import rules_rrule as grammar

NEW_YORK = "America/New_York"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def days(text: str) -> list[date]:
    """Return the dates of `1997-09 2 4 9-11 / 1998-01 6`."""
    found: list[date] = []
    for block in text.split("/"):
        month, *numbers = block.split()
        for one in numbers:
            first, _, last = one.partition("-")
            span = range(int(first), int(last or first) + 1)
            found += [date.fromisoformat(f"{month}-{day:02d}") for day in span]
    return found


SUNDAY_TO_SATURDAY = "SU,MO,TU,WE,TH,FR,SA"
DECEMBER_23 = "1997-09 2-30 / 1997-10 1-31 / 1997-11 1-30 / 1997-12 1-23"
JANUARIES = "1998-01 1-31 / 1999-01 1-31 / 2000-01 1-31"
FIVE_WEEKS = "1997-09 2 4 9 11 16 18 23 25 30 / 1997-10 2"

# RFC 5545, 3.8.5.3: every example but those of hours. Where the RFC lists
# "..." a rule without an end is cut to what is listed.
RFC: list[tuple[str, str, str]] = [
    ("FREQ=DAILY;COUNT=10", "1997-09-02", "1997-09 2-11"),
    ("FREQ=DAILY;UNTIL=19971224T000000Z", "1997-09-02", DECEMBER_23),
    (
        "FREQ=DAILY;INTERVAL=2",
        "1997-09-02",
        "1997-09 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 / 1997-10 2 4",
    ),
    ("FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02", "1997-09 2 12 22 / 1997-10 2 12"),
    (
        f"FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY={SUNDAY_TO_SATURDAY}",
        "1998-01-01",
        JANUARIES,
    ),
    ("FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", "1998-01-01", JANUARIES),
    ("FREQ=WEEKLY;COUNT=10", "1997-09-02", "1997-09 2 9 16 23 30 / 1997-10 7 14 21 28 / 1997-11 4"),
    (
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        "1997-09-02",
        "1997-09 2 9 16 23 30 / 1997-10 7 14 21 28 / 1997-11 4 11 18 25 / 1997-12 2 9 16 23",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997-09-02",
        (
            "1997-09 2 16 30 / 1997-10 14 28 / 1997-11 11 25 / 1997-12 9 23 / 1998-01 6 20"
            " / 1998-02 3 17"
        ),
    ),
    ("FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "1997-09-02", FIVE_WEEKS),
    ("FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997-09-02", FIVE_WEEKS),
    (
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997-09-01",
        (
            "1997-09 1 3 5 15 17 19 29 / 1997-10 1 3 13 15 17 27 29 31 / 1997-11 10 12 14 24 26 28"
            " / 1997-12 8 10 12 22"
        ),
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "1997-09-02",
        "1997-09 2 4 16 18 30 / 1997-10 2 14 16",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997-09-05",
        (
            "1997-09 5 / 1997-10 3 / 1997-11 7 / 1997-12 5 / 1998-01 2 / 1998-02 6 / 1998-03 6"
            " / 1998-04 3 / 1998-05 1 / 1998-06 5"
        ),
    ),
    (
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
        "1997-09-05",
        "1997-09 5 / 1997-10 3 / 1997-11 7 / 1997-12 5",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997-09-07",
        "1997-09 7 28 / 1997-11 2 30 / 1998-01 4 25 / 1998-03 1 29 / 1998-05 3 31",
    ),
    (
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "1997-09-22",
        "1997-09 22 / 1997-10 20 / 1997-11 17 / 1997-12 22 / 1998-01 19 / 1998-02 16",
    ),
    (
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        "1997-09-28",
        "1997-09 28 / 1997-10 29 / 1997-11 28 / 1997-12 29 / 1998-01 29 / 1998-02 26",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997-09-02",
        "1997-09 2 15 / 1997-10 2 15 / 1997-11 2 15 / 1997-12 2 15 / 1998-01 2 15",
    ),
    (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997-09-30",
        "1997-09 30 / 1997-10 1 31 / 1997-11 1 30 / 1997-12 1 31 / 1998-01 1 31 / 1998-02 1",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997-09-10",
        "1997-09 10-15 / 1999-03 10-13",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997-09-02",
        "1997-09 2 9 16 23 30 / 1997-11 4 11 18 25 / 1998-01 6 13 20 27 / 1998-03 3 10 17 24 31",
    ),
    (
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997-06-10",
        (
            "1997-06 10 / 1997-07 10 / 1998-06 10 / 1998-07 10 / 1999-06 10 / 1999-07 10"
            " / 2000-06 10 / 2000-07 10 / 2001-06 10 / 2001-07 10"
        ),
    ),
    (
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997-03-10",
        (
            "1997-03 10 / 1999-01 10 / 1999-02 10 / 1999-03 10 / 2001-01 10 / 2001-02 10"
            " / 2001-03 10 / 2003-01 10 / 2003-02 10 / 2003-03 10"
        ),
    ),
    ("FREQ=YEARLY;BYDAY=20MO", "1997-05-19", "1997-05 19 / 1998-05 18 / 1999-05 17"),
    (
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "1997-03-13",
        "1997-03 13 20 27 / 1998-03 5 12 19 26 / 1999-03 4 11 18 25",
    ),
    (
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997-06-05",
        (
            "1997-06 5 12 19 26 / 1997-07 3 10 17 24 31 / 1997-08 7 14 21 28"
            " / 1998-06 4 11 18 25 / 1998-07 2 9 16 23 30 / 1998-08 6 13 20 27"
            " / 1999-06 3 10 17 24 / 1999-07 1 8 15 22 29 / 1999-08 5 12 19 26"
        ),
    ),
    (
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "1997-09-02",
        "1998-02 13 / 1998-03 13 / 1998-11 13 / 1999-08 13 / 2000-10 13",
    ),
    (
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997-09-13",
        (
            "1997-09 13 / 1997-10 11 / 1997-11 8 / 1997-12 13 / 1998-01 10 / 1998-02 7 / 1998-03 7"
            " / 1998-04 11 / 1998-05 9 / 1998-06 13"
        ),
    ),
    (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996-11-05",
        "1996-11 5 / 2000-11 7 / 2004-11 2",
    ),
    (
        "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
        "1997-09-04",
        "1997-09 4 / 1997-10 7 / 1997-11 6",
    ),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997-09-29",
        "1997-09 29 / 1997-10 30 / 1997-11 27 / 1997-12 30 / 1998-01 29 / 1998-02 26 / 1998-03 30",
    ),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05", "1997-08 5 10 19 24"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05", "1997-08 5 17 19 31"),
    (
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        "2007-01-15",
        "2007-01 15 30 / 2007-02 15 / 2007-03 15 30",
    ),
    (
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "1997-01-01",
        (
            "1997-01 1 / 1997-04 10 / 1997-07 19 / 2000-01 1 / 2000-04 9 / 2000-07 18"
            " / 2003-01 1 / 2003-04 10 / 2003-07 19 / 2006-01 1"
        ),
    ),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12", "1997-05 12 / 1998-05 11 / 1999-05 17"),
]


@pytest.mark.parametrize(("text", "start", "listed"), RFC)
def test_the_examples_of_the_rfc(text: str, start: str, listed: str) -> None:
    first, expected = date.fromisoformat(start), days(listed)
    rule = grammar.parse(text)
    end = first + timedelta(days=731)  # a series ends within two years, so that much is compared
    if rule.count is None and rule.until is None:
        end = min(end, expected[-1])
    now = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=1)
    if expected[-1] <= end:
        ended = rule if rule.count or rule.until else grammar.parse(f"{text};UNTIL={end:%Y%m%d}")
        found = rules.expand(ended, first=first, at=time(9), zone_name=NEW_YORK, now=now)
        assert [one.local.day for one in found] == expected
        eastern = ZoneInfo(NEW_YORK)
        assert {one.instant.astimezone(eastern).time() for one in found} == {time(9)}
    near = list(takewhile(lambda day: day <= end, rules.rule_days(rule, first)))
    if rule.until is None:
        assert near == [day for day in expected if day <= end]


@st.composite
def rule_texts(draw: st.DrawFn) -> str:
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    by_month = draw(st.lists(st.integers(1, 12), max_size=3, unique=True))
    parts = [f"FREQ={freq}", f"INTERVAL={draw(st.integers(1, 15))}"]
    parts += [f"BYMONTH={','.join(map(str, by_month))}"] if by_month else []
    day = st.sampled_from(grammar.DAYS)
    most = 0 if freq in {"DAILY", "WEEKLY"} else 53 if freq == "YEARLY" and not by_month else 5
    if most and draw(st.booleans()):
        numbers = st.integers(-most, most).filter(bool)
        numbered = st.tuples(numbers, day).map(lambda pair: f"{pair[0]}{pair[1]}")
        by_day = draw(st.lists(numbered, max_size=3, unique=True))
    else:
        by_day = draw(st.lists(day, max_size=4, unique=True))
    parts += [f"BYDAY={','.join(by_day)}"] if by_day else []
    by_month_day: list[int] = []
    if freq != "WEEKLY":
        month_day = st.integers(-31, 31).filter(bool)
        by_month_day = draw(st.lists(month_day, max_size=5, unique=True))
    parts += [f"BYMONTHDAY={','.join(map(str, by_month_day))}"] if by_month_day else []
    if most and (by_month or by_day or by_month_day):
        position = st.integers(-12, 12).filter(bool)
        positions = draw(st.lists(position, max_size=2, unique=True))
        parts += [f"BYSETPOS={','.join(map(str, positions))}"] if positions else []
    parts += draw(st.sampled_from([[], ["WKST=SU"], ["WKST=WE"]]))
    return ";".join(draw(st.permutations(parts)))


@given(rule_texts(), st.dates(date(2020, 1, 1), date(2060, 12, 31)), st.integers(1, 366))
def test_a_rule_gives_the_days_that_dateutil_gives(text: str, first: date, count: int) -> None:
    rule = grammar.parse(text)
    assert grammar.parse(grammar.text(rule)) == rule
    end = first + timedelta(days=1000)
    ours = list(takewhile(lambda day: day <= end, rules.rule_days(rule, first)))
    assume(ours)  # dateutil itself searches for seconds where there is nothing to find
    start = datetime.fromisoformat(f"{first}T09:00")
    theirs = dateutil.rrulestr(text, dtstart=start)
    assert ours == list(takewhile(lambda day: day <= end, (at.date() for at in theirs)))
    counted = grammar.parse(f"{text};COUNT={count}")
    assert list(takewhile(lambda day: day <= end, rules.rule_days(counted, first))) == ours[:count]


@given(rule_texts(), st.dates(date(2026, 1, 2), date(2027, 6, 1)))
def test_a_canonical_text_means_the_same(text: str, first: date) -> None:
    rule = grammar.parse(text)
    again = grammar.text(rule)
    end = first + timedelta(days=400)
    one, two = (
        list(takewhile(lambda day: day <= end, rules.rule_days(grammar.parse(t), first)))
        for t in (text, again)
    )
    assert one == two
    assert grammar.text(grammar.parse(again)) == again


NEVER = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=366",
    "FREQ=DAILY;INTERVAL=7;BYDAY=WE;COUNT=9",
    "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4,6,9,11;UNTIL=20271231",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6;COUNT=2",
    "FREQ=WEEKLY;INTERVAL=731;BYMONTH=1;BYDAY=SU;COUNT=366",
    "FREQ=YEARLY;BYDAY=MO,TU;BYSETPOS=366;COUNT=1",
]


@pytest.mark.parametrize("text", NEVER)
def test_a_rule_that_names_no_day_ends_at_once(text: str) -> None:
    began = process_time()
    with pytest.raises(Problem) as refused:
        plan(text, first="2026-03-03")  # a Tuesday
    assert process_time() - began < 0.25  # dateutil alone: up to three seconds
    assert only(refused.value).field == "recurrence"
    assert only(refused.value).code in {"empty", "horizon"}


def test_a_week_that_runs_past_the_last_day_of_the_calendar_is_no_fault() -> None:
    for interval in range(1, 60):
        rule = grammar.parse(f"FREQ=WEEKLY;INTERVAL={interval};BYDAY=MO,SA,SU;WKST=SU")
        assert list(rules.rule_days(rule, date(2026, 1, 1)))


def plan(text: str, *, first: str = "2026-03-03", **more: Any) -> list[rules.Occurrence]:
    given_ = {"at": time(9), "zone_name": NEW_YORK, "now": NOW, **more}
    return rules.expand(grammar.parse(text), first=date.fromisoformat(first), **given_)


def only(problem: Problem) -> FieldError:
    (detail,) = problem.details
    return detail


BAD: list[tuple[str, str]] = [
    ("", "rrule"),
    ("FREQ", "rrule"),
    ("FREQ=", "rrule"),
    ("COUNT=3", "frequency"),
    ("FREQ=SECONDLY;COUNT=3", "frequency"),
    ("FREQ=MINUTELY;COUNT=3", "frequency"),
    ("FREQ=HOURLY;COUNT=3", "frequency"),
    ("FREQ=FORTNIGHTLY;COUNT=3", "frequency"),
    ("FREQ=DAILY;COUNT=1000000000", "count"),
    ("FREQ=DAILY;COUNT=" + "9" * 400, "count"),
    ("FREQ=DAILY;COUNT=367", "count"),
    ("FREQ=DAILY;COUNT=0", "count"),
    ("FREQ=DAILY;COUNT=-1", "count"),
    ("FREQ=DAILY;COUNT=\u0663", "count"),
    ("FREQ=DAILY;INTERVAL=0;COUNT=3", "interval"),
    ("FREQ=DAILY;INTERVAL=1000000000;COUNT=3", "interval"),
    ("FREQ=DAILY;COUNT=3;UNTIL=20261231", "end"),
    ("FREQ=DAILY;COUNT=3;COUNT=4", "repeated"),
    ("FREQ=DAILY;COUNT=3;BYHOUR=9", "time_of_day"),
    ("FREQ=DAILY;COUNT=3;BYMINUTE=9", "time_of_day"),
    ("FREQ=DAILY;COUNT=3;BYSECOND=9", "time_of_day"),
    ("FREQ=YEARLY;COUNT=3;BYWEEKNO=20", "combination"),
    ("FREQ=YEARLY;COUNT=3;BYWEEKNO=20;BYDAY=1MO", "combination"),
    ("FREQ=YEARLY;COUNT=3;BYWEEKNO=20;BYDAY=MO;BYMONTH=5", "combination"),
    ("FREQ=MONTHLY;COUNT=3;BYWEEKNO=20;BYDAY=MO", "combination"),
    ("FREQ=YEARLY;COUNT=3;BYWEEKNO=54;BYDAY=MO", "range"),
    ("FREQ=YEARLY;COUNT=3;BYYEARDAY=20;BYDAY=MO", "combination"),
    ("FREQ=DAILY;COUNT=3;BYYEARDAY=20", "combination"),
    ("FREQ=YEARLY;COUNT=3;BYYEARDAY=367", "range"),
    ("FREQ=DAILY;COUNT=3;X-OURS=1", "unknown"),
    ("FREQ=DAILY;UNTIL=20260230", "until"),
    ("FREQ=DAILY;UNTIL=20260228T250000", "until"),
    ("FREQ=DAILY;UNTIL=2026-02-28", "until"),
    ("FREQ=DAILY;UNTIL=00000101", "until"),
    ("FREQ=DAILY;COUNT=3;BYMONTH=13", "range"),
    ("FREQ=DAILY;COUNT=3;BYMONTH=-1", "range"),
    ("FREQ=DAILY;COUNT=3;BYMONTH=1,,2", "list"),
    ("FREQ=MONTHLY;COUNT=3;BYMONTHDAY=0", "range"),
    ("FREQ=MONTHLY;COUNT=3;BYMONTHDAY=32", "range"),
    ("FREQ=WEEKLY;COUNT=3;BYMONTHDAY=3", "combination"),
    ("FREQ=WEEKLY;COUNT=3;BYDAY=1MO", "combination"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=6MO", "range"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=0MO", "range"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=1MO,TU", "combination"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=XX", "list"),
    ("FREQ=YEARLY;COUNT=3;BYDAY=54MO", "range"),
    ("FREQ=MONTHLY;COUNT=3;BYSETPOS=1", "combination"),
    ("FREQ=WEEKLY;COUNT=3;BYDAY=MO,TU;BYSETPOS=1", "combination"),
    ("FREQ=WEEKLY;COUNT=3;WKST=1", "list"),
    ("FREQ=DAILY;COUNT=3;" + "BYMONTH=1" * 60, "length"),
]


@pytest.mark.parametrize(("text", "code"), BAD, ids=lambda value: str(value)[:40])
def test_a_rule_out_of_the_grammar_is_refused(text: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        grammar.parse(text)
    assert refused.value.status == 400
    assert only(refused.value).field == "recurrence.rrule"
    assert only(refused.value).code == code


def test_a_rule_may_be_written_as_calendars_do() -> None:
    assert grammar.parse("rrule:freq=weekly;byday=we,mo;count=3;") == grammar.parse(
        "FREQ=WEEKLY;COUNT=3;BYDAY=MO,WE"
    )


FAR: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: plan("FREQ=DAILY;UNTIL=20270401"), "recurrence", "limit"),
    (lambda: plan("FREQ=DAILY;UNTIL=99991231T235959Z"), "recurrence", "limit"),
    (lambda: plan("FREQ=YEARLY;COUNT=4"), "recurrence", "horizon"),
    (lambda: plan("FREQ=WEEKLY;COUNT=3", first="2029-01-01"), "first_date", "horizon"),
    (lambda: plan("FREQ=WEEKLY;COUNT=3", first="2025-12-24"), "first_date", "past"),
    (lambda: plan("FREQ=DAILY;COUNT=1", rdates=["2025-12-24"]), "rdates", "past"),
    (lambda: plan("FREQ=DAILY;COUNT=1", rdates=["2028-12-24"]), "rdates", "horizon"),
    (lambda: plan("FREQ=DAILY;COUNT=1", rdates=["2026-02-30"]), "rdates.0", "date"),
    (lambda: plan("FREQ=DAILY;COUNT=1", rdates=["2026-02-28T24:00"]), "rdates.0", "date"),
    (lambda: plan("FREQ=DAILY;COUNT=1", exdates=["2026-02-28", "x"]), "exdates.1", "date"),
    (
        lambda: plan("FREQ=DAILY;COUNT=2", exdates=["2026-03-03", "2026-03-04"]),
        "recurrence",
        "empty",
    ),
    (lambda: plan("FREQ=DAILY;UNTIL=20260302"), "recurrence", "empty"),
    (
        lambda: plan("FREQ=DAILY;COUNT=366", rdates=["2026-03-03T10:00"]),
        "recurrence",
        "limit",
    ),
    (lambda: plan("FREQ=DAILY;COUNT=1", zone_name="Mars/Olympus"), "time_zone", "zone"),
]


@pytest.mark.parametrize(("make", "field", "code"), FAR)
def test_what_lies_out_of_reach_is_refused(make: Callable[[], Any], field: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        make()
    assert 400 <= refused.value.status < 500
    assert (only(refused.value).field, only(refused.value).code) == (field, code)


def local_days(found: list[rules.Occurrence]) -> list[str]:
    return [f"{one.local.day} {one.local.at:%H:%M}" for one in found]


def test_added_and_removed_dates() -> None:
    found = plan(
        "FREQ=WEEKLY;COUNT=4",
        rdates=["2026-03-05", "2026-03-12T15:30", "2026-03-10", "2026-03-01"],
        exdates=["2026-03-17", "2026-03-24T10:00", "2026-03-05T08:00", "2026-12-24"],
    )
    assert local_days(found) == [
        "2026-03-01 09:00", "2026-03-03 09:00", "2026-03-05 09:00", "2026-03-10 09:00",
        "2026-03-12 15:30", "2026-03-24 09:00",
    ]  # fmt: skip


def test_a_date_both_added_and_removed_is_removed() -> None:
    found = plan("FREQ=DAILY;COUNT=1", rdates=["2026-03-09"], exdates=["2026-03-09T09:00"])
    assert local_days(found) == ["2026-03-03 09:00"]


UNTIL: list[tuple[str, int]] = [
    ("20260305", 3),
    ("20260305T090000", 3),
    ("20260305T085959", 2),
    ("20260305T140000Z", 3),
    ("20260305T135959Z", 2),
    ("20260306T000000Z", 3),
]


@pytest.mark.parametrize(("until", "count"), UNTIL)
def test_an_end_is_a_day_a_local_time_or_an_instant(until: str, count: int) -> None:
    assert len(plan(f"FREQ=DAILY;UNTIL={until}")) == count  # 09:00 in New York is 14:00 UTC
    assert grammar.text(grammar.parse(f"FREQ=DAILY;UNTIL={until}")).endswith(until)


ZONES = [
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Europe/London",
    "Pacific/Chatham",
]


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("at", [time(9), time(14), time(2, 30)], ids=str)
def test_the_time_on_the_wall_stays_through_every_change_of_clocks(
    zone_name: str, at: time
) -> None:
    tz = ZoneInfo(zone_name)
    for weekday in range(7):  # one of them meets the night of the change itself
        first = date(2026, 1, 5) + timedelta(days=weekday)
        found = rules.expand(
            grammar.parse("FREQ=WEEKLY;COUNT=52"), first=first, at=at, zone_name=zone_name, now=NOW
        )
        for number, one in enumerate(found):
            assert one.local == (first + timedelta(weeks=number), at)
            shown = one.instant.astimezone(tz)
            if shown.replace(tzinfo=None).time() != at:
                # Only where that time does not exist: the first minute after the gap.
                before = (one.instant - timedelta(seconds=1)).astimezone(tz)
                assert before.utcoffset() != shown.utcoffset()
                assert shown.date() == one.local.day
                assert shown.time() > at > before.time()
            else:
                assert shown.fold == 0
                assert shown.date() == one.local.day


def test_a_visit_at_a_time_that_clocks_skip_and_repeat() -> None:
    spring = plan("FREQ=WEEKLY;COUNT=2", first="2026-03-01", at=time(2, 30))
    assert [f"{one.instant:%m-%d %H:%M}" for one in spring] == ["03-01 07:30", "03-08 07:00"]
    autumn = plan("FREQ=WEEKLY;COUNT=2", first="2026-10-25", at=time(1, 30))
    assert [f"{one.instant:%m-%d %H:%M}" for one in autumn] == ["10-25 05:30", "11-01 05:30"]


def test_two_local_times_that_are_one_instant_are_one_visit() -> None:
    found = plan(
        "FREQ=DAILY;COUNT=1", first="2026-03-08", at=time(2, 30), rdates=["2026-03-08T02:45"]
    )
    assert len(found) == 1


PATTERNS: list[tuple[grammar.Pattern, str, str]] = [
    ("daily", "2026-03-03", "2026-03 3 4 5 6"),
    ("weekdays", "2026-03-05", "2026-03 5 6 9 10"),
    ("weekly", "2026-03-03", "2026-03 3 10 17 24"),
    ("biweekly", "2026-03-03", "2026-03 3 17 31 / 2026-04 14"),
    ("every_four_weeks", "2026-03-03", "2026-03 3 31 / 2026-04 28 / 2026-05 26"),
    ("monthly", "2026-01-31", "2026-01 31 / 2026-02 28 / 2026-03 31 / 2026-04 30"),
    ("monthly", "2026-01-29", "2026-01 29 / 2026-02 28 / 2026-03 29 / 2026-04 29"),
    ("monthly", "2026-02-28", "2026-02 28 / 2026-03 28 / 2026-04 28 / 2026-05 28"),
    ("quarterly", "2026-03-31", "2026-03 31 / 2026-06 30 / 2026-09 30 / 2026-12 31"),
    ("semiannually", "2026-01-30", "2026-01 30 / 2026-07 30 / 2027-01 30 / 2027-07 30"),
    ("yearly", "2026-06-01", "2026-06 1 / 2027-06 1"),
]


@pytest.mark.parametrize(("pattern", "first", "listed"), PATTERNS)
def test_named_patterns(pattern: grammar.Pattern, first: str, listed: str) -> None:
    start, expected = date.fromisoformat(first), days(listed)
    rule = rules.ended(rules.of_pattern(pattern, start), count=len(expected), until=None)
    found = rules.expand(rule, first=start, at=time(9), zone_name="UTC", now=NOW)
    assert [one.local.day for one in found] == expected
    assert grammar.parse(rules.text(rule)) == rule


def test_a_pattern_ends_on_a_day() -> None:
    rule = rules.ended(
        rules.of_pattern("weekly", date(2026, 3, 3)), count=None, until=date(2026, 3, 17)
    )
    assert rules.text(rule) == "FREQ=WEEKLY;UNTIL=20260317"


@pytest.mark.parametrize(
    ("text", "count", "until", "code"),
    [
        ("FREQ=DAILY", None, None, "endless"),
        ("FREQ=DAILY;COUNT=3", 3, None, "end"),
        ("FREQ=DAILY;UNTIL=20261231", None, date(2026, 12, 31), "end"),
        ("FREQ=DAILY", 3, date(2026, 12, 31), "end"),
    ],
)
def test_a_rule_has_one_end(text: str, count: int | None, until: date | None, code: str) -> None:
    with pytest.raises(Problem) as refused:
        rules.ended(grammar.parse(text), count=count, until=until)
    assert (only(refused.value).field, only(refused.value).code) == ("recurrence", code)


def test_cycles_of_treatment() -> None:
    cycles = rules.check_cycles(rules.Cycles(6, 21, (15, 1, 8)))
    found = rules.expand(cycles, first=date(2026, 3, 2), at=time(8), zone_name=NEW_YORK, now=NOW)
    assert len(found) == 18
    assert [one.local.day for one in found[:4]] == days("2026-03 2 9 16 23")
    assert found[-1].local.day == date(2026, 3, 2) + timedelta(days=5 * 21 + 14)
    assert rules.text(cycles) == "CYCLES=6;LENGTH=21;DAYS=1,8,15"


@pytest.mark.parametrize(
    ("cycles", "field", "code"),
    [
        (rules.Cycles(6, 21, (1, 1)), "recurrence.cycles.days", "distinct"),
        (rules.Cycles(6, 21, (1, 22)), "recurrence.cycles.days", "range"),
        (rules.Cycles(100, 7, (1, 2, 3, 4)), "recurrence", "limit"),
    ],
)
def test_bad_cycles(cycles: rules.Cycles, field: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        rules.check_cycles(cycles)
    assert (only(refused.value).field, only(refused.value).code) == (field, code)


DATED = st.builds(
    lambda number, at: f"{date(2026, 3, 1) + timedelta(days=number)}{at}",
    st.integers(0, 200),
    st.sampled_from(["", "T09:00", "T15:30", "T02:30"]),
)
CYCLES = st.builds(
    lambda count, days: rules.Cycles(count, 21, tuple(sorted(days))),
    st.integers(1, 6),
    st.sets(st.integers(1, 21), min_size=1, max_size=4),
)


@given(
    source=st.one_of(CYCLES, st.just(None), rule_texts()),
    ends=st.sampled_from(["COUNT=1", "COUNT=9", "UNTIL=20260520", "UNTIL=20260520T085900"]),
    added=st.lists(DATED, max_size=5, unique=True),
    gone=st.lists(DATED, max_size=5, unique=True),
    at=st.sampled_from([time(9), time(2, 30)]),
    data=st.data(),
)
def test_the_halves_of_a_series_are_the_series(
    *,
    source: str | rules.Source,
    ends: str,
    added: list[str],
    gone: list[str],
    at: time,
    data: st.DataObject,
) -> None:
    if isinstance(source, str):
        source = grammar.parse(f"{source};{ends}")
    first = date(2026, 3, 3)
    common: dict[str, Any] = {"at": at, "zone_name": NEW_YORK}
    source = rules.dated(source, first=first, **common)
    assert rules.parse(rules.text(source)) == source

    def found(half: rules.Half, none: tuple[str, ...] = ("empty",)) -> list[rules.Occurrence]:
        try:
            return rules.expand(
                half.source, first=half.first, rdates=half.rdates, exdates=half.exdates, now=NOW,
                **common,
            )  # fmt: skip
        except Problem as problem:
            if only(problem).code not in none:
                raise
            return []

    whole = found(rules.Half(source, first, added, gone), ("empty", "horizon", "limit"))
    assume(whole)
    pivot = data.draw(st.sampled_from(whole))
    early, late = rules.split(
        source, pivot.local, first=first, rdates=added, exdates=gone, **common
    )
    assert found(early) == [one for one in whole if one.local < pivot.local]
    assert found(late) == [one for one in whole if one.local >= pivot.local]


@pytest.mark.parametrize(
    ("until", "canonical"),
    [
        ("20260520", "20260520"),
        ("20260521T085959", "20260520"),
        ("20260520T130000Z", "20260520"),
        ("20260520T125959Z", "20260519"),
    ],
)
def test_an_end_that_is_a_time_is_kept_as_its_last_day(until: str, canonical: str) -> None:
    rule = grammar.parse(f"FREQ=DAILY;UNTIL={until}")
    kept = rules.dated(rule, first=date(2026, 3, 3), at=time(9), zone_name=NEW_YORK)
    assert rules.text(kept) == f"FREQ=DAILY;UNTIL={canonical}"
