"""The two-way loop with nothing but the simulator: real signatures, real shapes, no network."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from chroniccare.notifications.channels import sms
from chroniccare.notifications.channels.message import Calls
from chroniccare.notifications.inbound import receiving
from chroniccare.notifications.receipts import applying
from chroniccare.platform.fetch import fetch
from chroniccare.platform.http import Answer, Poster
from chroniccare.scheduling import replies
from chroniccare.settings import Settings, SettingsError, load
from chroniccare.simulator import run
from chroniccare.simulator.receipts import TOPIC, Receipts
from chroniccare.simulator.run import Simulator
from chroniccare.simulator.topics import PHONES, REPLIES, NotTaken, Topics
from tests.conftest import Running
from tests.notifications.inbound.phone import own_number
from tests.notifications.provider import by_sms
from tests.notifications.simulated import chosen
from tests.notifications.support import NOON, Bench
from tests.notifications.why.support import codes, timeline

NUMBER = str(own_number()["telecom"][0]["value"])
"""A stop is answered by every clinic that ever wrote to the number."""


@dataclass(slots=True)
class Through(Poster):
    """Posts to the application of the test in place of an address."""

    api: httpx.AsyncClient | None = None

    async def post(
        self, body: dict[str, Any] | bytes, *, headers: dict[str, str] | None = None
    ) -> Answer:
        assert self.api is not None
        assert isinstance(body, bytes)
        answer = await self.api.post(self.url, content=body, headers=headers)
        return Answer(answer.status_code, answer.json())


@pytest.fixture
async def offline(
    anonymous: httpx.AsyncClient, running: Running, settings: Settings, bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Simulator]:  # fmt: skip
    """The simulator with its topics, the application as its subscriber, and its SMS driver."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
    monkeypatch.setattr("time.time", NOON.timestamp)  # the simulator's clock
    topics = Topics("http://api.example")
    for topic, path in ((TOPIC, "/receipts/sns"), (REPLIES, "/inbound/sns")):
        topics.posters[topic] = Through(path, api=anonymous)
    made = Simulator(topics=topics, receipts=Receipts(tell=topics.tell))
    async with run.running(made), AsyncExitStack() as stack:
        taking = Settings.model_validate(
            settings.model_dump()
            | {"sns_topics": TOPIC, "reply_topics": REPLIES, "sns_simulator_url": made.url}
        )
        monkeypatch.setattr(running.platform.database, "settings", taking)
        driver = sms.driver("aws", chosen(made, "aws"), stack)
        assert isinstance(driver, Calls)
        bench.channels = by_sms(bench, driver)
        yield made
    assert made.ledger.violations == []


async def answer(simulator: Simulator, text: str) -> Answer:
    """Send a text message from the patient's phone."""
    poster = Poster(simulator.url + PHONES)
    try:
        return await poster.post({"sender": NUMBER, "text": text})
    finally:
        await poster.close()


async def heard(bench: Bench) -> None:
    await receiving.receive_due()
    await replies.sweep(bench.clinic.tenant_id)
    await bench.drain()


async def texts(simulator: Simulator) -> list[str]:
    """Return what reached the patient's phone, as `chroniccare phone` shows it."""
    found = json.loads(await fetch(simulator.url + PHONES))["messages"]
    return [one["text"] for one in found if one["to"] == NUMBER]


async def test_a_patient_confirms_and_stops_without_any_network(
    bench: Bench, offline: Simulator
) -> None:
    patient_id = await bench.patient(
        contact_info={"telecom": [{"system": "phone", "value": NUMBER}]}
    )
    visit = await bench.planned(patient_id=patient_id)
    await bench.drain()
    await offline.receipts.finished()
    await applying.apply_due()
    assert "delivered" in await bench.statuses()  # a receipt, signed
    told = next(one for one in await bench.rows() if one.delivery_status == "delivered")
    steps = codes(await timeline(bench, told.id))
    assert "attempt_accepted" in steps  # that it arrived was told later, and is told apart
    assert (steps.count("receipt"), steps[-1]) == (3, "delivered")
    assert (await answer(offline, "Yes")).status == 200
    await heard(bench)
    shown = await bench.clinic.get(f"/appointments/{visit.appointment_id}")
    assert shown.json()["data"]["status"] == "confirmed"
    assert (await answer(offline, "STOP")).status == 200
    await heard(bench)
    said = await texts(offline)
    assert len(said) == 3
    assert said[1].startswith("Thank you. Your visit on")
    assert "no more text messages" in said[2]
    [first, *_] = (await bench.clinic.get("/replies")).json()["data"]["items"]
    assert first["intent"] == "stop"


async def test_an_api_that_does_not_know_the_simulator_takes_nothing(
    bench: Bench, offline: Simulator, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chroniccare.simulator.topics._PAUSE_S", 0.0)
    database = running.platform.database
    without = database.settings.model_copy(update={"sns_simulator_url": ""})
    monkeypatch.setattr(database, "settings", without)
    found = await answer(offline, "Yes")
    assert (found.status, found.body) == (502, {"error": "the API answers 401 NOT_GENUINE"})
    with pytest.raises(NotTaken):
        assert offline.topics is not None
        await offline.topics.tell("aws", {})
    assert await receiving.receive_due() == 0
    assert bench.patients == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "https://sns.example.com"])
def test_production_takes_certificates_of_amazon_alone(url: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_SNS_SIMULATOR_URL"):
        load(
            {
                "CHRONICCARE_ENVIRONMENT": "production",
                "CHRONICCARE_MASTER_KEY_FILE": "/etc/chroniccare/master.key",
                "CHRONICCARE_SNS_SIMULATOR_URL": url,
                "DATABASE_URL": "postgresql://x@db/x?sslmode=verify-full",
                "REDIS_URL": "rediss://cache",
                "CHRONICCARE_KEY_PEPPER": "p" * 32,
                "CHRONICCARE_PUBLIC_URL": "https://api.example.com",
            }
        )


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"sender": "+1", "text": " "}'])
async def test_a_reply_needs_a_sender_and_a_text(offline: Simulator, body: bytes) -> None:
    poster = Poster(offline.url + PHONES)
    assert (await poster.post(body)).status == 400
    await poster.close()
