"""The time kernel: the one place where local time and instants are converted.

Rules are kept as local date + time + IANA zone, instants as UTC. Nothing else in the code base
converts between the two; a check fails the build when it does.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from chroniccare.core.errors import Invalid

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""Instants outside EARLIEST..LATEST are refused: zone arithmetic stays far from year 1 and 9999."""
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_DAY_S = 86_400


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return every IANA zone name this machine knows, without the `posix/` and `right/` trees."""
    names = available_timezones()
    return frozenset(
        n for n in names if not n.startswith(("posix/", "right/")) and n != "localtime"
    )


def zone(name: str, *, field: str = "time_zone") -> ZoneInfo:
    """Return the IANA zone called `name`.

    Raises:
        Invalid: no such zone; `field` is named in the error.
    """
    if name not in zone_names():
        raise Invalid.field(field, "not an IANA time zone name, such as America/New_York", "zone")
    return ZoneInfo(name)


def to_instant(day: date, at: time, tz: ZoneInfo) -> datetime:
    """Return the UTC instant at which a clock on the wall in `tz` shows `day` and `at`.

    A time that a change of clocks skips gives the first valid instant after the gap; a time that
    occurs twice gives the first occurrence (RFC 5545, 3.3.5, for the repeated hour; for the gap we
    differ from it on purpose, so that nothing ever happens before the time on the wall).
    """
    local = datetime.combine(day, at.replace(tzinfo=None), tzinfo=tz)
    instant = local.replace(fold=0).astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _end_of_gap(local, tz)


def _end_of_gap(local: datetime, tz: ZoneInfo) -> datetime:
    """Return the instant of the change of clocks that skips `local`, found by bisection."""
    # Inside a gap fold=1 applies the offset after the change and so lies before it; fold=0, after.
    low = int(local.replace(fold=1).timestamp())
    high = int(local.replace(fold=0).timestamp())
    old_offset = datetime.fromtimestamp(low, tz).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, tz).utcoffset() == old_offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def in_utc(instant: datetime) -> datetime:
    """Return the same instant, written in UTC."""
    return instant.astimezone(UTC)


def to_local(instant: datetime, tz: ZoneInfo) -> datetime:
    """Return what a clock on the wall in `tz` shows at `instant`, with its offset."""
    return instant.astimezone(tz)


def parse_instant(value: datetime, *, field: str) -> datetime:
    """Return `value` in UTC.

    Raises:
        Invalid: it has no offset, or lies outside EARLIEST..LATEST; `field` is named.
    """
    if value.tzinfo is None:
        raise Invalid.field(
            field, "needs a UTC offset, such as 2026-12-01T09:00:00-05:00", "offset"
        )
    try:
        instant = value.astimezone(UTC)
    except OverflowError:
        instant = None
    if instant is None or not EARLIEST <= instant < LATEST:
        raise Invalid.field(field, "must lie between 1900 and 2200", "range")
    return instant


@dataclass(frozen=True, slots=True)
class ClockChange:
    """From when on which offset holds.

    Attributes:
        onset: what the clocks show, by the offset that held `before`, at the moment of the change.
        before: offset from UTC until then.
        after: offset from UTC from then on.
        name: what the zone calls itself from then on, such as `EDT`.
        is_summer: daylight saving time holds from then on.
    """

    onset: datetime
    before: timedelta
    after: timedelta
    name: str
    is_summer: bool


def clock_changes(tz: ZoneInfo, first: datetime, last: datetime) -> list[ClockChange]:
    """Return what holds in `tz` at `first`, and every change of clocks until `last` (UTC instants).

    A zone is looked at once a day, so an offset that holds for less than a day is not seen.
    """
    start, end = int(first.timestamp()), int(last.timestamp())
    offset = _offset(tz, start)
    changes = [_change(tz, start, offset)]
    while start < end:
        following = min(start + _DAY_S, end)
        if _offset(tz, following) != offset:
            low, high = start, following
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(tz, middle) == offset else (low, middle)
            changes.append(_change(tz, high, offset))
            offset = changes[-1].after
        start = following
    return changes


def _offset(tz: ZoneInfo, at: int) -> timedelta:
    return datetime.fromtimestamp(at, tz).utcoffset() or timedelta()


def _change(tz: ZoneInfo, at: int, before: timedelta) -> ClockChange:
    then = datetime.fromtimestamp(at, tz)
    onset = datetime.fromtimestamp(at, UTC).replace(tzinfo=None) + before
    return ClockChange(
        onset, before, _offset(tz, at), then.tzname() or tz.key, is_summer=bool(then.dst())
    )
