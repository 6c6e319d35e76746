"""Shapes the forms of hours into what the API takes."""

from typing import Any

from chroniccare.console.forms import Form, whole


def rules(form: Form) -> list[dict[str, Any]]:
    """Return the weekly ranges of a form, a row each; rows without a start are left out."""
    columns = (
        "day_of_week", "facility_id", "start_time", "end_time", "slot_duration", "effective_from",
        "effective_until", "is_available", "reserved_for", "release_minutes",
    )  # fmt: skip
    rows = zip(*(form.values.get(name, []) for name in columns), strict=False)
    found = []
    for row in rows:
        one: dict[str, Any] = dict(zip(columns, row, strict=True))
        if not one["start_time"]:
            continue
        for name in ("day_of_week", "slot_duration", "release_minutes"):
            one[name] = whole(one[name])
        for name in ("effective_until", "reserved_for"):
            one[name] = one[name] or None
        one["is_available"] = one["is_available"] == "yes"
        found.append(one)
    return found


def exception(form: Form, *, of_provider: bool) -> dict[str, Any]:
    """Return time off or extra hours as a form has them."""
    body: dict[str, Any] = {
        "day": form.text("day"), "start_time": form.some("from"), "end_time": form.some("until"),
        "is_available": form.text("kind") == "extra", "reason": form.some("reason"),
    }  # fmt: skip
    if of_provider:
        body["facility_id"] = form.some("where")
    return body
