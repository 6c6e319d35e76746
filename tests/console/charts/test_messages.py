"""What became of messages, those that reached nobody, and the outbox."""

import asyncio

import pytest
from playwright.async_api import expect

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.message import Outcome
from chroniccare.platform.postgres import database
from tests.console.charts.made import SCRIPT, maria
from tests.console.conftest import Axe, Open, SignIn
from tests.notifications.provider import Provider, by_sms
from tests.notifications.support import Bench
from tests.notifications.templates.support import written

_NO_EMAIL = "DELETE FROM contact_points WHERE system = 'email'"

_NO_PHONE = "DELETE FROM contact_points WHERE system = 'phone' AND patient_id = $1"


async def refused(bench: Bench, count: int = 1, **fields: str) -> list[str]:
    """Return confirmations that the provider refused, the latest first."""
    names = (("Ana", "Ortiz"), ("Luis", "Vega"), ("Grace", "Kim"), ("Amir", "Haddad"))
    for first, last in names[:count]:
        patient = await bench.patient(**{"first_name": first, "last_name": last, **fields})
        await bench.planned(patient_id=patient)
    await bench.sql(_NO_EMAIL)
    outcomes: list[Outcome | Exception | None] = [Outcome("rejected", "smpp_11")] * count
    await dispatch.drain(by_sms(bench, Provider(outcomes).calls()))
    listed = (await bench.clinic.get("/notifications/failed")).json()["data"]["items"]
    return [one["id"] for one in listed]


async def test_figures_say_what_became_of_messages(bench: Bench, sign_in: SignIn) -> None:
    await maria(bench)
    await refused(bench)
    bench.clock.forward(minutes=2)
    await bench.planned()
    bench.clock.forward(minutes=3)
    desk = await sign_in()
    text = (await desk.get("/messages?span=week")).text
    assert "Booking confirmation" in text
    assert 'bad" href="/console/failed"><span class="figure">1</span>' in text
    assert '<span class="figure">180</span>' in text  # seconds
    assert "Cost of SMS" in text
    clinician = await sign_in("clinician")
    assert "Cost of SMS" not in (await clinician.get("/messages")).text
    assert (await desk.get("/messages?span=year")).status_code == 404


async def test_failures_stand_by_cause_with_what_would_become_of_them(
    bench: Bench, sign_in: SignIn
) -> None:
    await refused(bench, 2, last_name=SCRIPT)
    nobody = await bench.patient(contact_info={"telecom": []})
    await bench.planned(patient_id=nobody)
    desk = await sign_in()
    text = (await desk.get("/failed")).text
    assert "<script>alert" not in text
    assert (text.count("goes out"), text.count("stays")) == (2, 1)
    assert "No address to write to" in text
    [one] = [line for line in text.split("?cause=") if line.startswith("no_contact_point")]
    chosen = (await desk.get("/failed?cause=no_contact_point&channel=sms")).text
    assert one
    assert "Send what can be sent" not in chosen
    auditor = await sign_in("auditor")
    assert "Send what can be sent" not in (await auditor.get("/failed")).text


async def test_one_or_all_of_a_cause_are_sent_after_all_once(bench: Bench, sign_in: SignIn) -> None:
    first, second, third = await refused(bench, 3)
    desk = await sign_in()
    page = await desk.get(f"/failed/{first}")
    assert "With the values of an example" in page.text
    once: dict[str, object] = {
        "once": "3f9ad2c1-0000-4000-8000-000000000001",
        "back": "//elsewhere.example",
    }
    for _ in range(2):  # a double click
        sent = await desk.post(f"/failed/{first}/replay", once)
        assert sent.headers["location"] == "/console/failed?said=replayed"
    again = await desk.post(f"/failed/{first}/replay")
    assert (again.status_code, "Not saved." in again.text) == (409, True)
    many: dict[str, object] = {
        "cause": "smpp_11",
        "channel": "sms",
        "once": "3f9ad2c1-0000-4000-8000-000000000002",
    }
    for _ in range(2):
        done = await desk.post("/failed/replay", many)
        assert done.headers["location"] == "/console/failed?done=2&left=0&said=replayed"
    shown = await desk.get("/failed?done=2&left=0&said=replayed")
    assert "2 put back, 0 left as they were." in shown.text
    assert "Everything reached somebody" in shown.text
    statuses = {row.id: row.delivery_status for row in await bench.rows()}
    assert {str(one) for one, status in statuses.items() if status == "pending"} >= {second, third}
    desk_ = await sign_in("front_desk")
    assert (await desk_.post("/failed/replay", many)).status_code == 403


async def test_the_outbox_shows_messages_as_patients_see_them(
    bench: Bench, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await maria(bench, first_name=SCRIPT)
    html = "<p>Hello <b>{{ first_name }}</b>, your visit is on {{ date }} at {{ clinic }}.</p>"
    await written(
        bench.clinic, "Your visit is on {{ date }}, {{ clinic }}", html=html, channel="email",
        subject="Your visit",
    )  # fmt: skip
    await bench.sql(_NO_PHONE, patient)
    await bench.planned(patient_id=patient)
    await bench.drain()
    desk = await sign_in()
    text = (await desk.get("/outbox")).text
    assert "<script>alert" not in text
    assert "1 segment, plain letters" in text
    assert "iframe" not in (await desk.get("/outbox?channel=sms")).text
    emails = (await desk.get("/outbox?channel=email")).text
    at = emails.split('sandbox src="/console')[1].split('"')[0]
    letter = await desk.get(at)
    assert letter.status_code == 200
    assert "<b>&lt;script&gt;alert(1)&lt;/script&gt;</b>" in letter.text
    policy = letter.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert policy.endswith("sandbox")
    auditor = await sign_in("auditor")
    assert (await auditor.get("/outbox")).status_code == 403
    there = database()
    drivers = {"email_driver": "smtp", "sms_driver": "http", "push_driver": "null"}
    monkeypatch.setattr(there, "settings", there.settings.model_copy(update=drivers))
    assert "Messages are sent to patients here" in (await desk.get("/outbox")).text
    assert (await desk.get(at)).status_code == 404


async def test_what_failed_is_sent_by_keyboard_alone(
    bench: Bench, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    await maria(bench, first_name="Maria", last_name="Ortiz")
    await refused(bench, 4)
    nobody = await bench.patient(contact_info={"telecom": []}, last_name="Ortiz")
    await bench.planned(patient_id=nobody)
    bench.clock.forward(minutes=9)
    opened = await window(await sign_in())
    page = await opened.go("/messages")
    await axe(page)
    await opened.picture("messages")
    await page.keyboard.press("f")
    await page.wait_for_url("**/failed")
    await axe(page)
    await opened.picture("failed")
    await page.keyboard.press("1")
    await page.wait_for_url("**cause=smpp_11**")
    await page.keyboard.press("r")
    await page.keyboard.press("Enter")  # the dialog's first button
    await page.wait_for_url("**said=replayed")
    assert "4 put back, 0 left as they were." in await page.inner_text("main")
    await bench.drain()
    page = await opened.go("/outbox")
    await axe(page)
    await opened.picture("outbox")
    # What is sent meanwhile appears by itself.
    before = await page.locator("article").count()
    await asyncio.sleep(1.5)  # the feed has looked once
    bench.clock.forward(seconds=1)
    await bench.planned(patient_id=bench.patients[0])
    await bench.drain()
    await expect(page.locator("article")).to_have_count(before + 1)
