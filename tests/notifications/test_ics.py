"""Visits as iCalendar: read back by other people's parsers, with times and texts unharmed."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz as dateutil_tz
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Calendar

from chroniccare.core.time import clock_changes, to_local, zone_names
from chroniccare.notifications import ics
from chroniccare.notifications.attachment import Method
from chroniccare.notifications.queries_calendar import Entry

AT = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
ADDRESS = {"line": ["1 Main St"], "city": "Springfield", "state": "NY", "postal_code": "10001"}
VISIT = Entry(
    id=UUID("0198f7a0-0000-7000-8000-000000000001"),
    starts_at=AT,
    ends_at=AT + timedelta(minutes=30),
    zone="America/New_York",
    status="scheduled",
    sequence=0,
    created_at=AT - timedelta(days=9),
    updated_at=AT - timedelta(days=8),
    facility_name="Riverside Clinic",
    address=ADDRESS,
    kind="dialysis check",
    who="Aisha Rahman",
)
SENDER = ics.Organizer("Oak Clinic", "noreply@oak.example")
PROPERTIES = {
    "UID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "DTSTART", "DTEND", "SEQUENCE", "STATUS",
    "TRANSP", "CLASS", "SUMMARY", "LOCATION",
}  # fmt: skip
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)

# Whatever our wire types let through, and line breaks besides.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n,;:"\\é') | st.just("日"),
    min_size=1,
    max_size=200,
)
instants = st.datetimes(
    min_value=FIRST.replace(tzinfo=None),
    max_value=LAST.replace(tzinfo=None),
    timezones=st.just(UTC),
).map(lambda at: at.replace(second=0, microsecond=0))


def feed(*visits: Entry, language: str = "en", details: bool = False) -> bytes:
    return ics.feed(visits, language=language, details=details)


def parsed(data: bytes) -> list[Any]:
    """Return the events, having looked at the lines of the whole."""
    lines = data.split(b"\r\n")
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert lines[-2:] == [b"END:VCALENDAR", b""]
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
    return list(Calendar.from_ical(data).events)


@given(texts, texts, texts, texts)
@example("Clinic; A, B\\C:\nEND:VEVENT", "1\\n Main", 'Dr. "X"', "follow^n")
def test_text_comes_back_as_it_was_and_adds_no_line(
    name: str, street: str, who: str, kind: str
) -> None:
    visit = replace(VISIT, facility_name=name, address={"line": [street]}, who=who, kind=kind)
    [event] = parsed(feed(visit, details=True))
    assert str(event["LOCATION"]) == f"{name}, {street}"
    assert str(event["SUMMARY"]) == f"{kind[:1].upper()}{kind[1:]}, {who}"
    assert set(event) == PROPERTIES


@given(texts)
@example('Oak "best" Clinic; mailto:x, y')
@example("Oak\\")
def test_the_sender_of_an_attachment_comes_back(name: str) -> None:
    line = " ".join(name.split("\n"))
    made = ics.attachment(
        VISIT, method="PUBLISH", language="en", details=False,
        organizer=ics.Organizer(line, "noreply@oak.example"),
    )  # fmt: skip
    [event] = parsed(made.data)
    assert event["ORGANIZER"] == "mailto:noreply@oak.example"
    assert event["ORGANIZER"].params["CN"] == line.replace('"', "'").replace("\\", "/")
    assert set(event) == PROPERTIES | {"ORGANIZER"}


@given(instants, st.integers(5, 1440), st.sampled_from(sorted(zone_names())))
@example(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), 30, "America/New_York")  # 01:30, the first
@example(datetime(2026, 11, 1, 6, 30, tzinfo=UTC), 30, "America/New_York")  # 01:30, the second
@example(datetime(2026, 11, 1, 5, 45, tzinfo=UTC), 30, "America/New_York")  # ends in the second
@example(datetime(2026, 3, 8, 7, 30, tzinfo=UTC), 30, "America/New_York")  # 03:30, after the gap
def test_every_instant_comes_back(at: datetime, minutes: int, zone: str) -> None:
    end = at + timedelta(minutes=minutes)
    [event] = parsed(feed(replace(VISIT, starts_at=at, ends_at=end, zone=zone)))
    assert (event.start.astimezone(UTC), event.end.astimezone(UTC)) == (at, end)
    repeated = any(to_local(one, ZoneInfo(zone)).fold for one in (at, end))
    assert ("TZID" in event["DTSTART"].params) is not repeated
    assert ("TZID" in event["DTEND"].params) is not repeated


def by_own_zone(data: bytes, name: str) -> Any:
    """Return the zone as a client knows it that has only the calendar, read by dateutil."""
    text = data.decode()
    block = text[text.index("BEGIN:VTIMEZONE") : text.index("END:VTIMEZONE")]
    return dateutil_tz.tzical(io.StringIO(f"{block}END:VTIMEZONE\r\n")).get(name)


def test_the_zones_in_a_calendar_are_right_at_every_change_of_clocks() -> None:
    """For each way clocks go in any zone, 2024 to 2035: just before, at and after each change."""
    seen = set()
    for name in sorted(zone_names()):
        tz = ZoneInfo(name)
        changes = clock_changes(tz, FIRST, LAST)
        if (key := repr(changes)) in seen:
            continue
        seen.add(key)
        ends = [replace(VISIT, zone=name, starts_at=at, ends_at=at) for at in (FIRST, LAST)]
        own = by_own_zone(feed(*ends), name)
        for change in changes:
            at = change.onset.replace(tzinfo=UTC) - change.before
            for minutes in (-90, -30, -1, 0, 1, 29, 59, 60, 90):
                instant = at + timedelta(minutes=minutes)
                local = to_local(instant, tz)
                if not local.fold:  # a second time round is told in UTC
                    assert local.replace(tzinfo=own).utcoffset() == local.utcoffset(), (name, local)
    assert len(seen) > 90


def test_a_zone_reads_as_rfc_5545_writes_new_york() -> None:
    spring = (
        "BEGIN:DAYLIGHT\r\nDTSTART:20260308T020000\r\nTZOFFSETFROM:-0500\r\n"
        "TZOFFSETTO:-0400\r\nTZNAME:EDT\r\nEND:DAYLIGHT\r\n"
    )
    autumn = (
        "BEGIN:STANDARD\r\nDTSTART:20261101T020000\r\nTZOFFSETFROM:-0400\r\n"
        "TZOFFSETTO:-0500\r\nTZNAME:EST\r\nEND:STANDARD\r\n"
    )
    assert f"{spring}{autumn}END:VTIMEZONE" in feed(VISIT).decode()


def test_no_change_of_clocks_is_missed() -> None:
    """Hour by hour, each zone's offset is the one that the changes tell."""
    for name in ("America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kolkata"):
        tz = ZoneInfo(name)
        changes = clock_changes(tz, FIRST, LAST)
        starts = [change.onset.replace(tzinfo=UTC) - change.before for change in changes]
        at, number = FIRST, 0
        while at < LAST:
            while number + 1 < len(starts) and starts[number + 1] <= at:
                number += 1
            assert at.astimezone(tz).utcoffset() == changes[number].after, (name, at)
            at += timedelta(hours=1)


def test_a_visit_says_when_and_where_and_no_more() -> None:
    data = feed(VISIT)
    [event] = parsed(data)
    assert str(event["SUMMARY"]) == "Appointment"
    assert str(event["LOCATION"]) == "Riverside Clinic, 1 Main St, Springfield, NY 10001"
    assert set(event) == PROPERTIES
    assert b"dialysis" not in data.lower()
    assert b"Aisha" not in data
    assert event["UID"] == f"{VISIT.id}@chroniccare"
    assert event["DTSTAMP"].dt == event["LAST-MODIFIED"].dt == VISIT.updated_at
    assert event["CREATED"].dt == VISIT.created_at
    assert event["CLASS"] == "PRIVATE"
    [spanish] = parsed(feed(VISIT, language="es"))
    assert str(spanish["SUMMARY"]) == "Cita"
    [detailed] = parsed(feed(VISIT, details=True))
    assert str(detailed["SUMMARY"]) == "Dialysis check, Aisha Rahman"
    [anybody] = parsed(feed(replace(VISIT, who=""), details=True))
    assert str(anybody["SUMMARY"]) == "Dialysis check"


@pytest.mark.parametrize(
    ("status", "shown", "transparency"),
    [
        ("held", "TENTATIVE", "OPAQUE"),
        ("scheduled", "CONFIRMED", "OPAQUE"),
        ("confirmed", "CONFIRMED", "OPAQUE"),
        ("checked_in", "CONFIRMED", "OPAQUE"),
        ("in_progress", "CONFIRMED", "OPAQUE"),
        ("completed", "CONFIRMED", "OPAQUE"),
        ("no_show", "CONFIRMED", "OPAQUE"),
        ("cancelled", "CANCELLED", "TRANSPARENT"),
    ],
)
def test_each_state_of_a_visit_has_its_word(status: str, shown: str, transparency: str) -> None:
    [event] = parsed(feed(replace(VISIT, status=status, sequence=3)))
    assert (event["STATUS"], event["TRANSP"], event["SEQUENCE"]) == (shown, transparency, 3)


def test_a_calendar_names_itself_its_zones_and_how_often_to_look() -> None:
    away = replace(VISIT, zone="Europe/Madrid")
    calendar: Any = Calendar.from_ical(feed(VISIT, away, VISIT, language="es"))
    assert calendar["VERSION"] == "2.0"
    assert calendar["PRODID"] == ics.PRODID
    assert calendar["METHOD"] == "PUBLISH"
    assert calendar["X-WR-CALNAME"] == "Citas"
    assert calendar["REFRESH-INTERVAL"].dt == timedelta(minutes=15)
    assert calendar["REFRESH-INTERVAL"].params["VALUE"] == "DURATION"
    assert [part["TZID"] for part in calendar.walk("VTIMEZONE")] == [
        "America/New_York",
        "Europe/Madrid",
    ]
    assert not Calendar.from_ical(feed()).walk("VTIMEZONE")


def test_the_same_visits_give_the_same_bytes() -> None:
    assert feed(VISIT) == feed(replace(VISIT))
    assert feed(VISIT) != feed(replace(VISIT, sequence=1))


@pytest.mark.parametrize(("method", "status"), [("PUBLISH", "CONFIRMED"), ("CANCEL", "CANCELLED")])
def test_what_is_mailed_names_its_method_and_its_sender(method: Method, status: str) -> None:
    made = ics.attachment(VISIT, method=method, language="en", details=False, organizer=SENDER)
    [event] = parsed(made.data)
    assert made.method == method
    assert f"METHOD:{method}\r\n".encode() in made.data
    assert event["STATUS"] == status
    assert event["ORGANIZER"] == "mailto:noreply@oak.example"
    assert event["ORGANIZER"].params["CN"] == "Oak Clinic"
    assert event["UID"] == f"{VISIT.id}@chroniccare"
