"""Providers on paper: the check digit of an NPI, and weekly rules that collide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from chroniccare.core.week import overlap, stretch

_ISSUER = "80840"  # health industry, United States: part of what an NPI's check digit covers
_NEVER = date.max.toordinal()


def npi_check_digit(nine: str) -> str:
    """Return the tenth digit of the NPI that begins with `nine` digits (Luhn over 80840 + NPI)."""
    total = 0
    for place, digit in enumerate(reversed(_ISSUER + nine)):
        double = int(digit) * 2
        total += int(digit) if place % 2 else double // 10 + double % 10
    return str(-total % 10)


def is_npi(ten: str) -> bool:
    """Say whether `ten` digits are an NPI: the first is 1 or 2, the last is the check digit."""
    return ten[0] in "12" and ten[9] == npi_check_digit(ten[:9])


@dataclass(frozen=True, slots=True)
class Weekly:
    """When one weekly rule holds.

    Attributes:
        day_of_week: 0 is Sunday, 6 Saturday.
        start_time: wall-clock time, "00:00" to "23:59".
        end_time: "00:00" to "24:00"; at or before `start_time` it lies on the next day.
        first: the first day on which the rule may start a range.
        last: the last such day; None for no end.
    """

    day_of_week: int
    start_time: str
    end_time: str
    first: date
    last: date | None


def collide(one: Weekly, two: Weekly) -> bool:
    """Say whether there is a minute that falls under both rules.

    Dates count by the day on which a range starts: a night that starts on a rule's last day still
    reaches into the morning after.
    """
    spans = (stretch(rule.day_of_week, rule.start_time, rule.end_time) for rule in (one, two))
    if not overlap(*spans):
        return False
    # Ranges last at most a day, so those that meet start on the same day or on neighbouring days.
    apart = (two.day_of_week - one.day_of_week + 1) % 7 - 1
    first = max(one.first.toordinal(), two.first.toordinal() - apart)
    last = min(_last(one), _last(two) - apart)
    # Ordinal 1 is a Monday, so an ordinal modulo 7 is the day of the week with 0 for Sunday.
    return first + (one.day_of_week - first) % 7 <= last


def collisions(rules: Sequence[Weekly]) -> list[tuple[int, int]]:
    """Return (earlier, later) for each rule that collides with one before it in the list."""
    found = []
    for later, two in enumerate(rules):
        for earlier, one in enumerate(rules[:later]):
            if collide(one, two):
                found.append((earlier, later))
                break
    return found


def _last(rule: Weekly) -> int:
    return _NEVER if rule.last is None else rule.last.toordinal()
