"""What replies leave to staff, as tasks of the worklist."""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from chroniccare.platform.postgres import Tx
from chroniccare.tasks.actions import New, open_tasks
from chroniccare.tenancy.addresses import index

_SOON = timedelta(days=1)


def change_key(appointment_id: UUID) -> str:
    """Return the cause of the task that somebody wants another time for a visit."""
    return f"change:{appointment_id}"


async def want_change(
    tx: Tx, *, appointment_id: UUID, patient_id: UUID, starts_at: datetime, reason: str
) -> None:
    """Have staff find another time for a visit; it stays as it is until then."""
    new = New(
        "change_requested", reason, change_key(appointment_id), patient_id=patient_id,
        focus_type="appointment", focus_id=appointment_id, due_at=starts_at,
        priority="urgent" if starts_at < tx.now + _SOON else "high",
    )  # fmt: skip
    await open_tasks(tx, [new])


async def look_at_visit(tx: Tx, *, appointment_id: UUID, patient_id: UUID, reason: str) -> None:
    """Have staff look at a visit about which an answer came that could not be followed."""
    new = New(
        "answer_not_followed", reason, f"answer:{appointment_id}", patient_id=patient_id,
        focus_type="appointment", focus_id=appointment_id, priority="high",
    )  # fmt: skip
    await open_tasks(tx, [new])


def _digest(tenant_id: UUID, sender: str) -> str:
    return sha256(f"{tenant_id}{sender}".encode()).hexdigest()[:32]


async def look_at_reply(
    tx: Tx, code: str, *, reason: str, reply_id: UUID, sender: str, patient_id: UUID | None,
    priority: str = "normal",
) -> None:  # fmt: skip
    """Have staff read a reply; one open task for each number, however often it writes."""
    # The key of a task is no place for a number, nor for a hash that whoever tries all can tell.
    whose = index(await tx.keyring(), sender) or _digest(tx.caller.tenant_id, sender)
    new = New(
        code, reason, f"{code}:{whose}", patient_id=patient_id, focus_type="reply",
        focus_id=reply_id, priority=priority,
    )  # fmt: skip
    await open_tasks(tx, [new])
