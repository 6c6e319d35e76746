"""What the drivers of AWS share: a client, one call a message, what a failure leads to."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.platform.aws import BUDGET_S, Client
from chroniccare.platform.aws_error import AwsError
from chroniccare.settings import Settings

_TOLD_S = 60.0
log = logging.getLogger(__name__)

_Request = Callable[[Message], dict[str, Any]]
_Refused = Callable[[Message, AwsError], Awaitable[str | None]]


@dataclass(slots=True)
class _Told:
    """What the operator was told, and when, so that it is not told with every message."""

    last: dict[str, float] = field(default_factory=dict)  # monotonic seconds

    def tell(self, service: str, error: AwsError) -> None:
        """Log what only the operator can mend, at most once a minute."""
        now = time.monotonic()
        if now - self.last.get(error.aws, -_TOLD_S) >= _TOLD_S:
            self.last[error.aws] = now
            log.error(
                "AWS refuses our account or our settings: run `chroniccare doctor`",
                extra={"service": service, "aws_code": error.aws},
            )


def client(settings: Settings, service: str) -> Client:
    """Return a client of `service` as the settings describe it."""
    return Client(
        service, settings.aws_region, settings.aws_endpoint_url, settings.provider_connections
    )


def calls(
    settings: Settings, stack: AsyncExitStack, *, name: str, service: str, operation: str,
    request: _Request, refused: _Refused | None = None, held: Client | None = None,
) -> Calls:  # fmt: skip
    """Return a driver that calls `operation` with what `request` makes of a message.

    `refused` hears of each failure and may give it another code; `held` is a client to share.
    """
    held = held or client(settings, service)
    stack.push_async_callback(held.close)
    told = _Told()

    async def send(message: Message) -> Outcome:
        try:
            answer = await held.send(operation, **request(message))
        except AwsError as error:
            if error.code == "configuration":
                told.tell(service, error)
            code = await refused(message, error) if refused is not None else None
            return Outcome(error.kind, code or error.code)
        # botocore takes a body that it cannot read for an empty answer.
        found = answer.get("MessageId")
        return Outcome("accepted", None, found) if found else Outcome("unknown", "unreadable")

    async def ready() -> None:
        with suppress(Exception):  # what is wrong with it the call says, by its class
            await held.open()

    # As many calls as connections: none waits for one with its budget running.
    slots = asyncio.Semaphore(settings.provider_connections)
    return Calls(name, send, timedelta(seconds=BUDGET_S), slots, ready)
