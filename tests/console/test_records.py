"""Facilities, providers, kinds of visit, rooms: what administrators add and change."""

from typing import Any

import pytest

from chroniccare.console import records
from tests.client import Clinic
from tests.console.conftest import Axe, Desk, Open, SignIn
from tests.console.visits import SCRIPT, booked, where

pytestmark = pytest.mark.usefixtures("clock")

AT = "/admin/clinic"
FACILITY: dict[str, object] = {
    "name": SCRIPT, "facility_type": "clinic", "timezone": "America/New_York",
    "city": "Springfield",
    "line": "1 Main St", "country": "US", "phone": "+14155550100", "is_active": "yes",
    "monday": "08:00-12:00, 13:00 \N{EN DASH} 17:00", "capabilities": "lab\ndialysis, at night",
}  # fmt: skip


async def one(desk: Desk, kind: str, **having: Any) -> dict[str, Any]:
    """Return the record that has these fields."""
    items = (await desk.clinic.get(f"/{kind}", params={"limit": 200})).json()["data"]["items"]
    [found] = [it for it in items if all(it[name] == value for name, value in having.items())]
    return found  # type: ignore[no-any-return]


async def test_a_facility_is_added_once_and_changed(sign_in: SignIn) -> None:
    desk = await sign_in()
    assert "Nothing yet" in (await desk.get(f"{AT}/facilities")).text
    wrong = await desk.post(f"{AT}/facilities", {**FACILITY, "monday": "noon", "country": "usa"})
    assert wrong.status_code == 400
    assert 'id="e-monday"' in wrong.text
    assert 'value="noon-"' in wrong.text or 'value="noon"' in wrong.text
    assert SCRIPT not in wrong.text
    for _ in range(2):
        form = {**FACILITY, "once": "a-facility"}
        assert (await desk.post(f"{AT}/facilities", form)).status_code == 303
    made = await one(desk, "facilities", name=SCRIPT)
    assert made["operating_hours"]["monday"][1] == {"open": "13:00", "close": "17:00"}
    assert made["contact_info"]["telecom"][0]["value"] == "+14155550100"
    path = f"{AT}/facilities/{made['id']}"
    page = (await desk.get(path)).text
    assert SCRIPT not in page
    assert 'value="08:00-12:00, 13:00-17:00"' in page
    changed = {**FACILITY, "name": "Riverside", "phone": "", "version": "1"}
    assert (await desk.post(path, changed)).status_code == 303
    after = await one(desk, "facilities", name="Riverside")
    assert after["contact_info"]["telecom"] == []
    stale = await desk.post(path, {**changed, "city": "Elsewhere", "name": "Lakeside"})
    assert stale.status_code == 412
    assert 'value="Lakeside"' in stale.text
    assert "What differs is now:" in stale.text
    assert (await desk.post(f"{path}/remove", {"version": "9"})).status_code == 412
    assert (await desk.post(f"{path}/remove", {"version": "2"})).status_code == 303
    assert (await desk.get(path)).status_code == 404


async def test_a_provider_keeps_what_the_form_does_not_have(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in()
    place = await clinic.facility()
    form: dict[str, object] = {
        "first_name": SCRIPT, "last_name": "Rahman", "npi": "", "number_system": "urn:oid:1.2.3",
        "number_value": "8383", "number_type": "MD", "languages": "en, es",
        "specializations": "Endocrinology, Diabetes and Metabolism",
        "max_daily_capacity": "12", "facilities": [place["id"]],
        "primary": place["id"], "durations": "follow_up 30, lab 15", "is_active": "yes",
        "email": "rahman@clinic.example",
    }  # fmt: skip
    wrong = await desk.post(f"{AT}/providers", {**form, "durations": "lab long", "npi": "1"})
    assert wrong.status_code == 400
    assert 'id="e-npi"' in wrong.text
    assert 'id="e-durations"' in wrong.text
    assert (await desk.post(f"{AT}/providers", form)).status_code == 303
    made = await one(desk, "providers", last_name="Rahman")
    assert made["default_appointment_durations"] == {"follow_up": 30, "lab": 15}
    assert made["facilities"] == [{"facility_id": place["id"], "is_primary": True}]
    assert made["specializations"] == ["Endocrinology, Diabetes and Metabolism"]
    for path in (f"{AT}/providers", f"{AT}/providers/{made['id']}"):
        assert SCRIPT not in (await desk.get(path)).text


async def test_a_change_that_strands_visits_asks_first(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in()
    provider = await clinic.provider()
    visit = await booked(clinic, provider)
    now = (await clinic.get(f"/providers/{provider['id']}")).json()["data"]
    form = {
        **records.shown(now), "facilities": [where(provider)], "languages": "en",
        "specializations": "", "qualifications": "", "version": str(now["version"]),
    }  # fmt: skip
    form = {name: value for name, value in form.items() if isinstance(value, (str, list))}
    path = f"{AT}/providers/{provider['id']}"
    asked = await desk.post(path, {**form, "max_daily_capacity": "20"})
    assert asked.status_code == 409, asked.text
    assert f"/console/visits/{visit['id']}" in asked.text
    left = {**form, "facilities": [], "is_active": "yes"}  # while their week names it
    refused = await desk.post(path, {**left, "max_daily_capacity": "20"})
    assert "availability names one" in refused.text
    told = {**form, "max_daily_capacity": "20", "stranded": "keep", "listed": "another"}
    again = await desk.post(path, told)
    assert again.status_code == 409, "nobody was shown this visit"
    kept = await desk.post(path, {**told, "listed": visit["id"]})
    assert kept.status_code == 303, kept.text
    assert (await clinic.get(f"/appointments/{visit['id']}")).json()["data"]["version"] == 1


async def test_kinds_of_visit_and_rooms(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in()
    place = await clinic.facility()
    kind: dict[str, object] = {
        "name": SCRIPT, "code": "infusion", "duration_minutes": "180", "is_active": "yes",
        "buffer_before_minutes": "10", "buffer_after_minutes": "0", "min_notice_minutes": "0",
        "horizon_days": "365", "need_kind": ["room", "equipment", "room"],
        "need_category": ["bay2", "big pump", ""], "need_count": ["1", "2", "1"],
    }  # fmt: skip
    wrong = await desk.post(f"{AT}/visit-types", {**kind, "need_count": ["1", "many", ""]})
    assert wrong.status_code == 400
    assert 'id="e-requirements"' in wrong.text
    assert 'value="many"' in wrong.text
    assert (await desk.post(f"{AT}/visit-types", kind)).status_code == 303
    made = await one(desk, "visit-types", code="infusion")
    needs = [(need["kind"], need["category"], need["count"]) for need in made["requirements"]]
    assert needs == [("room", "bay2", 1), ("equipment", "big pump", 2)]
    spanish = await (await sign_in(locale="es")).get(f"{AT}/visit-types/{made['id']}")
    assert '<option value="equipment" selected>Equipo</option>' in spanish.text
    assert SCRIPT not in (await desk.get(f"{AT}/visit-types")).text
    room: dict[str, object] = {
        "kind": "room", "facility_id": place["id"], "name": SCRIPT, "category": "infusion",
        "capacity": "4", "is_active": "yes",
    }  # fmt: skip
    assert (await desk.post(f"{AT}/resources", {**room, "capacity": "0"})).status_code == 400
    assert (await desk.post(f"{AT}/resources", room)).status_code == 303
    bay = await one(desk, "resources", category="infusion")
    assert SCRIPT not in (await desk.get(f"{AT}/resources/{bay['id']}")).text
    stale = {**room, "name": "Bay", "version": "7"}
    late = await desk.post(f"{AT}/resources/{bay['id']}", stale)
    assert late.status_code == 412
    assert 'value="Bay"' in late.text
    visitor = await clinic.provider(facilities=[{"facility_id": place["id"]}])
    await booked(clinic, visitor, resource_ids=[bay["id"]])
    path = f"{AT}/resources/{bay['id']}"
    shut = {**room, "is_active": "", "version": "1"}
    assert (await desk.post(path, shut)).status_code == 409
    assert (await desk.post(path, {**shut, "keep_visits": "yes"})).status_code == 303
    assert (await desk.post(f"{path}/remove", {"version": "2"})).status_code == 409
    assert where(visitor) == place["id"]


async def test_who_may_not_write_is_offered_nothing(clinic: Clinic, sign_in: SignIn) -> None:
    place = await clinic.facility()
    reader = await sign_in("auditor")
    page = (await reader.get(f"{AT}/facilities")).text
    assert "/new" not in page
    assert 'data-key="s"' not in (await reader.get(f"{AT}/facilities/{place['id']}")).text
    assert (await reader.post(f"{AT}/facilities", FACILITY)).status_code == 403
    assert (await reader.get(f"{AT}/patients")).status_code == 404


async def test_a_room_is_added_by_keyboard(
    clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    await clinic.provider(last_name="Rahman")
    opened = await window(await sign_in())
    page = await opened.go(f"{AT}/facilities")
    await axe(page)
    await page.get_by_role("link", name="Riverside").first.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Facility").wait_for()
    await axe(page)
    await opened.picture("facility")
    await page.goto(f"{opened.address}/console{AT}/providers")
    await axe(page)
    await opened.picture("providers")
    await page.get_by_role("link", name="Aisha Rahman").click()
    await page.get_by_role("heading", name="Provider").wait_for()
    await axe(page)
    await opened.picture("provider")
    await page.goto(f"{opened.address}/console{AT}/resources")
    await page.keyboard.press("n")
    await page.locator("#f-name").fill("Bay 2")
    await page.locator("#f-category").fill("infusion")
    await page.keyboard.press("Enter")
    await page.get_by_text("Saved.").wait_for()
    await page.get_by_role("link", name="Bay 2").wait_for()
    await axe(page)
    await page.emulate_media(color_scheme="dark")
    await axe(page, only="color-contrast")
    await opened.picture("rooms")
    await page.goto(f"{opened.address}/console{AT}/visit-types/new")
    await page.locator("#f-name").fill("Infusion")
    await page.locator("#f-code").fill("infusion")
    await page.get_by_label("Category 1").fill("infusion")
    await axe(page)
    await opened.picture("kind-of-visit")
    await page.keyboard.press("Enter")
    await page.get_by_text("Saved.").wait_for()
    await page.get_by_role("link", name="Infusion").wait_for()
    await opened.picture("kinds-of-visit")
