"""Somebody joins a patient's recipients: what waits for the patient waits for them as well."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.core.time import zone
from chroniccare.notifications import plan, queries, rules
from chroniccare.notifications.preferences import recipients
from chroniccare.notifications.preferences import rules as preferences
from chroniccare.notifications.rules_categories import category_of
from chroniccare.notifications.sealing import sealed
from chroniccare.platform.postgres import Tx


async def join(tx: Tx, patient_id: UUID, related_person_id: UUID) -> int:
    """Plan a related person's copies of what is still to be sent; return rows written.

    What they have already stays as it is.
    """
    reach = next(
        (
            one
            for one in await plan.reaches(tx, [patient_id])
            if one.related_person_id == related_person_id
        ),
        None,
    )
    if reach is None:
        return 0
    clinic = rules.parse_quiet_hours(tx.settings.quiet_hours)
    rows = [
        _copy(tx.now, own, reach, clinic)
        for own in await tx.all(queries.WAITING, patient_id, tx.now)
        if category_of(own.notification_type) in (reach.categories or ())
    ]
    if not rows:
        return 0
    written = await tx.run(queries.INSERT, await sealed(tx, rows), tx.caller.tenant_id, tx.now)
    if written:
        tx.wake(plan.LOOP)
    return written


def _copy(
    now: datetime, own: queries.Waiting, reach: queries.Reach, clinic: rules.Quiet
) -> dict[str, Any]:
    """Return a related person's message from the patient's, due at a time that suits them."""
    who, category = recipients.of_reach(reach), category_of(own.notification_type)
    at = max(own.scheduled_send_time, now)
    if rules.is_reminder(own.notification_type) and own.expires_at is not None:
        at = rules.first_look(
            at, now=now, deadline=own.expires_at, zone=zone(who.time_zone),
            quiet=preferences.quiet_of(who, category, clinic),
        )  # fmt: skip
    channels = preferences.wanted(who, category)
    return {
        **asdict(own),
        "id": new_id(),
        "patient_id": reach.patient_id,
        "related_person_id": reach.related_person_id,
        "channel": channels[0],
        "channel_plan": channels,
        "next_attempt_at": at,
        "delivery_status": "pending",
        "delivery_details": {},
        "dedupe_key": recipients.key(own.dedupe_key, reach),
    }
