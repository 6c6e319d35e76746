"""Visits as iCalendar (RFC 5545). No I/O, no clock: the same visits give the same bytes.

What a calendar says of a visit is when and where. Type and name stand in it only if the clinic
wants them there (`scheduling_policies.calendar_details`), and nothing else of the visit ever.

The library escapes and folds whatever is text. Instants, numbers and words of ours have one form
and never need either; written here, 500 visits take a tenth of the library's time
(docs/calendars.md). Its own VTIMEZONE puts the change to summer time an hour too late.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from icalendar import (
    Calendar,
    Parameters,
    Timezone,
    TimezoneDaylight,
    TimezoneStandard,
    vCalAddress,
    vText,
)
from icalendar.parser import Contentline

from chroniccare.core.time import clock_changes, in_utc, to_local, zone
from chroniccare.notifications.attachment import Attachment, Method
from chroniccare.notifications.queries_calendar import Entry

MEDIA_TYPE = "text/calendar; charset=utf-8"
PRODID = "-//chroniccare//Chronic Care//EN"
_REFRESH = timedelta(minutes=15)
_NAMES = {"en": ("Appointments", "Appointment"), "es": ("Citas", "Cita")}
_STATUS = {"held": "TENTATIVE", "cancelled": "CANCELLED"}
"""Whatever else a visit is, it is CONFIRMED; that nobody came is no matter of a calendar's."""
_END = b"END:VCALENDAR\r\n"


@dataclass(frozen=True, slots=True)
class Organizer:
    """Who publishes a visit: RFC 5546 asks for it in what is mailed."""

    name: str
    address: str


def feed(entries: Sequence[Entry], *, language: str, details: bool) -> bytes:
    """Return the calendar that somebody subscribes to; `language` is one of the built-in texts'."""
    title = _NAMES[language][0]
    calendar = _calendar("PUBLISH")
    calendar.add("name", title)  # RFC 7986; the other spelling is what most clients know
    calendar.add("x-wr-calname", title)
    calendar.add("refresh-interval", _REFRESH, parameters={"value": "DURATION"})
    calendar.add("x-published-ttl", "PT15M")
    return _with(calendar, entries, [_event(e, language, details=details) for e in entries])


def attachment(
    entry: Entry, *, method: Method, language: str, details: bool, organizer: Organizer
) -> Attachment:
    """Return one visit as it is mailed."""
    status = "cancelled" if method == "CANCEL" else entry.status
    event = _event(entry, language, details=details, status=status, organizer=organizer)
    return Attachment(method, _with(_calendar(method), [entry], [event]))


def _calendar(method: Method) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    return calendar


def _with(calendar: Calendar, entries: Iterable[Entry], events: Iterable[bytes]) -> bytes:
    """Return `calendar` with the zones that the entries' times name, and with the events."""
    years: dict[str, tuple[int, int]] = {}
    for entry in entries:
        if not _is_repeated(entry):
            first, last = years.get(entry.zone, (entry.starts_at.year, entry.ends_at.year))
            years[entry.zone] = min(first, entry.starts_at.year), max(last, entry.ends_at.year)
    zones = [_timezone(name, first, last) for name, (first, last) in sorted(years.items())]
    head = calendar.to_ical(sorted=False).removesuffix(_END)
    return b"".join([head, *zones, *events, _END])


def _event(
    entry: Entry, language: str, *, details: bool, status: str | None = None,
    organizer: Organizer | None = None,
) -> bytes:  # fmt: skip
    """Return the VEVENT.

    DTSTAMP is the visit's last change, so that the same visit gives the same bytes.
    """
    shown = _STATUS.get(status or entry.status, "CONFIRMED")
    changed = _utc(entry.updated_at)
    lines = [
        f"BEGIN:VEVENT\r\nUID:{entry.id}@chroniccare\r\nDTSTAMP:{changed}\r\n"
        f"CREATED:{_utc(entry.created_at)}\r\nLAST-MODIFIED:{changed}\r\n".encode(),
        _times(entry),
        f"SEQUENCE:{entry.sequence}\r\nSTATUS:{shown}\r\n"
        f"TRANSP:{'TRANSPARENT' if shown == 'CANCELLED' else 'OPAQUE'}\r\n"
        "CLASS:PRIVATE\r\n".encode(),
        _text("SUMMARY", _summary(entry, language, details=details)),
        _text("LOCATION", ", ".join([entry.facility_name, *_address(entry.address)])),
    ]
    if organizer is not None:
        lines.append(_organizer(organizer))
    return b"".join([*lines, b"END:VEVENT\r\n"])


def _summary(entry: Entry, language: str, *, details: bool) -> str:
    if not details:
        return _NAMES[language][1]
    kind = entry.kind[:1].upper() + entry.kind[1:]
    return f"{kind}, {entry.who}" if entry.who else kind


def _address(address: dict[str, Any]) -> list[str]:
    """Return the parts of a postal address that are given; the country goes without saying."""
    town = " ".join(part for part in (address.get("state"), address.get("postal_code")) if part)
    return [part for part in (*address.get("line", []), address.get("city"), town) if part]


def _is_repeated(entry: Entry) -> bool:
    """Return whether a local time of the visit is the second of its kind, in the hour after a fall.

    RFC 5545 takes such a time for the first one, so it can only be told in UTC.
    """
    tz = zone(entry.zone)
    return bool(to_local(entry.starts_at, tz).fold or to_local(entry.ends_at, tz).fold)


def _times(entry: Entry) -> bytes:
    if _is_repeated(entry):
        return f"DTSTART:{_utc(entry.starts_at)}\r\nDTEND:{_utc(entry.ends_at)}\r\n".encode()
    tz = zone(entry.zone)
    start, end = (_wall(to_local(at, tz)) for at in (entry.starts_at, entry.ends_at))
    return f"DTSTART;TZID={entry.zone}:{start}\r\nDTEND;TZID={entry.zone}:{end}\r\n".encode()


def _wall(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%S}"


def _utc(at: datetime) -> str:
    return f"{_wall(in_utc(at))}Z"


@lru_cache(maxsize=1024)
def _text(name: str, value: str) -> bytes:
    """Return a line of text, escaped and folded; a calendar repeats the same few."""
    return bytes(Contentline.from_parts(name, Parameters(), vText(value)).to_ical()) + b"\r\n"


def _organizer(organizer: Organizer) -> bytes:
    address = vCalAddress(f"mailto:{organizer.address}")
    # A quote cannot stand in a parameter (RFC 5545, 3.2), and parsers take a backslash for more
    # than it is there.
    params = Parameters({"CN": organizer.name.replace('"', "'").replace("\\", "/")})
    return bytes(Contentline.from_parts("ORGANIZER", params, address).to_ical()) + b"\r\n"


@lru_cache(maxsize=256)
def _timezone(name: str, first_year: int, last_year: int) -> bytes:
    """Return the VTIMEZONE of an IANA zone for these years and the day on either side.

    Whole years, so that a calendar does not change by itself from one day to the next.
    """
    timezone = Timezone()
    timezone.add("tzid", name)
    since = datetime(first_year, 1, 1, tzinfo=UTC) - timedelta(days=1)
    until = datetime(last_year + 1, 1, 1, tzinfo=UTC) + timedelta(days=1)
    for change in clock_changes(zone(name), since, until):
        part = TimezoneDaylight() if change.is_summer else TimezoneStandard()
        part.add("dtstart", change.onset)
        part.add("tzoffsetfrom", change.before)
        part.add("tzoffsetto", change.after)
        part.add("tzname", change.name)
        timezone.add_component(part)
    return bytes(timezone.to_ical(sorted=False))
