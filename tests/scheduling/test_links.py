"""The patient confirms a visit, or asks for another time, by the link in a message."""

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chroniccare.core import signed
from chroniccare.notifications.channels import choice
from chroniccare.notifications.plan import Visit
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import PEPPER
from tests.notifications.support import Bench, Clock, clear_the_desk, make_bench

_LINK = re.compile(r"http://127\.0\.0\.1:8000(/visits/[A-Za-z0-9_-]{72})\b")
_PURPOSE = b"chroniccare visit answer, version 1\0"


@pytest.fixture
async def bench(clinic: Clinic, clock: Clock, settings: Settings) -> AsyncIterator[Bench]:
    """A clinic whose messages go into the outbox."""
    await clear_the_desk()
    async with choice.opened(settings) as channels:
        yield await make_bench(clinic, clock, channels)


async def linked(bench: Bench, **fields: Any) -> tuple[Visit, str]:
    """Book a visit, tell its patient by email, and return it and the path in the email."""
    preferences = {"channels": ["email"]}
    patient_id = await bench.patient(communication_preferences=preferences, **fields)
    visit = await bench.planned(patient_id=patient_id)
    await bench.drain()
    [message] = await bench.outbox()
    found = _LINK.search(message.body)
    assert found is not None, message.body
    return visit, found[1]


async def shown(bench: Bench, visit: Visit) -> dict[str, Any]:
    read = await bench.clinic.get(f"/appointments/{visit.appointment_id}")
    data: dict[str, Any] = read.json()["data"]
    return data


async def tasks(bench: Bench) -> list[tuple[str, str]]:
    listed = (await bench.clinic.get("/tasks")).json()["data"]["items"]
    return [(one["code"], one["reason"]) for one in listed]


async def test_looking_changes_nothing_and_tells_no_name(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, path = await linked(bench)
    before = await shown(bench, visit)
    for method in ("GET", "HEAD", "GET"):
        page = await anonymous.request(method, path)
        assert page.status_code == 200
    assert await shown(bench, visit) == before
    assert await tasks(bench) == []
    assert "Sat, Mar 8 at 12:00 PM EST" in page.text
    assert bench.facility_name in page.text
    assert page.text.count(f'<form method="post" action="{path}/') == 2
    for told in ("Maria", "Gonzalez", "Rahman", str(visit.patient_id), "follow_up"):
        assert told not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    query = {"entity_id": str(visit.appointment_id), "action": "read"}
    reads = (await bench.clinic.get("/audit", params=query)).json()["data"]["items"]
    mine = [one for one in reads if one["user_type"] == "visit_link"]
    assert [one["user_id"] for one in mine] == [str(visit.appointment_id)] * 3


async def test_confirming_confirms_however_often(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, path = await linked(bench)
    answers = await asyncio.gather(*(anonymous.post(f"{path}/confirm") for _ in range(3)))
    assert {answer.status_code for answer in answers} <= {200, 409}  # a lock that was waited for
    assert 200 in {answer.status_code for answer in answers}
    after = await shown(bench, visit)
    assert (after["status"], after["version"]) == ("confirmed", 2)
    page = await anonymous.get(path)
    assert "Your visit is confirmed" in page.text
    assert page.text.count("<form") == 1
    query = {"entity_id": str(visit.appointment_id), "action": "confirm"}
    [entry] = (await bench.clinic.get("/audit", params=query)).json()["data"]["items"]
    assert entry["user_type"] == "visit_link"


async def test_another_time_is_a_task_and_can_be_taken_back(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, path = await linked(bench, language="es")
    assert "Necesito otra hora" in (await anonymous.get(path)).text
    for _ in range(2):
        answer = await anonymous.post(f"{path}/change")
        assert (answer.status_code, "La clínica le llamará" in answer.text) == (200, True)
    assert await tasks(bench) == [("change_requested", "patient_used_link")]
    assert (await shown(bench, visit))["status"] == "scheduled"
    assert "La clínica le llamará" in (await anonymous.get(path)).text
    assert "confirmada" in (await anonymous.post(f"{path}/confirm")).text
    assert await tasks(bench) == []


@pytest.mark.parametrize("what", ["moved", "cancelled", "past", "completed"])
async def test_a_link_holds_for_the_visit_as_it_was_told(
    bench: Bench, anonymous: httpx.AsyncClient, what: str
) -> None:
    visit, path = await linked(bench)
    if what == "past":
        bench.clock.at = visit.starts_at
    elif what == "moved":
        await bench.sql(
            "UPDATE appointments SET scheduled_start = scheduled_start + interval '30 minutes',"
            " scheduled_end = scheduled_end + interval '30 minutes' WHERE id = $1",
            visit.appointment_id,
        )
    else:
        await bench.sql(
            f"UPDATE appointments SET status = '{what}' WHERE id = $1",  # noqa: S608  words above
            visit.appointment_id,
        )
    before = await shown(bench, visit)
    page = await anonymous.get(path)
    assert "has changed or is over" in page.text
    assert "<form" not in page.text
    assert "2031" not in page.text
    for step in ("confirm", "change"):
        late = await anonymous.post(f"{path}/{step}")
        assert (late.status_code, "has changed or is over" in late.text) == (409, True)
    assert await shown(bench, visit) == before
    assert await tasks(bench) == []


async def test_a_forged_link_is_unknown(bench: Bench, anonymous: httpx.AsyncClient) -> None:
    visit, path = await linked(bench)
    token = path.rpartition("/")[2]
    raw = base64.urlsafe_b64decode(token)
    forged = [token[:-1], token + "A", "x" * 72, "é" * 72, token[:-1] + "!", token[:-4] + "===="]
    forged += [
        base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]).decode()
        for at in range(54)
        for bit in (0, 7)
    ]
    tenant_id = bench.clinic.tenant_id
    of_another_purpose = signed.dated_token(
        b"x", tenant_id, visit.appointment_id, visit.starts_at, PEPPER
    )
    forged += [of_another_purpose, signed.token(_PURPOSE, tenant_id, visit.appointment_id, PEPPER)]
    for one in forged:
        for method, rest in (("GET", ""), ("POST", "/confirm")):
            answer = await anonymous.request(method, f"/visits/{one}{rest}")
            assert (answer.status_code, "This link does not work" in answer.text) == (404, True)
            assert "Este enlace no funciona" in answer.text
    assert (await shown(bench, visit))["status"] == "scheduled"
    assert (await anonymous.post(f"{path}/cancel")).status_code == 400
    own = signed.dated_token(_PURPOSE, tenant_id, visit.appointment_id, visit.starts_at, PEPPER)
    assert own == token


async def test_a_clinic_that_is_closed_answers_nobody(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    _, path = await linked(bench)
    await bench.sql("UPDATE tenants SET is_active = false")
    assert (await anonymous.get(path)).status_code == 404
    assert (await anonymous.post(f"{path}/confirm")).status_code == 404


async def test_a_link_has_a_bucket_of_its_own(bench: Bench, anonymous: httpx.AsyncClient) -> None:
    _, path = await linked(bench)
    codes = [(await anonymous.get(path)).status_code for _ in range(40)]
    assert (codes[0], codes[-1]) == (200, 429)


async def test_the_link_stands_in_no_row_and_no_log(
    bench: Bench, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, path = await linked(bench)
    await anonymous.post(f"{path}/confirm")
    token = path.rpartition("/")[2]
    lines = " ".join(
        str(record.__dict__) for record in caplog.records if not record.name.startswith("httpx")
    )
    assert token not in lines
    for table in ("notifications", "appointments", "tasks", "audit_logs", "outbox"):
        async with begin(bench.clinic.caller) as tx:
            rows = await tx.values(Command(f"SELECT t::text FROM {table} t"))  # noqa: S608  above
        assert not [row for row in rows if token in row], table


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ("nothing", "Questions? Please call us."),
        ("reply", "Reply 1 to confirm, 2 to change."),
        ("link", "To confirm or change: http://127.0.0.1:8000/visits/"),
    ],
)
async def test_a_text_message_asks_as_the_clinic_wants(bench: Bench, asks: str, said: str) -> None:
    bench = replace(bench, channels=replace(bench.channels, asks=asks))
    visit = await bench.planned()
    bench.clock.at = visit.starts_at - timedelta(hours=72)
    await bench.drain()
    bodies = [one.body for one in await bench.outbox() if one.channel == "sms"]
    assert len(bodies) == 2  # the confirmation and the first reminder
    assert all(said in body for body in bodies)
    assert all(("/visits/" in body) == (asks == "link") for body in bodies)
    assert all(("Reply" in body) == (asks == "reply") for body in bodies)
    await bench.cancel_and_tell(visit)
    await bench.drain()
    last = (await bench.outbox())[-1].body
    assert "/visits/" not in last
    assert "Reply" not in last
