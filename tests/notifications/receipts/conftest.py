"""Fixtures of the tests of receipts: settings that take callbacks, and somebody who signs."""

from collections.abc import Iterator

import pytest

from chroniccare.settings import Settings
from tests.conftest import Running
from tests.notifications.receipts.amazon import SECRET, TOPIC, Amazon


@pytest.fixture(scope="session")
def amazon() -> Iterator[Amazon]:
    """Something on loopback that signs as Amazon does."""
    made = Amazon()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def taking(
    running: Running, settings: Settings, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The application with a topic, a secret and the simulator's address."""
    made = Settings.model_validate(
        settings.model_dump()
        | {"sns_topics": f"{TOPIC}, {TOPIC}-2", "sns_simulator_url": amazon.url,
           "receipts_secret": SECRET}
    )  # fmt: skip
    monkeypatch.setattr(running.platform.database, "settings", made)
    return made
