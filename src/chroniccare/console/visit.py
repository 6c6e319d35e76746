"""One visit, and what a move of it would meet."""

from contextlib import suppress
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from chroniccare.console import desk
from chroniccare.console.forms import whole
from chroniccare.scheduling import rules

_STAMPS = (
    ("created", "created_at"), ("confirmed", "confirmed_at"), ("checked_in", "checked_in_at"),
    ("started", "started_at"), ("completed", "completed_at"), ("no_show", "no_show_at"),
    ("cancelled", "cancelled_at"),
)  # fmt: skip
_FREE = frozenset({"cancelled", "no_show"})
ANY_ROOM = "any"
"""What a form of moving says where no room is asked for: one that its kind needs is chosen."""


def past(visit: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what has happened to a visit and when, the latest last."""
    found = [(what, visit[field]) for what, field in _STAMPS if visit[field] is not None]
    return sorted(found, key=lambda one: one[1])


def can_change(visit: dict[str, Any]) -> bool:
    """Return whether a visit can still be moved or cancelled."""
    return visit["status"] in rules.STEPS["cancel"][0]


def filled(visit: dict[str, Any], entries: dict[str, Any], zone: str) -> dict[str, Any]:
    """Return what the form of moving holds: what was entered, or where the visit is now."""
    at = desk.local(visit["scheduled_start"], zone)
    with suppress(ValueError):  # an address with a start that is none
        at = desk.local(entries.get("start") or visit["scheduled_start"], zone)
    now = {
        "day": at.date().isoformat(), "clock": f"{at:%H:%M}", "provider_id": visit["provider_id"],
        "duration_minutes": visit["duration_minutes"], "reschedule_reason": "",
        "cancellation_reason": "", "notify_patient": True, "start": "", "room_id": "",
        "instead_of": "",
    }  # fmt: skip
    return now | {name: value for name, value in entries.items() if value not in {"", None}}


def wanted(visit: dict[str, Any], entries: dict[str, Any], zone: str) -> dict[str, Any] | None:
    """Return where the form would move a visit to; None where it is, or nowhere."""
    text = desk.instant(entries["day"], entries["clock"], zone)
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return None
    if start.tzinfo is None:  # a day and a clock that are no time of the facility's
        return None
    minutes = whole(str(entries["duration_minutes"]))
    if not isinstance(minutes, int):
        return None
    is_there = not entries["room_id"] or entries["room_id"] in visit["resource_ids"]
    same = start == datetime.fromisoformat(visit["scheduled_start"]) and is_there
    same = same and minutes == visit["duration_minutes"]
    if same and entries["provider_id"] == visit["provider_id"]:
        return None
    end = start + timedelta(minutes=min(max(minutes, 0), rules.MAX_MINUTES))
    return {"start": start, "end": end, "provider_id": entries["provider_id"]}


def named(
    visit: dict[str, Any], rooms: dict[str, dict[str, Any]], room_id: str, instead_of: str
) -> list[str] | None:
    """Return the rooms and equipment to ask for, with `room_id` in the place of `instead_of`.

    Without `instead_of` it takes the place of every room. None: those that it has.
    """
    if not room_id:
        return None
    goes = {instead_of} if instead_of in visit["resource_ids"] else set(rooms)
    stays = [one for one in visit["named_resource_ids"] if one not in goes and one != room_id]
    return stays if room_id == ANY_ROOM else [*stays, room_id]


def clashes(
    visit: dict[str, Any], near: dict[str, list[dict[str, Any]]], start: datetime, end: datetime,
    *, room: dict[str, Any] | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return what overlaps a time, each once, with `why`: whose it is of `near`.

    `visit` itself is none, and a room is in the way when all its places are taken at one moment.
    """
    found: dict[str, dict[str, Any]] = {}
    for why, several in near.items():
        there = [
            {**one, "why": why}
            for one in several
            if one["id"] != visit["id"]
            and one["status"] not in _FREE
            and datetime.fromisoformat(one["scheduled_start"]) < end
            and datetime.fromisoformat(one["scheduled_end"]) > start
        ]
        if why != "room" or (room is not None and most_at_once(there) >= room["capacity"]):
            found = {one["id"]: one for one in there} | found
    return list(found.values())


def most_at_once(visits: list[dict[str, Any]]) -> int:
    """Return how many of visits or sessions there are at the moment that has most of them.

    What ends when another begins is not there with it. Of visits that all overlap one time, those
    that overlap each other do so within it, so that nothing need be cut to that time.
    """
    steps = sorted(
        (datetime.fromisoformat(one[f"scheduled_{what}"]), by)
        for one in visits
        for what, by in (("start", 1), ("end", -1))
    )
    return max(accumulate((by for _, by in steps), initial=0))
