"""Drivers without a provider: `outbox` keeps messages to look at, `null` drops them."""

from itertools import groupby

from chroniccare.core.caller import system
from chroniccare.notifications import queries_due
from chroniccare.notifications.channels.message import Keeps, Message, Outcome
from chroniccare.platform.postgres import begin


async def _keep(messages: list[Message]) -> list[Outcome]:
    """Write the messages; the attempt's id is the row's, so that a repetition adds nothing."""
    for tenant_id, group in groupby(messages, key=lambda message: message.tenant_id):
        rows = [
            {
                "id": message.attempt_id,
                "notification_id": message.notification_id,
                "channel": message.channel,
                "recipient": message.recipient,
                "subject": message.text.subject,
                "body": message.text.body,
                "calendar": calendar.data.decode() if calendar else None,
            }
            for message in group
            for calendar in (message.text.calendar,)
        ]
        async with begin(system(tenant_id, job="outbox")) as tx:
            await tx.run(queries_due.INSERT_OUTBOX, rows, tenant_id, tx.now)
    return [Outcome("delivered")] * len(messages)


async def _drop(messages: list[Message]) -> list[Outcome]:
    return [Outcome("accepted")] * len(messages)


LOCAL = {"outbox": Keeps("outbox", _keep), "null": Keeps("null", _drop)}
