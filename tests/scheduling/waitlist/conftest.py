"""Fixtures of the tests of the waitlist."""

import pytest

from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.waitlist.desk import Desk


@pytest.fixture
async def desk(clinic: Clinic, clock: Clock) -> Desk:
    """A clinic at noon in New York."""
    return Desk(clinic, clock, await clinic.provider())
