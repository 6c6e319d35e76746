"""Public holidays by country: shown, and written as days on which a facility is closed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import holidays

from chroniccare.audit.actions import record_many
from chroniccare.core.errors import FieldError, Invalid, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.facilities.queries import Facility
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling.availability import exceptions, queries, rules, stranding
from chroniccare.scheduling.availability.schemas import HolidayImport
from chroniccare.scheduling.availability.stranding import Changed, Choice

AHEAD = timedelta(days=3 * 366)
_JOIN = "; "  # between the names of holidays that fall on one day


@dataclass(frozen=True, slots=True)
class Holiday:
    """One public holiday; field order is the wire's."""

    day: date
    name: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A holiday that was not written; field order is the wire's."""

    day: date
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote, and what it left as it is; field order is the wire's."""

    written: list[queries.DayException]
    skipped: list[Skipped]


def find(
    country: str,
    subdivision: str | None,
    language: str | None,
    *,
    first: date,
    last: date,
    today: date,
) -> list[Holiday]:
    """Return the public holidays from `first` to `last`, observed days included.

    Loading a country takes 60 ms once a process: keep it away from an open transaction.

    Raises:
        Invalid: country, subdivision or language is not known; the field is named.
        Unprocessable: the dates are out of order, too far apart or too far ahead.
    """
    _check_days(first, last, today=today)
    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        raise Invalid.field("country", "its holidays are not known", "unknown")
    if subdivision is not None and subdivision not in known[country]:
        raise Invalid.field("subdivision", "not one of the country's", "unknown")
    # A day off may be observed in the year before or after the holiday's own.
    years = range(first.year - 1, last.year + 2)
    own = holidays.country_holidays(country)
    found = holidays.country_holidays(
        country, subdiv=subdivision, years=years, expand=False, observed=True,
        language=_language(own, language),
    )  # fmt: skip
    return [Holiday(day, name) for day, name in sorted(found.items()) if first <= day <= last]


def _check_days(first: date, last: date, *, today: date) -> None:
    if last < first:
        raise Unprocessable.field("to_date", "lies before from_date", "order")
    if last > today + AHEAD:
        raise Unprocessable.field("to_date", "at most three years ahead", "horizon")
    if last - first > AHEAD:
        raise Unprocessable.field("from_date", "at most three years before to_date", "range")


def _language(country: holidays.HolidayBase, wanted: str | None) -> str | None:
    """Return the library's name of the language; `en` finds `en_US`."""
    if wanted is None:  # told nothing, the library would take the language of this machine
        return country.default_language
    name, offered = wanted.replace("-", "_"), country.supported_languages
    fitting = [tag for tag in offered if tag == name or tag.partition("_")[0] == name]
    if not fitting:
        tags = ", ".join(tag.replace("_", "-") for tag in offered) or "one that it does not name"
        raise Invalid.field("language", f"the country's names are in: {tags}", "unknown")
    return fitting[0]


def choose(found: Sequence[Holiday], body: HolidayImport) -> list[Holiday]:
    """Return those of `found` that `only` and `except` leave.

    Raises:
        Unprocessable: an entry is neither the day nor the name of one of them.
    """
    faults = [
        FieldError(f"{field}.{number}", "no such holiday in these days", "unknown")
        for field, entries in (("only", body.only or ()), ("except", body.except_))
        for number, entry in enumerate(entries)
        if not any(_is(one, entry) for one in found)
    ]
    if faults:
        raise Unprocessable(details=faults)
    return [
        one
        for one in found
        if (body.only is None or any(_is(one, entry) for entry in body.only))
        and not any(_is(one, entry) for entry in body.except_)
    ]


def _is(one: Holiday, entry: str) -> bool:
    names = {one.name.casefold(), *one.name.casefold().split(_JOIN)}
    return entry == one.day.isoformat() or entry.casefold() in names


async def close(
    tx: Tx, facility: Facility, chosen: Sequence[Holiday], *, choice: Choice
) -> Changed[Imported]:
    """Close `facility`, whose row this transaction has locked, on the chosen days.

    Raises:
        StrandedVisits: see `stranding.apply`.
    """
    if not chosen:
        return Changed(Imported([], []), [])
    first, last = chosen[0].day, chosen[-1].day
    closed = set(await tx.values(queries.CLOSED_DAYS, facility.id, first, last))
    reasons = {
        one.day: "closed" if one.day in closed else "past"
        for one in chosen
        if one.day in closed or one.day < exceptions.today(tx)
    }
    wanted = [one for one in chosen if one.day not in reasons]
    added = [rules.dated(facility.id, one.day, None, None, is_available=False) for one in wanted]

    def change(hours: rules.Hours) -> rules.Hours:
        return rules.with_place(
            hours, facility.id, lambda at: replace(at, exceptions=[*at.exceptions, *added])
        )

    async def write() -> Imported:
        skipped = [
            Skipped(one.day, one.name, reasons[one.day]) for one in chosen if one.day in reasons
        ]
        return Imported(await _write(tx, facility, wanted), skipped)

    affected = exceptions.affected(facility, first, last)
    return await stranding.apply(tx, affected, change, write, choice=choice)


async def _write(
    tx: Tx, facility: Facility, wanted: Sequence[Holiday]
) -> list[queries.DayException]:
    if not wanted:
        return []
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(), "facility_id": facility.id, "day": one.day, "reason": one.name,
            "is_available": False,
        }
        for one in wanted
    ]  # fmt: skip
    made = await tx.all(queries.INSERT_EXCEPTIONS, rows, tx.caller.tenant_id, tx.now)
    await record_many(
        tx, action="create", entity_type="availability_exception",
        changed={one.id: (None, one) for one in made},
    )  # fmt: skip
    return sorted(made, key=lambda one: one.day)
