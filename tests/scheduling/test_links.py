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
from chroniccare.tenancy.guesses import Guesses
from tests.client import Clinic
from tests.conftest import PEPPER, Running
from tests.notifications.opening import BORN, unlocked
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
    message = (await bench.outbox())[-1]
    found = _LINK.search(message.body)
    assert found is not None, message.body
    return visit, found[1]


async def shown(bench: Bench, visit: Visit) -> dict[str, Any]:
    read = await bench.clinic.get(f"/appointments/{visit.appointment_id}")
    data: dict[str, Any] = read.json()["data"]
    return data


async def reads(bench: Bench, visit: Visit) -> list[str]:
    """Return the outcomes of what the link read."""
    query = {"user_id": str(visit.appointment_id), "user_type": "visit_link", "action": "read"}
    mine = (await bench.clinic.get("/audit", params=query)).json()["data"]["items"]
    seen = {"success": str(visit.appointment_id), "refused": str(visit.patient_id)}
    assert all(one["entity_id"] == seen[one["metadata"]["outcome"]] for one in mine)
    return [one["metadata"]["outcome"] for one in mine]


async def tasks(bench: Bench) -> list[tuple[str, str]]:
    listed = (await bench.clinic.get("/tasks")).json()["data"]["items"]
    return [(one["code"], one["reason"]) for one in listed]


async def test_looking_changes_nothing_and_tells_no_name(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, path = await linked(bench)
    before = await shown(bench, visit)
    for method in ("HEAD", "GET"):
        asked = await anonymous.request(method, path)
        assert asked.status_code == 200
    assert asked.text.count(f'<form method="post" action="{path}"') == 1
    for told in ("Mar 8", bench.facility_name, "Maria", "1961"):
        assert told not in asked.text
    assert await reads(bench, visit) == []
    for _ in range(2):
        page, _ = await unlocked(anonymous, path)
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
    assert await reads(bench, visit) == ["success"] * 2


async def test_without_the_date_of_birth_nothing_is_told_or_done(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, path = await linked(bench)
    before = await shown(bench, visit)
    _, other_path = await linked(bench)
    _, other = await unlocked(anonymous, other_path)
    _, own = await unlocked(anonymous, path)
    given = [{}, other, {"proof": path.rpartition("/")[2]}, {"proof": own["proof"][:-4] + "AAAA"}]
    for sent in given:
        for step in ("confirm", "change"):
            answer = await anonymous.post(f"{path}/{step}", data=sent)
            assert (answer.status_code, "Mar 8" in answer.text) == (422, False)
            assert "once more" in answer.text
    bench.clock.forward(minutes=15)
    assert (await anonymous.post(f"{path}/confirm", data=own)).status_code == 422
    for wrong in ({}, BORN | {"day": "31"}, BORN | {"year": "\u0661\u0669"}, BORN | {"year": "0"}):
        answer = await anonymous.post(path, data=wrong)
        assert (answer.status_code, "not the date that we have" in answer.text) == (422, True)
    assert await shown(bench, visit) == before
    assert await tasks(bench) == []
    assert await reads(bench, visit) == ["success"]  # what is no date was compared with nothing


async def test_dates_are_not_guessed(bench: Bench, anonymous: httpx.AsyncClient) -> None:
    visit, path = await linked(bench)
    tried = [BORN | {"day": str(day)} for day in range(13, 23)]
    answers = await asyncio.gather(*(anonymous.post(path, data=one) for one in tried))
    assert sorted(one.status_code for one in answers) == [422] * 6 + [429] * 4
    assert await reads(bench, visit) == ["refused"] * 6
    late = await anonymous.post(path, data=BORN)
    assert (late.status_code, "too many tries" in late.text) == (429, True)
    assert "Mar 8" not in late.text
    assert 0 < int(late.headers["retry-after"]) <= 7200
    assert (await anonymous.get(path)).status_code == 200  # another patient's is not shut
    assert (await anonymous.post((await linked(bench))[1], data=BORN)).status_code == 200


async def test_an_address_that_guesses_waits(
    bench: Bench, anonymous: httpx.AsyncClient, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Guesses(2, of=f"test:{bench.clinic.tenant_id}:")
    monkeypatch.setattr(running.app.state.doorkeeper, "addresses", few)
    for expected in (422, 422, 429):
        _, path = await linked(bench)
        assert (await anonymous.post(path, data=BORN | {"day": "1"})).status_code == expected
    assert (await anonymous.post((await linked(bench))[1], data=BORN)).status_code == 429


async def test_confirming_confirms_however_often(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, path = await linked(bench)
    _, proof = await unlocked(anonymous, path)
    answers = await asyncio.gather(
        *(anonymous.post(f"{path}/confirm", data=proof) for _ in range(3))
    )
    assert {answer.status_code for answer in answers} <= {200, 409}  # a lock that was waited for
    assert 200 in {answer.status_code for answer in answers}
    after = await shown(bench, visit)
    assert (after["status"], after["version"]) == ("confirmed", 2)
    page, _ = await unlocked(anonymous, path)
    assert "Your visit is confirmed" in page.text
    assert page.text.count("<form") == 1
    query = {"entity_id": str(visit.appointment_id), "action": "confirm"}
    [entry] = (await bench.clinic.get("/audit", params=query)).json()["data"]["items"]
    assert entry["user_type"] == "visit_link"


async def test_another_time_is_a_task_and_can_be_taken_back(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, path = await linked(bench, language="es")
    assert "fecha de nacimiento" in (await anonymous.get(path)).text
    page, proof = await unlocked(anonymous, path)
    assert "Necesito otra hora" in page.text
    for _ in range(2):
        answer = await anonymous.post(f"{path}/change", data=proof)
        assert (answer.status_code, "La clínica le llamará" in answer.text) == (200, True)
    assert await tasks(bench) == [("change_requested", "patient_used_link")]
    assert (await shown(bench, visit))["status"] == "scheduled"
    assert "La clínica le llamará" in (await unlocked(anonymous, path))[0].text
    assert "confirmada" in (await anonymous.post(f"{path}/confirm", data=proof)).text
    assert await tasks(bench) == []


@pytest.mark.parametrize("what", ["moved", "cancelled", "past", "completed"])
async def test_a_link_holds_for_the_visit_as_it_was_told(
    bench: Bench, anonymous: httpx.AsyncClient, what: str
) -> None:
    visit, path = await linked(bench)
    _, proof = await unlocked(anonymous, path)
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
        late = await anonymous.post(f"{path}/{step}", data=proof)
        assert "has changed or is over" in late.text
        assert late.status_code == (422 if what == "past" else 409)  # the proof is too old by then
    assert "has changed or is over" in (await anonymous.post(path, data=BORN)).text
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
        for method, rest in (("GET", ""), ("POST", ""), ("POST", "/confirm")):
            answer = await anonymous.request(method, f"/visits/{one}{rest}")
            assert (answer.status_code, "This link does not work" in answer.text) == (404, True)
            assert "Este enlace no funciona" in answer.text
    assert (await shown(bench, visit))["status"] == "scheduled"
    assert (await anonymous.post(f"{path}/cancel")).status_code == 400
    own = signed.dated_token(_PURPOSE, tenant_id, visit.appointment_id, visit.starts_at, PEPPER)
    assert own == token


async def test_a_patient_who_was_erased_is_asked_nothing(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    visit, path = await linked(bench)
    _, proof = await unlocked(anonymous, path)
    erased = await bench.clinic.post(
        f"/patients/{visit.patient_id}/erase", {"reason": "Asked in writing."}
    )
    assert erased.status_code == 201
    placeholder = {"year": "1900", "month": "1", "day": "1"}
    for answer in (
        await anonymous.get(path), await anonymous.post(path, data=placeholder),
        await anonymous.post(f"{path}/confirm", data=proof),
    ):  # fmt: skip
        assert (answer.status_code, "no longer in use" in answer.text) == (410, True)
        assert "Este enlace ya no se usa" in answer.text
        assert "<form" not in answer.text


async def test_a_clinic_that_is_closed_answers_nobody(
    bench: Bench, anonymous: httpx.AsyncClient
) -> None:
    _, path = await linked(bench)
    await bench.sql("UPDATE tenants SET is_active = false")
    assert (await anonymous.get(path)).status_code == 404
    assert (await anonymous.post(path, data=BORN)).status_code == 404


async def test_a_link_has_a_bucket_of_its_own(bench: Bench, anonymous: httpx.AsyncClient) -> None:
    _, path = await linked(bench)
    codes = [(await anonymous.get(path)).status_code for _ in range(40)]
    assert (codes[0], codes[-1]) == (200, 429)


async def test_the_link_stands_in_no_row_and_no_log(
    bench: Bench, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, path = await linked(bench)
    _, proof = await unlocked(anonymous, path)
    assert (await anonymous.post(f"{path}/confirm", data=proof)).status_code == 200
    token = path.rpartition("/")[2]
    lines = " ".join(
        str(record.__dict__) for record in caplog.records if not record.name.startswith("httpx")
    )
    assert token not in lines
    assert proof["proof"] not in lines
    for table in ("notifications", "appointments", "tasks", "audit_logs", "outbox"):
        async with begin(bench.clinic.caller) as tx:
            rows = await tx.values(Command(f"SELECT t::text FROM {table} t"))  # noqa: S608  above
        assert not [row for row in rows if token in row or proof["proof"] in row], table


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
