"""Doses planned ahead: written, moved or given up as regimens and patients change."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from chroniccare.core.time import EARLIEST, LATEST
from chroniccare.medications.doses import queries_plan as queries
from chroniccare.medications.doses.rules import (
    DEFAULTS,
    Anchors,
    Clock,
    Kept,
    Planned,
    Regimen,
    dose_id,
    medication_seed,
)
from chroniccare.medications.doses.rules_plan import Plan, key, plan
from chroniccare.medications.dosing import timing
from chroniccare.medications.dosing.model import Step
from chroniccare.medications.reminders.actions import doses_changed
from chroniccare.platform.postgres import Tx

_TAKEN = frozenset({"active", "on_hold"})


async def replan(tx: Tx, medication_ids: Sequence[UUID]) -> int:
    """Plan the doses of medications afresh, from now on and as far ahead as they are planned.

    Doses to come that the plan no longer has are cancelled; what is past or settled stays. Who
    plans for the same patients waits until this transaction has ended: their rows are locked, then
    those of the medications. A caller that locks rows of either does so in this order.

    Returns:
        How many doses were written, moved or cancelled.
    """
    return await _planned(tx, medication_ids, extend=False)


async def extend(tx: Tx, medication_ids: Sequence[UUID]) -> int:
    """Plan what lies behind the bookmark of medications, and touch nothing before it."""
    return await _planned(tx, medication_ids, extend=True)


async def replan_patients(tx: Tx, patient_ids: Sequence[UUID]) -> int:
    """Plan everything anew that patients take."""
    return await replan(tx, await tx.values(queries.OF_PATIENTS, list(patient_ids)))


@dataclass(slots=True)
class _Batch:
    """What is written; a dose names its kind (medication, version, quantity, unit) by number."""

    medications: list[UUID] = field(default_factory=list)
    patients: list[UUID] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    until: list[datetime] = field(default_factory=list)
    standing: list[UUID] = field(default_factory=list)
    begun: list[tuple[UUID, int, dict[str, Any]]] = field(default_factory=list)
    kinds: dict[tuple[UUID, int, Any, str | None], int] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the medications of a batch, by their ids."""

    versions: dict[UUID, list[queries.Version]]
    standing: dict[UUID, list[queries.Standing]]


async def _planned(tx: Tx, medication_ids: Sequence[UUID], *, extend: bool) -> int:
    ids = sorted(set(medication_ids))
    if not ids:
        return 0
    await tx.plan_afresh()  # batches of very different size
    await tx.values(queries.LOCK_PATIENTS, ids)
    await tx.values(queries.LOCK, ids)
    # Read behind the lock: the snapshot of the statement that waited is older than the lock.
    medications = await tx.all(queries.GET, ids)
    versions = await tx.all(queries.VERSIONS, ids, tx.now)
    planned = [one.id for one in medications if one.planned_until > EARLIEST]
    standing = await tx.all(queries.STANDING, planned, tx.now) if planned else []
    known = _Known(_by_medication(versions), _by_medication(standing))
    batch = _Batch()
    for one in medications:
        _add(tx, batch, one, known, since=one.planned_until if extend else tx.now)
    changed = await _write(tx, batch, extend=extend)
    # What is added at the far end has no message for days; the loop of reminders sees to it then.
    if changed and not extend:
        await doses_changed(tx, sorted(set(batch.patients)))
    return changed


def _by_medication(rows: list[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.medication_id].append(row)
    return found


def _add(tx: Tx, batch: _Batch, one: queries.Medication, known: _Known, since: datetime) -> None:
    """Plan one medication and add what follows to the batch."""
    until = tx.now + timedelta(days=tx.settings.dose_plan_days)
    reason = _none_because(one)
    batch.medications.append(one.id)
    batch.patients.append(one.patient_id)
    batch.reasons.append(reason or ("on_hold" if one.status == "on_hold" else "replanned"))
    clock, versions = _clock(one), known.versions.get(one.id, [])
    if one.status != "draft":
        fresh = [version for version in versions if version.began is None]
        batch.begun += [(one.id, version.version, clock.document()) for version in fresh]
    if reason is not None:
        batch.until.append(LATEST)
        return
    regimens = [_regimen(version, clock) for version in versions]
    standing = known.standing.get(one.id, [])
    made = plan(
        regimens, clock, after=tx.now, until=until, kept=[_kept(row) for row in standing],
        paused_until=one.hold_until if one.status == "on_hold" else None,
    )  # fmt: skip
    batch.until.append(LATEST if made.is_over else until)
    batch.standing += [row.id for row in standing if _is_met(row, made)]
    _add_doses(tx, batch, one.id, [dose for dose in made.doses if dose.due_at >= since])


def _add_doses(tx: Tx, batch: _Batch, medication_id: UUID, doses: list[Planned]) -> None:
    kinds, seeds = batch.kinds, dict[int, bytes]()
    for dose in doses:
        version, on, ordinal, due_at = dose.version, dose.local_date, dose.ordinal, dose.due_at
        seed = seeds.get(version)
        if seed is None:
            seed = medication_seed(tx.caller.tenant_id, medication_id, version)
            seeds[version] = seed
        kind = (medication_id, version, dose.quantity, dose.unit)
        number = kinds.setdefault(kind, len(kinds) + 1)
        made = dose_id(seed, on, ordinal, due_at)
        batch.rows.append((number, made, on, ordinal, due_at, dose.late_at, dose.missed_at))


async def _write(tx: Tx, batch: _Batch, *, extend: bool) -> int:
    """Write the batch and return how many doses changed."""
    changed = 0
    if not extend:
        still = [row[1] for row in batch.rows] + batch.standing
        changed += await tx.run(queries.CANCEL, tx.now, batch.medications, batch.reasons, still)
    if batch.rows:
        kinds, rows = _columns(list(batch.kinds)), _columns(batch.rows)
        changed += await tx.run(queries.WRITE, tx.now, *kinds, *rows)
    if batch.begun:
        await tx.run(queries.BEGIN, *_columns(batch.begun))
    await tx.run(queries.BOOKMARK, batch.medications, batch.until)
    return changed


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _none_because(one: queries.Medication) -> str | None:
    """Return why no doses of a medication are planned; None: they are."""
    if not one.is_reachable:
        return "patient_gone"
    if one.status not in _TAKEN or (one.status == "on_hold" and one.hold_until is None):
        return one.status
    return None


def _clock(one: queries.Medication) -> Clock:
    anchors = _anchors(
        one.wake or DEFAULTS["wake"], one.breakfast or DEFAULTS["breakfast"],
        one.lunch or DEFAULTS["lunch"], one.dinner or DEFAULTS["dinner"],
        one.bed or DEFAULTS["bed"],
    )  # fmt: skip
    return Clock(one.time_zone, anchors)


_anchors = lru_cache(maxsize=4096)(Anchors.of)


@lru_cache(maxsize=4096)
def steps_of(dosage: str) -> tuple[Step, ...]:
    """Return the steps of a stored dosage; many patients take a drug in the same way."""
    return timing.steps(orjson.loads(dosage))


def _regimen(row: queries.Version, clock: Clock) -> Regimen:
    began = clock if row.began is None else Clock.stored(row.began)
    return Regimen(
        row.version, steps_of(row.dosage), row.starts_on, row.ends_on, row.effective_from,
        row.effective_until, began,
    )  # fmt: skip


def _kept(row: queries.Standing) -> Kept:
    return Kept(row.version, row.local_date, row.ordinal, row.due_at, row.at, row.is_open)


def _is_met(row: queries.Standing, made: Plan) -> bool:
    return row.is_open and key(_kept(row)) in made.met
