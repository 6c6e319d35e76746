"""What subscriptions are told: chosen when events are handed on, written when they are sent."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import orjson

from chroniccare.core.errors import Forbidden, Invalid
from chroniccare.core.wire import dumps
from chroniccare.fhir import actions, asking, composing, conditions
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.subscriptions import queries, rules
from chroniccare.platform import masterkey, sealing
from chroniccare.platform.opening import opened
from chroniccare.platform.postgres import Tx
from chroniccare.tasks import webhooks as webhook_tasks
from chroniccare.tenancy.rules import SCOPES
from chroniccare.webhooks import disabling
from chroniccare.webhooks.queries_deliveries import Due, Event
from chroniccare.webhooks.shapes import Shape, Told

log = logging.getLogger(__name__)

NAME = "fhir"
"""Of the shape, as endpoints have it."""
COLUMN = sealing.Column("fhir_subscriptions.document", "record")


async def document_of(tx: Tx, row: queries.Subscription) -> rules.Resource:
    """Return what the client wrote.

    Raises:
        Unreadable: its key is destroyed, or it was altered.
    """
    raw: str = await opened(tx, lambda keys: keys.unsealed(COLUMN, row.id, row.document))
    found: rules.Resource = orjson.loads(raw)
    return found


async def sealed(tx: Tx, subscription_id: UUID, document: rules.Resource) -> str:
    """Return what is stored of a document."""
    raw = dumps(document).decode()
    stored: str = (await tx.keyring()).sealed(COLUMN, subscription_id, raw)
    return stored


async def picks(tx: Tx, subscription_id: UUID, events: Sequence[Event]) -> set[UUID]:
    """Return which events a subscription is told of: those of its topic, or that its search finds.

    A search looks at the records as they are when the event is handed on, a moment after it.
    """
    row = await tx.one(queries.GET, tx.now, subscription_id)
    if row is None:
        return set()
    if row.is_orphan:
        await disabling.disable(tx, subscription_id, "credential", notice=webhook_tasks.tell)
        return set()
    topic = row.topic
    if topic is not None:
        return {one.id for one in events if rules.is_of(topic, one.event_type, one.payload)}
    try:
        criteria = str((await document_of(tx, row))["criteria"])
    except (sealing.Unreadable, masterkey.CannotUnwrap):
        return {one.id for one in events}  # delivery says that it cannot be read
    try:
        found = await matching(tx, criteria, [one.entity_id for one in events])
    except (Invalid, Forbidden):  # it was good once; nobody else's events may wait for it
        log.error("criteria are not known any more", extra={"webhook_id": str(subscription_id)})  # noqa: TRY400  criteria may say anything
        return set()
    return {one.id for one in events if one.entity_id in found}


async def matching(tx: Tx, criteria: str, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of the records a search finds; it was allowed when the subscription was made."""
    name, _, query = criteria.partition("?")
    kind = KINDS[name]
    ask = asking.read(kind, KINDS, asking.pairs_of(query), strict=True)
    caller = replace(tx.caller, scopes=SCOPES)
    asked = await actions.asked_of(tx, zones=True)
    wanted = [f"{kind.id} = ANY({asked.put(list(ids), 'uuid[]')})"]
    wanted += conditions.conditions(caller, kind, ask.filters, asked)
    return set(await tx.values(composing.matches(kind, wanted), *asked.arguments))


async def told(tx: Tx, due: Due) -> Told | None:
    """Return what is sent of an event; of a ping, which asks whether anybody listens, a handshake.

    Nothing in it depends on when it is sent.
    """
    row = await tx.one(queries.GET, tx.now, due.endpoint_id)
    if row is None or row.is_orphan:
        return None
    try:
        document = await document_of(tx, row)
    except (sealing.Unreadable, masterkey.CannotUnwrap):
        return None
    channel = document["channel"]
    headers = dict(rules.parted(one) for one in rules.headers(channel))
    if "payload" not in channel:
        return Told(b"", rules.JSON, headers)
    kind, total, events = "handshake", 0, []
    if due.number is not None:
        focus = f"{rules.TYPES[due.entity_type]}/{due.entity_id}"
        kind, total = "event-notification", due.number
        events = [rules.Event(due.number, due.created_at, focus)]
    base = actions.base_of(tx)
    status = rules.notification(
        base=base, subscription_id=row.id, topic=row.topic, kind=kind,
        status="requested" if due.number is None else "active", total=total, events=events,
        told=rules.content(channel),
    )  # fmt: skip
    return Told(dumps(rules.bundle(base, status, at=due.created_at)), rules.JSON, headers)


SHAPE = Shape(picks, told)
