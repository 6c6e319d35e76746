"""Quiet hours over changes of clocks, countries and deadlines; what each country's pack says."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroniccare.core.ids import new_id
from chroniccare.core.time import to_instant, to_local
from chroniccare.notifications import decide, packs, rules
from chroniccare.notifications import rules_categories as categories
from chroniccare.notifications.preferences import rules as preferences
from chroniccare.notifications.preferences.queries import Stored
from chroniccare.notifications.queries_due import Due
from chroniccare.notifications.templates import kinds
from tests.checks.code import ROOT
from tests.notifications.preferences.test_agreement import due_of

CLINIC = rules.parse_quiet_hours("21:00-08:00")
NUMBERS = {
    "US": "+14155550100", "CA": "+14165550100", "GB": "+447400123456", "DE": "+4915112345678",
    "FR": "+33612345678", "ES": "+34612345678", "MX": "+525512345678", "IN": "+919812345678",
    "AU": "+61412345678", "BR": "+5511961234567",
}  # fmt: skip
ZONES = {
    "US": "America/New_York", "CA": "America/St_Johns", "GB": "Europe/London",
    "DE": "Europe/Berlin", "FR": "Europe/Paris", "ES": "Atlantic/Canary", "MX": "America/Tijuana",
    "IN": "Asia/Kolkata", "AU": "Australia/Lord_Howe", "BR": "America/Sao_Paulo",
}  # fmt: skip
# A change of clocks in each direction, the days about it: gaps of an hour, of half an hour, at
# midnight, and a day that was skipped as a whole.
CHANGES = [
    ("America/New_York", date(2031, 3, 9)),
    ("America/New_York", date(2031, 11, 2)),
    ("Europe/Berlin", date(2031, 3, 30)),
    ("Europe/Berlin", date(2031, 10, 26)),
    ("Australia/Lord_Howe", date(2031, 4, 6)),
    ("Australia/Lord_Howe", date(2031, 10, 5)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("America/Asuncion", date(2023, 10, 1)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("America/St_Johns", date(2006, 10, 29)),
    ("Asia/Kolkata", date(2031, 3, 9)),
]
minutes = st.integers(0, 24 * 60 - 1).map(lambda n: time(n // 60, n % 60))
windows = st.builds(rules.QuietHours, minutes, minutes)


def covers(quiet: rules.QuietHours, wall: time) -> bool:
    """Say by the clock on the wall alone whether it is quiet."""
    if quiet.start < quiet.end:
        return quiet.start <= wall < quiet.end
    return quiet.start != quiet.end and (wall >= quiet.start or wall < quiet.end)


def patient(country: str = "US", zone: str | None = None, **fields: Any) -> preferences.Recipient:
    who = preferences.patient(
        time_zone=zone or ZONES[country], channels=["sms"], consents={"sms": True},
        contacts=[{"system": "phone", "value": NUMBERS[country]}], address_country=None, stored={},
    )  # fmt: skip
    return replace(who, **fields)


@settings(max_examples=300, deadline=None)
@given(
    change=st.sampled_from(CHANGES), parts=st.lists(windows, min_size=1, max_size=3),
    into=st.integers(-2 * 24 * 60, 3 * 24 * 60),
)  # fmt: skip
def test_nothing_that_the_wall_calls_quiet_is_open(
    change: tuple[str, date], parts: list[rules.QuietHours], into: int
) -> None:
    name, day = change
    zone = ZoneInfo(name)
    at = to_instant(day, time(), zone) + timedelta(minutes=into)
    together = rules.QuietTogether(tuple(parts))
    period = rules.quiet_period(at, zone, together)
    wall = to_local(at, zone).time()
    if any(covers(part, wall) for part in parts):
        assert period is not None
    if period is None:
        return
    start, end = period
    assert start <= at < end
    # The minute after it is open, unless it was told in parts.
    after = to_local(end, zone).time()
    if end - at < timedelta(days=2):
        assert not any(covers(part, after) for part in parts)
    if at - start < timedelta(days=2):
        assert rules.quiet_period(start - timedelta(seconds=1), zone, together) is None


@pytest.mark.parametrize(
    ("hour", "minute", "quiet"),
    [(4, 15, False), (4, 30, True), (5, 29, True), (5, 45, True), (6, 29, True), (6, 30, False)],
)
def test_what_the_clock_shows_twice_is_quiet_both_times(
    hour: int, minute: int, *, quiet: bool
) -> None:
    # New York turns its clocks back at 06:00 UTC: 01:00 to 02:00 occurs twice.
    at = datetime(2031, 11, 2, hour, minute, tzinfo=UTC)
    hours = rules.parse_quiet_hours("00:30-01:30")
    period = rules.quiet_period(at, ZoneInfo("America/New_York"), hours)
    assert (period is not None) is quiet


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(windows, max_size=3))
def test_the_minutes_left_of_a_day_are_counted_right(parts: list[rules.QuietHours]) -> None:
    every = [time(n // 60, n % 60) for n in range(24 * 60)]
    left = [wall for wall in every if not any(covers(part, wall) for part in parts)]
    assert preferences.open_minutes(parts) == len(left)


def reminder(
    who: preferences.Recipient, *, kind: str, due: datetime, expires: datetime, planned: datetime
) -> Due:
    """Return a claimed message of a patient."""
    from_view = due_of(_stored(who), kind, None)
    return replace(
        from_view, channel_plan=["sms"], scheduled_send_time=due, expires_at=expires,
        created_at=planned,
    )  # fmt: skip


def _stored(who: preferences.Recipient) -> Stored:
    own = who.own_quiet
    quiet = {"start": f"{own.start:%H:%M}", "end": f"{own.end:%H:%M}"} if own else None
    return Stored(
        new_id(), 1, ["sms"], {"sms": True}, {"quiet_hours": quiet} if quiet else {}, "en",
        who.time_zone, None, True, [dict(one) for one in who.contacts], [],
    )  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    country=st.sampled_from(sorted(packs.PACKS)), change=st.sampled_from(CHANGES),
    kind=st.sampled_from(["appointment_reminder", "waitlist_offer", "recall"]),
    own=st.one_of(st.none(), windows), into=st.integers(-24 * 60, 48 * 60),
    ahead=st.integers(0, 72 * 60), lead=st.integers(1, 30 * 60), late=st.integers(0, 90),
)  # fmt: skip
def test_it_is_sent_in_a_legal_window_or_expires_with_a_reason(
    *, country: str, change: tuple[str, date], kind: str, own: rules.QuietHours | None, into: int,
    ahead: int, lead: int, late: int,
) -> None:  # fmt: skip
    """Follow one message from its plan to its end, as the loop would, `late` minutes behind."""
    name, day = change
    zone = ZoneInfo(name)
    who = patient(country, name, own_quiet=own)
    category = categories.category_of(kind)
    due = to_instant(day, time(), zone) + timedelta(minutes=into)
    planned, expires = due - timedelta(minutes=ahead), due + timedelta(minutes=lead)
    quiet = preferences.quiet_of(who, category, CLINIC)
    at = rules.first_look(due, now=planned, deadline=expires, zone=zone, quiet=quiet)
    assert at >= planned
    for _ in range(20):
        at += timedelta(minutes=late)
        decided = decide.decide(
            reminder(who, kind=kind, due=due, expires=expires, planned=planned), now=at,
            quiet=CLINIC, suppressed=(),
        )  # fmt: skip
        if not isinstance(decided, decide.Hold):
            break
        assert at < decided.until < expires
        at, late = decided.until, 0
    else:
        pytest.fail("it is held for ever")
    if isinstance(decided, decide.Stop):
        assert (decided.status, decided.reason) in {
            ("expired", "quiet_hours"),
            ("expired", "too_late"),
        }
        return
    assert at < expires
    period = rules.quiet_period(at, zone, quiet)
    if period is not None:  # pulled before the night, a little late: never against the law
        assert at < period[0] + timedelta(minutes=30)
        assert rules.quiet_period(at, zone, preferences.law_of(who, category)) is None


@pytest.mark.parametrize(
    ("zone", "due", "expires", "at"),
    [
        # New York, the night in which 02:00 to 03:00 is skipped; quiet 21:00 to 08:00.
        ("America/New_York", "2031-03-09T05:30", "2031-03-09T07:30", "2031-03-08T20:00"),
        ("America/New_York", "2031-03-09T06:00", "2031-03-09T10:00", "2031-03-09T08:00"),
        # The night in which 01:00 to 02:00 occurs twice is an hour longer.
        ("America/New_York", "2031-11-02T05:30", "2031-11-02T07:30", "2031-11-01T20:00"),
        ("America/New_York", "2031-11-01T21:00", "2031-11-02T09:00", "2031-11-02T08:00"),
        # Lord Howe turns its clocks by half an hour.
        ("Australia/Lord_Howe", "2031-04-06T03:00", "2031-04-06T08:59", "2031-04-05T20:00"),
        ("Australia/Lord_Howe", "2031-04-06T03:00", "2031-04-06T09:00", "2031-04-06T08:00"),
        # Samoa skipped 30 December 2011: the night of the 29th ends on the 31st.
        ("Pacific/Apia", "2011-12-29T23:00", "2011-12-31T12:00", "2011-12-31T08:00"),
        ("Asia/Kolkata", "2031-03-09T12:00", "2031-03-09T14:00", "2031-03-09T12:00"),
    ],
)
def test_when_a_reminder_goes_out(zone: str, due: str, expires: str, at: str) -> None:
    home = ZoneInfo(zone)

    def instant(wall: str) -> datetime:
        shown = datetime.fromisoformat(wall)
        return to_instant(shown.date(), shown.time(), home)

    chosen = rules.first_look(
        instant(due), now=instant(due) - timedelta(days=3), deadline=instant(expires), zone=home,
        quiet=preferences.quiet_of(patient(zone=zone), "appointments", CLINIC),
    )  # fmt: skip
    assert chosen == instant(at)


def test_own_quiet_hours_only_add_to_the_others() -> None:
    who = patient(own_quiet=rules.QuietHours(time(10), time(11)))
    quiet = preferences.quiet_of(who, "appointments", CLINIC)
    home = ZoneInfo(who.time_zone)
    shut = [
        hour for hour in range(24)
        if rules.quiet_period(to_instant(date(2031, 3, 4), time(hour), home), home, quiet)
    ]  # fmt: skip
    assert shut == [*range(8), 10, 21, 22, 23]


def test_the_law_holds_where_the_clinic_has_no_quiet_hours() -> None:
    none = rules.parse_quiet_hours("00:00-00:00")
    for country, hours in (("US", [*range(8), 21, 22, 23]), ("DE", [])):
        who = patient(country)
        quiet = preferences.quiet_of(who, "appointments", none)
        home = ZoneInfo(who.time_zone)
        shut = [
            hour for hour in range(24)
            if rules.quiet_period(to_instant(date(2031, 3, 4), time(hour), home), home, quiet)
        ]  # fmt: skip
        assert shut == hours


@pytest.mark.parametrize(
    ("country", "day", "hours"),
    [
        ("US", date(2031, 7, 4), (8, 21)),  # a holiday, a Friday
        ("CA", date(2031, 7, 5), (10, 18)),  # a Saturday
        ("FR", date(2031, 7, 14), None),  # a holiday, a Monday
        ("FR", date(2031, 7, 15), (8, 20)),
        ("FR", date(2031, 7, 19), (10, 19)),
        ("FR", date(2031, 7, 20), None),  # a Sunday
        ("ES", date(2031, 7, 19), None),  # a Saturday
        ("ES", date(2031, 10, 12), None),
        ("DE", date(2031, 10, 3), None),
        ("DE", date(2031, 10, 4), (8, 21)),
        ("IN", date(2031, 7, 20), (10, 21)),
        ("AU", date(2031, 4, 25), None),
        ("AU", date(2031, 7, 19), (9, 17)),
        ("BR", date(2031, 7, 19), (10, 16)),
        ("BR", date(2031, 9, 7), None),
        ("ZZ", date(2031, 7, 20), (8, 21)),  # no pack of ours: the default's
    ],
)
def test_when_messages_that_invite_may_go_out(
    country: str, day: date, hours: tuple[int, int] | None
) -> None:
    outreach, utc = packs.pack_of(country).outreach, ZoneInfo("UTC")
    open_hours = [
        hour for hour in range(24)
        if rules.quiet_period(datetime(day.year, day.month, day.day, hour, tzinfo=UTC), utc,
                              outreach) is None
    ]  # fmt: skip
    assert open_hours == ([] if hours is None else list(range(*hours)))


@pytest.mark.parametrize(("country", "number"), NUMBERS.items())
def test_the_country_is_that_of_the_first_phone(country: str, number: str) -> None:
    point = {"system": "phone", "value": number}
    other = {"system": "phone", "value": NUMBERS["GB"]}
    mail = {"system": "email", "value": "a@example.com"}
    assert packs.country_of([mail, point, other], "ZZ") == country
    assert packs.country_of([mail], country) == country
    assert packs.country_of([], None) == packs.country_of(
        [{"system": "phone", "value": "nonsense"}], None
    ) == "US"  # fmt: skip


def test_silence_is_consent_to_care_but_not_to_invitations_where_the_law_asks_for_more() -> None:
    for country, pack in packs.PACKS.items():
        silent = patient(country, consents={})
        assert preferences.refusal(silent, "appointments", "sms") is None
        expected = "no_consent" if "sms" in pack.opt_in else None
        assert preferences.refusal(silent, "recalls", "sms") == expected
        assert preferences.refusal(patient(country), "recalls", "sms") is None
    assert {country for country, pack in packs.PACKS.items() if not pack.opt_in} == {"US"}


def test_every_pack_is_whole() -> None:
    for country, pack in packs.PACKS.items():
        assert country == pack.country
        assert pack.wording == {"opt_out"}
        hours = (pack.outreach.weekdays, pack.outreach.saturday, pack.outreach.sunday)
        assert all(one is None or one[0] < one[1] for one in hours)


def test_the_page_about_the_packs_says_what_they_say() -> None:
    page = (ROOT / "docs/country-packs.md").read_text(encoding="utf-8")

    def hours(one: tuple[time, time] | None) -> str:
        return "never" if one is None else f"{one[0]:%H:%M}-{one[1]:%H:%M}"

    for country, pack in packs.PACKS.items():
        quiet, outreach = pack.quiet, pack.outreach
        assert (pack.opt_in == {"sms", "email"}) or not pack.opt_in
        cells = [
            country,
            "" if quiet is None else hours((quiet.start, quiet.end)),
            *(hours(one) for one in (outreach.weekdays, outreach.saturday, outreach.sunday)),
            "as any day" if outreach.holidays is None else "never",
            "SMS, email" if pack.opt_in else "",
        ]
        row = "| " + " | ".join(cells) + " |"
        assert row.replace("|  |", "| |").replace("|  |", "| |") in page
        assert outreach.holidays in {None, country}


def test_every_type_of_message_has_exactly_one_category() -> None:
    assert set(kinds.KINDS) <= set(categories.TYPES)
    page = (ROOT / "docs/preferences.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in page for kind in (*categories.TYPES, *categories.CATEGORIES))
    assert {categories.category_of(kind) for kind in categories.TYPES} == set(categories.CATEGORIES)
    assert categories.category_of("reply_help") == categories.ANSWERS
    assert not categories.is_known("something else")
    with pytest.raises(KeyError):
        categories.category_of("something else")
