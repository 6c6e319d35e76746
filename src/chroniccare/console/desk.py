"""What the pages of visits share: places, people and kinds by name, days, and what may be done."""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request

from chroniccare.console import calls
from chroniccare.console.people import patients as patients  # noqa: PLC0414  as desk.patients, too
from chroniccare.console.session import current
from chroniccare.core.time import EARLIEST, LATEST, to_instant, to_local
from chroniccare.core.time import zone as named
from chroniccare.notifications.templates import words
from chroniccare.platform.postgres import database
from chroniccare.scheduling import rules

NOBODY = "\N{EN DASH}"
STEPS = {
    "confirm": ("confirm", "confirmed"),
    "check-in": ("checkin", "checked_in"),
    "start": ("start", "started"),
    "complete": ("complete", "completed"),
    "no-show": ("no-show", "no_show"),
    "undo": ("undo", "undone"),
    "book": ("book", "booked"),
}
"""A step as the console's addresses have it: its path in the API, and what is said afterwards."""


@dataclass(frozen=True, slots=True)
class Clinic:
    """What visits are at, with and of; what takes none any more keeps its clock and its name.

    Attributes:
        facilities, providers, visit_types: all, active or not.
    """

    facilities: list[dict[str, Any]]
    providers: list[dict[str, Any]]
    visit_types: list[dict[str, Any]]

    @property
    def places(self) -> list[dict[str, Any]]:
        """Return the facilities that take visits."""
        return [one for one in self.facilities if one["is_active"]]

    def place(self, wanted: str | None) -> dict[str, Any] | None:
        """Return the facility that was asked for, else the first by name; None where none is."""
        asked = [one for one in self.facilities if one["id"] == wanted]
        return next(iter(asked or self.places), None)

    def zones(self) -> dict[str, str]:
        """Return the time zone of each facility by id."""
        return {one["id"]: one["timezone"] for one in self.facilities}

    def names(self) -> dict[str, str]:
        """Return what each facility, provider and kind of visit is called, by id or code."""
        return (
            {one["id"]: one["name"] for one in self.facilities}
            | {one["id"]: person(one) for one in self.providers}
            | {one["code"]: one["name"] for one in self.visit_types}
        )

    def choices(self, what: str) -> list[tuple[str, str]]:
        """Return the active `places`, `people` or `kinds` for a select."""
        if what == "kinds":
            return [(one["code"], one["name"]) for one in self.visit_types if one["is_active"]]
        if what == "people":
            return [(one["id"], person(one)) for one in self.providers if one["is_active"]]
        return [(one["id"], one["name"]) for one in self.places]


async def clinic(request: Request) -> Clinic:
    """Return facilities, providers and kinds of visit, as far as the caller's role reads them."""
    paths = {
        "facilities:read": "/facilities", "providers:read": "/providers",
        "scheduling:read": "/visit-types",
    }  # fmt: skip
    found = await asyncio.gather(
        *(
            calls.everything(request, path) if may(request, scope) else asyncio.sleep(0, [])
            for scope, path in paths.items()
        )
    )
    return Clinic(*found)


def may(request: Request, scope: str) -> bool:
    """Return whether who is signed in has a scope."""
    return scope in current(request).caller.scopes


def person(record: dict[str, Any] | None) -> str:
    """Return the name of a patient or provider; a dash for nobody."""
    if record is None:
        return NOBODY
    return " ".join(one for one in (record.get("first_name"), record.get("last_name")) if one)


def now() -> datetime:
    """Return the instant at which this page is made."""
    return database().clock()


def today(zone: ZoneInfo) -> date:
    """Return the day that clocks in `zone` show now."""
    return to_local(now(), zone).date()


def day_or_today(text: str | None, zone: ZoneInfo) -> date:
    """Return the day that an address names; today where it names none from 1901 to 2198."""
    try:
        return day_of(text or "")
    except ValueError:
        return today(zone)


def day_of(text: str) -> date:
    """Return the day that `text` is.

    Raises:
        ValueError: it is none, or outside of the years that the API takes.
    """
    day = date.fromisoformat(text)
    if not EARLIEST.year < day.year < LATEST.year - 1:
        raise ValueError
    return day


def after(zone: ZoneInfo) -> date:
    """Return tomorrow in `zone`."""
    return today(zone) + timedelta(days=1)


def midnight(day: date, zone: ZoneInfo) -> str:
    """Return the instant at which a local day begins."""
    return to_instant(day, time(), zone).isoformat()


def instant(day: str, clock: str, zone: str) -> str:
    """Return the instant of a local day and time; what is none is returned as it was entered."""
    try:
        at = to_instant(day_of(day), time.fromisoformat(clock), named(zone))
    except ValueError:
        return f"{day} {clock}".strip()
    return at.isoformat()


def clock(value: str, zone: str, language: str) -> str:
    """Return the time of day without its zone, which the page names once."""
    return words.time(local(value, zone), language).rpartition(" ")[0]


def local(value: str, zone: str) -> datetime:
    """Return an instant of the API's on the clocks of `zone`.

    Raises:
        ValueError: it is none, or outside of what the API takes.
    """
    at = datetime.fromisoformat(value)
    day_of(at.date().isoformat())
    return to_local(at, named(zone))


def spelled(value: str, zone: str, language: str) -> str:
    """Return an instant as day and time of `zone`; what is none is returned as it was entered."""
    try:
        at = local(value, zone)
    except ValueError:
        return value
    return f"{words.date(at, language, now=None)} {at.year}, {words.time(at, language)}"


def minutes_since(value: str | None) -> int | None:
    """Return whole minutes since an instant; None without one."""
    return (
        None
        if value is None
        else int((now() - datetime.fromisoformat(value)).total_seconds()) // 60
    )


def steps(request: Request, visit: dict[str, Any]) -> list[str]:
    """Return the steps of STEPS that can be taken with a visit now, the likeliest first."""
    if not may(request, "appointments:write"):
        return []
    status, start = visit["status"], datetime.fromisoformat(visit["scheduled_start"])
    end = datetime.fromisoformat(visit["scheduled_end"])
    within = rules.CHECK_IN_WITHIN
    found = [
        step
        for step, name in (
            ("book", "book"), ("check-in", "check_in"), ("start", "start"),
            ("complete", "complete"), ("no-show", "no_show"), ("confirm", "confirm"),
        )
        if status in rules.STEPS[name][0]  # type: ignore[index]  # names of steps
    ]  # fmt: skip
    if not start - within <= now() <= end + within:
        found = [one for one in found if one != "check-in"]
    if now() <= start:
        found = [one for one in found if one != "no-show"]
    else:
        found = [one for one in found if one != "confirm"]
    if status in rules.UNDO and _is_fresh(visit):
        found.append("undo")
    return found


def _is_fresh(visit: dict[str, Any]) -> bool:
    entered = minutes_since(visit[rules.STAMPS[visit["status"]]])
    return entered is not None and entered < database().settings.undo_minutes
