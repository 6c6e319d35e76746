"""What the law of a country asks of messages, as data; docs/country-packs.md has the sources.

A pack is chosen by where the recipient is: the country of their first phone number, else that of
their postal address, else the United States. It can only narrow: the clinic's quiet hours and the
recipient's own hold besides it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache

import holidays
import phonenumbers

from chroniccare.notifications.rules import QuietHours, Stretch

DEFAULT = "US"
_SATURDAY, _SUNDAY = 5, 6
_WHOLE_DAY: Stretch = (time.min, time.min)


@dataclass(frozen=True, slots=True)
class Outreach:
    """Local hours [start, end) in which messages that invite may go out; None: not on that day.

    `holidays` names the country whose public holidays are like Sundays; None: days as any other.
    """

    weekdays: tuple[time, time]
    saturday: tuple[time, time] | None
    sunday: tuple[time, time] | None
    holidays: str | None = None

    def on(self, day: date) -> tuple[Stretch, ...]:
        """Return the stretches of the local day in which nothing may go out."""
        hours: tuple[time, time] | None = self.weekdays
        if self.holidays is not None and _is_holiday(self.holidays, day):
            hours = None
        elif day.weekday() == _SATURDAY:
            hours = self.saturday
        elif day.weekday() == _SUNDAY:
            hours = self.sunday
        if hours is None:
            return (_WHOLE_DAY,)
        return ((time.min, hours[0]), (hours[1], time.min))


@dataclass(frozen=True, slots=True)
class Pack:
    """The rules of one country.

    Attributes:
        country: ISO 3166 alpha-2.
        quiet: local hours in which nothing that can wait is sent; None: the clinic's alone hold.
        outreach: when messages that invite may go out.
        opt_in: channels on which such a message needs a consent that is on record.
        wording: what such a message has to say: `opt_out`, how it ends. That it names its sender
            is asked everywhere, and the lint of templates sees to it.
    """

    country: str
    quiet: QuietHours | None
    outreach: Outreach
    opt_in: frozenset[str]
    wording: frozenset[str] = frozenset({"opt_out"})


def _daily(start: int, end: int) -> tuple[time, time]:
    return time(start), time(end)


_NONE: frozenset[str] = frozenset()
_WRITTEN = frozenset({"sms", "email"})
_EVERY_DAY = Outreach(_daily(8, 21), _daily(8, 21), _daily(8, 21))

PACKS: dict[str, Pack] = {
    pack.country: pack
    for pack in (
        Pack("US", QuietHours(time(21), time(8)), _EVERY_DAY, _NONE),
        Pack(
            "CA", None,
            Outreach((time(9), time(21, 30)), _daily(10, 18), _daily(10, 18)), _WRITTEN,
        ),
        Pack("GB", None, _EVERY_DAY, _WRITTEN),
        Pack("DE", None, Outreach(_daily(8, 21), _daily(8, 21), None, "DE"), _WRITTEN),
        Pack("FR", None, Outreach(_daily(8, 20), _daily(10, 19), None, "FR"), _WRITTEN),
        Pack("ES", None, Outreach(_daily(9, 21), None, None, "ES"), _WRITTEN),
        Pack("MX", None, Outreach(_daily(9, 20), _daily(9, 20), _daily(9, 20)), _WRITTEN),
        Pack("IN", None, Outreach(_daily(10, 21), _daily(10, 21), _daily(10, 21)), _WRITTEN),
        Pack("AU", None, Outreach(_daily(9, 20), _daily(9, 17), None, "AU"), _WRITTEN),
        Pack("BR", None, Outreach(_daily(9, 21), _daily(10, 16), None, "BR"), _WRITTEN),
    )
}  # fmt: skip


def pack_of(country: str) -> Pack:
    """Return the pack of a country; the default's where we have none."""
    return PACKS.get(country, PACKS[DEFAULT])


def country_of(contacts: Iterable[Mapping[str, str]], address_country: str | None) -> str:
    """Return the country whose rules hold; `contacts` are `{"system", "value"}` by rank."""
    for point in contacts:
        if point["system"] == "phone" and (found := _region(point["value"])) is not None:
            return found
    return address_country or DEFAULT


@lru_cache(maxsize=20_000)  # parsing takes 17 us, and a patient has many messages
def _region(number: str) -> str | None:
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None


def _is_holiday(country: str, day: date) -> bool:
    return day in _holidays(country, day.year)


@lru_cache(maxsize=64)  # a country takes 60 ms once
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year, expand=False))
