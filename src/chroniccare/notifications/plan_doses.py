"""Messages about doses and supplies: rows written in the transaction of what they are about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.core.time import zone
from chroniccare.notifications import plan, queries, queries_doses, rules
from chroniccare.notifications.preferences import recipients
from chroniccare.notifications.preferences import rules as preferences
from chroniccare.notifications.rules_categories import category_of
from chroniccare.platform.postgres import Tx

DOSE_REMINDER, REFILL_REMINDER = queries_doses.DOSE_REMINDER, queries_doses.REFILL_REMINDER


@dataclass(frozen=True, slots=True)
class Planned:
    """One message to a patient, and to who receives it with them or in their place.

    Attributes:
        kind: DOSE_REMINDER or REFILL_REMINDER.
        at: UTC instant at which it is due; one about doses goes out then, another when nobody is
            disturbed.
        about: UTC instant that the text speaks of, told on the clock of `time_zone`.
        until: UTC instant from which on it has lost its point.
        key: planning the same key again adds nothing.
        data: what its delivery looks up.
    """

    kind: str
    patient_id: UUID
    time_zone: str
    at: datetime
    about: datetime
    until: datetime
    key: str
    data: dict[str, Any] = field(default_factory=dict)
    medication_id: UUID | None = None


async def keep_doses(
    tx: Tx, patient_ids: Sequence[UUID], bundles: Sequence[Planned], reaches: list[queries.Reach]
) -> None:
    """Have exactly these messages about doses wait for these patients; no other waits any more.

    What is on its way, or was sent, stays as it is.
    """
    kept = [one.data["bundle_id"] for one in bundles]
    given_up = await tx.run(
        queries_doses.GIVE_UP_DOSES, list(patient_ids), kept, tx.now, "doses_changed"
    )
    await _keep(tx, bundles, reaches, changed=given_up > 0)


async def keep_supplies(
    tx: Tx, medication_ids: Sequence[UUID], fill_ids: Sequence[UUID], planned: Sequence[Planned]
) -> None:
    """Have these messages about supplies wait; of the medications, only those about these fills."""
    await tx.run(
        queries_doses.GIVE_UP_SUPPLIES, list(medication_ids), list(fill_ids), tx.now,
        "supply_changed",
    )  # fmt: skip
    if planned:
        reaches = await plan.reaches(tx, sorted({one.patient_id for one in planned}))
        await _keep(tx, planned, reaches, changed=False)


async def _keep(
    tx: Tx, planned: Sequence[Planned], reaches: list[queries.Reach], *, changed: bool
) -> None:
    found: dict[UUID, list[queries.Reach]] = {}
    for reach in reaches:
        found.setdefault(reach.patient_id, []).append(reach)
    clinic = rules.parse_quiet_hours(tx.settings.quiet_hours)
    rows = [
        _row(tx.now, one, reach, clinic)
        for one in planned
        for reach in found.get(one.patient_id, ())
        if reach.categories is None or category_of(one.kind) in reach.categories
    ]
    written = await tx.run(queries_doses.KEEP, rows, tx.caller.tenant_id, tx.now) if rows else 0
    if written or changed:
        tx.wake(plan.LOOP)


def _row(now: datetime, one: Planned, reach: queries.Reach, clinic: rules.Quiet) -> dict[str, Any]:
    who, category = recipients.of_reach(reach), category_of(one.kind)
    channels, at = preferences.wanted(who, category), max(one.at, now)
    if one.kind != DOSE_REMINDER:
        quiet = preferences.quiet_of(who, category, clinic)
        at = rules.first_look(
            at, now=now, deadline=one.until, zone=zone(who.time_zone), quiet=quiet
        )
    key = one.key if reach.related_person_id is None else recipients.key(one.key, reach)
    return {
        "id": new_id(),
        "patient_id": one.patient_id,
        "related_person_id": reach.related_person_id,
        "medication_id": one.medication_id,
        "notification_type": one.kind,
        "channel": channels[0],
        "channel_plan": channels,
        # On time or of no use: it goes before what can wait, and no limit of spending holds it.
        "priority": "urgent" if one.kind == DOSE_REMINDER else "normal",
        "scheduled_send_time": one.at,
        "next_attempt_at": at,
        "expires_at": one.until,
        "template_data": {"starts_at": one.about, "zone": one.time_zone, **one.data},
        "dedupe_key": key,
    }
