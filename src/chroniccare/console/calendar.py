"""Visits and group sessions as a calendar's columns, events and lists.

Times are on the clocks of their facility. The seats of a session are on its own page.
"""

from typing import Any

from fastapi import Request

from chroniccare.console import desk
from chroniccare.console.session import current
from chroniccare.console.visit import ANY_ROOM

_TONES = {
    "held": "warn", "checked_in": "ok", "in_progress": "ok", "completed": "over",
}  # fmt: skip
_MOVABLE = frozenset({"held", "scheduled", "confirmed"})
_FIRST_HOUR = 7
_LAST_HOUR = 19


def without_seats(
    visits: list[dict[str, Any]], sessions: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the visits that take place and are no seats of `sessions`."""
    shown = {one["id"] for one in sessions}
    return [
        one
        for one in visits
        if one["status"] not in {"cancelled", "no_show"} and one["group_session_id"] not in shown
    ]


def rows(
    request: Request,
    visits: list[dict[str, Any]],
    patients: dict[str, dict[str, Any]],
    clinic: desk.Clinic,
    rooms: list[dict[str, Any]],
    *,
    seats: str,
) -> list[dict[str, Any]]:
    """Return each visit and session with what a line or a box of it says, by start.

    `seats` says how many of a session's are taken, with places for `done` and `all`.
    """
    zones = clinic.zones()
    names = clinic.names() | {one["id"]: one["name"] for one in rooms}
    found = []
    for visit in sorted(visits, key=lambda one: one["scheduled_start"]):
        is_session = "seats" in visit
        zone = zones.get(visit["facility_id"], "UTC")
        start, end = (desk.local(visit[f"scheduled_{one}"], zone) for one in ("start", "end"))
        found.append({
            "visit": visit,
            "start": f"{start:%Y-%m-%dT%H:%M:00}", "end": f"{end:%Y-%m-%dT%H:%M:00}",
            "hours": (start.hour, end.hour + 1 if end.date() == start.date() else 24),
            "day": start.date().isoformat(),
            "clock": desk.clock(visit["scheduled_start"], zone, current(request).locale),
            "href": f"/console/{'groups' if is_session else 'visits'}/{visit['id']}",
            "who": visit["title"] if is_session
            else desk.person(patients.get(visit["patient_id"])),
            "moves": not is_session and visit["status"] in _MOVABLE,
            "seats": seats % {"done": visit["seats_taken"], "all": visit["seats"]}
            if is_session else "",
            "provider": names.get(visit["provider_id"], desk.NOBODY),
            "rooms": [names[one] for one in visit["resource_ids"] if one in names],
            "place": names.get(visit["facility_id"], desk.NOBODY),
        })  # fmt: skip
    return found


def columns(
    by: str, found: list[dict[str, Any]], clinic: desk.Clinic, rooms: list[dict[str, Any]],
    *, without: str,
) -> list[dict[str, str]]:  # fmt: skip
    """Return what has a column: rooms, facilities, or the providers that have a visit.

    Visits without a room have a column of their own, called `without`.
    """
    if by == "room":
        known = {one["id"] for one in rooms}
        heads = [{"id": one["id"], "title": one["name"]} for one in rooms]
        return heads + (
            [{"id": ANY_ROOM, "title": without}]
            if any(known.isdisjoint(one["visit"]["resource_ids"]) for one in found) else []
        )  # fmt: skip
    if by == "facility":
        seen = {one["visit"]["facility_id"] for one in found}
        return [
            {"id": one["id"], "title": one["name"]}
            for one in clinic.facilities if one["is_active"] or one["id"] in seen
        ]  # fmt: skip
    busy = {one["visit"]["provider_id"]: one["provider"] for one in found}
    return [
        {"id": key, "title": name} for key, name in sorted(busy.items(), key=lambda one: one[1])
    ]


def lists(
    view: str, by: str, found: list[dict[str, Any]], heads: list[dict[str, str]]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the same visits as lists: a week by day, a day by column."""
    if view == "week":
        days = sorted({one["day"] for one in found})
        return [(day, [one for one in found if one["day"] == day]) for day in days]
    return [
        (head["title"], [one for one in found if head["id"] in _of(by, one["visit"], heads)])
        for head in heads
    ]


def drawing(
    query: dict[str, str], found: list[dict[str, Any]], heads: list[dict[str, str]], *, edits: bool
) -> dict[str, Any]:
    """Return what static/calendar.js draws; the page has a word for each state."""
    hours = [one["hours"] for one in found]
    return {
        "view": query["view"], "by": query["by"], "day": query["day"], "columns": heads,
        "edits": edits,
        "from": min([_FIRST_HOUR, *(first for first, _ in hours)]),
        "to": max([_LAST_HOUR, *(last for _, last in hours)]),
        "events": [
            {
                "id": one["visit"]["id"], "start": one["start"], "end": one["end"],
                "title": " · ".join(text for text in (one["who"], one["seats"]) if text),
                "resourceIds": _of(query["by"], one["visit"], heads),
                "extendedProps": {"state": one["visit"]["status"], "href": one["href"]},
                "startEditable": one["moves"] and edits, "durationEditable": one["moves"] and edits,
                "classNames": [f"visit-{_TONES.get(one['visit']['status'], 'info')}"],
            }
            for one in found
        ],
    }  # fmt: skip


def _of(by: str, visit: dict[str, Any], heads: list[dict[str, str]]) -> list[str]:
    if by == "room":
        known = {one["id"] for one in heads}
        return [one for one in visit["resource_ids"] if one in known] or [ANY_ROOM]
    if by == "facility":
        return [visit["facility_id"]]
    return [visit["provider_id"], *visit["additional_provider_ids"]]
