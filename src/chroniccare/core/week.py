"""Ranges of wall-clock time that come back every week, on paper.

A range belongs to the day on which it starts. An end of 24:00 is that day's midnight; an end at or
before the start lies on the next day, so 08:00 to 08:00 is 24 hours.
"""

from dataclasses import dataclass

_DAY = 24 * 60
_WEEK = 7 * _DAY


@dataclass(frozen=True, slots=True)
class Stretch:
    """One range as numbers.

    Attributes:
        start: minutes since the first midnight of the week, 0 to 10,079.
        length: minutes on the clock, 1 to 1,440.
    """

    start: int
    length: int


def minutes(clock: str) -> int:
    """Return the minutes from midnight to `clock`, "00:00" to "24:00"."""
    return int(clock[:2]) * 60 + int(clock[3:])


def stretch(day: int, start: str, end: str) -> Stretch:
    """Return the range from `start` to `end` on day 0 to 6 of the week."""
    first = minutes(start)
    length = minutes(end) - first
    return Stretch(day * _DAY + first, length if length > 0 else length + _DAY)


def overlap(one: Stretch, two: Stretch) -> bool:
    """Say whether two ranges share a minute; the last day runs into the first."""
    return (two.start - one.start) % _WEEK < one.length or (
        one.start - two.start
    ) % _WEEK < two.length
