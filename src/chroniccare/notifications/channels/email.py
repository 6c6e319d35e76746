"""Email: kept, dropped, or sent over SMTP."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Literal

from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Calls, Driver, Message, Outcome
from chroniccare.platform.mail import BUDGET_S, Kind, Letter, Mailer, MailError
from chroniccare.settings import Settings

_STATUS: dict[Kind, Literal["rejected", "transient", "unknown"]] = {
    "permanent": "rejected",
    "temporary": "transient",
    "doubt": "unknown",
}


def driver(settings: Settings, stack: AsyncExitStack) -> Driver:
    """Return the driver that the settings choose; `stack` closes its connection."""
    if settings.email_driver != "smtp":
        return LOCAL[settings.email_driver]
    mailer = Mailer(settings.smtp_url, settings.email_from)
    stack.push_async_callback(mailer.close)

    async def send(message: Message) -> Outcome:
        calendar = message.text.calendar
        letter = Letter(
            id=str(message.attempt_id),
            to=message.recipient,
            subject=message.text.subject or "",
            text=message.text.body,
            html=message.text.html or "",
            at=message.at,
            calendar=calendar.data if calendar else b"",
            calendar_method=calendar.method if calendar else "",
        )
        try:
            return Outcome("accepted", provider_message_id=await mailer.send(letter))
        except MailError as error:
            return Outcome(_STATUS[error.kind], error.code)

    # One connection, so one call at a time.
    return Calls("smtp", send, timedelta(seconds=BUDGET_S), asyncio.Semaphore(1))
