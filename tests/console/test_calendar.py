"""A day or a week by provider, room or facility; a drag is a form with what is in its way."""

import pytest

from chroniccare.console import calendar_api
from tests.client import Clinic
from tests.console.conftest import Axe, Open, SignIn
from tests.console.visits import SCRIPT, booked, read, where

pytestmark = pytest.mark.usefixtures("clock")


async def test_the_same_visits_by_provider_room_and_facility(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider(last_name=SCRIPT)
    patient = await clinic.patient(first_name=SCRIPT)
    room = await clinic.make(
        "/resources",
        {"kind": "room", "facility_id": where(provider), "name": "Bay 2", "category": "exam"},
    )
    gone = await booked(clinic, provider, minutes=120)
    await clinic.delete(f"/appointments/{gone['id']}", json={"cancellation_reason": "Asked"})
    visit = await booked(clinic, provider, patient_id=patient["id"], resource_ids=[room["id"]])
    for by in ("provider", "room", "facility"):
        for view in ("day", "week"):
            page = await desk.get(f"/calendar?by={by}&view={view}")
            assert f"/console/visits/{visit['id']}" in page.text
            assert gone["id"] not in page.text
            assert SCRIPT not in page.text
            assert ("Bay 2" in page.text) == (by == "room")
    other = await clinic.facility()
    empty = await desk.get(f"/calendar?facility_id={other['id']}&day=never")
    assert "Nothing is booked in this time." in empty.text
    assert (await desk.get("/calendar?view=year")).status_code == 404
    assert f"/console/visits/{visit['id']}" not in (await desk.get("/calendar?day=2031-03-05")).text


async def test_a_clinic_without_facilities_says_so(sign_in: SignIn) -> None:
    assert "No facility yet" in (await (await sign_in()).get("/calendar")).text


async def test_more_visits_than_a_page_has_are_not_left_out_silently(
    clinic: Clinic, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await booked(clinic, await clinic.provider())
    desk = await sign_in()
    said = "There are more visits than are shown here"
    assert said not in (await desk.get("/calendar")).text
    monkeypatch.setattr(calendar_api, "_MOST", 1)
    assert said in (await desk.get("/calendar")).text


async def test_a_visit_is_dragged_and_what_is_in_its_way_is_said_first(
    clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    provider = await clinic.provider(last_name="Rahman")
    visit = await booked(clinic, provider, minutes=30)
    await booked(clinic, provider, minutes=60)
    await booked(
        clinic, await clinic.provider(facilities=provider["facilities"], last_name="Silva"),
        minutes=90,
    )  # fmt: skip
    opened = await window(await sign_in("front_desk"))
    page = await opened.go("/calendar?view=week")
    await page.locator(".ec-event").first.wait_for()
    await axe(page)
    await page.keyboard.press("d")
    await page.wait_for_url("**view=day**")
    box = page.locator(".ec-event").filter(has_text="Maria").first
    await box.wait_for()
    assert "Scheduled" in await box.inner_text()  # not by its colour alone
    await axe(page)
    await box.scroll_into_view_if_needed()
    await opened.picture("calendar")
    at = await box.bounding_box()
    assert at is not None
    await page.mouse.move(at["x"] + 20, at["y"] + 8)
    await page.mouse.down()
    for part in (0.3, 0.6, 1.0):  # half an hour down, as one box is high
        await page.mouse.move(at["x"] + 20, at["y"] + 8 + at["height"] * part)
    await page.mouse.up()
    await page.get_by_text("That time is taken:").wait_for()
    assert (await read(clinic, visit))["version"] == 1
    await axe(page)
