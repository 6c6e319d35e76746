"""The log of deliveries, test events, and events that are sent again."""

from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.webhooks import endpoints, relaying, rules
from chroniccare.webhooks import queries_deliveries as handed
from chroniccare.webhooks import queries_endpoints as queries
from chroniccare.webhooks.disabling import ENTITY
from chroniccare.webhooks.schemas import EventType

MOST = 5000
"""Most events that are sent again at once."""
_LISTING = "webhook-deliveries"


class WebhookDisabled(Conflict):
    """The endpoint is disabled; nothing is sent there."""

    code = "WEBHOOK_DISABLED"

    def __init__(self) -> None:
        super().__init__("The webhook is disabled; enable it first.")


async def ping(tx: Tx, endpoint: queries.Endpoint) -> queries.Delivery:
    """Send a test event to an endpoint that this transaction has locked.

    Raises:
        WebhookDisabled: nothing is sent there.
    """
    _enabled(endpoint)
    event_id = new_id()
    seq = await tx.value(
        queries.PING, event_id, tx.caller.tenant_id, endpoint.id, {"version": endpoint.version},
        tx.now,
    )  # fmt: skip
    event = handed.Event(event_id, "webhook.ping", ENTITY, endpoint.id, seq, tx.now, {})
    # A line of its own: a test does not wait for one that failed.
    row = {**relaying.row(endpoint.id, event), "entity_id": event_id}
    await tx.run(queries.UNPAUSE, endpoint.id)
    await relaying.add(tx, [row])
    await record(tx, action="ping", entity_type=ENTITY, entity_id=endpoint.id)
    return await get(tx, endpoint.id, row["id"])


async def resend(tx: Tx, endpoint: queries.Endpoint, delivery_id: UUID) -> queries.Delivery:
    """Send one event again to an endpoint that this transaction has locked.

    What waits for another try is tried at once, as soon as its turn comes.

    Raises:
        NotFound: no such delivery.
        WebhookDisabled: nothing is sent there.
    """
    found = await get(tx, endpoint.id, delivery_id)
    _enabled(endpoint)
    await tx.run(queries.AGAIN, endpoint.id, [found.event_id], tx.now)
    await tx.run(queries.UNPAUSE, endpoint.id)
    await relaying.line_up(tx, {endpoint.id}, {found.entity_id, found.event_id})
    await record(
        tx, action="resend", entity_type=ENTITY, entity_id=endpoint.id,
        after={"event_id": found.event_id},
    )  # fmt: skip
    return await get(tx, endpoint.id, delivery_id)


async def resend_range(
    tx: Tx, endpoint: queries.Endpoint, *, since: datetime, until: datetime, delivered: bool
) -> int:
    """Send the events from `since` to before `until` again; return how many.

    Those that were given up or parked, and those that the endpoint wants now and was never sent;
    with `delivered` all. The endpoint is locked by this transaction.

    Raises:
        WebhookDisabled: nothing is sent there.
        Unprocessable: they are too many, the range is empty, or it begins before what is kept.
    """
    _enabled(endpoint)
    if since >= until:
        raise Unprocessable.field("until", "must be after since", "range")
    _kept(tx, since)
    types = [one for one in get_args(EventType) if rules.wants(endpoint.events, one)]
    await tx.plan_afresh()
    wanted = await tx.all(queries.PAST, endpoint.id, since, until, delivered, types, MOST + 1)
    if len(wanted) > MOST:
        raise Unprocessable.field("until", f"there are more than {MOST} events", "too_many")
    await tx.run(queries.AGAIN, endpoint.id, [one.id for one in wanted if one.status], tx.now)
    fresh = [relaying.row(endpoint.id, one) for one in wanted if one.status is None]
    if fresh:
        await tx.run(handed.INSERT, fresh, tx.caller.tenant_id, tx.now)
    await tx.run(queries.UNPAUSE, endpoint.id)
    await relaying.line_up(tx, {endpoint.id}, {one.entity_id for one in wanted})
    await record(
        tx, action="resend", entity_type=ENTITY, entity_id=endpoint.id,
        after={"since": since, "until": until, "count": len(wanted)},
    )  # fmt: skip
    return len(wanted)


async def get(tx: Tx, endpoint_id: UUID, delivery_id: UUID) -> queries.Delivery:
    """Return one delivery of an endpoint.

    Raises:
        NotFound: no such delivery.
    """
    found = await tx.one(queries.GET_DELIVERY, endpoint_id, delivery_id)
    if found is None:
        raise NotFound("No such delivery.")
    return found


async def listed(
    tx: Tx, endpoint_id: UUID, *, status: str | None, event_id: UUID | None,
    cursor: str | None, limit: int,
) -> paging.Page[queries.Delivery]:  # fmt: skip
    """Return one page of an endpoint's deliveries, the newest first.

    Raises:
        NotFound: no such endpoint.
    """
    await endpoints.get(tx, endpoint_id)
    filters = [endpoint_id, status, event_id]
    after = paging.decode(cursor, _LISTING, filters, [datetime.fromisoformat, UUID])
    await tx.plan_afresh()
    rows = await tx.all(
        queries.LIST_DELIVERIES, endpoint_id, status, event_id, *(after or [None, None]), limit + 1
    )
    return paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.created_at, row.id]
    )


def _enabled(endpoint: queries.Endpoint) -> None:
    if not endpoint.enabled:
        raise WebhookDisabled


def _kept(tx: Tx, since: datetime) -> None:
    """Refuse a range whose beginning may be gone: what was delivered then is not known any more."""
    days = [tx.settings.retain_events_days, tx.settings.retain_delivery_log_days]
    least = min((one for one in days if one), default=None)
    if least is None or since >= (first := tx.now - timedelta(days=least)):
        return
    raise Unprocessable.field(
        "since",
        f"events and their log are kept for {least} days: nothing before"
        f" {first.isoformat(timespec='seconds')} can be sent again",
        "no_longer_kept",
    )
