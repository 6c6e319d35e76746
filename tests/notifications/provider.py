"""A provider that answers as a test tells it, in place of SMS."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.channels.message import Calls, Keeps, Message, Outcome
from chroniccare.notifications.mesh.switchboard import alone
from tests.notifications.support import Bench


@dataclass(slots=True)
class Provider:
    """A provider that is called once a message and answers from a list; then it accepts."""

    outcomes: list[Outcome | Exception | None] = field(default_factory=list)
    got: list[Message] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    slow: asyncio.Event | None = None

    async def send(self, message: Message) -> Outcome:
        self.got.append(message)
        self.called.set()
        if self.slow is not None:
            await self.slow.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome or Outcome("accepted", provider_message_id=f"p-{len(self.got)}")

    def calls(self, budget: timedelta = timedelta(seconds=16)) -> Calls:
        return Calls("provider", self.send, budget, asyncio.Semaphore(1))


def by_sms(bench: Bench, driver: Calls | Keeps) -> Channels:
    """Return the bench's channels with another driver for SMS."""
    return by(bench, sms=driver)


def by(bench: Bench, **drivers: Calls | Keeps) -> Channels:
    """Return the bench's channels, those named with one other driver each."""
    lines = {channel: alone(channel, driver) for channel, driver in drivers.items()}
    return replace(bench.channels, drivers={**bench.channels.drivers, **lines})


async def claimed(bench: Bench) -> dispatch.Batch:
    [batch] = [
        batch
        for batch in dispatch.batches(await dispatch.claim())
        if batch[0] == bench.clinic.tenant_id
    ]
    return batch
