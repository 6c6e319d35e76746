"""Series of visits as their page shows them: the rule, what can be chosen, what would change."""

from typing import Any

from chroniccare.console import desk
from chroniccare.console.forms import Form
from chroniccare.scheduling import rules

CHANGES = ("local_time", "duration_minutes", "provider_id")
_SPELLED = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "WKST"})
_LAST_DAY = "-1"


def rule(pattern: str) -> dict[str, Any]:
    """Return the parts of a stored rule that `series_words.html` makes a sentence of.

    `raw` is the rule itself where that cannot say all of it.
    """
    parts = dict(one.split("=", 1) for one in pattern.split(";") if "=" in one)
    months = parts.get("BYMONTHDAY", "").split(",") if parts.get("BYMONTHDAY") else []
    ends = parts.get("BYSETPOS") == _LAST_DAY and not parts.get("BYDAY") and months
    beyond = parts.keys() - _SPELLED - ({"BYSETPOS"} if ends else set())
    until = parts.get("UNTIL", "")
    return {
        "kind": parts.get("FREQ") or ("CYCLES" if "CYCLES" in parts else "RDATE"),
        "interval": int(parts.get("INTERVAL", 1)), "count": int(parts.get("COUNT", 0)),
        "until": f"{until[:4]}-{until[4:6]}-{until[6:8]}" if until else "",
        "days": [(one[-2:], one[:-2]) for one in parts.get("BYDAY", "").split(",") if one],
        "month_days": months, "month_end": max(map(int, months)) if ends else 0,
        "cycles": parts.get("CYCLES", ""), "length": parts.get("LENGTH", ""),
        "cycle_days": parts.get("DAYS", "").replace(",", ", "),
        "raw": pattern if "FREQ" in parts and beyond else "",
    }  # fmt: skip


def coming(series: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the visits from which on something can be changed or cancelled."""
    now = desk.now().isoformat()
    return [
        one
        for one in series["appointments"]
        if one["status"] in rules.OPEN_STATUSES and one["scheduled_start"] > now[:19]
    ]


def scope(form: Form) -> dict[str, Any]:
    """Return which visits a form means: all, or one and those that follow."""
    visit = form.id("visit")
    if visit is None:
        return {"scope": "all"}
    return {"scope": "this_and_following", "appointment_id": str(visit)}


def change(form: Form) -> dict[str, Any]:
    """Return the change that a form asks for, as the API takes it."""
    told = {
        "local_time": form.some("local_time"), "provider_id": form.some("provider_id"),
        "duration_minutes": form.number("duration_minutes"),
    }  # fmt: skip
    return {**scope(form), **{name: one for name, one in told.items() if one is not None}}


def cancellation(form: Form) -> dict[str, Any]:
    """Return the cancellation that a form asks for, as the API takes it."""
    return {
        **scope(form), "cancellation_reason": form.text("cancellation_reason"),
        "notify_patient": form.checked("notify_patient"),
    }  # fmt: skip


def planned(series: dict[str, Any], occurrences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each visit that would change with where it is now."""
    known = {one["appointment_id"]: one for one in series["appointments"]}
    return [{**one, "now": known.get(one["appointment_id"])} for one in occurrences]
