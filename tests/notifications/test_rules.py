"""Quiet hours and retries on paper."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.time import to_local, zone_names
from chroniccare.notifications import rules

QUIET = rules.parse_quiet_hours("21:00-08:00")
zones = st.sampled_from(sorted(zone_names())).map(ZoneInfo)
instants = st.datetimes(
    min_value=datetime(2024, 1, 1),  # noqa: DTZ001  Hypothesis adds the zone
    max_value=datetime(2036, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def is_quiet(at: datetime, zone: ZoneInfo) -> bool:
    """Say it by the clock on the wall."""
    wall = to_local(at, zone).time()
    return wall >= time(21) or wall < time(8)


@given(at=instants, zone=zones)
def test_quiet_hours_are_what_the_clock_on_the_wall_says(at: datetime, zone: ZoneInfo) -> None:
    period = rules.quiet_period(at, zone, QUIET)
    assert (period is not None) == is_quiet(at, zone)
    if period is not None:
        start, end = period
        assert start <= at < end
        assert timedelta(hours=8) < end - start < timedelta(hours=14)
        assert not is_quiet(end, zone)


@given(at=instants, zone=zones, lead=st.timedeltas(timedelta(hours=1), timedelta(days=4)),
       ahead=st.timedeltas(timedelta(hours=2), timedelta(days=3)))  # fmt: skip
def test_a_reminder_is_never_planned_into_quiet_hours_if_there_is_another_time(
    at: datetime, zone: ZoneInfo, lead: timedelta, ahead: timedelta
) -> None:
    now, deadline = at - ahead, at + lead
    chosen = rules.first_look(at, now=now, deadline=deadline, zone=zone, quiet=QUIET)
    assert now <= chosen < deadline
    period = rules.quiet_period(at, zone, QUIET)
    if period is None:
        assert chosen == at
    elif chosen == at:  # no other time was left
        assert period[0] - timedelta(hours=1) <= now
        assert period[1] + timedelta(hours=1) > deadline
    else:
        assert not is_quiet(chosen, zone)


@given(at=instants, zone=zones)
def test_the_same_start_and_end_mean_no_quiet_hours(at: datetime, zone: ZoneInfo) -> None:
    assert rules.quiet_period(at, zone, rules.parse_quiet_hours("00:00-00:00")) is None


@given(at=instants, zone=zones)
def test_quiet_hours_within_a_day_work_too(at: datetime, zone: ZoneInfo) -> None:
    period = rules.quiet_period(at, zone, rules.parse_quiet_hours("12:00-14:00"))
    assert (period is not None) == (time(12) <= to_local(at, zone).time() < time(14))


def test_pauses_grow_and_are_bounded() -> None:
    longest = [rules.backoff(tries, jitter=1).total_seconds() for tries in (1, 2, 3, 6, 9)]
    assert longest == [10, 20, 40, 300, 300]
    assert rules.backoff(3, jitter=0) == timedelta(seconds=20)


def test_the_tries_of_a_last_channel_span_most_of_an_hour_even_with_bad_luck() -> None:
    pauses = [rules.backoff(tries, jitter=0) for tries in range(1, rules.LAST_TRIES)]
    assert sum(pauses, timedelta(0)) > timedelta(minutes=45)


@pytest.mark.parametrize(
    ("due", "now", "planned", "deadline", "may"),
    [
        # A visit at 07:30 and its reminder of 05:30, pulled to 20:00 (quiet from 21:00 to 08:00).
        ((2, 5, 30), (1, 21, 0), (1, 12, 0), (2, 7, 30), True),
        ((2, 5, 30), (1, 21, 29), (1, 12, 0), (2, 7, 30), True),
        ((2, 5, 30), (1, 21, 30), (1, 12, 0), (2, 7, 30), False),
        ((2, 5, 30), (1, 20, 59), (1, 12, 0), (2, 7, 30), False),  # not quiet: nothing to excuse
        ((2, 5, 30), (1, 21, 5), (1, 20, 30), (2, 7, 30), False),  # booked too late to be pulled
        ((1, 20, 50), (1, 21, 5), (1, 12, 0), (1, 22, 50), True),
        ((1, 20, 50), (1, 21, 5), (1, 12, 0), (2, 9, 0), False),  # the morning will do
    ],
)
def test_a_little_late_is_better_than_never(
    due: tuple[int, int, int],
    now: tuple[int, int, int],
    planned: tuple[int, int, int],
    deadline: tuple[int, int, int],
    *,
    may: bool,
) -> None:
    at = [datetime(2031, 3, *when, tzinfo=UTC) for when in (due, now, planned, deadline)]
    verdict = rules.is_overdue(
        at[0], now=at[1], planned=at[2], deadline=at[3], zone=ZoneInfo("UTC"), quiet=QUIET
    )
    assert verdict is may


@pytest.mark.parametrize(
    ("preferred", "wanted"),
    [(None, ["sms", "email"]), ([], ["sms", "email"]), (["pigeon"], ["sms", "email"]),
     (["email"], ["email"]), (["push", "pigeon", "sms"], ["push", "sms"])],
)  # fmt: skip
def test_channels_of_one_day(preferred: list[str] | None, wanted: list[str]) -> None:
    assert rules.wanted_channels(preferred) == wanted
