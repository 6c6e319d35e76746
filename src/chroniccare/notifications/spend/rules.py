"""Money and segments on paper: countries, prices, who fits below a limit. No I/O, no clock.

Months and days are UTC's, as they are on providers' bills.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import phonenumbers

from chroniccare.core.time import to_instant, zone
from chroniccare.notifications.templates import segments

MICROS = 1_000_000
"""Money is counted in millionths of the tenant's currency: whole numbers add up exactly."""
NOWHERE = "ZZ"
"""Country of a number that belongs to none, such as a satellite phone's."""

BUDGET = "budget"
COUNTRY_LIMIT = "country_limit"
COUNTRY = "country_not_allowed"

Countries = Mapping[str, Mapping[str, Any]]


def country_of(number: str) -> str:
    """Return the ISO 3166 country of a number in E.164, NOWHERE if there is none."""
    # North America's countries differ by area code; to parse each number anew would cost 12 us.
    return _american(number[:5], number) if number.startswith("+1") else _parsed(number)


_areas: dict[str, str] = {}


def _american(area: str, number: str) -> str:
    known = _areas.get(area)
    if known is None:
        known = _parsed(number)
        if known != NOWHERE:
            _areas[area] = known
    return known


def _parsed(number: str) -> str:
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return NOWHERE
    return found if found is not None and found.isalpha() else NOWHERE


def known_country(code: str) -> bool:
    """Return whether numbers of a country `code` can exist."""
    return code in phonenumbers.SUPPORTED_REGIONS or code == NOWHERE


def allowed(number: str, countries: Countries | None) -> bool:
    """Return whether SMS may go to `number`; None: nothing is known that forbids any country."""
    return countries is None or country_of(number) in countries


# --- what one message costs ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What one SMS takes; `micros` are 0 where no price is known."""

    segments: int
    micros: int
    country: str


def micros_of(amount: float | None) -> int | None:
    """Return an amount in millionths."""
    return None if amount is None else round(amount * MICROS)


def amount_of(micros: int | None) -> float | None:
    """Return millionths as an amount, with six decimals at most."""
    return None if micros is None else round(micros / MICROS, 6)


def cost(
    body: str, number: str, *, countries: Countries | None, segment_micros: int | None
) -> Cost:
    """Return what `body` costs to `number`; `segment_micros` is the price where no country's is."""
    country = country_of(number)
    price = ((countries or {}).get(country) or {}).get("segment_micros")
    if price is None:
        price = segment_micros or 0
    count = max(1, segments.count(body).segments)
    return Cost(count, count * price, country)


# --- who fits -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant may spend; None is no limit. `daily_segments` are those of one country."""

    monthly_segments: int | None = None
    monthly_micros: int | None = None
    alert_percent: int = 80
    daily_segments: int | None = None
    countries: Countries | None = None

    def daily(self, country: str) -> int | None:
        """Return the segments that may go to `country` in a day."""
        own: int | None = ((self.countries or {}).get(country) or {}).get("daily_segments")
        return self.daily_segments if own is None else own

    @property
    def bind(self) -> bool:
        """Whether anything is limited at all, so that batches must wait for each other."""
        return (
            any(
                limit is not None
                for limit in (self.monthly_segments, self.monthly_micros, self.daily_segments)
            )
            or any(own.get("daily_segments") is not None for own in (self.countries or {}).values())
        )  # fmt: skip


@dataclass(slots=True)
class Used:
    """What the month has taken so far, and each country today."""

    segments: int = 0
    micros: int = 0
    today: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wish:
    """A message that would cost something; `at` is when it was meant to go."""

    id: UUID
    cost: Cost
    urgent: bool
    at: datetime


def admit(limits: Limits, used: Used, wishes: Sequence[Wish]) -> dict[UUID, str]:
    """Add to `used` what fits, and return why each of the others does not.

    Urgent messages go first and beyond the month's limit, not beyond a country's: that brake is
    against fraud. The others follow in the order in which they were meant to go; a short one may
    still fit where a long one did not.
    """
    refused: dict[UUID, str] = {}
    for wish in sorted(wishes, key=lambda one: (not one.urgent, one.at, one.id)):
        today = used.today.get(wish.cost.country, 0) + wish.cost.segments
        daily = limits.daily(wish.cost.country)
        if daily is not None and today > daily:
            refused[wish.id] = COUNTRY_LIMIT
        elif not wish.urgent and not _fits(limits, used, wish.cost):
            refused[wish.id] = BUDGET
        else:
            used.segments += wish.cost.segments
            used.micros += wish.cost.micros
            used.today[wish.cost.country] = today
    return refused


def _fits(limits: Limits, used: Used, cost: Cost) -> bool:
    for limit, total in (
        (limits.monthly_segments, used.segments + cost.segments),
        (limits.monthly_micros, used.micros + cost.micros),
    ):
        if limit is not None and total > limit:
            return False
    return True


def percent(limits: Limits, used: Used) -> float | None:
    """Return how much of the limit is used, of the tighter one; None: there is none."""
    shares = [
        100.0 * total / limit if limit else 100.0
        for limit, total in (
            (limits.monthly_segments, used.segments), (limits.monthly_micros, used.micros),
        )
        if limit is not None
    ]  # fmt: skip
    return max(shares, default=None)


# --- months and days ----------------------------------------------------------------------------


def month_of(at: datetime) -> date:
    """Return the first day of the month of `at`, which is UTC."""
    return at.date().replace(day=1)


def name_of(month: date) -> str:
    """Return a month as it is written on the wire, such as 2031-03."""
    return f"{month.year:04}-{month.month:02}"


def months_back(month: date, count: int) -> date:
    """Return the first day of the month that lies `count` months before `month`."""
    number = month.year * 12 + month.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


def until(reason: str, at: datetime) -> datetime:
    """Return when what was refused may be looked at again: the next UTC month, or the next day."""
    tomorrow, month = at.date() + timedelta(days=1), months_back(month_of(at), -1)
    return to_instant(tomorrow if reason == COUNTRY_LIMIT else month, time(), zone("UTC"))


@dataclass(frozen=True, slots=True)
class Usual:
    """What an SMS takes on average; `known`: there is a price behind `micros`."""

    segments: float
    micros: float
    known: bool
