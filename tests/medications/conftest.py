"""Fixtures of the tests of medications."""

from collections.abc import AsyncIterator

import pytest

from chroniccare.notifications.channels import choice
from chroniccare.platform.postgres import utc_now
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.medications.prescribing import Prescribing
from tests.medications.support import Ward
from tests.notifications.support import Clock, clear_the_desk, make_bench


@pytest.fixture
async def prescribing(clinic: Clinic) -> Prescribing:
    """A patient who lives in UTC, and who prescribes for them."""
    patient = await clinic.patient(time_zone="UTC")
    provider = await clinic.provider()
    return Prescribing(clinic, patient["id"], provider["id"])


@pytest.fixture
async def clock(running: Running) -> AsyncIterator[Clock]:
    """A clock that stands at noon in New York until it is moved."""
    made = Clock()
    running.platform.database.clock = made
    try:
        yield made
    finally:
        running.platform.database.clock = utc_now


@pytest.fixture
async def ward(clinic: Clinic, clock: Clock, settings: Settings) -> AsyncIterator[Ward]:
    """A clinic whose messages go into the outbox."""
    await clear_the_desk()
    async with choice.opened(settings) as channels:
        yield Ward(await make_bench(clinic, clock, channels))
