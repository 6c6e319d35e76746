"""Doses on paper: against rules of RFC 5545, and by hand."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from dateutil import rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from chroniccare.core.time import to_instant, zone
from chroniccare.medications.doses.rules import (
    Anchors,
    Clock,
    Kept,
    Planned,
    Regimen,
    as_needed_verdict,
    dose_id,
)
from chroniccare.medications.doses.rules_plan import plan
from chroniccare.medications.dosing.model import DayOfWeek, Event, PeriodUnit, Repeat, Step
from tests.medications.doses.support import NEW_YORK, USUAL, every, regimen

FIRST = date(2026, 1, 7)  # a Wednesday
START = datetime(2026, 1, 1, tzinfo=UTC)
WEEK: tuple[DayOfWeek, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def doses(one: Regimen, *, days: int = 60, clock: Clock = NEW_YORK) -> list[Planned]:
    return plan([one], clock, after=START, until=START + timedelta(days=days)).doses


def wall(found: list[Planned], clock: Clock = NEW_YORK) -> list[str]:
    """Return what the wall shows, as `01-07 08:00`."""
    tz = zone(clock.zone)
    return [f"{one.due_at.astimezone(tz):%m-%d %H:%M}" for one in found]


def at(**repeat: object) -> list[str]:
    """Return the times on the wall of the first day of an instruction."""
    found = doses(regimen(Step(repeat=Repeat(**repeat)), starts_on=FIRST))  # type: ignore[arg-type]
    return [text[6:] for text in wall([one for one in found if one.local_date == FIRST])]


@pytest.mark.parametrize(
    ("frequency", "times"),
    [
        (1, ["08:00"]),
        (2, ["08:00", "18:00"]),
        (3, ["08:00", "12:00", "18:00"]),
        (4, ["08:00", "12:00", "18:00", "22:00"]),
        (6, ["07:00", "10:00", "13:00", "16:00", "19:00", "22:00"]),
    ],
)
def test_so_many_times_a_day_are_anchors(frequency: int, times: list[str]) -> None:
    assert at(frequency=frequency) == times


@pytest.mark.parametrize(
    ("when", "offset", "times"),
    [
        (("WAKE",), 0, ["07:00"]),
        (("MORN", "NOON", "AFT", "EVE", "NIGHT"), 0, ["08:00", "12:00", "15:00", "18:00", "22:00"]),
        (("AC",), 30, ["07:30", "11:30", "17:30"]),
        (("PCV",), 45, ["18:45"]),
        (("ACM",), 15, ["07:45"]),
        (("CD",), 0, ["12:00"]),
        (("C",), 10, ["08:10", "12:10", "18:10"]),
        (("HS",), 20, ["21:40"]),
        (("HS", "NIGHT"), 0, ["22:00"]),
        (("NIGHT",), 150, ["00:30"]),  # of the day that ended at midnight
    ],
)
def test_events_lie_at_their_anchors(
    when: tuple[Event, ...], offset: int, times: list[str]
) -> None:
    assert at(when=when, offset_minutes=offset) == times


def test_who_goes_to_bed_after_midnight_takes_it_on_the_next_date_and_the_same_day() -> None:
    owl = Clock("America/New_York", Anchors.of("10:00", "11:00", "15:00", "21:00", "01:30"))
    one = regimen(Step(repeat=Repeat(when=("HS",), days=("mon",))), starts_on=FIRST, clock=owl)
    found = doses(one, clock=owl)
    assert wall(found[:2], owl) == ["01-13 01:30", "01-20 01:30"]
    assert found[0].local_date == date(2026, 1, 12)  # Monday


def test_instructions_side_by_side_are_one_dose_where_they_meet() -> None:
    daily = Step(repeat=Repeat(), quantity=Decimal(5), unit="mg")
    more = Step(repeat=Repeat(days=("wed",)), quantity=Decimal("2.5"), unit="mg")
    found = doses(regimen(daily, more, starts_on=FIRST), days=14)
    assert [one.quantity for one in found] == [Decimal("7.5"), *[5] * 6, Decimal("7.5")]
    other = Step(repeat=Repeat(days=("wed",)), quantity=Decimal(1), unit="tablet")
    mixed = doses(regimen(daily, other, starts_on=FIRST), days=14)
    assert [(one.quantity, one.unit) for one in mixed[:2]] == [(None, None), (5, "mg")]


def test_a_taper_goes_step_by_step() -> None:
    steps = [
        Step(sequence=1, repeat=Repeat(frequency=2), quantity=Decimal(10), days=2),
        Step(sequence=2, repeat=Repeat(), quantity=Decimal(10), days=3),
        Step(sequence=3, repeat=Repeat(period=Decimal(2)), quantity=Decimal(5), days=4),
    ]
    found = plan(
        [regimen(*steps, starts_on=FIRST)], NEW_YORK, after=START, until=START.replace(month=6)
    )
    assert wall(found.doses) == [
        "01-07 08:00", "01-07 18:00", "01-08 08:00", "01-08 18:00", "01-09 08:00", "01-10 08:00",
        "01-11 08:00", "01-12 08:00", "01-14 08:00",
    ]  # fmt: skip
    assert found.is_over


def test_a_cycle_pauses() -> None:
    found = doses(regimen(Step(repeat=Repeat(), cycle=(21, 7)), starts_on=FIRST), days=70)
    on = {one.local_date for one in found}
    assert len(found) == len(on) == 21 + 21 + 8
    assert FIRST + timedelta(days=20) in on
    assert FIRST + timedelta(days=21) not in on
    assert FIRST + timedelta(days=28) in on
    last = next(one for one in found if one.local_date == FIRST + timedelta(days=20))
    assert last.late_at - last.due_at == timedelta(hours=6)  # not a quarter of eight days


def test_a_count_is_counted_from_the_first_dose_wherever_one_looks() -> None:
    since = datetime(2026, 1, 7, 15, tzinfo=UTC)  # 10:00: the morning's dose is not to be had
    one = regimen(Step(repeat=Repeat(frequency=2, count=7)), starts_on=FIRST, since=since)
    whole = doses(one)
    assert len(whole) == 7
    assert wall(whole)[0] == "01-07 18:00"
    assert wall(whole)[-1] == "01-10 18:00"
    for later in range(6):
        after = whole[later].due_at
        rest = plan([one], NEW_YORK, after=after, until=START + timedelta(days=60))
        assert rest.doses == whole[later + 1 :]
        assert rest.is_over


def test_what_follows_a_count_begins_when_it_is_over() -> None:
    steps = [
        Step(sequence=1, repeat=Repeat(frequency=2, count=3)),
        Step(sequence=2, repeat=Repeat(times=(time(20),))),
    ]
    assert wall(doses(regimen(*steps, starts_on=FIRST), days=11)) == [
        "01-07 08:00", "01-07 18:00", "01-08 08:00", "01-09 20:00", "01-10 20:00",
    ]  # fmt: skip


def test_interval_doses_count_from_waking_up_or_from_the_time_said() -> None:
    assert wall(doses(regimen(every(8), starts_on=FIRST), days=8))[:4] == [
        "01-07 07:00", "01-07 15:00", "01-07 23:00", "01-08 07:00",
    ]  # fmt: skip
    said = regimen(every(36, times=(time(9, 30),), count=3), starts_on=FIRST)
    assert wall(doses(said)) == ["01-07 09:30", "01-08 21:30", "01-10 09:30"]
    later = replace(said, effective_from=doses(said)[0].due_at + timedelta(seconds=1))
    assert wall(doses(later)) == ["01-08 21:30", "01-10 09:30", "01-11 21:30"]


def test_interval_doses_keep_to_days_cycles_and_the_last_day() -> None:
    weekdays = regimen(every(12, days=("thu",)), starts_on=FIRST)
    assert wall(doses(weekdays, days=16)) == [
        "01-08 07:00",
        "01-08 19:00",
        "01-15 07:00",
        "01-15 19:00",
    ]
    cycle = regimen(
        Step(repeat=every(12).repeat, cycle=(1, 2)), starts_on=FIRST, ends_on=date(2026, 1, 10)
    )
    assert wall(doses(cycle)) == ["01-07 07:00", "01-07 19:00", "01-10 07:00", "01-10 19:00"]


def test_every_other_week_is_counted_from_the_first_dose() -> None:
    one = regimen(Step(repeat=Repeat(unit="wk", period=Decimal(2), days=("mon",))), starts_on=FIRST)
    assert wall(doses(one, days=45)) == ["01-12 08:00", "01-26 08:00", "02-09 08:00"]


def test_the_last_of_the_month_stands_for_a_day_it_has_not() -> None:
    one = regimen(Step(repeat=Repeat(unit="mo")), starts_on=date(2026, 1, 31))
    assert wall(doses(one, days=130)) == [
        "01-31 08:00",
        "02-28 08:00",
        "03-31 08:00",
        "04-30 08:00",
    ]
    quarterly = regimen(
        Step(repeat=Repeat(unit="mo", period=Decimal(3))), starts_on=date(2023, 11, 30)
    )
    assert wall(doses(quarterly, days=300)) == ["02-28 08:00", "05-30 08:00", "08-30 08:00"]
    monday = regimen(Step(repeat=Repeat(unit="mo", days=("mon",))), starts_on=date(2026, 1, 1))
    assert wall(doses(monday, days=70)) == ["01-05 08:00", "02-02 08:00", "03-02 08:00"]
    twice = regimen(Step(repeat=Repeat(unit="mo", frequency=2)), starts_on=date(2026, 1, 5))
    assert wall(doses(twice, days=52)) == [
        "01-05 08:00",
        "01-20 08:00",
        "02-05 08:00",
        "02-20 08:00",
    ]


def test_times_of_a_week_without_days_are_spread() -> None:
    three = regimen(Step(repeat=Repeat(unit="wk", frequency=3)), starts_on=FIRST)
    assert wall(doses(three, days=18)) == [
        "01-07 08:00", "01-09 08:00", "01-11 08:00", "01-14 08:00", "01-16 08:00", "01-18 08:00",
    ]  # fmt: skip
    named = regimen(
        Step(repeat=Repeat(unit="wk", frequency=2, days=("mon", "fri"))), starts_on=FIRST
    )
    assert wall(doses(named, days=13)) == ["01-09 08:00", "01-12 08:00"]


@st.composite
def anchored(draw: st.DrawFn) -> tuple[Regimen, Iterator[datetime]]:
    """Return a regimen of one anchored instruction, and the naive times of RFC 5545 for it."""
    first = date(2026, 1, 1) + timedelta(days=draw(st.integers(0, 400)))
    unit: PeriodUnit = draw(st.sampled_from(["d", "wk", "mo"]))
    period = draw(st.integers(1, 5))
    days = draw(st.sets(st.sampled_from(WEEK), max_size=7)) if unit != "mo" else set()
    minutes = draw(st.sets(st.integers(0, 95), min_size=1, max_size=4))
    times = tuple(time(one // 4, one % 4 * 15) for one in sorted(minutes))
    count = draw(st.none() | st.integers(1, 60))
    named = tuple(day for day in WEEK if day in days)
    repeat = Repeat(period=Decimal(period), unit=unit, days=named, times=times, count=count)
    matching = first
    while named and WEEK[matching.weekday()] not in named:
        matching += timedelta(days=1)
    kind: Any = {"d": rrule.DAILY, "wk": rrule.WEEKLY, "mo": rrule.MONTHLY}[unit]
    start = datetime.combine(matching if unit == "wk" else first, time())
    more: dict[str, Any] = {}
    if unit == "mo" and first.day > 28:
        more = {"bymonthday": tuple(range(28, first.day + 1)), "bysetpos": -1}
    elif unit == "mo":
        more = {"bymonthday": first.day}
    rule = rrule.rrule(
        kind, dtstart=start, interval=period, until=start + timedelta(days=800),
        byweekday=[WEEK.index(day) for day in named] or None, wkst=rrule.MO, **more,
    )  # fmt: skip
    naive = (datetime.combine(day.date(), one) for day in rule for one in times)
    listed = iter(list(naive)[:count])
    clock = Clock(
        draw(st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])), USUAL
    )
    return regimen(Step(repeat=repeat), starts_on=first, clock=clock), listed


@settings(max_examples=100)
@given(case=anchored(), offset=st.integers(0, 500))
def test_anchored_doses_are_those_of_rfc_5545(
    case: tuple[Regimen, Iterator[datetime]], offset: int
) -> None:
    one, naive = case
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=offset)
    until = after + timedelta(days=60)
    found = plan([one], one.began, after=after, until=until).doses
    tz = zone(one.began.zone)
    wanted = [to_instant(at.date(), at.time(), tz) for at in naive]
    assert [dose.due_at for dose in found] == [at for at in wanted if after < at < until]


@settings(max_examples=100)
@given(
    case=anchored(), low=st.integers(0, 300), first=st.integers(1, 40), second=st.integers(1, 40)
)
def test_a_range_in_two_parts_is_the_range(
    case: tuple[Regimen, Iterator[datetime]], low: int, first: int, second: int
) -> None:
    one, _ = case
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=low, hours=first)
    middle, until = after + timedelta(days=first), after + timedelta(days=first + second)
    whole = plan([one], one.began, after=after, until=until).doses
    begun = plan([one], one.began, after=after, until=middle).doses
    rest = plan([one], one.began, after=middle - timedelta(microseconds=1), until=until).doses
    assert begun + rest == whole
    keys = {(dose.local_date, dose.ordinal) for dose in whole}
    assert len(keys) == len(whole)


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 1439), min_size=2, max_size=6, unique=True),
    st.sampled_from([None, 30, 120, 300]),
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Antarctica/Troll"]),
    st.sampled_from([date(2026, 3, 5), date(2026, 10, 2), date(2026, 10, 22)]),
)
def test_no_two_doses_are_nearer_than_they_may_be(
    minutes: list[int], least: int | None, name: str, first: date
) -> None:
    times = tuple(time(one // 60, one % 60) for one in sorted(minutes))
    clock = Clock(name, USUAL)
    step = Step(repeat=Repeat(times=times), least_minutes=least)
    one = regimen(step, starts_on=first, clock=clock)
    until = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=30)
    found = plan([one], clock, after=START, until=until).doses
    round_ = [*sorted(minutes), min(minutes) + 1440]
    nearest = min(later - one for one, later in pairwise(round_))
    wanted = timedelta(minutes=nearest / 2 if least is None else least)
    for dose, later in pairwise(found):
        assert later.due_at - dose.due_at >= wanted
        assert dose.due_at < dose.late_at <= dose.missed_at <= later.due_at
    if least is None:  # then none falls out, but for what the skipped hour held
        by_day = Counter(dose.local_date for dose in found[:-6])
        assert sum(count < len(times) for count in by_day.values()) <= 2 + (len(times) == 1)


def test_the_skipped_hour_presses_doses_together_and_they_are_moved_apart() -> None:
    clock = Clock("Europe/Berlin", USUAL)
    step = Step(repeat=Repeat(times=(time(2), time(2, 30))))
    one = regimen(step, starts_on=date(2026, 3, 29), clock=clock)
    found = plan([one], clock, after=START, until=datetime(2026, 3, 30, tzinfo=UTC)).doses
    assert [dose.due_at.isoformat()[11:16] for dose in found[:2]] == ["01:00", "01:15"]


def kept(dose: Planned, *, taken_at: datetime | None = None) -> Kept:
    return Kept(1, dose.local_date, dose.ordinal, dose.due_at, taken_at or dose.due_at)


def test_a_journey_east_moves_the_next_dose_away_from_the_last() -> None:
    """08:00 in New York is 22:00 in Tokyo: ten hours later it is 08:00 there, half of 24 are 12."""
    one = regimen(Step(repeat=Repeat()), starts_on=FIRST)
    tokyo = Clock("Asia/Tokyo", USUAL)
    taken = doses(one)[0]
    after = taken.due_at + timedelta(hours=1)
    moved = plan([one], tokyo, after=after, until=after + timedelta(days=4), kept=[kept(taken)])
    assert wall(moved.doses, tokyo) == ["01-08 10:00", "01-09 08:00", "01-10 08:00", "01-11 08:00"]
    assert moved.doses[0].due_at - taken.due_at == timedelta(hours=12)


def test_a_journey_west_lets_the_day_come_again_and_a_dose_with_it_after_a_whole_interval() -> None:
    tokyo = Clock("Asia/Tokyo", USUAL)
    twice = regimen(Step(repeat=Repeat(frequency=2)), starts_on=FIRST, clock=tokyo)
    taken = doses(twice, clock=tokyo)[2]  # 08:00 on the 8th in Tokyo, 18:00 on the 7th in New York
    after = taken.due_at + timedelta(hours=1)
    found = plan(
        [twice], NEW_YORK, after=after, until=after + timedelta(days=2), kept=[kept(taken)]
    )
    assert wall(found.doses) == ["01-08 08:00", "01-08 18:00", "01-09 08:00", "01-09 18:00"]
    assert [dose.ordinal for dose in found.doses] == [1000, 1, 0, 1]
    once = regimen(Step(repeat=Repeat()), starts_on=FIRST, clock=tokyo)
    taken = doses(once, clock=tokyo)[1]
    found = plan([once], NEW_YORK, after=after, until=after + timedelta(days=2), kept=[kept(taken)])
    assert wall(found.doses) == ["01-09 08:00"]  # 14 hours after the last is no whole interval


def test_a_dose_taken_late_keeps_the_next_away_when_it_is_planned_anew() -> None:
    one = regimen(Step(repeat=Repeat(frequency=3)), starts_on=FIRST)
    first = doses(one)[0]
    late = first.due_at + timedelta(hours=3)
    found = plan(
        [one],
        NEW_YORK,
        after=late,
        until=late + timedelta(days=1),
        kept=[kept(first, taken_at=late)],
    )
    assert wall(found.doses)[:2] == ["01-07 13:00", "01-07 18:00"]
    skipped = Kept(1, first.local_date, first.ordinal, first.due_at, None)
    found = plan([one], NEW_YORK, after=late, until=late + timedelta(days=1), kept=[skipped])
    assert wall(found.doses)[0] == "01-07 12:00"


def test_a_dose_that_cannot_wait_falls_out() -> None:
    step = Step(repeat=Repeat(times=(time(8), time(9), time(10))), least_minutes=90)
    found = doses(regimen(step, starts_on=FIRST), days=8)
    assert wall(found)[:3] == ["01-07 08:00", "01-07 10:00", "01-08 08:00"]


def test_ids_are_of_version_8_and_in_the_order_of_days() -> None:
    found = doses(regimen(Step(repeat=Repeat(frequency=4)), starts_on=FIRST))
    ids = [dose_id(b"seed", one.local_date, one.ordinal, one.due_at) for one in found]
    assert {one.version for one in ids} == {8}
    assert {one.variant for one in ids} == {"specified in RFC 4122"}
    assert len(set(ids)) == len(ids)
    by_day = sorted(zip(ids, found, strict=True), key=lambda pair: pair[0])
    assert [one.local_date for _, one in by_day] == sorted(one.local_date for one in found)
    assert dose_id(b"other", found[0].local_date, 0, found[0].due_at) != ids[0]


NOON = datetime(2026, 1, 7, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "warnings"),
    [
        ([], []),
        ([6], []),
        ([5.9], ["too_soon"]),
        ([23.9, 12, 6], ["too_many"]),
        ([24, 12, 6], []),
        ([23, 12, 1], ["too_many", "too_soon"]),
        ([-3], ["too_soon"]),  # a later one was reported before
    ],
)
def test_what_is_taken_as_needed_is_held_against_its_limits(
    hours: list[float], warnings: list[str]
) -> None:
    step = Step(most_per_day=3, least_minutes=360)
    taken = [NOON - timedelta(hours=one) for one in hours]
    assert as_needed_verdict([step], taken, NOON).warnings == warnings
    assert as_needed_verdict([Step()], taken, NOON).warnings == []
