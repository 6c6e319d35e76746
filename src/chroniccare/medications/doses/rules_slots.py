"""At which times of a day an anchored dose is taken, as minutes since the midnight of its day."""

from functools import lru_cache
from math import ceil

from chroniccare.medications.doses.rules import Anchors
from chroniccare.medications.dosing.model import Event, Repeat

_AT: dict[str, str] = {
    "WAKE": "wake",
    "MORN": "breakfast",
    "NOON": "lunch",
    "EVE": "dinner",
    "NIGHT": "bed",
    "HS": "bed",
    "M": "breakfast",
    "D": "lunch",
    "V": "dinner",
}
"""The anchor of each event; of a meal by its last letter (CM, ACM, PCM: breakfast)."""
_MEALS = ("breakfast", "lunch", "dinner")
_IMPLIED: dict[int, tuple[str, ...]] = {
    1: ("breakfast",),
    2: ("breakfast", "dinner"),
    3: _MEALS,
    4: (*_MEALS, "bed"),
}
"""What so many times a day means where no time is said."""
_DAYS = {"wk": 7, "mo": 30}


@lru_cache(maxsize=4096)
def slots(repeat: Repeat, anchors: Anchors) -> tuple[tuple[int, int], ...]:
    """Return number and minute of each slot of a day, the earliest first.

    The number says which slot of the instruction it is, and stays when the anchors move. Two slots
    that fall on one minute are one.
    """
    first: dict[int, int] = {}
    for number, minute in enumerate(_minutes(repeat, anchors)):
        first.setdefault(minute, number)
    return tuple((first[minute], minute) for minute in sorted(first))


def count(repeat: Repeat) -> int:
    """Return how many numbers the slots of a day may have, wherever the anchors lie."""
    if repeat.times:
        return len(repeat.times)
    if repeat.when:
        return sum(3 if event in {"C", "AC", "PC"} else 1 for event in repeat.when)
    return _each_day(repeat)


def _minutes(repeat: Repeat, anchors: Anchors) -> list[int]:
    if repeat.times:
        return [at.hour * 60 + at.minute for at in repeat.times]
    if repeat.when:
        return [at for event in repeat.when for at in _at(event, repeat.offset_minutes, anchors)]
    return _implied(_each_day(repeat), anchors)


def _at(event: Event, offset: int, anchors: Anchors) -> list[int]:
    """Return when an event is, with its offset: before it for AC... and HS, after it else."""
    if event == "AFT":
        found = [(anchors.lunch + anchors.dinner) // 2]
    elif event in {"C", "AC", "PC"}:
        found = [getattr(anchors, meal) for meal in _MEALS]
    else:
        found = [getattr(anchors, _AT.get(event) or _AT[event[-1]])]
    moved = -offset if event.startswith("AC") or event == "HS" else offset
    return [at + moved for at in found]


def _each_day(repeat: Repeat) -> int:
    """Return how many doses a day with doses has where no time is said."""
    if repeat.unit not in _DAYS:
        return max(1, repeat.frequency)
    if repeat.days:  # "once a week on Monday and Friday" is said for once on each of them
        return max(1, repeat.frequency // len(repeat.days))
    return ceil(repeat.frequency / _DAYS[repeat.unit])


def _implied(number: int, anchors: Anchors) -> list[int]:
    names = _IMPLIED.get(number)
    if names is not None:
        return [getattr(anchors, name) for name in names]
    awake = anchors.bed - anchors.wake
    return [anchors.wake + awake * one // (number - 1) for one in range(number)]
