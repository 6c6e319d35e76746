"""Fixtures of the tests of medications."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chroniccare.medications import interacting
from chroniccare.platform.postgres import utc_now
from tests.client import Clinic
from tests.conftest import Running
from tests.medications.support import Prescribing
from tests.notifications.support import Clock


@pytest.fixture
async def prescribing(clinic: Clinic) -> Prescribing:
    """A patient who lives in UTC, and who prescribes for them."""
    patient = await clinic.patient(time_zone="UTC")
    provider = await clinic.provider()
    return Prescribing(clinic, patient["id"], provider["id"])


@pytest.fixture
def contraindicated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something speaks against every drug, whatever the tables hold."""

    async def check(*_: Any, **__: Any) -> dict[str, object]:
        finding = {"severity": "contraindicated"}
        return {"status": "findings", "override_needed": True, "findings": [finding]}

    monkeypatch.setattr(interacting, "check", check)


@pytest.fixture
async def clock(running: Running) -> AsyncIterator[Clock]:
    """A clock that stands at noon until it is moved."""
    made = Clock()
    running.platform.database.clock = made
    try:
        yield made
    finally:
        running.platform.database.clock = utc_now
