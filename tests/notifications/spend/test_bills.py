"""What a provider charges takes the place of what was reserved."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.message import Outcome
from chroniccare.notifications.receipts import actions, applying, rules, rules_events
from chroniccare.platform.postgres import Command, begin, begin_system
from tests.conftest import Running
from tests.notifications.provider import Provider, by_sms
from tests.notifications.receipts.events import EUM
from tests.notifications.spend.support import check_ledger, limit, this_month
from tests.notifications.support import Bench

_IDS = Command("SELECT id FROM notification_attempts ORDER BY id")
_CLEAR = Command("DELETE FROM receipt_inbox")


async def sent(bench: Bench, outcome: str = "accepted") -> UUID:
    """Send one SMS through AWS and return its attempt."""
    answer: Any = outcome
    await bench.planned()
    driver = replace(Provider([Outcome(answer, "code")]).calls(), name="aws")
    await dispatch.drain(by_sms(bench, driver))
    async with begin(bench.clinic.caller) as tx:
        return UUID(str((await tx.values(_IDS))[0]))


async def tell(bench: Bench, *receipts: rules.Receipt | None) -> None:
    async with begin_system("test") as tx:
        await tx.run(_CLEAR)
    await actions.store([receipt for receipt in receipts if receipt is not None])
    bench.clock.forward(seconds=2)
    await applying.apply_due()


def event(attempt: UUID, **fields: Any) -> rules.Receipt | None:
    return rules_events.read({**EUM, "context": {"attempt": str(attempt)}, **fields})


async def figures(bench: Bench) -> tuple[int, float]:
    await check_ledger(bench)
    month = await this_month(bench)
    return month["segments"], month["amount"]


async def test_the_bill_counts_and_not_the_guess(bench: Bench) -> None:
    await limit(bench, segment_price=0.01)
    attempt = await sent(bench)
    assert await figures(bench) == (1, 0.01)
    await tell(bench, event(attempt, totalMessageParts=2, totalCarrierFee=0.003))
    assert await figures(bench) == (2, 0.09882)
    await tell(bench, event(attempt, totalMessageParts=2, totalCarrierFee=0.003))
    assert await figures(bench) == (2, 0.09882)


@pytest.mark.parametrize(
    "fields",
    [
        {"isFinal": False},
        {"totalMessageParts": "2", "totalMessagePrice": "0.5"},
        {"totalMessageParts": 0, "totalMessagePrice": -1},
        {"totalMessageParts": True, "totalMessagePrice": True},
        {"totalMessageParts": 256, "totalMessagePrice": 1e9},
        {"totalMessageParts": 1.5, "totalMessagePrice": float("nan")},
    ],
)
async def test_what_cannot_be_a_bill_changes_nothing(bench: Bench, fields: dict[str, Any]) -> None:
    await limit(bench, segment_price=0.01)
    await tell(bench, event(await sent(bench), **fields))
    assert await figures(bench) == (1, 0.01)


async def test_dollars_are_not_taken_for_another_currency(bench: Bench) -> None:
    await limit(bench, segment_price=0.01, currency="CAD")
    attempt = await sent(bench)
    await tell(bench, event(attempt, totalMessageParts=2))
    assert await figures(bench) == (2, 0.01)


async def test_an_echo_takes_back_that_nothing_was_spent(bench: Bench) -> None:
    await limit(bench, segment_price=0.01)
    attempt = await sent(bench, "transient")
    await bench.sql("UPDATE notifications SET delivery_status = 'cancelled'")
    assert await figures(bench) == (0, 0.0)
    await tell(bench, event(attempt, eventType="TEXT_QUEUED", isFinal=False))
    assert await figures(bench) == (1, 0.01)


async def test_an_email_costs_nothing_whatever_a_receipt_says(bench: Bench) -> None:
    await limit(bench, monthly_segments=0)
    attempt = await sent(bench)
    bill = rules.Receipt("outbox", "delivered", "e" * 64, attempt, None, None, None, 3, 5_000_000)
    await tell(bench, bill)
    assert await figures(bench) == (0, 0.0)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"priceInUSD": 0.00645, "numberOfMessageParts": 1}, (1, 6450)),
        ({"priceInUSD": None}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_the_delivery_log_of_sns_says_what_it_charged(
    told: dict[str, Any], expected: tuple[int | None, int | None]
) -> None:
    read = rules_events.read(
        {"notification": {"messageId": "m"}, "delivery": told, "status": "SUCCESS"}
    )
    assert read is not None
    assert (read.segments, read.micros) == expected


async def test_a_gateway_may_say_what_it_charges(
    bench: Bench, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = running.platform.database
    secret = "a secret of thirty-two characters or more"
    made = database.settings.model_copy(update={"receipts_secret": SecretStr(secret)})
    monkeypatch.setattr(database, "settings", made)
    await limit(bench, segment_price=0.01, currency="EUR")
    await bench.planned()
    driver = replace(Provider().calls(), name="http")
    await dispatch.drain(by_sms(bench, driver))
    async with begin(bench.clinic.caller) as tx:
        [attempt] = await tx.values(_IDS)
        now = int(tx.now.timestamp())
    receipt = {"reference": str(attempt), "status": "delivered", "segments": 3, "price": 0.21}
    body = json.dumps({"receipts": [receipt]}).encode()
    signature = rules.http_signature(secret, str(now), body)
    async with begin_system("test") as tx:
        await tx.run(_CLEAR)
    await actions.take_http(body, timestamp=str(now), signature=signature)
    bench.clock.forward(seconds=2)
    await applying.apply_due()
    assert await figures(bench) == (3, 0.21)
