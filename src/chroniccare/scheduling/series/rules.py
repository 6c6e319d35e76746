"""Recurrence on paper: a rule, a named pattern or cycles become local days, and these instants.

dateutil expands days; the time of day is the series' own and each is resolved by the time kernel,
so 09:00 stays 09:00 through every change of clocks.
"""

import re
from calendar import isleap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from dateutil import rrule as dateutil

from chroniccare.core.errors import Invalid, Unprocessable
from chroniccare.core.time import to_instant, zone
from chroniccare.scheduling.rules import HORIZON
from chroniccare.scheduling.series import rules_rrule as grammar
from chroniccare.scheduling.series.rules_rrule import MOST_VISITS, Pattern, Rule, Until

_STEPS: dict[str, Literal[0, 1, 2, 3]] = {
    "YEARLY": dateutil.YEARLY,
    "MONTHLY": dateutil.MONTHLY,
    "WEEKLY": dateutil.WEEKLY,
    "DAILY": dateutil.DAILY,
}
_FIELD = "recurrence"
_DATED = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}))?")
_CYCLES = re.compile(r"CYCLES=([0-9]+);LENGTH=([0-9]+);DAYS=([0-9,]+)")
_LAST_YEAR = 9996
_SHORTEST_MONTH = 28


@dataclass(frozen=True, slots=True)
class Cycles:
    """Treatment cycles: `count` times `length` days, with visits on `days` of each, 1 the first."""

    count: int
    length: int
    days: tuple[int, ...]


Source = Rule | Cycles | None
"""What comes back; None for the dates alone that a series names."""
RDATES_ALONE = "RDATE"


class Local(NamedTuple):
    """What a clock on the facility's wall shows when a visit starts."""

    day: date
    at: time


class Occurrence(NamedTuple):
    """One visit of a series on paper: its UTC instant, and what the wall was meant to show."""

    instant: datetime
    local: Local


def of_pattern(pattern: Pattern, first: date) -> Rule:
    """Return the rule, still without an end, that comes back as `pattern` says from `first` on.

    Where a month has no such day its last one is meant, unlike in a rule of the RFC, which leaves
    the month out: a patient seen on the 31st is not left alone all February.
    """
    match pattern:
        case "daily":
            return Rule("DAILY")
        case "weekdays":
            return Rule("WEEKLY", by_day=tuple((day, 0) for day in range(5)))
        case "weekly" | "biweekly" | "every_four_weeks":
            return Rule("WEEKLY", {"weekly": 1, "biweekly": 2, "every_four_weeks": 4}[pattern])
        case "monthly" | "quarterly" | "semiannually" | "yearly":
            months = {"monthly": 1, "quarterly": 3, "semiannually": 6, "yearly": 12}[pattern]
    if first.day <= _SHORTEST_MONTH:
        return Rule("MONTHLY", months, by_month_day=(first.day,))
    among = tuple(range(_SHORTEST_MONTH, first.day + 1))
    return Rule("MONTHLY", months, by_month_day=among, by_set_pos=(-1,))


def ended(rule: Rule, *, count: int | None, until: date | None) -> Rule:
    """Return `rule` with the end that is told beside it.

    Raises:
        Invalid: it has none then, or two.
    """
    ends = [end for end in (rule.count, rule.until, count, until) if end is not None]
    if not ends:
        raise Invalid.field(_FIELD, "needs an end: COUNT, UNTIL, count or until", "endless")
    if len(ends) > 1:
        raise Invalid.field(_FIELD, "has more than one end", "end")
    return rule if count is None and until is None else replace(rule, count=count, until=until)


def check_cycles(cycles: Cycles) -> Cycles:
    """Return `cycles` with its days sorted.

    Raises:
        Invalid: a day twice or outside the cycle, or more visits than a series may have.
    """
    days = tuple(sorted(set(cycles.days)))
    if len(days) != len(cycles.days):
        raise Invalid.field("recurrence.cycles.days", "names a day twice", "distinct")
    if days[-1] > cycles.length:
        raise Invalid.field("recurrence.cycles.days", "lies behind the cycle's end", "range")
    if cycles.count * len(days) > MOST_VISITS:
        raise _too_many()
    return replace(cycles, days=days)


def text(source: Source) -> str:
    """Return the canonical text that is stored: a rule of RFC 5545, or our own of cycles."""
    if source is None:
        return RDATES_ALONE
    if isinstance(source, Rule):
        return grammar.text(source)
    days = ",".join(map(str, source.days))
    return f"CYCLES={source.count};LENGTH={source.length};DAYS={days}"


def dated(source: Source, *, first: date, at: time, zone_name: str) -> Source:
    """Return `source` with the last day it has for its end, if that is told as a time.

    So another time of day does not change how many visits there are.
    """
    if not isinstance(source, Rule) or source.until is None:
        return source
    if isinstance(source.until, date) and not isinstance(source.until, datetime):
        return source
    days = list(_days(source, first=first, at=at, tz=zone(zone_name)))
    return replace(source, until=days[-1]) if days else None


def parse(stored: str) -> Source:
    """Return what `text` wrote."""
    if stored == RDATES_ALONE:
        return None
    match = _CYCLES.fullmatch(stored)
    if match is None:
        return grammar.parse(stored)
    return Cycles(int(match[1]), int(match[2]), tuple(map(int, match[3].split(","))))


def expand(
    source: Source,
    *,
    first: date,
    at: time,
    zone_name: str,
    rdates: Sequence[str] = (),
    exdates: Sequence[str] = (),
    now: datetime,
) -> list[Occurrence]:
    """Return the visits of a series by time, each instant once.

    Args:
        source: what comes back; a rule has an end.
        first: local day on which it begins (DTSTART); the first visit is the first that matches.
        at: what the wall shows at each visit.
        zone_name: the facility's IANA zone.
        rdates: local days, or local times, that are added.
        exdates: the same, taken away; a day takes all of its visits.
        now: UTC instant; nothing may lie before.

    Raises:
        Invalid: a date that is none.
        Unprocessable: no visit at all, too many, in the past, or more than two years ahead.
    """
    tz = zone(zone_name, field="time_zone")
    last = (now + HORIZON).date() + timedelta(days=1)  # a day more than any zone can need
    gone = set(_dated(exdates, "exdates"))
    ruled = [Local(day, at) for day in _days(source, first=first, at=at, tz=tz, last=last)]
    added = [_local(one, at) for one in _dated(rdates, "rdates")]
    found: dict[datetime, Occurrence] = {}
    for field, locals_ in (("first_date", ruled), ("rdates", added)):
        for local in locals_:
            if local.day in gone or local in gone:
                continue
            instant = to_instant(local.day, local.at, tz)
            _check_within(instant, field, now=now)
            found.setdefault(instant, Occurrence(instant, local))
    if not found:
        raise Unprocessable.field(_FIELD, "names no day within two years", "empty")
    if len(found) > MOST_VISITS:
        raise _too_many()
    return sorted(found.values())


@dataclass(frozen=True, slots=True)
class Half:
    """What a series is before, or from, the visit at which it is split."""

    source: Source
    first: date
    rdates: list[str]
    exdates: list[str]


def split(
    source: Source,
    pivot: Local,
    *,
    first: date,
    at: time,
    zone_name: str,
    rdates: Sequence[str],
    exdates: Sequence[str],
) -> tuple[Half, Half]:
    """Return a series before `pivot`, and from it on; together they have the same visits.

    A rule stays one in both halves: the first ends on its last day, the second begins on its first.
    Cycles become the dates that they have.
    """
    ruled = [Local(day, at) for day in _days(source, first=first, at=at, tz=zone(zone_name))]
    before, behind = [x for x in ruled if x < pivot], [x for x in ruled if x >= pivot]
    added = list(zip(rdates, _dated(rdates, "rdates"), strict=True))
    early = [text_ for text_, one in added if _local(one, at) < pivot]
    late = [text_ for text_, one in added if _local(one, at) >= pivot]
    gone = list(zip(exdates, _dated(exdates, "exdates"), strict=True))
    left = [text_ for text_, one in gone if _local(one, at).day <= pivot.day]
    right = [text_ for text_, one in gone if _local(one, at).day >= pivot.day]
    if not isinstance(source, Rule):
        dates = [[one.day.isoformat() for one in half] for half in (before, behind)]
        return (
            Half(None, first, [*dates[0], *early], left),
            Half(None, pivot.day, [*dates[1], *late], right),
        )
    ends = replace(source, count=None, until=before[-1].day) if before else None
    count = None if source.count is None else len(behind)
    goes_on = replace(source, count=count) if behind else None
    return (
        Half(ends, first, early, left),
        Half(goes_on, behind[0].day if behind else pivot.day, late, right),
    )


def _local(one: date | Local, at: time) -> Local:
    return one if isinstance(one, Local) else Local(one, at)


def _check_within(instant: datetime, field: str, *, now: datetime) -> None:
    if instant <= now:
        raise Unprocessable.field(field, "a visit would lie in the past", "past")
    if instant > now + HORIZON:
        raise _too_far(_FIELD if field == "first_date" else field)


def _too_far(field: str) -> Unprocessable:
    return Unprocessable.field(field, "every visit must be within two years", "horizon")


def _too_many() -> Unprocessable:
    return Unprocessable.field(_FIELD, f"at most {MOST_VISITS} visits in a series", "limit")


def _days(
    source: Source, *, first: date, at: time, tz: ZoneInfo, last: date = date.max
) -> Iterator[date]:
    """Yield the days of `source` by date.

    Raises:
        Unprocessable: there are too many, or one lies behind `last`.
    """
    if first > last:
        raise _too_far("first_date")
    until = source.until if isinstance(source, Rule) else None
    for number, day in enumerate(_unended(source, first)):
        if until is not None and _is_behind(until, day, at, tz):
            return
        if day > last:
            raise _too_far(_FIELD)
        if number == MOST_VISITS:
            raise _too_many()
        yield day


def _unended(source: Source, first: date) -> Iterator[date]:
    if isinstance(source, Rule):
        yield from rule_days(source, first)
    elif source is not None:
        yield from _cycle_days(source, first)


def _cycle_days(cycles: Cycles, first: date) -> Iterator[date]:
    for number in range(cycles.count):
        for day in cycles.days:
            yield first + timedelta(days=number * cycles.length + day - 1)


def _is_behind(until: Until, day: date, at: time, tz: ZoneInfo) -> bool:
    if isinstance(until, datetime):
        return to_instant(day, at, tz) > until
    if isinstance(until, date):
        return day > until
    return (day, at) > until


def rule_days(rule: Rule, first: date) -> Iterator[date]:
    """Yield the days of `rule`, its COUNT heeded and its UNTIL not.

    dateutil looks for the next day until the year 9999, for seconds where there is none (the 30th
    of February, a Tuesday every seven days from a Monday). So it is given the last years before
    that which have the same days of the week: there the search for nothing ends within 30 years.
    """
    moved = timedelta(days=_moved(first.year))
    start = first + moved
    weekdays = [dateutil.weekday(day, number or None) for day, number in rule.by_day]
    days = dateutil.rrule(
        _STEPS[rule.freq],
        dtstart=datetime(start.year, start.month, start.day),  # noqa: DTZ001  a day on the wall
        interval=rule.interval,
        count=rule.count,
        bymonth=rule.by_month or None,
        bymonthday=rule.by_month_day or None,
        byweekday=weekdays or None,
        bysetpos=rule.by_set_pos or None,
        byweekno=rule.by_week_no or None,
        byyearday=rule.by_year_day or None,
        wkst=rule.week_start,
    )
    try:
        for found in days:
            yield found.date() - moved
    except ValueError:  # a week that runs past the last day of 9999
        return


def _moved(year: int) -> int:
    """Return the days from `year` to the last year before 9997 that begins four like it."""
    wanted = [_shape(year + more) for more in range(4)]
    for late in range(_LAST_YEAR, year, -1):
        if [_shape(late + more) for more in range(4)] == wanted:
            return date(late, 1, 1).toordinal() - date(year, 1, 1).toordinal()
    return 0


def _shape(year: int) -> tuple[int, bool]:
    """Return the weekday on which `year` begins, and whether it is a leap year."""
    return date(year, 1, 1).weekday(), isleap(year)


def _dated(values: Iterable[str], field: str) -> list[date | Local]:
    found: list[date | Local] = []
    for number, value in enumerate(values):
        one = _date_or_time(value)
        if one is None:
            raise Invalid.field(
                f"{field}.{number}",
                "must be a local date or time: 2026-12-24 or 2026-12-24T14:00",
                "date",
            )
        found.append(one)
    return found


def _date_or_time(value: str) -> date | Local | None:
    match = _DATED.fullmatch(value)
    if match is None:
        return None
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
        return Local(day, time(int(match[4]), int(match[5]))) if match[4] else day
    except ValueError:  # the 30th of February, 25:00
        return None
