"""The patient answers an offer by the link in it: nothing but the buttons is an answer."""

import asyncio
import base64
import logging
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chroniccare.core import signed
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice
from chroniccare.settings import Settings
from tests.client import kept_messages
from tests.conftest import PEPPER
from tests.notifications.support import NOON, Clock, clear_the_desk
from tests.scheduling.waitlist.desk import HOUR, START, Desk, id_of

_LINK = re.compile(r"http://127\.0\.0\.1:8000(/offers/[A-Za-z0-9_-]{86})")


async def offered(desk: Desk, settings: Settings, **fields: Any) -> tuple[dict[str, Any], str]:
    """Return an entry that was offered a time, and the path in the text message."""
    await clear_the_desk()
    patient = await desk.clinic.patient(**fields)
    entry = await desk.waiting(patient_id=patient["id"])
    await desk.free()
    assert await desk.sweep() == 1
    async with choice.opened(settings) as channels:
        await dispatch.drain(channels)
    [message] = await desk.messages(entry, "waitlist_offer")
    [kept] = await kept_messages(desk.clinic, message["id"])
    found = _LINK.search(kept.body)
    assert found is not None
    return entry, found[1]


async def test_looking_changes_nothing_and_tells_no_name(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, path = await offered(desk, settings)
    for method in ("GET", "HEAD", "GET"):
        shown = await anonymous.request(method, path)
        assert shown.status_code == 200
    assert await desk.status(entry) == "offered"
    assert "Thu, Mar 6 at 12:00 PM EST" in shown.text
    assert shown.text.count(f'<form method="post" action="{path}/') == 2
    patient = (await desk.clinic.get(f"/patients/{entry['patient_id']}")).json()["data"]
    for told in (patient["first_name"], patient["last_name"], patient["id"], "Rahman"):
        assert told not in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    offer = await desk.offer(entry)
    listed = await desk.clinic.get("/audit", params={"entity_id": offer["id"], "action": "read"})
    reads = listed.json()["data"]["items"]
    assert [(one["user_type"], one["user_id"]) for one in reads] == [
        ("waitlist_offer", offer["id"])
    ] * 3


async def test_yes_books_and_says_so_again(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, path = await offered(desk, settings)
    answers = await asyncio.gather(*(anonymous.post(f"{path}/accept") for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}
    assert await desk.status(entry) == "booked"
    assert "The time is yours" in (await anonymous.get(path)).text
    no = await anonymous.post(f"{path}/decline")
    assert no.status_code == 409
    assert await desk.status(entry) == "booked"
    listed = await desk.clinic.get("/audit", params={"action": "accepted"})
    assert {one["user_type"] for one in listed.json()["data"]["items"]} == {"waitlist_offer"}


async def test_no_passes_the_time_on_in_the_patients_language(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, path = await offered(desk, settings, language="es")
    second = await desk.waiting(priority="low")
    assert "Sí, iré" in (await anonymous.get(path)).text
    answer = await anonymous.post(f"{path}/decline")
    assert (answer.status_code, "Gracias" in answer.text) == (200, True)
    assert await desk.status(entry) == "waiting"
    assert await desk.sweep() == 1
    assert await desk.status(second) == "offered"


async def test_after_its_end_the_link_says_so_and_books_nothing(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient, clock: Clock
) -> None:
    _, path = await offered(desk, settings)
    clock.at = NOON + HOUR
    shown = await anonymous.get(path)
    assert "This offer is over" in shown.text
    assert "<form" not in shown.text
    for step in ("accept", "decline"):
        late = await anonymous.post(f"{path}/{step}")
        assert (late.status_code, "This offer is over" in late.text) == (409, True)
    assert set(await desk.sql("SELECT status FROM appointments")) == {"cancelled", "held"}


async def test_what_cannot_be_moved_any_more_is_over(
    desk: Desk, anonymous: httpx.AsyncClient
) -> None:
    visit = await desk.visit(START + timedelta(days=9))
    entry = await desk.waiting(patient_id=visit["patient_id"], appointment_id=visit["id"])
    offer = (await desk.by_hand(entry)).json()["data"]
    await desk.sql("DELETE FROM provider_availability")
    token = _token(desk, offer, b"chroniccare waitlist offer, version 1\0")
    answer = await anonymous.post(f"/offers/{token}/accept")
    assert (answer.status_code, "This offer is over" in answer.text) == (409, True)
    assert (await desk.appointment(visit["id"]))["scheduled_start"] == visit["scheduled_start"]
    assert await desk.status(entry) == "offered"


def _token(desk: Desk, offer: dict[str, Any], purpose: bytes) -> str:
    return signed.token(purpose, desk.clinic.tenant_id, id_of(offer), PEPPER)


async def test_a_forged_link_is_unknown(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, path = await offered(desk, settings)
    token = path.rpartition("/")[2]
    raw = base64.urlsafe_b64decode(token + "==")
    forged = [token[:-1], token + "A", "x" * 86, "é" * 86, token[:-1] + "!"]
    forged += [
        base64.urlsafe_b64encode(
            raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
        ).decode().rstrip("=")
        for place in range(0, 64, 7)
        for bit in range(8)
    ]  # fmt: skip
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    forged.append(token[:-1] + last[last.index(token[-1]) ^ 1])  # the same bytes, other letters
    offer = await desk.offer(entry)
    forged.append(_token(desk, offer, b"chroniccare calendar feed, version 1\0"))
    for one in forged:
        for method, rest in (("GET", ""), ("POST", "/accept")):
            answer = await anonymous.request(method, f"/offers/{one}{rest}")
            assert (answer.status_code, "This link does not work" in answer.text) == (404, True)
            assert "Este enlace no funciona" in answer.text
    assert await desk.status(entry) == "offered"
    assert (await anonymous.post(f"{path}/perhaps")).status_code == 400


async def test_a_clinic_that_is_closed_answers_nobody(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    _, path = await offered(desk, settings)
    await desk.sql("UPDATE tenants SET is_active = false")
    assert (await anonymous.get(path)).status_code == 404
    assert (await anonymous.post(f"{path}/accept")).status_code == 404


async def test_a_link_has_a_bucket_of_its_own(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    _, path = await offered(desk, settings)
    codes = [(await anonymous.get(path)).status_code for _ in range(40)]
    assert (codes[0], codes[-1]) == (200, 429)


async def test_the_link_stands_in_no_row_and_no_log(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    entry, path = await offered(desk, settings)
    await anonymous.post(f"{path}/accept")
    token = path.rpartition("/")[2]
    lines = " ".join(
        str(record.__dict__) for record in caplog.records if not record.name.startswith("httpx")
    )
    assert token not in lines
    assert "Gonzalez" not in lines
    for table in ("notifications", "waitlist_offers", "waitlist", "audit_logs", "outbox"):
        rows = await desk.sql(f"SELECT t::text FROM {table} t")  # noqa: S608  names above
        assert rows
        assert not [row for row in rows if token in row], table
    assert await desk.status(entry) == "booked"


@pytest.mark.parametrize("channel", ["sms", "email"])
async def test_text_and_email_carry_the_link(desk: Desk, settings: Settings, channel: str) -> None:
    await offered(desk, settings, communication_preferences={"channels": [channel]})
