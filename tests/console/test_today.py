"""The day's visits: what stands where, and one step for each."""

from contextlib import suppress

import pytest
from playwright.async_api import TimeoutError  # noqa: A004  it is what waiting raises

from tests.client import Clinic
from tests.console.conftest import Axe, Open, SignIn
from tests.console.visits import SCRIPT, booked, read, where
from tests.notifications.support import Clock


async def test_a_visit_goes_through_its_day(clinic: Clinic, sign_in: SignIn, clock: Clock) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider(last_name=SCRIPT)
    patient = await clinic.patient(first_name=SCRIPT)
    visit = await booked(clinic, provider, patient_id=patient["id"])
    page = await desk.get("/today")
    assert page.status_code == 200
    assert SCRIPT not in page.text
    assert "12:30 PM" in page.text
    clock.forward(minutes=40)
    assert "10 min late" in (await desk.get("/today")).text
    for step, said, status in (
        ("check-in", "checked_in", "checked_in"), ("undo", "undone", "scheduled"),
        ("check-in", "checked_in", "checked_in"), ("start", "started", "in_progress"),
        ("complete", "completed", "completed"), ("undo", "undone", "in_progress"),
    ):  # fmt: skip
        form: dict[str, object] = {
            "from": "today",
            "facility_id": where(provider),
            "provider_id": "",
        }
        answer = await desk.post(f"/visits/{visit['id']}/step/{step}", form)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].endswith(f"said={said}")
        assert (await read(clinic, visit))["status"] == status
    clock.forward(minutes=7)
    assert f"facility_id={where(provider)}" in answer.headers["location"]
    assert "In the room" in (await desk.get("/today")).text


async def test_who_waits_is_shown_with_how_long(
    clinic: Clinic, sign_in: SignIn, clock: Clock
) -> None:
    desk = await sign_in("front_desk")
    visit = await booked(clinic, await clinic.provider())
    await desk.post(f"/visits/{visit['id']}/step/check-in")
    clock.forward(minutes=25)
    assert "waits 25 min" in (await desk.get("/today")).text
    assert "espera 25 min" in (await (await sign_in(locale="es")).get("/today")).text


@pytest.mark.usefixtures("clock")
async def test_a_step_that_cannot_be_taken_says_why_and_changes_nothing(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    visit = await booked(clinic, await clinic.provider())
    path = f"/visits/{visit['id']}/step"
    early = await desk.post(f"{path}/no-show", {"from": "today", "facility_id": ""})
    assert early.status_code == 422
    assert "has not passed yet" in early.text
    stale = await desk.post(f"{path}/check-in", {"from": "today", "version": "7"})
    assert stale.status_code == 412
    assert (await desk.post(f"{path}/fly")).status_code == 404
    assert (await read(clinic, visit))["version"] == 1
    twice = [await desk.post(f"{path}/check-in", {"once": "a-key"}) for _ in range(2)]
    assert [one.status_code for one in twice] == [303, 303]
    assert (await read(clinic, visit))["version"] == 2


@pytest.mark.usefixtures("clock")
async def test_an_auditor_sees_the_day_without_steps(clinic: Clinic, sign_in: SignIn) -> None:
    visit = await booked(clinic, await clinic.provider())
    desk = await sign_in("auditor")
    page = await desk.get("/today")
    assert "12:30 PM" in page.text
    assert "/step/" not in page.text
    refused = await desk.post(f"/visits/{visit['id']}/step/check-in")
    assert refused.status_code == 403
    other = await clinic.facility()
    assert "No visits today" in (await desk.get(f"/today?facility_id={other['id']}")).text


@pytest.mark.usefixtures("clock")
async def test_a_clinic_without_facilities_says_so(sign_in: SignIn) -> None:
    assert "No facility yet" in (await (await sign_in()).get("/today")).text


async def test_the_day_by_keyboard(
    clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe, clock: Clock
) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider()
    visits = [await booked(clinic, provider, minutes=30 * number) for number in range(1, 6)]
    await desk.post(f"/visits/{visits[0]['id']}/step/check-in")
    await desk.post(f"/visits/{visits[1]['id']}/step/check-in")
    await desk.post(f"/visits/{visits[1]['id']}/step/start")
    clock.forward(minutes=100)
    opened = await window(desk)
    page = await opened.go("/today")
    for key in ("j", "j", "j", "c"):  # past who waits and who is in the room
        await page.keyboard.press(key)
    await page.get_by_text("Checked in.").wait_for()
    assert (await read(clinic, visits[2]))["status"] == "checked_in"
    await page.keyboard.press("s")  # the same visit is still chosen
    await page.get_by_text("Visit started.").wait_for()
    assert (await read(clinic, visits[2]))["status"] == "in_progress"
    await axe(page)
    await page.goto(page.url.split("&said")[0])
    await opened.picture("today")
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await opened.picture("today-phone")


async def test_what_one_does_another_sees(
    clinic: Clinic, sign_in: SignIn, window: Open, clock: Clock
) -> None:
    provider = await clinic.provider()
    visits = [await booked(clinic, provider, minutes=30 * number) for number in range(1, 6)]
    other, opened = await sign_in("clinician"), await window(await sign_in("front_desk"))
    page = await opened.go("/today")
    shown = page.get_by_text("Checked in", exact=True).first
    for visit in visits:  # what happens before the page listens is not told to it
        clock.forward(minutes=1)
        await other.post(f"/visits/{visit['id']}/step/check-in")
        with suppress(TimeoutError):
            await shown.wait_for(timeout=4000)
            break
    assert await shown.is_visible()
