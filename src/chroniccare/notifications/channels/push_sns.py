"""Messages to the devices of a patient, through platform endpoints of SNS.

The attempt goes to the device seen last. When SNS has taken that, a copy goes to each other device
of the patient, once: what becomes of a copy changes nothing about the message. A device that SNS
takes nothing for is disabled, and the next one has its turn (docs/providers.md).
"""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from chroniccare.notifications.channels.by_aws import calls, client
from chroniccare.notifications.channels.message import DEVICE_GONE, Calls, Message, Outcome
from chroniccare.notifications.devices import registering
from chroniccare.platform.aws import GONE, Client
from chroniccare.platform.aws_error import AwsError
from chroniccare.settings import Settings

log = logging.getLogger(__name__)
_NAMES = ("APNS", "APNS_SANDBOX", "FCM")
_COPYING_S = 5.0


def driver(settings: Settings, stack: AsyncExitStack) -> Calls:
    """Return the driver; `stack` closes its connections, after the copies have gone."""
    held = client(settings, "sns")
    made = calls(
        settings, stack, name="sns", service="sns", operation="publish", request=request,
        refused=_refused, held=held,
    )  # fmt: skip
    copies = _Copies(held)
    stack.push_async_callback(copies.finish)

    async def send(message: Message) -> Outcome:
        # Anything else, such as a topic's ARN, would reach others than the patient.
        if ":endpoint/" not in message.recipient:
            return Outcome("rejected", "invalid_address")
        outcome = await made.send(message)
        if outcome.status == "accepted":
            copies.begin(message)
        return outcome

    return Calls(made.name, send, made.budget, made.slots, made.ready)


@dataclass(slots=True)
class _Copies:
    """Copies on their way to the other devices of patients whose message SNS has taken."""

    client: Client
    going: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, message: Message) -> None:
        """Send the copies of a message, beside everything else."""
        task = asyncio.create_task(self._send(message))
        self.going.add(task)
        task.add_done_callback(self.going.discard)

    async def finish(self) -> None:
        """Wait for those on their way, for a moment."""
        if self.going:
            await asyncio.wait(self.going, timeout=_COPYING_S)

    async def _send(self, message: Message) -> None:
        try:
            for endpoint in await registering.others(message.tenant_id, message.recipient):
                await self._one(replace(message, recipient=endpoint))
        except Exception as error:  # noqa: BLE001  a copy is no message: it costs none its state
            log.warning("devices left out", extra={"kind": type(error).__name__})

    async def _one(self, message: Message) -> None:
        try:
            await self.client.call("publish", **request(message))
        except AwsError as error:
            await _refused(message, error)


async def _refused(message: Message, error: AwsError) -> str | None:
    """Take a device out of use that SNS refuses; return the code if that was done."""
    if error.kind != "rejected" or error.code != "invalid_address":
        return None
    disabled = error.aws in GONE
    try:
        done = await registering.gone(message.tenant_id, message.recipient, disabled=disabled)
    except Exception as failure:  # noqa: BLE001  what SNS said stands, whether or not it is noted
        log.warning("device not taken out of use", extra={"kind": type(failure).__name__})
        return None
    return DEVICE_GONE if done else None


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
