"""What the drivers of AWS share: a client, one call a message, what a failure leads to."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.platform.aws import BUDGET_S, AwsError, Client
from chroniccare.settings import Settings

_Request = Callable[[Message], dict[str, Any]]


def client(settings: Settings, service: str) -> Client:
    """Return a client of `service` as the settings describe it."""
    return Client(
        service, settings.aws_region, settings.aws_endpoint_url, settings.provider_connections
    )


def calls(
    settings: Settings, stack: AsyncExitStack, *, name: str, service: str, operation: str,
    request: _Request,
) -> Calls:  # fmt: skip
    """Return a driver that calls `operation` with what `request` makes of a message."""
    held = client(settings, service)
    stack.push_async_callback(held.close)

    async def send(message: Message) -> Outcome:
        try:
            answer = await held.call(operation, **request(message))
        except AwsError as error:
            return Outcome(error.kind, error.code)
        # botocore takes a body that it cannot read for an empty answer.
        found = answer.get("MessageId")
        return Outcome("accepted", None, found) if found else Outcome("unknown", "unreadable")

    # As many calls as connections: none waits for one with its budget running.
    slots = asyncio.Semaphore(settings.provider_connections)
    return Calls(name, send, timedelta(seconds=BUDGET_S), slots)
