"""Group sessions: planned, changed, and seats that are booked and cancelled."""

from datetime import timedelta
from typing import Any

import pytest

from tests.client import Clinic
from tests.console.conftest import Axe, Open, SignIn
from tests.console.visits import SCRIPT, booked, where
from tests.notifications.support import NOON

pytestmark = pytest.mark.usefixtures("clock")


async def session(clinic: Clinic, provider: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Plan a session an hour from noon."""
    body = {
        "title": "Living with diabetes", "provider_id": provider["id"],
        "facility_id": where(provider), "appointment_type": "education", "seats": 2,
        "scheduled_start": (NOON + timedelta(hours=1)).isoformat(), "duration_minutes": 60,
        **fields,
    }  # fmt: skip
    return await clinic.make("/group-sessions", body)


async def now(clinic: Clinic, path: str) -> dict[str, Any]:
    data: dict[str, Any] = (await clinic.get(path.replace("/groups", "/group-sessions"))).json()
    found: dict[str, Any] = data["data"]
    return found


async def test_a_session_is_planned_and_changed(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    assert "No group sessions" in (await desk.get("/groups")).text
    provider = await clinic.provider()
    room = {"kind": "room", "facility_id": where(provider), "name": "Hall", "category": "group"}
    hall = await clinic.make("/resources", room)
    assert "Plan a session" in (await desk.get("/groups/new")).text
    form: dict[str, object] = {
        "title": SCRIPT, "provider_id": provider["id"], "facility_id": where(provider),
        "appointment_type": "education", "day": "2031-03-04", "clock": "14:00",
        "duration_minutes": "60", "seats": "3", "room_id": hall["id"], "once": "a-session",
    }  # fmt: skip
    wrong = await desk.post("/groups", {**form, "seats": "many", "day": "then", "once": "b"})
    assert wrong.status_code == 400
    assert 'id="e-seats"' in wrong.text
    assert SCRIPT not in wrong.text
    first, second = await desk.post("/groups", form), await desk.post("/groups", form)
    assert first.headers["location"] == second.headers["location"]
    path = first.headers["location"].removeprefix("/console").split("?")[0]
    assert (await now(clinic, path))["scheduled_start"] == "2031-03-04T19:00:00Z"
    for page in ("/groups", "/groups?when=all", path, f"{path}/edit"):
        assert SCRIPT not in (await desk.get(page)).text
    taken = await desk.post("/groups", {**form, "once": "c"})
    assert taken.status_code == 409
    assert "Free instead" in taken.text
    changed = {**form, "seats": "4", "clock": "15:00", "room_id": "", "version": "1"}
    assert (await desk.post(path, {**changed, "version": "9"})).status_code == 412
    assert (await desk.post(path, changed)).status_code == 303
    after = await now(clinic, path)
    assert (after["seats"], after["resource_ids"]) == (4, [hall["id"]])
    assert after["scheduled_start"] == "2031-03-04T20:00:00Z"
    assert (await desk.post(path, {**changed, "room_id": "any", "version": ""})).status_code == 303
    assert (await now(clinic, path))["resource_ids"] == []
    reader = await sign_in("auditor")
    assert "/cancel" not in (await reader.get(path)).text
    assert (await reader.post("/groups", form)).status_code == 403


async def test_a_seat_is_booked_once_and_cancelled(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider()
    made = await session(clinic, provider)
    path = f"/groups/{made['id']}"
    patient, other = await clinic.patient(first_name=SCRIPT, last_name="Ortega"), None
    found = await desk.post(f"/patients/found?to={made['id']}", {"name": "orte"})
    assert f"/console{path}?patient_id={patient['id']}" in found.text
    assert SCRIPT not in (await desk.get(f"{path}?patient_id={patient['id']}")).text
    form: dict[str, object] = {"patient_id": patient["id"], "reason": SCRIPT, "once": "a-seat"}
    assert (await desk.post(f"{path}/seats", {**form, "patient_id": "x"})).status_code == 400
    for _ in range(2):
        assert (await desk.post(f"{path}/seats", form)).status_code == 303
    assert (await desk.post(f"{path}/seats", {**form, "once": "b"})).status_code == 409
    other = await clinic.patient()
    taken: dict[str, object] = {"patient_id": other["id"], "once": "c"}
    assert (await desk.post(f"{path}/seats", taken)).status_code == 303
    page = (await desk.get(path)).text
    assert SCRIPT not in page
    assert "Full" in page
    assert "Book a seat" not in page
    # A patient with another visit then stands in the way of a move.
    later = NOON + timedelta(hours=4)
    colleague = await clinic.provider(facilities=provider["facilities"])
    visit = await booked(
        clinic, colleague, patient_id=other["id"], scheduled_start=later.isoformat()
    )
    moved = {
        "title": "Walking", "provider_id": provider["id"], "facility_id": where(provider),
        "appointment_type": "education", "day": "2031-03-04", "clock": "16:00",
        "duration_minutes": "60", "seats": "2", "version": "1",
    }  # fmt: skip
    refused = await desk.post(path, moved)
    assert refused.status_code == 409, visit
    assert "Patients with another visit then" in refused.text
    items = (await clinic.get(f"/group-sessions/{made['id']}/appointments")).json()["data"]["items"]
    gone: dict[str, object] = {"cancellation_reason": "Asked", "version": "7"}
    seat = f"{path}/seats/{items[0]['id']}/cancel"
    late = await desk.post(seat, gone)
    assert late.status_code == 412
    assert (
        late.text.count('value="Asked"') == 1
    )  # in that seat's row, and not in the session's form
    assert late.text.index('value="Asked"') > late.text.index(f'id="why-{items[0]["id"]}"')
    assert (await desk.post(seat, {**gone, "version": "1"})).status_code == 303
    assert (await now(clinic, path))["seats_taken"] == 1
    assert (await desk.post(f"{path}/cancel", {"version": "1"})).status_code == 400
    end: dict[str, object] = {"version": "1", "cancellation_reason": SCRIPT}
    assert (await desk.post(f"{path}/cancel", end)).status_code == 303
    assert SCRIPT not in (await desk.get(path)).text
    assert (await now(clinic, path))["status"] == "cancelled"


async def test_a_facility_that_is_closed_for_good_keeps_its_clock(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    await clinic.facility()  # another one, which pages begin with
    provider = await clinic.provider()
    made = await session(clinic, provider)
    visit = await booked(clinic, provider, minutes=240)
    entry = await clinic.make("/waitlist", {"patient_id": visit["patient_id"]})
    offer = {
        "provider_id": provider["id"], "facility_id": where(provider), "duration_minutes": 30,
        "scheduled_start": (NOON + timedelta(hours=5)).isoformat(),
        "appointment_type": "follow_up",
    }  # fmt: skip
    await clinic.make(f"/waitlist/{entry['id']}/offers", offer)
    place = (await clinic.get(f"/facilities/{where(provider)}")).json()["data"]
    body = clinic.facility_body(is_active=False, name=place["name"])
    closed = await clinic.put(f"/facilities/{place['id']}?stranded=keep", json=body)
    assert closed.status_code == 200, closed.text
    shown = {
        "/groups": "1:00", f"/groups/{made['id']}": "1:00", f"/visits/{visit['id']}": "4:00",
        f"/groups/{made['id']}/edit": 'value="13:00"', f"/waitlist/{entry['id']}": "5:00",
        f"/calendar?facility_id={place['id']}": "4:00", "/calendar?by=facility": "4:00",
    }  # fmt: skip
    for path, clock in shown.items():
        page = (await desk.get(path)).text
        assert clock in page, path
        assert "UTC" not in page.partition("<main")[2], path
        assert place["name"] in page or path.endswith(("/edit", entry["id"])), path


async def test_a_seat_by_keyboard(clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe) -> None:
    provider = await clinic.provider(last_name="Rahman")
    made = await session(clinic, provider, seats=12)
    await clinic.patient(last_name="Ortega")
    for name in ("Ines", "Noor"):
        patient = await clinic.patient(first_name=name)
        seats = f"/group-sessions/{made['id']}/appointments"
        await clinic.make(seats, {"patient_id": patient["id"], "reason": "New diagnosis"})
    opened = await window(await sign_in("front_desk"))
    page = await opened.go("/today")
    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await page.get_by_role("link", name="Living with diabetes").wait_for()
    await axe(page)
    await opened.picture("groups")
    await page.get_by_role("link", name="Living with diabetes").focus()
    await page.keyboard.press("Enter")
    await page.get_by_text("Book a seat").first.wait_for()
    await page.keyboard.press("n")
    await page.keyboard.type("orteg")
    await page.locator("#who-found a").wait_for()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.get_by_text("A seat for Maria Ortega").wait_for()
    await axe(page)
    await page.keyboard.press("b")
    await page.get_by_text("Booked. The patient is told").wait_for()
    await axe(page)
    await page.emulate_media(color_scheme="dark")
    await axe(page, only="color-contrast")
    await opened.picture("group")
    await page.keyboard.press("e")
    await page.get_by_role("heading", name="Change the session").wait_for()
    await axe(page)
    await opened.picture("group-form")
    assert (await now(clinic, f"/groups/{made['id']}"))["seats_taken"] == 3
