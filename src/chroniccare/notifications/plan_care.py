"""Messages about care that belong to no visit: rows written in the transaction of their cause."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.core.time import zone
from chroniccare.notifications import plan, queries, queries_care, rules
from chroniccare.notifications.preferences import recipients
from chroniccare.notifications.preferences import rules as preferences
from chroniccare.notifications.rules_categories import category_of
from chroniccare.notifications.sealing import sealed
from chroniccare.platform.postgres import Tx


@dataclass(frozen=True, slots=True)
class CareMessage:
    """A message to plan; `dedupe_key` names its cause and purpose, of which there is one only.

    Attributes:
        at: UTC instant at which it is due; what can wait for quiet hours to end does.
        until: UTC instant from which it is of no use.
        data: what its text needs besides the names of clinic and prescriber, which are found by
            the medication; never more than the text says.
        to: the patient and the related persons who receive its category, or these alone.
    """

    kind: str
    patient_id: UUID
    medication_id: UUID | None
    at: datetime
    until: datetime
    dedupe_key: str
    data: dict[str, Any] = field(default_factory=dict)
    priority: str = "normal"
    to: Literal["all", "related"] = "all"


async def plan_messages(tx: Tx, messages: Sequence[CareMessage]) -> int:
    """Write the messages and wake their delivery; return rows written.

    As with visits, nothing is planned for a patient who is removed, inactive or dead, or twice for
    one key. Who cannot be reached gets a row that is `suppressed` with the reason if it is due now,
    so that staff see it; one that is due later is looked at again then.
    """
    coming = [one for one in messages if one.until > tx.now]
    if not coming:
        return 0
    found: dict[UUID, list[queries.Reach]] = {}
    for reach in await plan.reaches(tx, sorted({one.patient_id for one in coming})):
        found.setdefault(reach.patient_id, []).append(reach)
    medications = sorted({one.medication_id for one in coming if one.medication_id is not None})
    names = {one.medication_id: one for one in await tx.all(queries_care.PRESCRIBERS, medications)}
    clinic = rules.parse_quiet_hours(tx.settings.quiet_hours)
    rows = [
        _row(tx.now, one, reach, clinic, names.get(one.medication_id))  # type: ignore[arg-type]
        for one in coming
        for reach in found.get(one.patient_id, ())
        if _receives(one, reach)
    ]
    if not rows:
        return 0
    written = await tx.run(queries.INSERT, await sealed(tx, rows), tx.caller.tenant_id, tx.now)
    if written:
        tx.wake(plan.LOOP)
    return written


async def cancel_messages(tx: Tx, patient_ids: Sequence[UUID], kinds: Sequence[str]) -> int:
    """Give up every message of these kinds to, or about, patients that is not on its way."""
    return await tx.run(queries_care.CANCEL_OF_PATIENTS, list(patient_ids), list(kinds), tx.now)


def _receives(message: CareMessage, reach: queries.Reach) -> bool:
    if reach.related_person_id is None:
        return message.to == "all"
    return category_of(message.kind) in (reach.categories or ())


def _row(
    now: datetime, message: CareMessage, reach: queries.Reach, clinic: rules.Quiet,
    names: queries_care.Prescriber | None,
) -> dict[str, Any]:  # fmt: skip
    who, category = recipients.of_reach(reach), category_of(message.kind)
    wanted = preferences.wanted(who, category)
    channels, reason = (wanted, None) if message.at > now else plan.plan_now(who, category)
    at = max(message.at, now)
    if rules.is_reminder(message.kind):
        at = rules.first_look(
            at, now=now, deadline=message.until, zone=zone(who.time_zone),
            quiet=preferences.quiet_of(who, category, clinic),
        )  # fmt: skip
    own = message.dedupe_key
    known = {
        "provider_name": names and names.provider_name,
        "facility_name": names and names.facility_name,
    }
    return {
        "id": new_id(),
        "patient_id": reach.patient_id,
        "related_person_id": reach.related_person_id,
        "provider_id": names and names.provider_id,
        "medication_id": message.medication_id,
        "notification_type": message.kind,
        "channel": (channels or wanted)[0],
        "channel_plan": channels,
        "priority": message.priority,
        "scheduled_send_time": message.at,
        "next_attempt_at": at,
        "expires_at": message.until,
        "delivery_status": "suppressed" if reason else "pending",
        "delivery_details": {"reason": reason} if reason else {},
        "template_data": known | message.data,
        "dedupe_key": own if reach.related_person_id is None else recipients.key(own, reach),
    }
