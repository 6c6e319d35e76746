"""Email over SMTP, from a due row to a real server, and what refusals lead to."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice
from chroniccare.settings import Settings
from tests.notifications.support import Bench


class Relay:
    """Keeps letters; answers from `answers` first."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.letters: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        self.letters.append(envelope)
        return "250 OK"


@pytest.fixture
def relay() -> Iterator[tuple[Relay, str]]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Relay()
    controller = Controller(made, hostname="127.0.0.1", port=port)
    controller.start()
    yield made, f"smtp://127.0.0.1:{port}"
    controller.stop()


def over_smtp(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"email_driver": "smtp", "smtp_url": url})


async def by_email(bench: Bench) -> None:
    await bench.planned(
        patient_id=await bench.patient(communication_preferences={"channels": ["email", "sms"]})
    )


async def test_a_letter_is_accepted_and_carries_the_attempts_id(
    bench: Bench, settings: Settings, relay: tuple[Relay, str]
) -> None:
    server, url = relay
    await by_email(bench)
    async with choice.opened(over_smtp(settings, url)) as channels:
        await dispatch.drain(channels)
    assert (await bench.statuses())[-1] == "accepted"
    [letter] = server.letters
    assert letter.rcpt_tos == ["maria1@example.com"]
    response = await bench.clinic.get(f"/notifications/{(await bench.rows())[-1].id}")
    [attempt] = response.json()["data"]["attempts"]
    assert attempt["id"].encode() in letter.content
    assert attempt["driver"] == "smtp"


async def test_a_refused_letter_falls_back_and_a_busy_server_is_asked_again(
    bench: Bench, settings: Settings, relay: tuple[Relay, str]
) -> None:
    server, url = relay
    server.answers = ["451 busy", "550 no"]
    await by_email(bench)
    async with choice.opened(over_smtp(settings, url)) as channels:
        await dispatch.drain(channels)
        assert (await bench.statuses())[-1] == "pending"
        assert (await bench.rows())[-1].retry_count == 1
        bench.clock.forward(seconds=11)
        await dispatch.drain(channels)
    assert server.letters == []
    assert [kept.channel for kept in await bench.outbox()] == ["sms"]
    codes = [(tried.status, tried.error_code) for tried in await bench.attempts()]
    assert codes == [("transient", "smtp_451"), ("rejected", "smtp_550"), ("accepted", None)]


async def test_null_drivers_drop_what_they_take(bench: Bench, settings: Settings) -> None:
    nothing = settings.model_copy(update={"sms_driver": "null", "email_driver": "null"})
    await bench.planned()
    async with choice.opened(nothing) as channels:
        await dispatch.drain(replace(channels))
    assert (await bench.statuses())[-1] == "accepted"
    assert await bench.outbox() == []
