"""Fixtures of the tests of scheduling."""

from collections.abc import AsyncIterator

import pytest

from chroniccare.platform.postgres import utc_now
from tests.conftest import Running
from tests.notifications.support import Clock


@pytest.fixture
async def clock(running: Running) -> AsyncIterator[Clock]:
    """A clock that stands at noon until it is moved."""
    made = Clock()
    running.platform.database.clock = made
    try:
        yield made
    finally:
        running.platform.database.clock = utc_now
