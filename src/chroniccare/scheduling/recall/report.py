"""What became of those who were overdue: how many were called, and how many came back."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.errors import Invalid
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling.recall import queries_report, rules

_RETURN_DAYS = 15
_LONGEST = timedelta(days=366)


async def report(
    tx: Tx, *, from_date: date, to_date: date, facility_id: UUID | None
) -> dict[str, Any]:
    """Return the figures of a period of local days, both ends included.

    Raises:
        Invalid: the period ends before it begins, or is longer than 366 days.
    """
    if not timedelta() <= to_date - from_date < _LONGEST:
        raise Invalid.field("to_date", "must be 0 to 365 days after from_date", "range")
    zones = await tx.values(queries_report.ZONES)
    begins = [rules.begin_of(from_date, name) for name in zones]
    ends = [rules.begin_of(to_date + timedelta(days=1), name) for name in zones]
    days = await tx.value(queries_report.RETURN_DAYS) or _RETURN_DAYS
    await tx.plan_afresh()
    rows = await tx.all(queries_report.COUNTS, zones, begins, ends, from_date, facility_id, days)
    called = {row.outcome: row for row in rows if row.outcome is not None}
    callable_, called_count = sum(row.contactable for row in rows), _sum(called, "overdue")
    return {
        "from_date": from_date,
        "to_date": to_date,
        "facility_id": facility_id,
        "return_days": days,
        "overdue": sum(row.overdue for row in rows),
        "called": _figure(called_count, callable_),
        "returned": _figure(_sum(called, "returned"), called_count),
        "by_outcome": [
            {
                "outcome": outcome,
                "called": _figure(called[outcome].overdue, called_count),
                "returned": _figure(called[outcome].returned, called[outcome].overdue),
            }
            for outcome in rules.OUTCOMES
            if outcome in called
        ],
    }


def _sum(rows: dict[str, queries_report.Counts], name: str) -> int:
    return sum(getattr(row, name) for row in rows.values())


def _figure(numerator: int, denominator: int) -> dict[str, Any]:
    return {
        "numerator": numerator,
        "denominator": denominator,
        "percent": rules.percent(numerator, denominator),
    }
