"""A webhook that was disabled by itself is a task: a clinic with no other is told by no event."""

from uuid import UUID

from chroniccare.platform.postgres import Tx
from chroniccare.tasks.actions import New, open_tasks
from chroniccare.webhooks.disabling import ENTITY, Reason


async def tell(tx: Tx, endpoint_id: UUID, reason: Reason) -> None:
    """Have staff look at it; whoever handles it enables the webhook or leaves it."""
    one = New(
        "webhook_disabled", reason, f"webhook-disabled:{endpoint_id}", focus_type=ENTITY,
        focus_id=endpoint_id, priority="high",
    )  # fmt: skip
    await open_tasks(tx, [one])
