"""Plans one message that staff ask for; delivery looks at everything again when it is due."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.errors import Conflict, Unprocessable
from chroniccare.notifications import actions as notifications
from chroniccare.notifications import plan, rules
from chroniccare.notifications.queries import Notification
from chroniccare.notifications.single import queries
from chroniccare.platform.postgres import Tx

CANCELLED = "appointment_cancelled"


class VisitState(Conflict):
    """The visit is not in a state that this message could speak of."""

    code = "APPOINTMENT_STATE"
    message = "The visit's state does not fit this message."


async def send(tx: Tx, *, appointment_id: UUID, kind: str, at: datetime | None) -> Notification:
    """Plan a message about a visit to come and return it; `at` is when, now unless told.

    Who cannot be reached now gets a row that is `suppressed` with the reason, as on planning.

    Raises:
        Unprocessable: no such visit, a time in the past or not before the visit, or a patient who
            is removed, inactive or has died.
        VisitState: the visit is over or cancelled; or stands, and the message says otherwise.
    """
    visit = await tx.one(queries.VISIT, appointment_id)
    if visit is None:
        raise Unprocessable.field("appointment_id", "no such visit", "unknown")
    if (visit.status not in rules.VISIT_OPEN) if kind != CANCELLED else visit.status != "cancelled":
        raise VisitState
    if visit.starts_at <= tx.now:
        raise Unprocessable.field("appointment_id", "the visit has begun", "past")
    if at is not None and not tx.now <= at < visit.starts_at:
        raise Unprocessable.field(
            "scheduled_send_time", "must lie between now and the visit", "range"
        )
    found = await plan.plan_asked(tx, _visit(visit), kind, at=at)
    if found is None:
        raise Unprocessable.field("appointment_id", "its patient is not written to", "inactive")
    made = await notifications.get(tx, found)
    await record(
        tx, action="create", entity_type="notification", entity_id=made.id,
        after={"notification_type": kind, "appointment_id": appointment_id},
    )  # fmt: skip
    return made


def _visit(subject: queries.Subject) -> plan.Visit:
    fields = asdict(subject)
    del fields["status"]
    return plan.Visit(**fields)
