"""Free times and what is booked, as the pages of booking show and send them."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from chroniccare.console import calls, desk
from chroniccare.console.forms import Form
from chroniccare.console.session import current

ENTRIES = (
    "patient_id", "provider_id", "facility_id", "scheduled_start", "appointment_type",
    "duration_minutes", "priority", "reason", "pattern", "count", "mode",
)  # fmt: skip
HOLD_MINUTES = 15


def by_day(
    request: Request, slots: list[dict[str, Any]], asked: dict[str, str], names: dict[str, str]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return free times by local day, each with the way to book it; the first 9 have a key."""
    days: dict[str, list[dict[str, Any]]] = {}
    for number, slot in enumerate(slots, start=1):
        shown = {
            "clock": desk.clock(slot["start"], slot["time_zone"], current(request).locale),
            "provider": names.get(slot["provider_id"], desk.NOBODY),
            "place": names.get(slot["facility_id"], desk.NOBODY),
            "minutes": slot["duration_minutes"],
            "zone": slot["time_zone"], "key": str(number) if number <= 9 else "",  # noqa: PLR2004  keys 1 to 9
            "href": way(slot, asked) if asked["patient_id"] else "",
        }  # fmt: skip
        days.setdefault(slot["local_start"][:10], []).append(shown)
    return list(days.items())


def way(slot: dict[str, Any], asked: dict[str, str]) -> str:
    """Return the address of the page that books a free time."""
    query = {
        "patient_id": asked["patient_id"], "provider_id": slot["provider_id"],
        "facility_id": slot["facility_id"], "start": slot["start"],
        "appointment_type": asked["appointment_type"],
        "duration_minutes": slot["duration_minutes"], "priority": asked.get("priority") or "normal",
    }  # fmt: skip
    return f"/console/book/slot?{urlencode(query)}"


def shifted(asked: dict[str, str], slots: list[dict[str, Any]], days: int) -> str:
    """Return the address of the same search some days later or earlier."""
    try:
        first = desk.day_of(asked["from_date"] or slots[0]["local_start"][:10])
    except (ValueError, IndexError):
        return ""
    query = {**asked, "from_date": (first + timedelta(days=days)).isoformat()}
    return f"/console/book?{urlencode({key: one for key, one in query.items() if one})}"


def following(asked: dict[str, str], slots: list[dict[str, Any]]) -> str:
    """Return the address of the search that goes on where `slots` end, with their last day.

    Where they are all of the first day, it goes on with the next: one provider or place shows more.
    """
    last = slots[-1]["local_start"][:10]
    first = asked["from_date"] or slots[0]["local_start"][:10]
    return shifted({**asked, "from_date": last}, slots, 1 if last <= first else 0)


def alternatives(
    request: Request, error: calls.Refused | None, entries: dict[str, str], names: dict[str, str]
) -> list[dict[str, Any]]:
    """Return the free times that a refusal offers instead."""
    slots = (error.data or {}).get("alternatives", []) if error else []
    return [
        {**one, "day": day} for day, some in by_day(request, slots, entries, names) for one in some
    ]


def body(form: Form, *, hold: bool = False) -> dict[str, Any]:
    """Return one visit as the API books it."""
    made = {
        **_visit(form), "scheduled_start": form.text("scheduled_start"),
    }  # fmt: skip
    return {**made, "hold_minutes": HOLD_MINUTES} if hold else made


def series_body(form: Form, zone: str, *, dry_run: bool) -> dict[str, Any]:
    """Return a series that begins with the chosen time, as the API books it."""
    start = form.text("scheduled_start")
    try:
        at = desk.local(start, zone)
        first, clock = at.date().isoformat(), f"{at:%H:%M}"
    except ValueError:  # the API says what is wrong with it
        first, clock = start, ""
    return {
        **_visit(form), "first_date": first, "local_time": clock,
        "recurrence": {
            "pattern": form.some("pattern"), "count": form.number("count"),
        },
        "mode": form.text("mode", "all_or_nothing"), "dry_run": dry_run,
    }  # fmt: skip


def _visit(form: Form) -> dict[str, Any]:
    return {
        "patient_id": form.text("patient_id"), "provider_id": form.text("provider_id"),
        "facility_id": form.text("facility_id"), "appointment_type": form.text("appointment_type"),
        "duration_minutes": form.number("duration_minutes"), "reason": form.some("reason"),
        "priority": form.text("priority", "normal"),
    }  # fmt: skip
