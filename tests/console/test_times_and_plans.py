"""Dosing times of the clinic and of a patient; the channels that a kind of message goes through."""

import pytest

from tests.client import Clinic
from tests.console.conftest import Axe, Open, SignIn
from tests.console.visits import SCRIPT

pytestmark = pytest.mark.usefixtures("clock")

PLAN = "/admin/plans/appointment_reminder"


async def test_times_are_of_the_clinic_unless_a_patient_has_their_own(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("clinician")
    patient = await clinic.patient(first_name=SCRIPT)
    chart = f"/patients/{patient['id']}/times"
    form: dict[str, object] = {"wake": "06:00", "lunch": "13:00", "version": "0"}
    assert "Now 07:00." in (await desk.get("/admin/times")).text
    wrong = await desk.post("/admin/times", {**form, "bed": "late"})
    assert wrong.status_code == 400
    assert 'id="e-bed"' in wrong.text
    disordered = await desk.post("/admin/times", {**form, "lunch": "05:00"})
    assert disordered.status_code == 422
    assert 'id="e-dinner"' in disordered.text  # which is not after lunch, on the next day
    assert 'value="05:00"' in disordered.text
    assert (await desk.post("/admin/times", form)).status_code == 303
    stale = await desk.post("/admin/times", {**form, "wake": "05:00"})
    assert stale.status_code == 412
    assert "What differs is now:" in stale.text
    page = (await desk.get(chart)).text
    assert "Now 06:00." in page
    assert SCRIPT not in page
    own: dict[str, object] = {"wake": "09:00", "breakfast": "09:30", "version": "0"}
    assert (await desk.post(chart, own)).status_code == 303
    told = (await clinic.get(f"/patients/{patient['id']}/dosing-times")).json()["data"]
    assert told["own"]["wake"] == "09:00"
    assert (told["own"]["lunch"], told["effective"]["lunch"]) == (None, "13:00")
    assert (
        f'href="/console{chart}"' in (await desk.get(f"/patients/{patient['id']}/medicines")).text
    )
    reader = await sign_in()
    assert 'data-key="s"' not in (await reader.get("/admin/times")).text
    assert (await reader.post("/admin/times", form)).status_code == 403
    assert (await (await sign_in("front_desk")).get(chart)).status_code == 403


async def test_a_plan_of_channels_is_made_changed_and_taken_away(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in()
    listed = (await desk.get("/admin/plans")).text
    assert f'href="/console{PLAN}"' in listed
    assert "own</span>" not in listed
    form: dict[str, object] = {
        "channel": ["email", "sms", ""], "minutes": ["30", "60", "60"], "once": "a-plan",
        "evidence": ["accepted", "delivered", "delivered"],
    }  # fmt: skip
    for wrong in ({"minutes": ["1", "60", "60"]}, {"channel": ["", "", ""]}):
        answer = await desk.post(PLAN, {**form, **wrong, "once": "b"})
        assert answer.status_code == 400
        assert 'id="e-steps"' in answer.text
        assert 'href="#f-steps">Channels in order' in answer.text
    for _ in range(2):
        assert (await desk.post(PLAN, form)).status_code == 303
    assert "own</span>" in (await desk.get("/admin/plans")).text
    [made] = (await clinic.get("/notification-plans")).json()["data"]["items"]
    assert [one["channel"] for one in made["steps"]] == ["email", "sms"]
    taken = await desk.post(PLAN, {**form, "once": "c"})
    assert taken.status_code == 409
    changed = {**form, "plan_id": made["id"], "version": "1", "channel": ["push", "", ""]}
    stale = await desk.post(PLAN, {**changed, "version": "9"})
    assert stale.status_code == 412
    assert "<dd>Email 30 min, SMS 60 min</dd>" in stale.text
    assert (await desk.post(PLAN, changed)).status_code == 303
    away: dict[str, object] = {"plan_id": made["id"], "version": "1"}
    assert (await desk.post(f"{PLAN}/default", away)).status_code == 412
    assert (await desk.post(f"{PLAN}/default", {**away, "version": "2"})).status_code == 303
    assert (await clinic.get("/notification-plans")).json()["data"]["items"] == []
    assert (await desk.get("/admin/plans/nothing")).status_code == 404
    reader = await sign_in("auditor")
    assert 'data-key="s"' not in (await reader.get(PLAN)).text
    assert (await reader.post(PLAN, form)).status_code == 403


async def test_both_by_keyboard(clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe) -> None:
    patient = await clinic.patient(first_name="Maria", last_name="Ortega")
    opened = await window(await sign_in("clinician"))
    page = await opened.go(f"/patients/{patient['id']}/medicines")
    await page.keyboard.press("t")
    await page.locator("#f-wake").fill("06:30")
    await axe(page)
    await opened.picture("chart-times")
    await page.keyboard.press("Enter")
    await page.get_by_text("Saved.").wait_for()
    opened = await window(await sign_in())
    page = await opened.go("/admin/times")
    await axe(page)
    await opened.picture("dosing-times")
    await page.goto(f"{opened.address}/console{PLAN}")
    await axe(page)
    await opened.picture("plan")
    await page.keyboard.press("s")
    await page.get_by_text("Saved.").wait_for()
    await page.get_by_text("The clinic's own").wait_for()
    await axe(page)
    await opened.picture("plans")
