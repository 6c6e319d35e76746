"""Sorted intervals of whole numbers, `(start, end)` with the end left out."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Interval = tuple[int, int]
FAR = 1 << 40
"""Beyond every minute there is."""


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """Return sorted intervals joined where they overlap or touch."""
    found: list[Interval] = []
    begun = ended = -2 * FAR  # before everything
    for start, end in intervals:
        if start > ended:
            if ended > begun:
                found.append((begun, ended))
            begun, ended = start, end
        elif end > ended:
            ended = end
    if ended > begun:
        found.append((begun, ended))
    return found


def subtract(one: Sequence[Interval], two: Sequence[Interval]) -> list[Interval]:
    """Return what of `one` is not in `two`."""
    found = []
    at, count = 0, len(two)
    for start, end in one:
        while at < count and two[at][1] <= start:
            at += 1
        step, left = at, start
        while step < count and two[step][0] < end:
            if two[step][0] > left:
                found.append((left, two[step][0]))
            left = two[step][1]
            step += 1
        if left < end:
            found.append((left, end))
    return found


def intersect(one: Sequence[Interval], two: Sequence[Interval]) -> list[Interval]:
    """Return what is in both."""
    found = []
    at, count = 0, len(two)
    for start, end in one:
        while at < count and two[at][1] <= start:
            at += 1
        step = at
        while step < count and two[step][0] < end:
            low, high = two[step]
            found.append((max(start, low), min(end, high)))
            step += 1
    return found


def outside(starts: Sequence[int], spans: Sequence[Interval]) -> list[int]:
    """Return those of `starts` that lie in none of `spans`; both sorted, the spans apart."""
    found: list[int] = []
    at = 0
    for begin, end in spans:
        behind = bisect_left(starts, begin, at)
        found += starts[at:behind]
        at = bisect_left(starts, end, behind)
    found += starts[at:]
    return found


def covers(free: Sequence[Interval], start: int, end: int) -> bool:
    """Say whether `start` to `end` lies in one interval of `free`, sorted and apart."""
    at = bisect_right(free, (start, FAR)) - 1
    return at >= 0 and end <= free[at][1]


def less(several: Sequence[T], one: T) -> list[T]:
    """Return `several` without the first that equals `one`, if any does."""
    left = list(several)
    if one in left:
        left.remove(one)
    return left
