"""A clinic at a noon of its own, and a patient of whom there is something to show."""

from collections.abc import AsyncIterator

import pytest

from chroniccare.notifications.channels import choice
from chroniccare.notifications.channels.choice import Channels
from chroniccare.platform.postgres import utc_now
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.support import Bench, Clock, clear_the_desk, make_bench


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
async def channels(settings: Settings) -> AsyncIterator[Channels]:
    """Every channel into the outbox."""
    async with choice.opened(settings) as opened:
        yield opened


@pytest.fixture
async def bench(clinic: Clinic, clock: Clock, channels: Channels) -> Bench:
    await clear_the_desk()
    return await make_bench(clinic, clock, channels)
