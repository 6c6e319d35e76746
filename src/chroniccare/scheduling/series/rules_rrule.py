"""The grammar of RFC 5545 recurrence rules that series take, and its canonical text.

Left out on purpose: hours and shorter (a series has one time of day), and what dateutil reads in
another way than the RFC: BYWEEKNO without BYDAY, BYYEARDAY beside other days, BYSETPOS below
months, and BYDAY that mixes numbered and plain days.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from chroniccare.core.errors import Invalid

MOST_VISITS = 366
"""Visits of one series; at one a day, a leap year."""
MAX_INTERVAL = 731
"""Days within which every visit must lie; a longer step leads nowhere."""
MAX_TEXT = 500
Pattern = Literal[
    "daily",
    "weekdays",
    "weekly",
    "biweekly",
    "every_four_weeks",
    "monthly",
    "quarterly",
    "semiannually",
    "yearly",
]
MAX_CYCLE_DAYS = 366
FIELD = "recurrence.rrule"
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_BELOW_A_DAY = {"HOURLY", "MINUTELY", "SECONDLY"}
_TIME_PARTS = {"BYHOUR", "BYMINUTE", "BYSECOND"}
_NUMBER = re.compile(r"[+-]?[0-9]{1,3}")
_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z)?)?")

Until = date | tuple[date, time] | datetime
"""A last day, a last time on the wall, or a last UTC instant."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One recurrence rule; every part is checked.

    Attributes:
        by_day: weekday 0 (Monday) to 6, with its number in the month or year, or 0 for every one.
        week_start: weekday 0 (Monday) to 6 on which a week starts.
    """

    freq: str
    interval: int = 1
    count: int | None = None
    until: Until | None = None
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_day: tuple[tuple[int, int], ...] = ()
    by_set_pos: tuple[int, ...] = ()
    by_week_no: tuple[int, ...] = ()
    by_year_day: tuple[int, ...] = ()
    week_start: int = 0


def fault(reason: str, code: str = "rrule") -> Invalid:
    """Return the error about a rule; `reason` never holds what was sent."""
    return Invalid.field(FIELD, reason, code)


def parse(text: str) -> Rule:
    """Return the rule that `text` is, with or without `RRULE:` before it.

    Raises:
        Invalid: not a rule, or one that series do not take; the part is named.
    """
    if len(text) > MAX_TEXT:
        raise fault(f"at most {MAX_TEXT} characters", "length")
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").rstrip(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise fault("must be parts such as FREQ=WEEKLY;COUNT=12")
        if name in parts:
            raise fault(f"{_known(name)} is given twice", "repeated")
        parts[_known(name)] = value
    rule = Rule(_frequency(parts.pop("FREQ", "")))
    for name, value in parts.items():
        rule = _PARTS[name](rule, value)
    _check(rule)
    return rule


def text(rule: Rule) -> str:
    """Return the canonical text of `rule`: what `parse` reads back as the same rule."""
    parts: list[tuple[str, Any]] = [
        ("FREQ", rule.freq),
        ("INTERVAL", rule.interval if rule.interval > 1 else None),
        ("COUNT", rule.count),
        ("UNTIL", None if rule.until is None else _until_text(rule.until)),
        ("BYMONTH", _joined(rule.by_month)),
        ("BYMONTHDAY", _joined(rule.by_month_day)),
        ("BYDAY", ",".join(f"{number or ''}{DAYS[day]}" for day, number in rule.by_day)),
        ("BYSETPOS", _joined(rule.by_set_pos)),
        ("BYWEEKNO", _joined(rule.by_week_no)),
        ("BYYEARDAY", _joined(rule.by_year_day)),
        ("WKST", DAYS[rule.week_start] if rule.week_start else None),
    ]
    return ";".join(f"{name}={value}" for name, value in parts if value)


def _known(name: str) -> str:
    if name in _TIME_PARTS:
        raise fault(f"{name}: the time of day is local_time", "time_of_day")
    if name not in _PARTS and name != "FREQ":
        raise fault(
            "takes FREQ, INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY, BYSETPOS, BYWEEKNO,"
            " BYYEARDAY and WKST",
            "unknown",
        )
    return name


def _frequency(value: str) -> str:
    if value in _BELOW_A_DAY:
        raise fault(f"FREQ={value}: visits come back after days, not sooner", "frequency")
    if value not in _FREQUENCIES:
        raise fault("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY", "frequency")
    return value


def _interval(rule: Rule, value: str) -> Rule:
    if not value.isascii() or not value.isdigit() or not 1 <= _number(value) <= MAX_INTERVAL:
        raise fault(f"INTERVAL must be 1 to {MAX_INTERVAL}", "interval")
    return replace(rule, interval=int(value))


def _count(rule: Rule, value: str) -> Rule:
    if not value.isascii() or not value.isdigit() or not 1 <= _number(value) <= MOST_VISITS:
        raise fault(f"COUNT must be 1 to {MOST_VISITS}, the most visits of a series", "count")
    return replace(rule, count=int(value))


def _number(digits: str) -> int:
    """Return the number; beyond six digits some number that no limit allows."""
    return int(digits) if len(digits) <= 6 else 10**6  # noqa: PLR2004  as the docstring says


def _until(rule: Rule, value: str) -> Rule:
    match = _UNTIL.fullmatch(value)
    try:
        until = None if match is None else _until_of(match)
    except ValueError:  # the 30th of February, 25:00
        until = None
    if until is None:
        raise fault(
            "UNTIL must be a date, a local time or a UTC time: 20261231, 20261231T090000 or"
            " 20261231T140000Z",
            "until",
        )
    return replace(rule, until=until)


def _until_of(match: re.Match[str]) -> Until:
    day = date(int(match[1]), int(match[2]), int(match[3]))
    if match[4] is None:
        return day
    at = time(int(match[4]), int(match[5]), int(match[6]))
    if match[7] is None:
        return day, at
    return datetime(day.year, day.month, day.day, at.hour, at.minute, at.second, tzinfo=UTC)


def _until_text(until: Until) -> str:
    if isinstance(until, datetime):
        return f"{until:%Y%m%dT%H%M%SZ}"
    if isinstance(until, date):
        return f"{until:%Y%m%d}"
    return f"{until[0]:%Y%m%d}T{until[1]:%H%M%S}"


def _numbers(name: str, value: str, *, least: int, most: int) -> tuple[int, ...]:
    """Return sorted numbers between `least` and `most`, never zero."""
    items = value.split(",")
    if not all(_NUMBER.fullmatch(item) for item in items):
        raise fault(f"{name} must be numbers with commas between", "list")
    found = {int(item) for item in items}
    if 0 in found or not least <= min(found) <= max(found) <= most:
        below = f", or {least} to -1" if least < 0 else ""
        raise fault(f"{name} must be 1 to {most}{below}", "range")
    return tuple(sorted(found))


def _by_month(rule: Rule, value: str) -> Rule:
    return replace(rule, by_month=_numbers("BYMONTH", value, least=1, most=12))


def _by_month_day(rule: Rule, value: str) -> Rule:
    return replace(rule, by_month_day=_numbers("BYMONTHDAY", value, least=-31, most=31))


def _by_set_pos(rule: Rule, value: str) -> Rule:
    return replace(rule, by_set_pos=_numbers("BYSETPOS", value, least=-366, most=366))


def _by_week_no(rule: Rule, value: str) -> Rule:
    return replace(rule, by_week_no=_numbers("BYWEEKNO", value, least=-53, most=53))


def _by_year_day(rule: Rule, value: str) -> Rule:
    return replace(rule, by_year_day=_numbers("BYYEARDAY", value, least=-366, most=366))


def _by_day(rule: Rule, value: str) -> Rule:
    found = set()
    for item in value.split(","):
        match = _DAY.fullmatch(item)
        if match is None:
            raise fault("BYDAY must be days such as MO,WE or 1MO,-1FR", "list")
        if match[1] is not None and int(match[1]) == 0:
            raise fault("BYDAY: a day's number is not zero", "range")
        found.add((DAYS.index(match[2]), int(match[1] or 0)))
    return replace(rule, by_day=tuple(sorted(found)))


def _week_start(rule: Rule, value: str) -> Rule:
    if value not in DAYS:
        raise fault("WKST must be a day such as MO", "list")
    return replace(rule, week_start=DAYS.index(value))


_PARTS: dict[str, Callable[[Rule, str], Rule]] = {
    "INTERVAL": _interval,
    "COUNT": _count,
    "UNTIL": _until,
    "BYMONTH": _by_month,
    "BYMONTHDAY": _by_month_day,
    "BYDAY": _by_day,
    "BYSETPOS": _by_set_pos,
    "BYWEEKNO": _by_week_no,
    "BYYEARDAY": _by_year_day,
    "WKST": _week_start,
}


def _check(rule: Rule) -> None:
    """Check what RFC 5545, 3.3.10, says about parts that stand together."""
    numbers = {abs(number) for _, number in rule.by_day}
    if rule.count is not None and rule.until is not None:
        raise fault("COUNT or UNTIL, not both", "end")
    if rule.by_month_day and rule.freq == "WEEKLY":
        raise fault("BYMONTHDAY does not go with FREQ=WEEKLY", "combination")
    if rule.by_set_pos and rule.freq not in {"MONTHLY", "YEARLY"}:
        raise fault("BYSETPOS goes with FREQ=MONTHLY or YEARLY", "combination")
    _check_year(rule, numbers)
    if rule.by_set_pos and not (rule.by_month or rule.by_month_day or rule.by_day):
        raise fault("BYSETPOS needs another BY part to choose from", "combination")
    if not numbers - {0}:
        return
    if 0 in numbers:
        raise fault("BYDAY: a number before every day, or before none", "combination")
    if rule.freq not in {"MONTHLY", "YEARLY"}:
        raise fault("BYDAY with numbers goes with FREQ=MONTHLY or YEARLY", "combination")
    most = 53 if rule.freq == "YEARLY" and not rule.by_month else 5
    if max(numbers) > most:
        raise fault(f"BYDAY: numbers here are 1 to {most}, or -{most} to -1", "range")


def _check_year(rule: Rule, numbers: set[int]) -> None:
    """Check the parts that count in weeks and days of the year; `numbers` are those of BYDAY."""
    others = rule.by_month or rule.by_month_day or rule.by_set_pos
    if rule.by_week_no and (rule.freq != "YEARLY" or others or not rule.by_day or numbers - {0}):
        raise fault("BYWEEKNO goes with FREQ=YEARLY and BYDAY without numbers", "combination")
    if rule.by_year_day and (rule.freq != "YEARLY" or others or rule.by_day or rule.by_week_no):
        raise fault("BYYEARDAY goes with FREQ=YEARLY, and with no other days", "combination")


def _joined(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
