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
from chroniccare.settings import Settings, SettingsError, load
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


async def test_a_mail_server_that_is_down_for_minutes_loses_no_letter(
    bench: Bench, settings: Settings, relay: tuple[Relay, str]
) -> None:
    server, url = relay
    await bench.planned(
        patient_id=await bench.patient(communication_preferences={"channels": ["email"]})
    )
    with closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: refused
        away = f"smtp://127.0.0.1:{closed.getsockname()[1]}"
        async with choice.opened(over_smtp(settings, away)) as channels:
            for _ in range(30):
                await dispatch.drain(channels)
                bench.clock.forward(seconds=10)
    last = (await bench.rows())[-1]
    assert last.delivery_status == "pending"
    assert last.retry_count > 3
    bench.clock.forward(minutes=5)
    async with choice.opened(over_smtp(settings, url)) as channels:
        await dispatch.drain(channels)
    assert len(server.letters) == 1


async def test_null_drivers_drop_what_they_take(bench: Bench, settings: Settings) -> None:
    nothing = settings.model_copy(update={"sms_driver": "null", "email_driver": "null"})
    await bench.planned()
    async with choice.opened(nothing) as channels:
        await dispatch.drain(replace(channels))
    assert (await bench.statuses())[-1] == "accepted"
    assert await bench.outbox() == []


def smtp_settings(**changes: str) -> Settings:
    """Read settings as the operator would give them."""
    return load(
        {
            "CHRONICCARE_EMAIL_DRIVER": "smtp",
            "CHRONICCARE_SMTP_URL": "smtp://127.0.0.1:2525",
            **{f"CHRONICCARE_{name.upper()}": value for name, value in changes.items()},
        }
    )


@pytest.mark.parametrize(
    "url",
    [
        "smtp://mail.example.com:abc",
        "smtp://mail.example.com:99999",
        "smtp://mail.example.com:0",
        "smtp://:25",
        "mail.example.com:25",
        "http://mail.example.com",
        "smtp://[::1",
    ],
)
def test_a_mail_server_that_cannot_be_one_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_SMTP_URL") as error:
        smtp_settings(smtp_url=url)
    assert url not in str(error.value)  # it may hold a password


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "Clinic",
        "Clinic <clinic>",
        "a@oak.example, b@oak.example",
        "Oak Clinic <a@oak.example> b@oak.example",
    ],
)
def test_a_sender_that_is_not_one_address_is_refused_at_the_start(sender: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_EMAIL_FROM"):
        smtp_settings(email_from=sender)


def test_production_needs_a_sender_of_its_own() -> None:
    production = {"environment": "production", "key_pepper": "p" * 32}
    with pytest.raises(SettingsError, match=r"CHRONICCARE_EMAIL_FROM.*example\.com"):
        smtp_settings(**production)
    assert smtp_settings().email_from.endswith("@example.com>")


@pytest.mark.parametrize("sender", ["noreply@oak.example", "Oak Clinic <noreply@oak.example>"])
@pytest.mark.parametrize("url", ["smtp://u:p%40@mail.oak.example", "smtps://10.0.0.2:465"])
def test_what_can_work_is_accepted(sender: str, url: str) -> None:
    assert smtp_settings(email_from=sender, smtp_url=url).smtp_url == url
