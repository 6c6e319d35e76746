"""Email through SES: the same letter as over SMTP, with the attempt's id as a tag of its events."""

from contextlib import AsyncExitStack
from typing import Any

from chroniccare.notifications.channels.by_aws import calls
from chroniccare.notifications.channels.letters import STATUS, letter
from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.platform.mail import MailError, encoded
from chroniccare.settings import Settings

SERVICE = "sesv2"


def driver(settings: Settings, stack: AsyncExitStack) -> Calls:
    """Return the driver; `stack` closes its connections."""
    made = calls(
        settings, stack, name="ses", service=SERVICE, operation="send_email",
        request=lambda message: request(settings, message),
    )  # fmt: skip

    async def send(message: Message) -> Outcome:
        try:
            return await made.send(message)
        except MailError as error:
            return Outcome(STATUS[error.kind], error.code)

    return Calls(made.name, send, made.budget, made.slots)


def request(settings: Settings, message: Message) -> dict[str, Any]:
    """Return the parameters of SendEmail.

    Raises:
        MailError: the letter cannot be written.
    """
    data, sender, recipient = encoded(letter(message), settings.email_from)
    made: dict[str, Any] = {
        "FromEmailAddress": sender,
        "Destination": {"ToAddresses": [recipient]},
        "Content": {"Raw": {"Data": data}},
        "EmailTags": [{"Name": "attempt", "Value": str(message.attempt_id)}],
    }
    if settings.ses_configuration_set:
        made["ConfigurationSetName"] = settings.ses_configuration_set
    return made
