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
from tests.notifications.opening import BORN, unlocked
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
    for method in ("HEAD", "GET"):
        asked = await anonymous.request(method, path)
        assert asked.status_code == 200
    assert asked.text.count(f'<form method="post" action="{path}"') == 1
    place = (await desk.clinic.get(f"/facilities/{desk.where['facility_id']}")).json()["data"]
    for told in ("Mar 6", "12:00", place["name"], "1961", "Springfield"):
        assert told not in asked.text
    offer = await desk.offer(entry)
    looks = {"entity_id": offer["id"], "action": "read"}
    assert (await desk.clinic.get("/audit", params=looks)).json()["data"]["items"] == []
    for _ in range(2):
        shown, _ = await unlocked(anonymous, path)
    assert await desk.status(entry) == "offered"
    assert place["name"] in shown.text
    assert "Thu, Mar 6 at 12:00 PM EST" in shown.text
    assert shown.text.count(f'<form method="post" action="{path}/') == 2
    patient = (await desk.clinic.get(f"/patients/{entry['patient_id']}")).json()["data"]
    for told in (patient["first_name"], patient["last_name"], patient["id"], "Rahman"):
        assert told not in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    reads = (await desk.clinic.get("/audit", params=looks)).json()["data"]["items"]
    assert [(one["user_type"], one["user_id"]) for one in reads] == [
        ("waitlist_offer", offer["id"])
    ] * 2


async def test_without_the_date_of_birth_nothing_is_told_or_done(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, path = await offered(desk, settings)
    for sent in ({}, {"proof": path.rpartition("/")[2]}):
        for step in ("accept", "decline"):
            answer = await anonymous.post(f"{path}/{step}", data=sent)
            assert (answer.status_code, "Mar 6" in answer.text) == (422, False)
            assert "once more" in answer.text
    tried = [BORN | {"day": str(day)} for day in range(13, 21)]
    answers = [await anonymous.post(path, data=one) for one in tried]
    assert [one.status_code for one in answers] == [422] * 6 + [429] * 2
    assert all("Mar 6" not in one.text for one in answers)
    late = await anonymous.post(path, data=BORN)
    assert (late.status_code, "too many tries" in late.text) == (429, True)
    assert 0 < int(late.headers["retry-after"]) <= 7200
    assert await desk.status(entry) == "offered"
    refused = {"entity_id": entry["patient_id"], "outcome": "refused"}
    listed = (await desk.clinic.get("/audit", params=refused)).json()["data"]["items"]
    assert [one["user_type"] for one in listed] == ["waitlist_offer"] * 6


async def test_a_patient_who_was_erased_is_asked_nothing(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, path = await offered(desk, settings)
    _, proof = await unlocked(anonymous, path)
    erased = await desk.clinic.post(
        f"/patients/{entry['patient_id']}/erase", {"reason": "Asked in writing."}
    )
    assert erased.status_code == 201
    placeholder = {"year": "1900", "month": "1", "day": "1"}
    for answer in (
        await anonymous.get(path), await anonymous.post(path, data=placeholder),
        await anonymous.post(f"{path}/accept", data=proof),
    ):  # fmt: skip
        assert (answer.status_code, "no longer in use" in answer.text) == (410, True)
        assert "Este enlace ya no se usa" in answer.text
        assert "<form" not in answer.text


async def test_yes_books_and_says_so_again(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, path = await offered(desk, settings)
    asked = await anonymous.get(path)
    assert "date of birth" in asked.text
    _, proof = await unlocked(anonymous, path)
    answers = await asyncio.gather(
        *(anonymous.post(f"{path}/accept", data=proof) for _ in range(3))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert await desk.status(entry) == "booked"
    assert "The time is yours" not in (await anonymous.get(path)).text
    assert "The time is yours" in (await unlocked(anonymous, path))[0].text
    no = await anonymous.post(f"{path}/decline", data=proof)
    assert no.status_code == 409
    assert await desk.status(entry) == "booked"
    listed = await desk.clinic.get("/audit", params={"action": "accepted"})
    assert {one["user_type"] for one in listed.json()["data"]["items"]} == {"waitlist_offer"}


async def test_no_passes_the_time_on_in_the_patients_language(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, path = await offered(desk, settings, language="es")
    second = await desk.waiting(priority="low")
    assert "fecha de nacimiento" in (await anonymous.get(path)).text
    page, proof = await unlocked(anonymous, path)
    assert "Sí, iré" in page.text
    answer = await anonymous.post(f"{path}/decline", data=proof)
    assert (answer.status_code, "Gracias" in answer.text) == (200, True)
    unproved = (await anonymous.get(path)).text  # says no more than of one that has ended
    assert ("Esta oferta ya no vale" in unproved, "Gracias" in unproved) == (True, False)
    assert await desk.status(entry) == "waiting"
    assert await desk.sweep() == 1
    assert await desk.status(second) == "offered"


async def test_after_its_end_the_link_says_so_and_books_nothing(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient, clock: Clock
) -> None:
    _, path = await offered(desk, settings)
    clock.at = NOON + HOUR - timedelta(minutes=1)
    _, proof = await unlocked(anonymous, path)
    clock.at = NOON + HOUR
    shown = await anonymous.get(path)
    assert "This offer is over" in shown.text
    assert "<form" not in shown.text
    for step in ("accept", "decline"):
        late = await anonymous.post(f"{path}/{step}", data=proof)
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
    _, proof = await unlocked(anonymous, f"/offers/{token}")
    answer = await anonymous.post(f"/offers/{token}/accept", data=proof)
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
        for method, rest in (("GET", ""), ("POST", ""), ("POST", "/accept")):
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
    _, proof = await unlocked(anonymous, path)
    await anonymous.post(f"{path}/accept", data=proof)
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
