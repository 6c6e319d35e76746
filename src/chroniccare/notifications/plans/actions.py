"""Plans of a clinic, and moving on from a channel that did not deliver in time."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.addresses import topics
from chroniccare.core.errors import Conflict, FieldError, NotFound
from chroniccare.core.ids import new_id
from chroniccare.notifications import queries_due
from chroniccare.notifications.plan import LOOP as DISPATCH
from chroniccare.notifications.plans import queries, rules
from chroniccare.notifications.plans.schemas import Kind, PlanChange, PlanWrite
from chroniccare.notifications.preferences import recipients
from chroniccare.notifications.preferences import rules as preferences
from chroniccare.notifications.rules_categories import category_of
from chroniccare.platform.postgres import Tx
from chroniccare.settings import Settings

KINDS: tuple[str, ...] = get_args(Kind)


class PlanExists(Conflict):
    """The clinic has a plan for this kind of message."""

    code = "PLAN_EXISTS"
    message = "There is a plan for this kind of message: change that one."

    def __init__(self) -> None:
        super().__init__(details=[FieldError("notification_type", "has a plan", "taken")])


async def create(tx: Tx, body: PlanWrite) -> queries.Plan:
    """Add a plan; it holds for every message that is sent from now on.

    Raises:
        PlanExists: there is one for this kind.
    """
    made = await tx.one(
        queries.INSERT, new_id(), tx.caller.tenant_id, body.notification_type, _steps(body), tx.now
    )
    if made is None:
        raise PlanExists
    await _tell(tx, "create", made.id, before=None, after=made)
    return made


async def change(tx: Tx, before: queries.Plan, body: PlanChange) -> queries.Plan:
    """Replace the steps of a plan that this transaction has locked."""
    after = await tx.one(queries.UPDATE, before.id, _steps(body), tx.now)
    if after is None:
        raise NotFound
    await _tell(tx, "update", before.id, before=before, after=after)
    return after


async def remove(tx: Tx, before: queries.Plan) -> None:
    """Go back to the default for this kind; the plan is locked by this transaction."""
    await tx.run(queries.DELETE, before.id)
    await _tell(tx, "delete", before.id, before=before, after=None)


def _steps(body: PlanChange) -> list[dict[str, Any]]:
    return [step.model_dump() for step in body.steps]


async def _tell(
    tx: Tx, action: str, plan_id: UUID, *, before: queries.Plan | None, after: queries.Plan | None
) -> None:
    shown = [None if plan is None else asdict(plan) for plan in (before, after)]
    await record(
        tx, action=action, entity_type="notification_plan", entity_id=plan_id, before=shown[0],
        after=shown[1],
    )  # fmt: skip


async def get(tx: Tx, plan_id: UUID, *, locked: bool = False) -> queries.Plan:
    """Return one plan, and lock its row if asked to.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    found = await tx.one(queries.GET_FOR_UPDATE if locked else queries.GET, plan_id)
    if found is None:
        raise NotFound("No such notification plan.")
    return found


async def listed(
    tx: Tx, notification_type: str | None, *, cursor: str | None, limit: int
) -> paging.Page[queries.Plan]:
    """Return one page of the clinic's own plans, by kind of message."""
    filters = [notification_type]
    after = paging.decode(cursor, "notification-plans", filters, [str]) or [None]
    rows = await tx.all(queries.LIST, *filters, *after, limit + 1)
    return paging.page(
        rows, limit, listing="notification-plans", filters=filters,
        key=lambda row: [row.notification_type],
    )  # fmt: skip


async def in_force(tx: Tx) -> list[dict[str, Any]]:
    """Return what holds for each kind of message."""
    own = {plan.notification_type: plan for plan in await tx.all(queries.LIST, None, None, 1000)}
    return [
        {
            "notification_type": kind,
            "plan_id": own[kind].id if kind in own else None,
            "steps": rules.steps(own[kind].steps if kind in own else None, kind),
        }
        for kind in sorted({*KINDS, *own})
    ]


# --- in delivery --------------------------------------------------------------------------------


def afresh(due: queries_due.Due) -> queries_due.Due:
    """Return a message that nothing was tried for yet with the channels of the clinic's plan.

    The plan in force when it is sent counts, not the one when it was planned. Rows of a file have
    a plan of their own.
    """
    if due.plan_steps is None or due.attempt_id is not None or due.patient_id is None:
        return due
    chosen = preferences.chosen(recipients.of_due(due), category_of(due.notification_type))
    channels = rules.merged(due.plan_steps, due.channel_plan, chosen)
    return replace(due, channel=channels[0], channel_plan=channels)


def heard(settings: Settings) -> frozenset[str]:
    """Return the drivers that tell us what became of a message, as far as settings say."""
    forwarded = bool(settings.receipts_secret.get_secret_value())
    subscribed = forwarded or bool(topics(settings.sns_topics))
    said = {
        "aws": subscribed and bool(settings.sms_configuration_set),
        "ses": subscribed and bool(settings.ses_configuration_set),
        "sns": forwarded,
        "http": forwarded,
    }
    return frozenset(name for name, is_heard in said.items() if is_heard)


def evidence_due(
    due: queries_due.Due, channel: str, *, follows: bool, driver: str, now: datetime,
    settings: Settings,
) -> datetime | None:  # fmt: skip
    """Return until when the message, once accepted, waits to be delivered; see `rules`."""
    # Whoever runs `notify` has its result: nothing more follows for a row of a file.
    if not follows or due.patient_id is None or driver not in heard(settings):
        return None
    steps = rules.steps(due.plan_steps, due.notification_type)
    step = next((one for one in steps if one.channel == channel), None)
    return rules.evidence_due(step, now=now, expires_at=due.expires_at)


async def move_on(tx: Tx, limit: int) -> int:
    """Send by the next channel what was not delivered within its step; return how many."""
    moved: int = sum(await tx.values(queries.MOVE_ON, tx.now, limit))
    if moved:
        tx.wake(DISPATCH)
    return moved
