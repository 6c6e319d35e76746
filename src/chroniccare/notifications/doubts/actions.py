"""Staff decide about a message of which nobody knows whether it arrived."""

from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.errors import Conflict, NotFound
from chroniccare.notifications import actions, queries
from chroniccare.notifications.doubts import queries as doubts
from chroniccare.notifications.doubts.schemas import Decision
from chroniccare.notifications.receipts.applying import change
from chroniccare.platform.postgres import Tx

_BECOMES = {"send_again": "pending", "leave": "unconfirmed"}


class NotInDoubt(Conflict):
    """The message does not wait for staff: what became of it is known, or being found out."""

    code = "NOT_IN_DOUBT"
    message = "Only a message that waits for staff can be decided about."


async def resolve(tx: Tx, notification_id: UUID, decision: Decision) -> queries.Notification:
    """Send a message in doubt again, or leave it; its task is completed with that.

    Raises:
        NotFound: none with this id in the caller's tenant.
        NotInDoubt: it does not wait for staff.
    """
    standing = await tx.one(doubts.LOCK, notification_id)
    if standing is None:
        raise NotFound("No such notification.")
    if standing.delivery_status != "needs_staff":
        raise NotInDoubt
    status = _BECOMES[decision]
    await change(
        tx,
        [
            {
                "id": standing.id,
                "attempt_id": None,
                "was": standing.delivery_status,
                "status": status,
                "channel": standing.channel,
                "channel_plan": standing.channel_plan,
                "details": {},
            }
        ],
    )
    await record(
        tx, action="resolve", entity_type="notification", entity_id=standing.id,
        before={"delivery_status": standing.delivery_status}, after={"delivery_status": status},
    )  # fmt: skip
    return await actions.get(tx, notification_id)
