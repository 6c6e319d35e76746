"""Fixtures of the tests of doses."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest

from chroniccare.medications.doses import actions, planner
from chroniccare.medications.reminders.actions import doses_changed
from chroniccare.platform.postgres import Tx, utc_now
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


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Patients whose messages were brought in line."""
    seen: list[UUID] = []

    async def note(tx: Tx, patient_ids: Sequence[UUID]) -> None:
        seen.extend(patient_ids)
        await doses_changed(tx, patient_ids)

    for module in (planner, actions):
        monkeypatch.setattr(module, "doses_changed", note)
    return seen
