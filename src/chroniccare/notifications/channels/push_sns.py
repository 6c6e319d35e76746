"""Messages to a device through an SNS platform endpoint.

A contact point of system `push` holds the endpoint's ARN; whoever registers the device makes the
endpoint (`CreatePlatformEndpoint`) and keeps its ARN there.
"""

from contextlib import AsyncExitStack
from typing import Any

import orjson

from chroniccare.notifications.channels.by_aws import calls
from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.settings import Settings

_NAMES = ("APNS", "APNS_SANDBOX", "FCM")


def driver(settings: Settings, stack: AsyncExitStack) -> Calls:
    """Return the driver; `stack` closes its connections."""
    made = calls(
        settings, stack, name="sns", service="sns", operation="publish", request=request
    )  # fmt: skip

    async def send(message: Message) -> Outcome:
        # Anything else, such as a topic's ARN, would reach others than the patient.
        if ":endpoint/" not in message.recipient:
            return Outcome("rejected", "invalid_address")
        return await made.send(message)

    return Calls(made.name, send, made.budget, made.slots)


def request(message: Message) -> dict[str, Any]:
    """Return the parameters of Publish: one text in the form of each platform."""
    body, attempt = message.text.body, str(message.attempt_id)
    apple = _json({"aps": {"alert": {"body": body}}, "attempt": attempt})
    google = _json({"notification": {"body": body}, "data": {"attempt": attempt}})
    made: dict[str, Any] = {
        "TargetArn": message.recipient,
        "MessageStructure": "json",
        "Message": _json({"default": body, "APNS": apple, "APNS_SANDBOX": apple, "GCM": google}),
    }
    if message.ttl_s:
        ttl = {"DataType": "String", "StringValue": str(message.ttl_s)}
        made["MessageAttributes"] = {f"AWS.SNS.MOBILE.{name}.TTL": ttl for name in _NAMES}
    return made


def _json(document: dict[str, Any]) -> str:
    return orjson.dumps(document).decode()
