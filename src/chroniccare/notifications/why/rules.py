"""Hours and days on the wall, and rates: what could be worked out on paper."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chroniccare.core.time import to_instant, to_local

_HOUR = timedelta(hours=1)

# Where a message counts; those left out are not wanted any more: cancelled, superseded.
_DELIVERED = frozenset({"delivered"})
_ACCEPTED = frozenset({"accepted", "unconfirmed"})
_FAILED = frozenset({"failed", "undelivered", "suppressed", "expired"})
_IN_DOUBT = frozenset({"unknown"})
_WAITING = frozenset({"pending", "held", "queued", "sending"})


@dataclass(frozen=True, slots=True)
class Rate:
    """`numerator` of `denominator`; no rate of nothing."""

    numerator: int
    denominator: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a group of messages."""

    key: str
    total: int
    waiting: int
    given_up: int
    in_doubt: int
    delivered: Rate
    accepted: Rate
    failed: Rate
    fallback_used: Rate


def tally(key: str, counts: dict[str, int], fallbacks: int) -> Tally:
    """Return the rates of a group from its counts by status.

    The denominator of every rate is all that was to reach somebody and is not waiting any more:
    also what nobody could be reached by, which would otherwise look like success.
    """
    total = sum(counts.values())

    def among(statuses: frozenset[str]) -> int:
        return sum(count for status, count in counts.items() if status in statuses)

    waiting = among(_WAITING)
    over = among(_DELIVERED | _ACCEPTED | _FAILED | _IN_DOUBT)
    return Tally(
        key=key,
        total=total,
        waiting=waiting,
        given_up=total - waiting - over,
        in_doubt=among(_IN_DOUBT),
        delivered=_rate(among(_DELIVERED), over),
        accepted=_rate(among(_ACCEPTED), over),
        failed=_rate(among(_FAILED), over),
        fallback_used=_rate(fallbacks, over),
    )


def _rate(numerator: int, denominator: int) -> Rate:
    value = round(numerator / denominator, 4) if denominator else None
    return Rate(numerator, denominator, value)


def hours(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[list[datetime], list[str]]:
    """Return when local hours begin in [start, end) and what the clock shows then, such as 09:00.

    The first is cut off at `start`. On the day that clocks go back one hour occurs twice, and
    both count as the same.
    """
    begins: list[datetime] = []
    names: list[str] = []
    at = start
    while at < end:
        local = to_local(at, zone)
        begins.append(at)
        names.append(f"{local:%H}:00")
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        at += _HOUR - into
    return begins, names


def days(first: date, count: int, zone: ZoneInfo) -> list[datetime]:
    """Return when `count` local days from `first` on begin, and when the last one ends."""
    return [to_instant(first + timedelta(days=n), time(), zone) for n in range(count + 1)]
