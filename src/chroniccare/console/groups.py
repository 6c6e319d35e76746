"""Group sessions as their pages show and send them."""

from typing import Any

from chroniccare.console import desk
from chroniccare.console.forms import Form
from chroniccare.console.visit import ANY_ROOM

ENTRIES = (
    "title", "provider_id", "facility_id", "appointment_type", "day", "clock", "duration_minutes",
    "seats", "room_id",
)  # fmt: skip


def entered(session: dict[str, Any], zone: str) -> dict[str, Any]:
    """Return what the form holds for a session that is planned already."""
    at = desk.local(session["scheduled_start"], zone)
    told = {name: session[name] for name in ENTRIES if name in session}
    return {**told, "day": at.date().isoformat(), "clock": f"{at:%H:%M}", "room_id": ""}


def body(
    form: Form, zone: str, rooms: dict[str, dict[str, Any]], session: dict[str, Any] | None
) -> dict[str, Any]:
    """Return a session as the API plans or replaces it; what the form does not have stays.

    Nothing is set aside here: what a session was once planned with stays its own.
    """
    at = desk.instant(form.text("day"), form.text("clock"), zone)
    if (
        session is not None
        and entered(session, zone).items()
        >= {name: form.text(name) for name in ("day", "clock", "facility_id")}.items()
    ):
        at = session["scheduled_start"]  # a clock says one time twice when it is set back
    return {
        "title": form.text("title"), "provider_id": form.some("provider_id"),
        "facility_id": form.some("facility_id"),
        "appointment_type": form.text("appointment_type"),
        "scheduled_start": at,
        "duration_minutes": form.number("duration_minutes"), "seats": form.number("seats"),
        "resource_ids": _resources(form, rooms, session),
        "additional_provider_ids": [
            one for one in (session or {}).get("additional_provider_ids", [])
            if one != form.text("provider_id")
        ],
    }  # fmt: skip


def _resources(
    form: Form, rooms: dict[str, dict[str, Any]], session: dict[str, Any] | None
) -> list[str]:
    """Return the rooms and equipment to ask for; rooms are of their facility alone."""
    room = form.text("room_id")
    moves = session is not None and session["facility_id"] != form.text("facility_id")
    has: list[str] = [] if session is None or moves else session["resource_ids"]
    if not room:
        return has
    stays = [one for one in has if one not in rooms]
    return stays if room == ANY_ROOM else [*stays, room]
