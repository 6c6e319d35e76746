"""The letter that a message by email is."""

from typing import Literal

from chroniccare.notifications.channels.message import Message
from chroniccare.platform.mail import Kind, Letter

STATUS: dict[Kind, Literal["rejected", "transient", "unknown"]] = {
    "permanent": "rejected",
    "temporary": "transient",
    "doubt": "unknown",
}
"""What a `MailError` leads to."""


def letter(message: Message) -> Letter:
    """Return the message as a letter; the attempt's id becomes part of its Message-ID."""
    calendar = message.text.calendar
    return Letter(
        id=str(message.attempt_id),
        to=message.recipient,
        subject=message.text.subject or "",
        text=message.text.body,
        html=message.text.html or "",
        at=message.at,
        calendar=calendar.data if calendar else b"",
        calendar_method=calendar.method if calendar else "",
        unsubscribe=message.text.unsubscribe,
    )
