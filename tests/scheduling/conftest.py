"""Fixtures of the tests of scheduling."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from chroniccare.platform.postgres import begin, utc_now
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic
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


@pytest.fixture
async def nurse_key(running: Running, clinic: Clinic) -> AsyncIterator[Clinic]:
    """The same clinic through a key without `telehealth:read`."""
    async with begin(clinic.caller) as tx:
        key = await create_key(
            tx,
            pepper=running.app.state.authority.pepper,
            name="nurse",
            scopes=SCOPES - {"telehealth:read"},
        )
    transport = httpx.ASGITransport(running.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://clinic.test", headers={"X-API-Key": key}
    ) as http:
        yield replace(clinic, key=key, http=http)
