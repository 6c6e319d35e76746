"""Operating hours on paper: which ranges of a week stand in each other's way."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from chroniccare.core.week import overlap, stretch

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def overlapping(hours: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    """Return the path (`monday.1`) of each range that overlaps one before it in the week.

    A range that runs past midnight reaches into the next day, Sunday's into Monday.
    """
    ranges = [
        (f"{day}.{number}", stretch(DAYS.index(day), opens, closes))
        for day in DAYS
        for number, (opens, closes) in enumerate(hours.get(day, ()))
    ]
    pairs = combinations(ranges, 2)
    return list(dict.fromkeys(path for (_, one), (path, two) in pairs if overlap(one, two)))
