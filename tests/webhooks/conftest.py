"""Fixtures of the tests of webhooks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from chroniccare.platform.egress import Egress
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import utc_now
from chroniccare.tasks import webhooks as webhook_tasks
from chroniccare.webhooks import loop
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.support import Clock
from tests.webhooks.receiver import Receiver, receiving

Drain = Callable[[], Awaitable[int]]
Hook = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def clock(running: Running) -> AsyncIterator[Clock]:
    """A clock that stands at noon until it is moved."""
    made = Clock()
    running.platform.database.clock = made
    try:
        yield made
    finally:
        running.platform.database.clock = utc_now


@pytest.fixture
async def drain(running: Running, database_url: str) -> AsyncIterator[Drain]:
    """Deliver to loopback, until nothing is due; what other tests left is passed over."""
    async with owner_connection(database_url) as owner:
        await owner.execute("UPDATE webhook_endpoints SET enabled = false")
        await owner.execute("UPDATE outbox SET relayed_at = now() WHERE relayed_at IS NULL")
    database = running.platform.database
    before = database.settings
    database.settings = before.model_copy(update={"webhook_targets": "any"})
    egress = Egress(anywhere=True)
    try:
        yield lambda: loop.drain(egress, notice=webhook_tasks.tell)
    finally:
        database.settings = before
        await egress.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def hook(clinic: Clinic, drain: Drain) -> Hook:
    """Make a webhook to a receiver."""
    del drain  # loopback may be named only while it stands

    async def make(receiver: Receiver, **fields: Any) -> dict[str, Any]:
        return await clinic.make("/webhooks", {"url": receiver.url, "events": ["*"], **fields})

    return make
