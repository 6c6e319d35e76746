"""A message in doubt that waits for staff is a task, as long as it does."""

from collections.abc import Iterable
from typing import Any

from chroniccare.notifications.doubts import queries
from chroniccare.platform.postgres import Tx
from chroniccare.tasks.actions import New, close, open_tasks

_OUTCOMES = {"pending": "sent_again", "unconfirmed": "left"}


async def tell(tx: Tx, changes: Iterable[dict[str, Any]]) -> None:
    """Open tasks for messages that came to wait for staff, and close those of the others.

    `changes` have `id`, `was` and `status` of messages that this transaction has changed.
    """
    rows = list(changes)
    waiting = [row["id"] for row in rows if row["status"] == "needs_staff" != row["was"]]
    if waiting:
        about = await tx.all(queries.ABOUT, waiting)
        news = [
            New(
                "message_in_doubt", "may_have_arrived", _key(one.id), patient_id=one.patient_id,
                focus_type="notification", focus_id=one.id, priority="high",
                due_at=one.expires_at,
            )
            for one in about
        ]  # fmt: skip
        await open_tasks(tx, news)
    for row in rows:
        if row["was"] == "needs_staff" != row["status"]:
            outcome = _OUTCOMES.get(row["status"], row["status"])
            await close(tx, [_key(row["id"])], outcome=outcome)


def _key(notification_id: Any) -> str:
    return f"doubt:{notification_id}"
