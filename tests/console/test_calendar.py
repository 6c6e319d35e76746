"""A day or a week by provider, room or facility; a drag is a form with what is in its way."""

from typing import Any

import pytest

from chroniccare.console import calendar_api
from tests.client import Clinic
from tests.console.conftest import Axe, Open, SignIn
from tests.console.test_groups import session
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


async def test_a_session_stands_for_its_seats(
    clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider(last_name="Rahman")
    hall = await room(clinic, provider, "Hall")
    visit = await booked(clinic, provider, minutes=180)
    made = await session(
        clinic, provider, title=SCRIPT, seats=12, resource_ids=[hall["id"]], duration_minutes=90
    )
    patient = await clinic.patient(first_name="Noor")
    seats = f"/group-sessions/{made['id']}/appointments"
    seat = await clinic.make(seats, {"patient_id": patient["id"]})
    for by in ("provider", "room", "facility"):
        for view in ("day", "week"):
            text = (await desk.get(f"/calendar?by={by}&view={view}")).text
            listed = text.partition("As a list")[2]
            assert f"/console/groups/{made['id']}" in listed
            assert "1 of 12 seats" in listed
            assert f"/console/visits/{visit['id']}" in listed
            assert seat["id"] not in text
            assert SCRIPT not in text
    spanish = await sign_in("front_desk", locale="es")
    assert "1 de 12 plazas" in (await spanish.get("/calendar")).text
    elsewhere = await clinic.provider(facilities=provider["facilities"])
    assert made["id"] not in (await desk.get(f"/calendar?provider_id={elsewhere['id']}")).text
    opened = await window(desk)
    page = await opened.go("/calendar")
    box = page.locator(".ec-event").filter(has_text="1 of 12 seats").first
    await box.wait_for()
    await axe(page)
    at = await box.bounding_box()
    assert at is not None
    await page.mouse.move(at["x"] + 20, at["y"] + 8)
    await page.mouse.down()
    await page.mouse.move(at["x"] + 20, at["y"] + 60)
    await page.mouse.up()  # which is a click on what cannot be dragged
    await page.get_by_role("heading", name="Seats").wait_for()
    assert page.url.endswith(f"/groups/{made['id']}")
    await session(clinic, elsewhere, title="Living with diabetes", duration_minutes=90)
    await opened.go(f"/calendar?provider_id={elsewhere['id']}")
    await page.locator(".ec-event").filter(has_text="0 of 2 seats").wait_for()
    await opened.picture("calendar-session")
    gone = {"cancellation_reason": "Asked"}
    await clinic.delete(f"/group-sessions/{made['id']}", json=gone)
    assert made["id"] not in (await desk.get("/calendar")).text


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


async def room(clinic: Clinic, provider: dict[str, Any], name: str) -> dict[str, Any]:
    body = {"kind": "room", "facility_id": where(provider), "name": name, "category": "exam"}
    return await clinic.make("/resources", body)


async def test_the_form_moves_a_visit_to_another_room(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider()
    first, second, third = [await room(clinic, provider, SCRIPT + str(one)) for one in range(3)]
    visit = await booked(clinic, provider, resource_ids=[first["id"], third["id"]])
    colleague = await clinic.provider(facilities=provider["facilities"])
    other = await booked(clinic, colleague, resource_ids=[second["id"]])
    path = f"/visits/{visit['id']}"
    looked = await desk.get(f"{path}?room_id={second['id']}&instead_of={first['id']}")
    assert "That time is taken:" in looked.text
    assert SCRIPT not in looked.text
    form: dict[str, object] = {
        "version": "1", "zone": "America/New_York", "day": "2031-03-04", "clock": "12:30",
        "duration_minutes": "30", "provider_id": provider["id"], "room_id": second["id"],
        "instead_of": first["id"],
    }  # fmt: skip
    assert (await desk.post(f"{path}/move", form)).status_code == 409
    assert (await desk.post(f"{path}/move", {**form, "room_id": "x"})).status_code == 400
    assert (await desk.get(f"{path}?room_id=x")).status_code == 200
    await clinic.delete(f"/appointments/{other['id']}", json={"cancellation_reason": "Asked"})
    session = {
        "title": "Walking", "provider_id": colleague["id"], "facility_id": where(provider),
        "appointment_type": "education", "scheduled_start": visit["scheduled_start"],
        "duration_minutes": 30, "seats": 3, "resource_ids": [second["id"]],
    }  # fmt: skip
    group = await clinic.make("/group-sessions", session)
    assert "That time is taken:" in (await desk.post(f"{path}/move", {**form, "act": "check"})).text
    led = await desk.get(f"{path}?provider_id={colleague['id']}&minutes=45")
    assert "Walking" in led.text
    gone = {"cancellation_reason": "Asked"}
    await clinic.delete(f"/group-sessions/{group['id']}", json=gone)
    free = await desk.post(f"{path}/move", {**form, "act": "check"})
    assert "No other visit is in the way" in free.text
    assert (await desk.post(f"{path}/move", form)).status_code == 303
    moved = await read(clinic, visit)
    assert set(moved["resource_ids"]) == {second["id"], third["id"]}
    bare = {**form, "room_id": "any", "instead_of": "", "version": ""}
    assert (await desk.post(f"{path}/move", bare)).status_code == 303
    assert (await read(clinic, visit))["resource_ids"] == []
    assert "No room" in (await desk.get("/calendar?by=room")).text


async def test_a_visit_is_dragged_to_another_room(
    clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    provider = await clinic.provider(last_name="Rahman")
    rooms = [await room(clinic, provider, f"Bay {one}") for one in (1, 2, 3)]
    visit = await booked(clinic, provider, minutes=30, resource_ids=[rooms[0]["id"]])
    colleague = await clinic.provider(facilities=provider["facilities"], last_name="Silva")
    patient = await clinic.patient(first_name="Noor")
    await booked(
        clinic, colleague, minutes=30, resource_ids=[rooms[2]["id"]], patient_id=patient["id"]
    )
    opened = await window(await sign_in("front_desk"))
    page = await opened.go("/calendar?by=room")
    box = page.locator(".ec-event").filter(has_text="Maria").first
    for number, said in ((3, "That time is taken:"), (2, "No other visit is in the way")):
        await box.wait_for()
        await box.scroll_into_view_if_needed()
        head = await page.get_by_text(f"Bay {number}").first.bounding_box()
        at = await box.bounding_box()
        assert at is not None
        assert head is not None
        if number == 3:
            await opened.picture("calendar-rooms")
        await page.mouse.move(at["x"] + 20, at["y"] + 8)
        await page.mouse.down()
        for part in (0.3, 0.6, 1.0):  # to the column of the other room, at the same time
            across = at["x"] + 20 + (head["x"] + 20 - at["x"] - 20) * part
            await page.mouse.move(across, at["y"] + 8)
        await page.mouse.up()
        await page.get_by_text(said).wait_for()
        assert (await read(clinic, visit))["resource_ids"] == [rooms[0]["id"]]
        if number == 3:
            await page.go_back()
    await axe(page)
    await page.keyboard.press("m")
    await page.get_by_text("Moved. The patient is told").wait_for()
    assert (await read(clinic, visit))["resource_ids"] == [rooms[1]["id"]]
