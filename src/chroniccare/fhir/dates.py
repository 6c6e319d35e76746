"""Dates of searches on paper: `ge2026-03` is a prefix and a span of time. No I/O, no clock.

A value without an offset is a time on the wall of wherever the record belongs, so it becomes
instants only with a zone (core/time.py).
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from chroniccare.core.time import in_utc, to_instant, zone

PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
# A plus that was not encoded arrives as a blank.
_VALUE = re.compile(
    r"(?P<prefix>eq|ne|gt|ge|lt|le|sa|eb|ap)?"
    r"(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2})"
    r"(T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})(\.(?P<part>[0-9]{1,9}))?)?"
    r"(?P<zone>Z|[+ -][0-9]{2}:[0-9]{2})?)?)?)?"
)
OVERLAP = timedelta(minutes=5)
"""A record says when its transaction began, and nobody sees it before its end; nor do clocks agree.
So whoever asks for what is new takes up before the last look began."""
_DECEMBER = 12
_FIRST_YEAR, _LAST_YEAR = 1000, 9000


@dataclass(frozen=True, slots=True)
class Span:
    """What a value of a date parameter means.

    Attributes:
        prefix: how the record's date compares with it; `eq` when none was given.
        low: its first moment, as a clock on the wall shows it.
        high: the first moment after it.
        offset: from UTC, when the value said it.
    """

    prefix: str
    low: datetime
    high: datetime
    offset: timedelta | None = None


def parse(text: str) -> Span | None:
    """Return what `text` means; None when it is no date of FHIR."""
    match = _VALUE.fullmatch(text)
    if match is None or not _FIRST_YEAR <= int(match["year"]) < _LAST_YEAR:
        return None
    try:
        low, length = _low(match)
        high = _next_month(low, match) if length is None else low + length
        offset = _offset(match["zone"])
    except ValueError:
        return None
    return Span(match["prefix"] or "eq", low, high, offset)


def _low(match: re.Match[str]) -> tuple[datetime, timedelta | None]:
    """Return the first moment, and the length unless it is a month or a year."""
    day = f"{match['year']}-{match['month'] or '01'}-{match['day'] or '01'}"
    if match["hour"] is None:
        return datetime.fromisoformat(day), None if match["day"] is None else timedelta(days=1)
    digits = (match["part"] or "")[:6]
    at = f"{match['hour']}:{match['minute']}:{match['second'] or '00'}.{digits.ljust(6, '0')}"
    low = datetime.fromisoformat(f"{day}T{at}")
    if match["second"] is None:
        return low, timedelta(minutes=1)
    return low, timedelta(microseconds=10 ** (6 - len(digits)))


def _next_month(low: datetime, match: re.Match[str]) -> datetime:
    if match["month"] is None or low.month == _DECEMBER:
        return low.replace(year=low.year + 1, month=1)
    return low.replace(month=low.month + 1)


def _offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if text == "Z":
        return timedelta()
    sign = -1 if text[0] == "-" else 1
    minutes = int(text[4:])
    if minutes >= 60 or int(text[1:3]) > 14:  # noqa: PLR2004  RFC 3339; no place is further away
        raise ValueError("offset")
    return sign * timedelta(hours=int(text[1:3]), minutes=minutes)


def instants(span: Span, here: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the UTC instants at which `span` begins and ends, read in `here` unless it says."""
    low, high = span.low, span.high
    if span.offset is not None:
        low, high, here = low - span.offset, high - span.offset, zone("UTC")
    return to_instant(low.date(), low.time(), here), to_instant(high.date(), high.time(), here)


def approximately(span: Span, now: datetime) -> Span:
    """Return `span` widened by a tenth of its distance from now, as FHIR recommends for `ap`."""
    middle = span.low + (span.high - span.low) / 2
    about = abs(middle - datetime.fromisoformat(in_utc(now).isoformat()[:19])) / 10
    return Span("eq", span.low - about, span.high + about, span.offset)
