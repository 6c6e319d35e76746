"""Drivers without a provider: `outbox` keeps messages to look at, `null` drops them."""

from itertools import groupby
from typing import Any

from chroniccare.core.caller import system
from chroniccare.notifications import queries_due
from chroniccare.notifications.channels.message import Keeps, Message, Outcome
from chroniccare.platform.postgres import begin
from chroniccare.platform.sealing import Keyring


async def _keep(messages: list[Message]) -> list[Outcome]:
    """Write the messages; the attempt's id is the row's, so that a repetition adds nothing."""
    for tenant_id, group in groupby(messages, key=lambda message: message.tenant_id):
        async with begin(system(tenant_id, job="outbox")) as tx:
            keys = await tx.keyring()
            rows = [_row(keys, message) for message in group]
            await tx.run(queries_due.INSERT_OUTBOX, rows, tenant_id, tx.now)
    return [Outcome("delivered")] * len(messages)


def _row(keys: Keyring, message: Message) -> dict[str, Any]:
    """Return the row, with who it goes to and what they read sealed."""
    row, text = message.attempt_id, message.text
    calendar = text.calendar.data.decode() if text.calendar else None
    return {
        "id": row,
        "notification_id": message.notification_id,
        "channel": message.channel,
        "recipient": keys.sealed(queries_due.OUTBOX_RECIPIENT, row, message.recipient),
        "subject": keys.sealed(queries_due.OUTBOX_SUBJECT, row, text.subject),
        "body": keys.sealed(queries_due.OUTBOX_BODY, row, text.body),
        "html": keys.sealed(queries_due.OUTBOX_HTML, row, text.html),
        "calendar": keys.sealed(queries_due.OUTBOX_CALENDAR, row, calendar),
    }


async def _drop(messages: list[Message]) -> list[Outcome]:
    return [Outcome("accepted")] * len(messages)


LOCAL = {"outbox": Keeps("outbox", _keep), "null": Keeps("null", _drop)}
