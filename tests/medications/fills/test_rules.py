"""Supplies on paper, against one counted day by day."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.time import to_local
from chroniccare.medications.fills import rules
from chroniccare.medications.fills.model import Dispensed

START = date(2031, 1, 1)
_FILLS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 120)), max_size=8)
_ZONES = st.sampled_from(
    ["America/New_York", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Gaza"]
)


def counted(fills: list[Dispensed]) -> tuple[date, int] | None:
    """Return the last day with something to take, and what was left when the last fill came."""
    if not fills:
        return None
    stock, carried, last = 0, 0, START
    final = max(fill.filled_on for fill in fills)
    for number in range(400 + 8 * 120 + 1):
        day = START + timedelta(days=number)
        carried = stock if day == final else carried
        stock += sum(fill.days_supply for fill in fills if fill.filled_on == day)
        if stock:
            stock, last = stock - 1, day
    return last, carried


@given(_FILLS)
def test_the_run_out_is_that_of_counting_day_by_day(drawn: list[tuple[int, int]]) -> None:
    fills = [Dispensed(START + timedelta(days=day), lasts) for day, lasts in drawn]
    found, expected = rules.supply(fills), counted(fills)
    assert (found and (found.run_out_on, found.carried_days)) == expected
    assert rules.supply(fills[::-1]) == found


@given(_ZONES, st.integers(0, 4000), st.integers(-400, 24 * 15), st.integers(0, 24 * 15))
def test_messages_come_in_order_in_the_morning_and_never_before_the_fill(
    name: str, day: int, filled: int, later: int
) -> None:
    home, last = ZoneInfo(name), date(2026, 1, 1) + timedelta(days=day)
    noon = datetime(last.year, last.month, last.day, 12, tzinfo=home)
    filled_at = noon - timedelta(hours=24 * 10 - filled)
    now = filled_at + timedelta(hours=later)
    found = rules.reminders(last, filled_at=filled_at, now=now, home=home)
    for one in found:
        at = to_local(one.at, home)
        assert (at.hour, at.minute) == (10, 0)
        assert (last - at.date()).days == one.days
        assert filled_at < one.at < one.until
        assert one.until > now
    assert [one.days for one in found] == sorted((one.days for one in found), reverse=True)
    for earlier, following in pairwise(found):
        assert earlier.until == following.at


@pytest.mark.parametrize(("today", "left"), [(0, 30), (29, 1), (30, 0), (40, 0)])
def test_days_left_count_today(today: int, left: int) -> None:
    found = rules.supply([Dispensed(START, 30)])
    assert found is not None
    assert rules.days_left(found.run_out_on, START + timedelta(days=today)) == left
