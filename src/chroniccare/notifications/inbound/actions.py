"""Replies as they come in: who sent them, stored. What follows is done by `receiving`."""

from typing import Any

import orjson

from chroniccare.core.addresses import topics
from chroniccare.core.ids import new_id
from chroniccare.notifications import callbacks
from chroniccare.notifications.inbound import inbox, queries, rules, schemas
from chroniccare.platform.postgres import begin_system, database

LOOP = "inbound"


async def take_sns(body: bytes) -> None:
    """Take a reply as End User Messaging publishes it; see `callbacks.of_sns` for what is refused.

    Raises:
        Unavailable: it is not stored: SNS tries again.
    """
    message = await callbacks.of_sns(body, topics(database().settings.reply_topics))
    row = None if message is None else _of_aws(message)
    if row is not None:
        await _store([row])


def _of_aws(message: str) -> dict[str, Any] | None:
    """Return the reply in a genuine message; None for anything else, such as a test of AWS."""
    try:
        found = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    message_id, sender, text = (
        found.get(name) for name in ("inboundMessageId", "originationNumber", "messageBody")
    )
    if not rules.is_id(message_id) or not isinstance(sender, str) or not isinstance(text, str):
        return None
    return _row(
        "aws", str(message_id), sender, text, recipient=found.get("destinationNumber"),
        in_reply_to=found.get("previousPublishedMessageId"),
    )  # fmt: skip


async def take_http(body: bytes, *, timestamp: str, signature: str) -> None:
    """Take the replies that a gateway received; see `callbacks.of_gateway` for what is refused.

    Raises:
        Unavailable: they are not stored; the gateway must send them again.
    """
    callback = callbacks.of_gateway(
        body, schemas.Callback, timestamp=timestamp, signature=signature
    )
    rows = [
        _row("http", one.id, one.sender, one.text, recipient=one.recipient,
             in_reply_to=one.in_reply_to)
        for one in callback.replies
    ]  # fmt: skip
    await _store([row for row in rows if row is not None])


def _row(
    driver: str, message_id: str, sender: str, text: str, *, recipient: Any, in_reply_to: Any
) -> dict[str, Any] | None:
    """Return the row of one reply; None when nobody can have been written to at that number."""
    number = rules.number(sender)
    if number is None:
        return None
    body, cut = rules.kept_text(text)
    return {
        "id": new_id(),
        "driver": driver,
        "message_id": message_id,
        "sender": number,
        "recipient": rules.number(recipient) if isinstance(recipient, str) else None,
        "body": body,
        "cut": cut,
        "in_reply_to": in_reply_to if rules.is_id(in_reply_to) else None,
    }


async def _store(rows: list[dict[str, Any]]) -> None:
    """Store replies, whosever they are, before anything follows; known ones again not."""
    if not rows:
        return
    async with begin_system(LOOP) as tx:
        await tx.run(queries.STORE, [inbox.sealed(row) for row in rows], tx.now)
        tx.wake(LOOP)
