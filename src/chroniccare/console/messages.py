"""What the screens of messages show, out of what the API answers. Pure."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]
SPANS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
"""How far back the figures go, by the name in the address."""

REPLY_CODES = ("read_reply", "change_requested", "answer_not_followed", "clarify_opt_out")
"""Tasks that a patient's reply leaves; `focus_type` says whether it is the reply itself."""
PRIORITIES = ("urgent", "high", "normal")
"""Of tasks, the most urgent first."""
RESULTS = ("answered", "rebooked", "cancelled", "passed_on", "nothing_to_do")

# The wide ones count where a spreadsheet is set to an East Asian language.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_COLUMNS = ("mrn", "last_name", "first_name", "medication_name", "percent", "taken", "observed",
            "threshold", "reason", "since")  # fmt: skip


def totals(groups: Iterable[Json]) -> Json:
    """Return the sums over the groups of a delivery status."""
    listed = list(groups)
    sums = {name: sum(one[name]["numerator"] for one in listed)
            for name in ("delivered", "accepted", "failed", "fallback_used")}  # fmt: skip
    return sums | {name: sum(one[name] for one in listed)
                   for name in ("total", "waiting", "given_up", "in_doubt")}  # fmt: skip


def hours(groups: Iterable[Json]) -> list[Json]:
    """Return all 24 hours, each with its group or none, for a table without holes."""
    by = {one["key"]: one for one in groups}
    return [{"hour": f"{hour:02d}:00", "of": by.get(f"{hour:02d}:00")}
            for hour in range(24)]  # fmt: skip


def ago(since: str, now: datetime) -> Json:
    """Return how long ago an instant was, as a number of a unit."""
    minutes = int((now - datetime.fromisoformat(since)).total_seconds() // 60)
    for size, unit in ((1440, "days"), (60, "hours")):
        if minutes >= size:
            return {"count": minutes // size, "unit": unit}
    return {"count": max(0, minutes), "unit": "minutes"}


def csv_lines(rows: Iterable[Json], *, head: bool = False) -> bytes:
    """Return rows of the list of low adherence as CSV in UTF-8.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    if head:
        writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in _COLUMNS])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
