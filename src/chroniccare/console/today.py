"""The board of a day's visits."""

from typing import Any

from fastapi import Request

from chroniccare.console import desk
from chroniccare.console.session import current

GROUPS = (
    ("waiting", ("checked_in",)),
    ("room", ("in_progress",)),
    ("expected", ("scheduled", "confirmed", "held")),
    ("over", ("completed", "no_show", "cancelled")),
)
"""Parts of the board in the order of the page, and the states that belong there."""
LATE_MINUTES = 5
LONG_WAIT_MINUTES = 20


def board(
    request: Request,
    visits: list[dict[str, Any]],
    patients: dict[str, dict[str, Any]],
    names: dict[str, str],
    place: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the visits by group, and how many stand where."""
    rows = [row(request, one, patients, names, place) for one in visits]
    counted = [one["visit"]["status"] for one in rows]
    return {
        "groups": [
            (group, [one for one in rows if one["visit"]["status"] in states])
            for group, states in GROUPS
        ],
        "count": {state: counted.count(state) for _, states in GROUPS for state in states},
        "late": sum(one["late"] for one in rows),
        "all": len(rows),
    }


def row(
    request: Request,
    visit: dict[str, Any],
    patients: dict[str, dict[str, Any]],
    names: dict[str, str],
    place: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return a visit as its line shows it; times are on the facility's clocks."""
    zone = place["timezone"] if place else "UTC"
    since = desk.minutes_since(visit["scheduled_start"]) or 0
    status = visit["status"]
    return {
        "visit": visit,
        "patient": desk.person(patients.get(visit["patient_id"])),
        "provider": names.get(visit["provider_id"], desk.NOBODY),
        "kind": names.get(visit["appointment_type"], visit["appointment_type"].replace("_", " ")),
        "clock": desk.clock(visit["scheduled_start"], zone, current(request).locale),
        "waits": desk.minutes_since(visit["checked_in_at"]) if status == "checked_in" else None,
        "late": status in {"scheduled", "confirmed"} and since > LATE_MINUTES,
        "late_minutes": since,
        "steps": desk.steps(request, visit),
    }
