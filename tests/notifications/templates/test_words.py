"""Days, times, zones and names as patients read them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.time import to_local, zone_names
from chroniccare.notifications.templates import words

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("at", "zone", "english", "spanish"),
    [
        # (UTC, zone): the same wall clock means two instants on the day the clocks go back.
        ("2026-03-03T14:30", "America/New_York", "Tue, Mar 3 at 9:30 AM EST",
         "martes 3 de marzo a las 9:30 AM EST"),
        ("2026-03-08T06:59", "America/New_York", "Sun, Mar 8 at 1:59 AM EST",
         "domingo 8 de marzo a la 1:59 AM EST"),
        ("2026-03-08T07:00", "America/New_York", "Sun, Mar 8 at 3:00 AM EDT",
         "domingo 8 de marzo a las 3:00 AM EDT"),
        ("2026-11-01T05:30", "America/New_York", "Sun, Nov 1 at 1:30 AM EDT",
         "domingo 1 de noviembre a la 1:30 AM EDT"),
        ("2026-11-01T06:30", "America/New_York", "Sun, Nov 1 at 1:30 AM EST",
         "domingo 1 de noviembre a la 1:30 AM EST"),
        ("2026-07-04T17:00", "America/Chicago", "Sat, Jul 4 at 12:00 PM CDT",
         "sábado 4 de julio a las 12:00 PM CDT"),
        ("2026-07-04T05:00", "America/Chicago", "Sat, Jul 4 at 12:00 AM CDT",
         "sábado 4 de julio a las 12:00 AM CDT"),
        # Arizona never changes its clocks; Hawaii neither.
        ("2026-07-04T20:05", "America/Phoenix", "Sat, Jul 4 at 1:05 PM MST",
         "sábado 4 de julio a la 1:05 PM MST"),
        ("2026-12-31T23:59", "Pacific/Honolulu", "Thu, Dec 31 at 1:59 PM HST",
         "jueves 31 de diciembre a la 1:59 PM HST"),
        # Zones without letters say how far they are from UTC.
        ("2026-01-03T08:05", "Asia/Dubai", "Sat, Jan 3 at 12:05 PM UTC+04",
         "sábado 3 de enero a las 12:05 PM UTC+04"),
        ("2026-01-03T06:35", "Asia/Kolkata", "Sat, Jan 3 at 12:05 PM IST",
         "sábado 3 de enero a las 12:05 PM IST"),
        ("2026-01-03T11:05", "Europe/Paris", "Sat, Jan 3 at 12:05 PM CET",
         "sábado 3 de enero a las 12:05 PM CET"),
    ],
)  # fmt: skip
def test_day_and_time(at: str, zone: str, english: str, spanish: str) -> None:
    local = to_local(datetime.fromisoformat(at + "Z"), ZoneInfo(zone))
    assert words.when(local, "en") == english
    assert words.when(local, "es") == spanish


@given(
    at=st.datetimes(datetime(2024, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(sorted(zone_names())).map(ZoneInfo),
)
def test_the_wall_clock_can_be_read_back(at: datetime, zone: ZoneInfo) -> None:
    local = to_local(at, zone)
    read = datetime.strptime(  # noqa: DTZ007  only the wall clock is compared
        f"{local.year} {words.when(local, 'en').rpartition(' ')[0]}", "%Y %a, %b %d at %I:%M %p"
    )
    assert read == local.replace(tzinfo=None, second=0, microsecond=0)
    assert words.when(local, "fr").startswith(f"{local:%Y-%m-%d %H:%M} ")


def test_a_day_far_off_has_its_year() -> None:
    at = datetime(2032, 3, 2, 9, 30, tzinfo=NEW_YORK)
    near = at - timedelta(days=299)
    far = at - timedelta(days=301)
    assert words.when(at, "en", now=near) == "Tue, Mar 2 at 9:30 AM EST"
    assert words.when(at, "en", now=far) == "Tue, Mar 2, 2032 at 9:30 AM EST"
    assert words.date(at, "es", now=far) == "martes 2 de marzo de 2032"


def test_an_end_on_the_same_day_is_a_time_alone() -> None:
    at = datetime(2031, 3, 4, 9, 30, tzinfo=NEW_YORK)
    assert words.until(at - timedelta(hours=1), at, "en") == "8:30 AM EST"
    assert words.until(at - timedelta(days=1), at, "en") == "Mon, Mar 3 at 9:30 AM EST"


@pytest.mark.parametrize(
    ("name", "degrees", "english", "spanish"),
    [
        ("Aisha Rahman", (), "Aisha Rahman", "Aisha Rahman"),
        ("Aisha Rahman", ("MD",), "Dr. Aisha Rahman", "Aisha Rahman, MD"),
        ("Aisha Rahman", ("M.D.", "PhD"), "Dr. Aisha Rahman", "Aisha Rahman, M.D."),
        ("Jane Roe", ("NP",), "Jane Roe, NP", "Jane Roe, NP"),
        ("Jane Roe", ("Board of Internal Medicine",), "Jane Roe", "Jane Roe"),
        ("Dr. Jane Roe", (), "Dr. Jane Roe", "Dr. Jane Roe"),
        ("Dr. Dr. Jane Roe", ("MD",), "Dr. Jane Roe", "Dr. Jane Roe"),
        ("DR JANE ROE", (), "Dr. JANE ROE", "Dr. JANE ROE"),
        ("dr.jane roe", (), "Dr. jane roe", "Dr. jane roe"),
        ("Doctor Jane Roe", (), "Dr. Jane Roe", "Dr. Jane Roe"),
        ("Dra. Ana Núñez", ("MD",), "Dra. Ana Núñez", "Dra. Ana Núñez"),
        ("Prof. Dr. Hans Braun", (), "Prof. Hans Braun", "Prof. Hans Braun"),
        ("Dr. Jane Roe, MD", (), "Dr. Jane Roe", "Dr. Jane Roe"),
        ("Jane Roe, MD, PhD", (), "Dr. Jane Roe", "Jane Roe, MD"),
        ("Jane Roe MD", (), "Dr. Jane Roe", "Jane Roe, MD"),
        ("Jane Roe, PA-C", (), "Jane Roe, PA-C", "Jane Roe, PA-C"),
        ("An Do", (), "An Do", "An Do"),  # a name, not a degree
        ("Drew Barry", (), "Drew Barry", "Drew Barry"),
        ("Jane  \t Roe", (), "Jane Roe", "Jane Roe"),
        ("your doctor", (), None, None),
        ("Dr. your doctor", ("MD",), None, None),
        ("Dr.", (), None, None),
        ("N/A", (), None, None),
        ("", (), None, None),
        (None, (), None, None),
    ],
)
def test_a_provider_has_one_title_or_one_degree(
    name: str | None, degrees: tuple[str, ...], english: str | None, spanish: str | None
) -> None:
    assert words.provider(name, degrees, "en") == english
    assert words.provider(name, degrees, "es") == spanish


@given(
    titles=st.lists(st.sampled_from(["Dr. ", "Dr ", "DR. ", "Doctor "]), max_size=3),
    degrees=st.lists(st.sampled_from([", MD", ", M.D.", ", DO", " MD", ", PhD"]), max_size=3),
    own=st.lists(st.sampled_from(["MD", "DO", "NP"]), max_size=2),
)
def test_a_title_is_never_said_twice(titles: list[str], degrees: list[str], own: list[str]) -> None:
    shown = words.provider("".join([*titles, "Jane Roe", *degrees]), tuple(own), "en")
    assert shown is not None
    said = shown.count("Dr.") + shown.count(",")
    assert said <= 1
    assert "Jane Roe" in shown
    assert shown.startswith("Dr. Jane") == (bool(titles) or "Dr." in shown)
