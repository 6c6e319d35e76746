"""On which days an anchored dose is taken; days are proleptic ordinals, 1 is a Monday."""

from calendar import monthrange
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from chroniccare.medications.dosing.model import DayOfWeek, Repeat

_WEEKDAYS: tuple[DayOfWeek, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = 7
_MONTH = 30
_SHORTEST = 28
_LONGEST = 36_500


def dose_days(
    repeat: Repeat, cycle: tuple[int, int] | None, *, first: int, low: int, high: int
) -> list[int]:
    """Return the days of `low` to `high` with doses, of an instruction that begins on `first`."""
    low = max(low, first)
    if low > high:
        return []
    if repeat.unit == "mo":
        found: Iterable[int] = _monthly(repeat, first, low, high)
    elif repeat.unit == "wk":
        found = _weekly(repeat, first, low, high)
    else:
        period = _whole(repeat.period)
        found = _on(repeat.days, range(low + (first - low) % period, high + 1, period))
    if cycle is None:
        return list(found)
    on, whole = cycle[0], sum(cycle)
    return [day for day in found if (day - first) % whole < on]


def weekday(day: int) -> DayOfWeek:
    """Return the day of the week."""
    return _WEEKDAYS[(day - 1) % _WEEK]


def least_days(repeat: Repeat) -> int:
    """Return the fewest days from one day with doses to the next; at least 1."""
    period = _whole(repeat.period)
    if repeat.unit == "mo":
        return max(1, _SHORTEST * period // max(1, repeat.frequency))
    if repeat.unit != "wk":
        within = [_WEEKDAYS.index(day) for day in repeat.days]
        return _closest(within, _WEEK) if within and period == 1 else period
    return _closest(_places(repeat), _WEEK * period)


def days_per_day(repeat: Repeat) -> float:
    """Return the share of days that have doses."""
    period = _whole(repeat.period)
    if repeat.unit == "mo":
        return min(repeat.frequency, _MONTH) / (_MONTH * period)
    if repeat.unit == "wk":
        return len(_places(repeat)) / (_WEEK * period)
    return (len(repeat.days) or _WEEK) / _WEEK / period


def _whole(period: Decimal) -> int:
    return min(max(1, int(period)), _LONGEST)


def _places(repeat: Repeat) -> list[int]:
    """Return the places in the week of the days with doses, from its first."""
    if repeat.days:
        return sorted(_WEEKDAYS.index(day) for day in repeat.days)
    return _spread(repeat.frequency, _WEEK)


def _spread(number: int, days: int) -> list[int]:
    """Return `number` days as even as whole days allow, among `days`."""
    number = min(max(1, number), days)
    return [one * days // number for one in range(number)]


def _closest(places: list[int], cycle: int) -> int:
    following = [*places[1:], places[0] + cycle]
    return min(later - one for one, later in zip(places, following, strict=True))


def _on(days: tuple[DayOfWeek, ...], found: Iterable[int]) -> Iterable[int]:
    return (day for day in found if weekday(day) in days) if days else found


def _weekly(repeat: Repeat, first: int, low: int, high: int) -> Iterable[int]:
    """Weeks are counted from the one in which the first dose falls, and begin on Monday.

    Where no day is said they are counted from the first day, as seven days each.
    """
    whole = _WEEK * _whole(repeat.period)
    if not repeat.days:
        places = set(_places(repeat))
        return (day for day in range(low, high + 1) if (day - first) % whole in places)
    start = next(day for day in range(first, first + _WEEK) if weekday(day) in repeat.days)
    monday = start - (start - 1) % _WEEK
    return (
        day
        for day in range(low, high + 1)
        if weekday(day) in repeat.days and (day - monday) % whole < _WEEK
    )


def _monthly(repeat: Repeat, first: int, low: int, high: int) -> Iterable[int]:
    """The first day's day of the month, or the month's last where it has none such.

    More than one dose a month: as even as days allow in thirty. Where days of the week are said,
    the next of these.
    """
    begin, period, found = date.fromordinal(first), _whole(repeat.period), set[int]()
    spread, months = _spread(repeat.frequency, _MONTH), 0
    since = date.fromordinal(max(first, low - 2 * _MONTH))
    passed = (since.year - begin.year) * 12 + since.month - begin.month
    months = max(0, passed // period * period - period)
    while (day := _months_later(begin, months)) <= high:
        for place in spread:
            wanted = day + place
            while repeat.days and weekday(wanted) not in repeat.days:
                wanted += 1
            if low <= wanted <= high:
                found.add(wanted)
        months += period
    return sorted(found)


def _months_later(begin: date, months: int) -> int:
    year, month = divmod(begin.year * 12 + begin.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(begin.day, last)).toordinal()
