"""Email over SMTP, from a due row to a real server, and what refusals lead to."""

import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from icalendar import Calendar

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


def opened(letter: Any) -> tuple[EmailMessage, list[EmailMessage]]:
    """Return a letter as a mail client reads it, and what is attached to it."""
    got = email.message_from_bytes(letter.content, policy=email.policy.default)
    assert isinstance(got, EmailMessage)
    return got, [part for part in got.iter_attachments() if isinstance(part, EmailMessage)]


async def test_a_confirmation_brings_the_visit_and_a_cancellation_takes_it_away(
    bench: Bench, settings: Settings, relay: tuple[Relay, str]
) -> None:
    server, url = relay
    visit = await bench.planned(
        patient_id=await bench.patient(
            communication_preferences={"channels": ["email"]}, language="es"
        )
    )
    async with choice.opened(over_smtp(settings, url)) as channels:
        await dispatch.drain(channels)
        # What cancelling plans is not this slice's to decide: the row is put there.
        await bench.sql(
            "UPDATE appointments SET status = 'cancelled', sequence = 1, cancelled_at = $1",
            bench.clock.at,
        )
        await bench.sql("DELETE FROM notification_attempts")
        await bench.sql(
            "UPDATE notifications SET notification_type = 'appointment_cancelled',"
            " delivery_status = 'pending', expires_at = NULL, next_attempt_at = $1"
            " WHERE notification_type = 'appointment_confirmation'",
            bench.clock.at,
        )
        await dispatch.drain(channels)
    assert len(server.letters) == 2
    said = [("PUBLISH", "CONFIRMED", 0), ("CANCEL", "CANCELLED", 1)]
    for letter, wanted in zip(server.letters, said, strict=True):
        got, [part] = opened(letter)
        assert got.get_content_type() == "multipart/mixed"
        text = got.get_body(("plain",))
        assert text is not None
        assert "Hola Maria:" in text.get_content()
        assert part.get_content_type() == "text/calendar"
        assert part.get_content_disposition() == "attachment"
        assert part.get_filename() == "appointment.ics"
        parameters = dict(part["Content-Type"].params)
        assert parameters == {"method": wanted[0], "charset": "utf-8", "name": "appointment.ics"}
        calendar: Any = Calendar.from_ical(part.get_content())
        [event] = calendar.events
        assert (calendar["METHOD"], event["STATUS"], event["SEQUENCE"]) == wanted
        assert event["UID"] == f"{visit.appointment_id}@chroniccare"
        assert event.start == visit.starts_at
        assert event["SUMMARY"] == "Cita"
        assert event["ORGANIZER"] == "mailto:noreply@example.com"


async def test_only_email_that_changes_a_calendar_has_one_attached(bench: Bench) -> None:
    for wanted in (["email"], ["sms", "email"]):
        await bench.planned(
            patient_id=await bench.patient(communication_preferences={"channels": wanted})
        )
    await bench.sql("UPDATE notifications SET next_attempt_at = $1", bench.clock.at)
    await bench.drain()
    kinds = await bench.calendars()
    assert sorted(kinds) == [
        ("appointment_confirmation", "email", True),
        ("appointment_confirmation", "sms", False),
        ("appointment_reminder", "email", False),
        ("appointment_reminder", "email", False),
        ("appointment_reminder", "email", False),
        ("appointment_reminder", "sms", False),
        ("appointment_reminder", "sms", False),
        ("appointment_reminder", "sms", False),
    ]


async def test_what_says_cancelled_takes_no_visit_away_that_takes_place(bench: Bench) -> None:
    await by_email(bench)
    await bench.sql(
        "UPDATE notifications SET notification_type = 'appointment_cancelled'"
        " WHERE notification_type = 'appointment_confirmation'"
    )
    await bench.drain()
    assert await bench.calendars() == [("appointment_cancelled", "email", False)]


@pytest.mark.parametrize("details", [False, True])
async def test_an_attachment_says_of_the_visit_what_the_clinic_lets_it(
    bench: Bench, *, details: bool
) -> None:
    await bench.sql(
        "INSERT INTO scheduling_policies (tenant_id, calendar_details, updated_at)"
        " VALUES ($1, $2, now())",
        bench.clinic.tenant_id,
        details,
    )
    await by_email(bench)
    await bench.sql("UPDATE appointments SET reason = 'Foot ulcer', telehealth_details = '{}'")
    await bench.drain()
    [kept] = [one for one in await bench.outbox() if one.calendar]
    assert kept.calendar is not None
    calendar: Any = Calendar.from_ical(kept.calendar)
    [event] = calendar.events
    said = str(event["SUMMARY"])
    assert said.startswith("Follow up, Aisha Rahman") if details else said == "Appointment"
    for word in ("ulcer", "Maria", "MRN", "telehealth"):
        assert word not in kept.calendar


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
