"""The adherence report: how a patient's medications went over some days, one by one and together.

Two round trips: the patient's zone, and a row for each medication with its doses and fills packed
into arrays, folded here (docs/benchmarks.md has what that takes, and what SQL would).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from chroniccare.core.errors import Invalid, NotFound
from chroniccare.core.time import to_instant, to_local, zone
from chroniccare.medications.adherence import measures, queries_report, rules
from chroniccare.medications.adherence.measures import Fill, Measure
from chroniccare.medications.adherence.queries_report import Course
from chroniccare.platform.postgres import Tx

LONGEST = 400
_USUAL = 30
_ABROAD = timedelta(days=2)
"""A dose's own day is on the calendar where the patient was: so far may its instant lie off."""
_DAILY = 62
"""Days up to which the trend is by day unless told."""


async def report(
    tx: Tx, patient_id: UUID, *, from_date: date | None, to_date: date | None,
    medication_id: UUID | None, interval: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the figures of a period of local days, both ends included; the last 30 unless told.

    Raises:
        NotFound: no such patient.
        Invalid: the period ends before it begins, or is longer than 400 days.
    """
    name = await tx.value(queries_report.ZONE, patient_id)
    if name is None:
        raise NotFound("No such patient.")
    home = zone(name)
    today = to_local(tx.now, home).date()
    last = to_date or (today if from_date is None else max(today, from_date))
    first = from_date or last - timedelta(days=_USUAL - 1)
    if not timedelta() <= last - first < timedelta(days=LONGEST):
        field = "to" if to_date is not None else "from"
        raise Invalid.field(field, f"must span 1 to {LONGEST} days from the first on", "range")
    interval = interval or ("day" if (last - first).days < _DAILY else "week")
    await tx.plan_afresh()
    rows = await tx.all(
        queries_report.COURSES, tx.now, patient_id, first, last, medication_id,
        to_instant(first, time(), home) - _ABROAD, to_instant(last, time(), home) + 2 * _ABROAD,
    )  # fmt: skip
    ends = {row.id: min(last, today, *_ended(row, home)) for row in rows}
    days = {row.id: measures.by_day(row.codes or "", row.days or []) for row in rows}
    shown = [row for row in rows if row.codes or row.fill_days or row.status == "active"]
    together = measures.together(days.values())
    supply = {row.id: _supply(row, first, ends[row.id]) for row in shown}
    return {
        "patient_id": patient_id,
        "time_zone": name,
        "from_date": first,
        "to_date": last,
        "interval": interval,
        "overall": _overall(together, supply.values()),
        "medications": [_of_medication(row, days[row.id], *supply[row.id]) for row in shown],
        "classes": _classes(shown, first, min(last, today)),
        "trend": _trend(together, first, interval),
    }


def _ended(row: Course, home: ZoneInfo) -> list[date]:
    """Return the days after which the medication is no longer taken."""
    stopped = row.stopped_at and to_local(row.stopped_at, home).date()
    return [day for day in (row.end_date, stopped) if day is not None]


def _fills(row: Course) -> list[Fill]:
    return [Fill(*pair) for pair in zip(row.fill_days, row.fill_supplies, strict=True)]


def _supply(row: Course, first: date, last: date) -> tuple[Measure, Measure]:
    """Return PDC and MPR of a medication."""
    fills = _fills(row)
    return (
        measures.pdc([fills], first=first, last=last), measures.mpr(fills, first=first, last=last)
    )  # fmt: skip


def _with_supply(days: measures.Days, pdc: Measure, mpr: Measure) -> dict[str, Any]:
    found = measures.of_doses(days)
    coverage = found.doses_taken.coverage
    return {
        **{name: getattr(found, name) for name in found.__dataclass_fields__},
        "pdc": replace(pdc, coverage=coverage),
        "mpr": replace(mpr, coverage=coverage),
    }


def _overall(days: measures.Days, supply: Iterable[tuple[Measure, Measure]]) -> dict[str, Any]:
    """Return the figures of all together; days of supply are those of each, added up."""
    pairs = list(supply)
    return _with_supply(days, _added([pdc for pdc, _ in pairs]), _added([mpr for _, mpr in pairs]))


def _added(each: list[Measure]) -> Measure:
    known = [one for one in each if one.reason is None]
    why_not = next((one.reason for one in each if one.reason not in {None, "no_fills"}), None)
    return measures.ratio(
        sum(one.numerator for one in known), sum(one.denominator for one in known), None,
        why_not or "no_fills",
    )  # fmt: skip


def _of_medication(row: Course, days: measures.Days, pdc: Measure, mpr: Measure) -> dict[str, Any]:
    low = None
    if row.low_since is not None:
        low = {"since": row.low_since, "reason": row.low_reason}
    return {
        "medication_id": row.id,
        "medication_name": row.medication_name,
        "drug_class": row.drug_class,
        "status": row.status,
        "as_needed": row.as_needed,
        "threshold": rules.thresholds(row.adherence_threshold, row.drug_class).low,
        "low": low,
        "measures": _with_supply(days, pdc, mpr),
    }


def _classes(rows: list[Course], first: date, last: date) -> list[dict[str, Any]]:
    """Return PDC of each class: prescriptions of one drug share their supply, drugs overlap."""
    found: dict[str, dict[str, list[Fill]]] = {}
    for row in rows:
        if row.drug_class and row.fill_days:
            found.setdefault(row.drug_class, {}).setdefault(row.drug, []).extend(_fills(row))
    return [
        {"drug_class": name, "pdc": measures.pdc(found[name].values(), first=first, last=last)}
        for name in sorted(found)
    ]


def _trend(days: measures.Days, first: date, interval: str) -> list[dict[str, Any]]:
    grouped = measures.in_weeks(days, first) if interval == "week" else days
    points = []
    for day in sorted(grouped):
        doses = measures.counted(grouped[day])
        if doses.due or doses.excused:
            points.append(
                {
                    "start": first + timedelta(days=day),
                    "taken": doses.taken,
                    "late": doses.late,
                    "skipped": doses.skipped,
                    "excused": doses.excused,
                    "missed_observed": doses.missed,
                    "missed_inferred": doses.inferred,
                    "percent": measures.percent(doses.taken, doses.observed),
                }
            )
    return points
