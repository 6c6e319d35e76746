"""Answers to replies: messages of their own kinds, to the number that wrote, at once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.notifications import queries as notifications
from chroniccare.notifications.plan import LOOP
from chroniccare.notifications.sealing import sealed
from chroniccare.platform.postgres import Tx

_GOOD_FOR = timedelta(hours=6)
"""An answer that comes later than that confuses more than it helps."""


async def plan_answer(
    tx: Tx, kind: str, *, reply_id: UUID, sender: str, language: str,
    patient_id: UUID | None = None, data: dict[str, Any] | None = None,
) -> bool:  # fmt: skip
    """Plan the answer of `kind` (texts.KINDS) to one reply; say whether it is new.

    With a patient it is theirs: consent is asked, and their messages list it. What must be said to
    a number whosever it is (a stop, help) has none.
    """
    row = {
        "id": new_id(),
        "patient_id": patient_id,
        "provider_id": None,
        "appointment_id": None,
        "notification_type": kind,
        "channel": "sms",
        "channel_plan": ["sms"],
        "priority": "urgent",
        "scheduled_send_time": tx.now,
        "next_attempt_at": tx.now,
        "expires_at": tx.now + _GOOD_FOR,
        "delivery_status": "pending",
        "delivery_details": {},
        "template_data": {"recipient": {"phone": sender}, "language": language, **(data or {})},
        "dedupe_key": f"reply:{reply_id}:{kind}",
    }
    rows = await sealed(tx, [row])
    written = await tx.run(notifications.INSERT, rows, tx.caller.tenant_id, tx.now)
    if written:
        tx.wake(LOOP)
    return written > 0
