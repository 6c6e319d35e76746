"""One visit, and what a move of it would meet."""

from contextlib import suppress
from datetime import datetime, timedelta
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
        "cancellation_reason": "", "notify_patient": True, "start": "",
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
    same = start == datetime.fromisoformat(visit["scheduled_start"])
    if same and entries["provider_id"] == visit["provider_id"]:
        return None
    end = start + timedelta(minutes=min(max(minutes, 0), rules.MAX_MINUTES))
    return {"start": start, "end": end, "provider_id": entries["provider_id"]}


def clashes(
    visit: dict[str, Any], near: list[dict[str, Any]], start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Return the visits of `near` that overlap a time, each once; `visit` itself is none."""
    found = {
        one["id"]: one
        for one in near
        if one["id"] != visit["id"]
        and one["status"] not in _FREE
        and datetime.fromisoformat(one["scheduled_start"]) < end
        and datetime.fromisoformat(one["scheduled_end"]) > start
    }
    return list(found.values())
