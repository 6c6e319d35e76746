"""Text messages through SNS, which echoes nothing of ours: the second choice."""

from contextlib import AsyncExitStack
from typing import Any

from chroniccare.notifications.channels.by_aws import calls
from chroniccare.notifications.channels.message import Calls, Message
from chroniccare.settings import Settings


def driver(settings: Settings, stack: AsyncExitStack) -> Calls:
    """Return the driver; `stack` closes its connections."""
    return calls(
        settings, stack, name="sns", service="sns", operation="publish",
        request=lambda message: request(settings, message),
    )  # fmt: skip


def request(settings: Settings, message: Message) -> dict[str, Any]:
    """Return the parameters of Publish."""
    origin = settings.sms_origination
    attributes = {"AWS.SNS.SMS.SMSType": _text("Transactional")}
    if origin.startswith("+"):
        attributes["AWS.MM.SMS.OriginationNumber"] = _text(origin)
    elif origin:
        attributes["AWS.SNS.SMS.SenderID"] = _text(origin)
    if settings.sms_max_price:
        attributes["AWS.SNS.SMS.MaxPrice"] = {
            "DataType": "Number",
            "StringValue": settings.sms_max_price,
        }
    return {
        "PhoneNumber": message.recipient,
        "Message": message.text.body,
        "MessageAttributes": attributes,
    }


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}
