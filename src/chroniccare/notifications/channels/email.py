"""Email: kept, dropped, or sent over SMTP or SES."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

from chroniccare.notifications.channels.letters import STATUS, letter
from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Calls, Driver, Message, Outcome
from chroniccare.platform.mail import BUDGET_S, Mailer, MailError
from chroniccare.settings import Settings


def driver(name: str, settings: Settings, stack: AsyncExitStack) -> Driver:
    """Return the driver of this name; `stack` closes its connection."""
    if name == "smtp":
        return _smtp(settings, stack)
    if name == "ses":
        from chroniccare.notifications.channels import email_ses

        return email_ses.driver(settings, stack)
    return LOCAL[name]


def _smtp(settings: Settings, stack: AsyncExitStack) -> Calls:
    mailer = Mailer(settings.smtp_url, settings.email_from)
    stack.push_async_callback(mailer.close)

    async def send(message: Message) -> Outcome:
        try:
            return Outcome("accepted", provider_message_id=await mailer.send(letter(message)))
        except MailError as error:
            return Outcome(STATUS[error.kind], error.code)

    # One connection, so one call at a time.
    return Calls("smtp", send, timedelta(seconds=BUDGET_S), asyncio.Semaphore(1))
