"""What delivery hands to a channel, and what it hears back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from chroniccare.notifications.templates.text import Text


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one address; `attempt_id` is what a provider is to echo.

    `at` is when it was made, `expires_at` when it loses its point; both UTC.
    """

    attempt_id: UUID
    notification_id: UUID
    tenant_id: UUID
    channel: str
    recipient: str
    text: Text
    at: datetime
    expires_at: datetime | None = None

    @property
    def ttl_s(self) -> int | None:
        """Seconds, at least one, in which the message still has a point; None: it always has."""
        if self.expires_at is None:
            return None
        return max(1, int((self.expires_at - self.at).total_seconds()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    `accepted`: the provider has it (`delivered`: the recipient has). `rejected`: never on this
    channel. `transient`: it does not have it, later it may. `unknown`: it may have it or not.
    `error_code` is ours or the protocol's, never the provider's text.
    """

    status: Literal["accepted", "delivered", "rejected", "transient", "unknown"]
    error_code: str | None = None
    provider_message_id: str | None = None


DEVICE_GONE = "device_gone"
"""Code of a rejection that has taken the device out of use: its patient's others remain."""

Send = Callable[[Message], Awaitable[Outcome]]
HandOver = Callable[[list[Message]], Awaitable[list[Outcome]]]


async def _at_once() -> None:
    """Nothing is to be opened."""


@dataclass(frozen=True, slots=True)
class Calls:
    """A provider that is called once a message, and must not be called twice in doubt.

    Attributes:
        budget: the longest that a call can take.
        slots: how many calls may be open at once.
        ready: returns when a call can begin at once: what is only to be opened first is open.
    """

    name: str
    send: Send
    budget: timedelta
    slots: asyncio.Semaphore
    ready: Callable[[], Awaitable[object]] = _at_once


@dataclass(frozen=True, slots=True)
class Keeps:
    """A taker of many messages at once; the same attempt handed over again changes nothing."""

    name: str
    hand_over: HandOver


Driver = Calls | Keeps
REPEATABLE = ("outbox", "null")
"""Names of the drivers that are `Keeps`: an attempt of theirs is never in doubt."""
