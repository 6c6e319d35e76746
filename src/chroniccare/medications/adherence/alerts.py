"""Episodes of low adherence: opened once, told to whom it concerns, and closed with hysteresis.

Whoever calls has the rows of the medications locked, so that two at once cannot both find too few
doses, or both open an episode.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record_many
from chroniccare.core.ids import new_id
from chroniccare.core.time import to_local, zone
from chroniccare.medications.adherence import queries_alerts as queries
from chroniccare.medications.adherence import rules
from chroniccare.medications.adherence.measures import Fill
from chroniccare.notifications.plan_care import CareMessage, cancel_messages, plan_messages
from chroniccare.platform.postgres import Tx
from chroniccare.tasks import actions as tasks
from chroniccare.webhooks.actions import emit_many

ENTITY = "adherence_episode"
KIND = "low_adherence"
_USEFUL = timedelta(hours=48)
_TOLD = timedelta(days=1)
_CAREGIVERS, _CARE_TEAM = 1, 2
_UNCLAIMED = frozenset({"requested"})


@dataclass(slots=True)
class _Verdicts:
    """What becomes of episodes, as rows of the statements that make it so."""

    opening: list[dict[str, Any]]
    escalating: dict[UUID, int]
    closing: list[dict[str, Any]]
    told: set[UUID]


def rate_key(tenant_id: UUID, medication_id: UUID) -> str:
    """Return the cache key of a medication's rate."""
    return f"medication:{tenant_id}:{medication_id}:adherence:rate"


async def reconsider(tx: Tx, medication_ids: Sequence[UUID]) -> None:
    """Look at medications again whose state, fills or thresholds this transaction changed.

    That may end an episode and never begins one, which is for the next dose to do: nobody shall be
    alarmed because a hold was lifted, or because old fills are written down one by one.
    """
    await tx.values(queries.LOCK, list(medication_ids))
    await evaluate(tx, medication_ids, opens=False)
    tx.drop(*(rate_key(tx.caller.tenant_id, one) for one in medication_ids))


async def evaluate(tx: Tx, medication_ids: Sequence[UUID], *, opens: bool = True) -> None:
    """Open, escalate or close the episodes of medications that this transaction has locked.

    An episode's alert, message and task are rows of this transaction. A medication that is not
    taken by plan any more has none, nor has a patient who is removed, inactive or dead.
    """
    watched = await tx.all(
        queries.WATCHED, tx.now, tx.now - rules.WINDOW, tx.now - _TOLD, list(medication_ids)
    )
    found = _Verdicts([], {}, [], {one.patient_id for one in watched if one.is_told})
    for one in watched:
        _judge(tx, one, found)
    if found.opening and opens:
        await _open(tx, found)
    if found.escalating:
        await _escalate(tx, watched, found.escalating)
    if found.closing:
        await _close(tx, found.closing)


def _judge(tx: Tx, one: queries.Watched, found: _Verdicts) -> None:
    if not one.is_taken:
        if one.episode_id is not None:
            found.closing.append({"id": one.episode_id, "reason": "ended"})
        return
    limits = rules.thresholds(one.adherence_threshold, one.drug_class)
    fills = [Fill(*pair) for pair in zip(one.fill_days, one.fill_supplies, strict=True)]
    course = rules.course(one.codes, fills, to_local(tx.now, zone(one.time_zone)).date())
    if one.episode_id is None:
        reason = rules.why_low(course, limits)
        if reason is not None:
            found.opening.append(
                {"id": new_id(), "patient_id": one.patient_id, "medication_id": one.id,
                 "reason": reason}
            )  # fmt: skip
    elif rules.has_recovered(course, limits, one.episode_reason or ""):
        found.closing.append({"id": one.episode_id, "reason": "recovered"})
    else:
        level = _level(tx, course.run)
        if level > (one.episode_escalated or 0):
            found.escalating[one.episode_id] = level


def _level(tx: Tx, run: int) -> int:
    """Return who must hear of so many doses in a row that were not taken."""
    team, caregivers = (
        tx.settings.adherence_care_team_misses, tx.settings.adherence_caregiver_misses,
    )  # fmt: skip
    if team and run >= team:
        return _CARE_TEAM
    return _CAREGIVERS if caregivers and run >= caregivers else 0


async def _open(tx: Tx, found: _Verdicts) -> None:
    made = await tx.all(queries.OPEN, found.opening, tx.caller.tenant_id, tx.now)
    changed: dict[UUID, tuple[Any, Any]] = {one.id: (None, one) for one in made}
    await record_many(tx, action="open", entity_type=ENTITY, changed=changed)
    payloads = {one.medication_id: {"episode_id": one.id, "version": one.version} for one in made}
    await emit_many(tx, "medication.adherence.low", entity_type="medication", payloads=payloads)
    # One message for all that a patient's medications have in common: it names none of them.
    first = {one.patient_id: one for one in reversed(made) if one.patient_id not in found.told}
    await plan_messages(tx, [_message(tx, one, "opened") for one in first.values()])
    await tasks.open_tasks(tx, [_task(one, _key(one.id), "normal") for one in made])


async def _escalate(tx: Tx, watched: Sequence[queries.Watched], levels: dict[UUID, int]) -> None:
    before = {one.episode_id: one.episode_escalated or 0 for one in watched}
    rows = [{"id": key, "escalated": level} for key, level in levels.items()]
    made = await tx.all(queries.ESCALATE, rows)
    changed: dict[UUID, tuple[Any, Any]] = {
        one.id: (replace(one, escalated=before[one.id], version=one.version - 1), one)
        for one in made
    }
    await record_many(tx, action="escalate", entity_type=ENTITY, changed=changed)
    caregivers = [one for one in made if before[one.id] < _CAREGIVERS]
    if tx.settings.adherence_caregiver_misses:
        messages = [replace(_message(tx, one, "caregivers"), to="related") for one in caregivers]
        await plan_messages(tx, messages)
    team = [one for one in made if one.escalated == _CARE_TEAM]
    await tasks.open_tasks(tx, [_task(one, f"{_key(one.id)}:escalated", "high") for one in team])


async def _close(tx: Tx, closing: list[dict[str, Any]]) -> None:
    made = await tx.all(queries.CLOSE, closing, tx.now)
    changed: dict[UUID, tuple[Any, Any]] = {
        one.id: (
            {**asdict(one), "closed_at": None, "closed_reason": None, "version": one.version - 1},
            one,
        )
        for one in made
    }
    await record_many(tx, action="close", entity_type=ENTITY, changed=changed)
    recovered = {
        one.medication_id: {"episode_id": one.id, "version": one.version}
        for one in made
        if one.closed_reason == "recovered"
    }
    if recovered:
        await emit_many(
            tx, "medication.adherence.recovered", entity_type="medication", payloads=recovered
        )
    patients = {one.patient_id for one in made}
    still_low = await tx.values(queries.STILL_LOW, sorted(patients))
    await cancel_messages(tx, sorted(patients - set(still_low)), [KIND])
    for one in made:  # what somebody works on already is theirs to finish
        keys = [_key(one.id), f"{_key(one.id)}:escalated"]
        await tasks.close(tx, keys, outcome=one.closed_reason or "", only=_UNCLAIMED)


def _key(episode_id: UUID) -> str:
    return f"{KIND}:{episode_id}"


def _message(tx: Tx, one: queries.Episode, purpose: str) -> CareMessage:
    return CareMessage(
        kind=KIND, patient_id=one.patient_id, medication_id=one.medication_id, at=tx.now,
        until=tx.now + _USEFUL, dedupe_key=f"{_key(one.id)}:{purpose}",
    )  # fmt: skip


def _task(one: queries.Episode, key: str, priority: str) -> tasks.New:
    return tasks.New(
        code=KIND, reason=one.reason, key=key, patient_id=one.patient_id,
        focus_type="medication", focus_id=one.medication_id, priority=priority,
    )  # fmt: skip
