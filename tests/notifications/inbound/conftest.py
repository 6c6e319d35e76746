"""Fixtures of the tests of replies."""

from collections.abc import Iterator

import pytest

from chroniccare.settings import Settings
from tests.conftest import Running
from tests.notifications.inbound.phone import clear_the_inbox
from tests.notifications.receipts.amazon import SECRET, Amazon

REPLIES = "arn:aws:sns:us-east-1:123456789012:replies"


@pytest.fixture(scope="session")
def amazon() -> Iterator[Amazon]:
    """Something on loopback that signs as Amazon does."""
    made = Amazon()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
async def taking(
    running: Running, settings: Settings, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The application with a topic, a secret and the simulator's address; nothing in the inbox."""
    made = Settings.model_validate(
        settings.model_dump()
        | {"reply_topics": REPLIES, "sns_simulator_url": amazon.url, "receipts_secret": SECRET}
    )
    monkeypatch.setattr(running.platform.database, "settings", made)
    await clear_the_inbox()
    return made
