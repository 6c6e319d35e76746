"""Who waits, what is free for them, and what they said to an offer."""

from datetime import timedelta

import pytest

from tests.client import Clinic
from tests.console.conftest import Axe, Open, SignIn
from tests.console.visits import SCRIPT, booked
from tests.notifications.support import NOON

pytestmark = pytest.mark.usefixtures("clock")


async def test_a_patient_is_put_on_the_list_offered_and_booked(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    provider, patient = await clinic.provider(), await clinic.patient(first_name=SCRIPT)
    assert "Nobody waits" in (await desk.get("/waitlist")).text
    page = await desk.get(f"/waitlist?patient_id={patient['id']}")
    assert SCRIPT not in page.text
    form: dict[str, object] = {
        "patient_id": patient["id"], "appointment_type": "follow_up", "notes": SCRIPT,
        "once": "an-entry",
    }  # fmt: skip
    wrong = await desk.post("/waitlist", {**form, "earliest": "soon", "once": "another"})
    assert wrong.status_code == 400
    assert 'id="e-earliest"' in wrong.text
    first, second = await desk.post("/waitlist", form), await desk.post("/waitlist", form)
    assert first.headers["location"] == second.headers["location"]
    entry = first.headers["location"].removeprefix("/console").split("?")[0]
    assert SCRIPT not in (await desk.get("/waitlist")).text
    shown = await desk.get(entry)
    assert "Offer by phone" in shown.text
    offer: dict[str, object] = {
        "provider_id": provider["id"], "facility_id": provider["facilities"][0]["facility_id"],
        "start": (NOON + timedelta(hours=4)).isoformat(), "minutes": "30", "act": "phone",
    }  # fmt: skip
    assert (await desk.post(f"{entry}/offer", {**offer, "start": "then"})).status_code == 400
    assert (await desk.post(f"{entry}/offer", offer)).status_code == 303
    assert "Said yes" in (await desk.get(entry)).text
    items = (await clinic.get(f"{entry}/offers")).json()["data"]["items"]
    assert (await desk.post(f"{entry}/offers/{items[0]['id']}/eat")).status_code == 404
    settled = await desk.post(f"{entry}/offers/{items[0]['id']}/accept")
    assert settled.headers["location"].endswith("said=booked")
    assert "The visit that came of it" in (await desk.get(entry)).text
    late = await desk.post(f"{entry}/offers/{items[0]['id']}/decline")
    assert late.status_code == 409


async def test_an_entry_is_changed(clinic: Clinic, sign_in: SignIn) -> None:
    provider = await clinic.provider()
    patient = await clinic.patient(first_name=SCRIPT)
    later = await booked(clinic, provider, minutes=6000, patient_id=patient["id"])
    told = {"patient_id": patient["id"], "appointment_id": later["id"], "notes": SCRIPT}
    entry = await clinic.make("/waitlist", told)
    desk, path = await sign_in("front_desk"), f"/waitlist/{entry['id']}"
    assert SCRIPT not in (await desk.get(f"{path}/edit")).text
    form: dict[str, object] = {
        "priority": "urgent", "days": ["monday", "friday"], "earliest": "2031-03-05",
        "latest": "2031-03-09", "starts_from": "09:00", "starts_before": "12:00", "version": "1",
        "due_on": "2031-03-06", "duration_minutes": "30", "notes": "Works nights",
    }  # fmt: skip
    wrong = await desk.post(f"{path}/edit", {**form, "duration_minutes": "long"})
    assert wrong.status_code == 400
    assert 'id="e-duration_minutes"' in wrong.text
    assert "Works nights" in wrong.text
    assert (await desk.post(f"{path}/edit", form)).status_code == 303
    after = (await clinic.get(path)).json()["data"]
    assert (after["priority"], after["days"]) == ("urgent", ["monday", "friday"])
    assert (after["appointment_id"], after["notes"]) == (later["id"], "Works nights")
    assert "Monday, Friday" in (await desk.get(path)).text
    stale = await desk.post(f"{path}/edit", {**form, "priority": "low"})
    assert stale.status_code == 412
    assert "What differs is now:" in stale.text
    bare = await desk.post(f"{path}/edit", {"version": "2"})
    assert bare.status_code == 303
    assert (await clinic.get(path)).json()["data"]["days"] == []
    reader = await sign_in("auditor")
    assert f"{path}/edit" not in (await reader.get(path)).text
    assert (await reader.post(f"{path}/edit", form)).status_code == 403


async def test_an_entry_is_taken_off(clinic: Clinic, sign_in: SignIn) -> None:
    entry = await clinic.make("/waitlist", {"patient_id": (await clinic.patient())["id"]})
    reader, desk = await sign_in("auditor"), await sign_in("front_desk")
    path = f"/waitlist/{entry['id']}"
    assert "/remove" not in (await reader.get(path)).text
    assert (await reader.post(f"{path}/remove")).status_code == 403
    assert (await desk.post(f"{path}/remove", {"version": "9"})).status_code == 412
    assert (await desk.post(f"{path}/remove", {"version": "1"})).status_code == 303
    assert (await clinic.get(path)).json()["data"]["status"] == "removed"


async def test_an_offer_by_keyboard(
    clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    await clinic.provider()
    patient = await clinic.patient(last_name="Ortega")
    opened = await window(await sign_in("front_desk"))
    page = await opened.go("/waitlist")
    await page.keyboard.press("n")
    await page.keyboard.type("orteg")
    await page.locator("#who-found a").wait_for()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.get_by_text("Maria Ortega waits for").wait_for()
    await axe(page)
    await page.keyboard.press("s")
    await page.get_by_text("Free and fitting").wait_for()
    await page.keyboard.press("e")
    await page.locator("#f-notes").fill("Works nights")
    await page.get_by_label("Friday").focus()
    await page.keyboard.press("Space")
    await axe(page)
    await opened.picture("waitlist-edit")
    await page.keyboard.press("s")
    await page.get_by_text("Works nights").wait_for()
    await page.get_by_label("Friday").wait_for(state="detached")
    await page.keyboard.press("o")
    await page.get_by_text("Offered.").wait_for()
    await axe(page)
    await opened.picture("waitlist-entry")
    await page.goto(f"{opened.address}/console/waitlist")
    await axe(page)
    await opened.picture("waitlist")
    items = (await clinic.get("/waitlist", params={"patient_id": patient["id"]})).json()
    assert items["data"]["items"][0]["status"] == "offered"
