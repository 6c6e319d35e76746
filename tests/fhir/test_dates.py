"""Dates of searches on paper."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.fhir.dates import PREFIXES, instants, parse

NEW_YORK = ZoneInfo("America/New_York")
BEIRUT = ZoneInfo("Asia/Beirut")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2026", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("2026-12", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2024-02-29", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("2026-01-31T10:59", "2026-01-31T10:59:00", "2026-01-31T11:00:00"),
        ("2026-01-31T23:59:59", "2026-01-31T23:59:59", "2026-02-01T00:00:00"),
        ("2026-01-31T10:00:00.5", "2026-01-31T10:00:00.500000", "2026-01-31T10:00:00.600000"),
    ],
)
def test_a_value_spans_what_it_says(text: str, low: str, high: str) -> None:
    span = parse(text)
    assert span is not None
    assert (span.low.isoformat(), span.high.isoformat()) == (low, high)


@pytest.mark.parametrize(
    "text",
    ["", "x", "26", "2026-1", "2026-13", "2025-02-29", "2026-01-01T25:00", "2026-01-01T10",
     "2026-01-01T10:00+25:00", "2026-01-01T10:00+10:60", "0001-01-01", "9999", "xx2026",
     "2026-01-01Z", "２０２６"],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    assert parse(text) is None


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001  on the wall
    st.integers(-14 * 4, 14 * 4),
    st.sampled_from(PREFIXES),
)
def test_an_offset_says_which_instant(local: datetime, quarters: int, prefix: str) -> None:
    local = local.replace(microsecond=0)
    offset = timedelta(minutes=15 * quarters)
    sign, minutes = "-" if quarters < 0 else "+", abs(15 * quarters)
    written = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    span = parse(f"{prefix}{local.isoformat()}{written}")
    assert span is not None
    assert span.prefix == prefix
    low, high = instants(span, NEW_YORK)
    assert low == (local - offset).replace(tzinfo=UTC)
    assert high - low == timedelta(seconds=1)


@given(st.dates(datetime(1950, 1, 1).date(), datetime(2100, 1, 1).date()))  # noqa: DTZ001
def test_days_follow_each_other_without_a_gap(day: object) -> None:
    for zone in (NEW_YORK, BEIRUT):
        first = parse(str(day))
        assert first is not None
        second = parse(str(first.high.date()))
        assert second is not None
        assert instants(first, zone)[1] == instants(second, zone)[0]
        assert instants(first, zone)[0] < instants(first, zone)[1]
