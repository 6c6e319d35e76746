"""Callbacks: who sent it, what it says, stored. What follows is done by the loop (`applying`)."""

from collections.abc import Iterable
from typing import Any

import orjson

from chroniccare.core.addresses import topics
from chroniccare.core.ids import new_id
from chroniccare.notifications import callbacks
from chroniccare.notifications.receipts import queries, rules, rules_events, schemas
from chroniccare.notifications.spend.rules import micros_of
from chroniccare.platform.postgres import begin_system, database

LOOP = "receipts"


async def take_sns(body: bytes) -> None:
    """Take one message as SNS posts it; see `callbacks.of_sns` for what is refused.

    Raises:
        Unavailable: it is not stored: SNS tries again.
    """
    message = await callbacks.of_sns(body, topics(database().settings.sns_topics))
    if message is not None:
        await store(_events_in(message))


def _events_in(message: str) -> list[rules.Receipt]:
    """Return the receipts in a genuine message; a test message of AWS holds none."""
    try:
        found = orjson.loads(message)
    except orjson.JSONDecodeError:
        return []
    return _read(found if isinstance(found, list) else [found])


def _read(events: Iterable[Any]) -> list[rules.Receipt]:
    return [receipt for event in events if (receipt := rules_events.read(event)) is not None]


async def take_http(body: bytes, *, timestamp: str, signature: str) -> None:
    """Take the receipts of a gateway, or events of AWS that a forwarder passes on.

    See `callbacks.of_gateway` for what is refused.
    """
    callback = callbacks.of_gateway(
        body, schemas.Callback, timestamp=timestamp, signature=signature
    )
    await store([*map(_of_gateway, callback.receipts), *_read(callback.events)])


def _of_gateway(told: schemas.GatewayReceipt) -> rules.Receipt:
    parts = (told.id,) if told.id else (told.reference, told.message_id, told.status,
                                        told.occurred_at)  # fmt: skip
    return rules.Receipt(
        "http", told.status, rules.event_id(*parts), told.reference, told.message_id, told.code,
        told.occurred_at, told.segments, micros_of(told.price),
    )  # fmt: skip


async def store(receipts: list[rules.Receipt]) -> None:
    """Store receipts, whosever they are, before anything follows from them; known ones again not.

    Raises:
        Unavailable: they are not stored; whoever sent them must send them again.
    """
    if not receipts:
        return
    rows = [
        {
            "id": new_id(),
            "driver": receipt.driver,
            "event_id": receipt.event_id,
            "kind": receipt.kind,
            "attempt_id": receipt.attempt_id,
            "provider_message_id": receipt.provider_id,
            "code": receipt.code,
            "occurred_at": receipt.occurred_at,
            "segments": receipt.segments,
            "micros": receipt.micros,
        }
        for receipt in receipts
    ]
    async with begin_system(LOOP) as tx:
        await tx.run(queries.STORE, rows, tx.now)
        tx.wake(LOOP)
