"""Hours: what a change would strand is shown before anything is saved."""

import re
from typing import Any

import pytest

from tests.console.conftest import Desk, Open, SignIn
from tests.scheduling.hours import Surgery, at, on, rule

SCRIPT = "<script>alert(1)</script>"
COLUMNS = ("day_of_week", "facility_id", "start_time", "end_time", "slot_duration",
           "effective_from", "effective_until", "is_available", "reserved_for",
           "release_minutes")  # fmt: skip
KEEPS = {"is_available": "yes", "slot_duration": 30}


async def surgery(desk: Desk) -> Surgery:
    """Return a provider who works on Mondays from 9 to 12 and has a visit at 11."""
    clinic = desk.clinic
    place = await clinic.facility()
    links = [{"facility_id": place["id"], "is_primary": True}]
    provider = await clinic.provider(always=False, facilities=links)
    made = Surgery(clinic, provider, place, await clinic.patient())
    await clinic.put(made.week, {"rules": [rule(place["id"])]})
    await made.book(at(0, "11:00"))
    return made


def form(*rules: dict[str, Any], **more: str) -> dict[str, Any]:
    """Return the weekly hours as a browser sends them: a column each."""
    filled = [{**dict.fromkeys(COLUMNS, ""), **one, **KEEPS} for one in rules]
    return {name: [str(one[name]) for one in filled] for name in COLUMNS} | more


async def version(made: Surgery) -> str:
    found = await made.clinic.get(f"/providers/{made.provider['id']}")
    return str(found.json()["data"]["version"])


async def ends(made: Surgery) -> list[str]:
    found = (await made.clinic.get(made.week)).json()["data"]["rules"]
    return [one["end_time"][:5] for one in found]


async def test_what_would_be_stranded_is_shown_first_and_chosen_for(sign_in: SignIn) -> None:
    desk = await sign_in()
    made = await surgery(desk)
    place = f"/availability/providers/{made.provider['id']}"
    shorter = form(rule(made.place["id"], end_time="10:00"), version=await version(made))
    asked = await desk.post(f"{place}/week", shorter)
    assert asked.status_code == 409
    assert "1 visit would be outside the hours" in asked.text
    assert 'target="_blank" rel="noopener"' in asked.text
    assert re.search("<td>Maria Gonzalez.</td><td>Follow up</td>", asked.text)
    assert await ends(made) == ["12:00"]
    done = await desk.post(f"{place}/week", {**shorter, "stranded": "keep"})
    assert done.status_code == 303
    assert await ends(made) == ["10:00"]


async def test_a_stale_week_is_refused_and_the_entries_stay(sign_in: SignIn) -> None:
    desk = await sign_in()
    made = await surgery(desk)
    longer = form(rule(made.place["id"], end_time="13:15"), version="1")
    answer = await desk.post(f"/availability/providers/{made.provider['id']}/week", longer)
    assert answer.status_code == 412
    assert "13:15" in answer.text
    now = answer.text.split("The week as it is now")[1].split("</ul>")[0]
    assert "Monday, 09:00" in now
    assert "12:00" in now
    assert await ends(made) == ["12:00"]


@pytest.mark.parametrize("owner", ["providers", "facilities"])
async def test_a_day_off_is_added_once_and_removed(sign_in: SignIn, owner: str) -> None:
    desk = await sign_in()
    made = await surgery(desk)
    whose = made.provider if owner == "providers" else made.place
    place = f"/availability/{owner}/{whose['id']}"
    off = {"kind": "off", "day": on(7), "reason": SCRIPT, "once": "form-0020"}
    for _ in range(2):
        assert (await desk.post(f"{place}/exceptions", off)).status_code == 303
    listed = await desk.clinic.get(f"/{owner}/{whose['id']}/exceptions")
    [one] = listed.json()["data"]["items"]
    page = (await desk.get(place)).text
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    assert (await desk.post(f"{place}/exceptions/{one['id']}/remove")).status_code == 303
    wrong = await desk.post(f"{place}/exceptions", {**off, "day": "soon", "once": "form-0021"})
    assert wrong.status_code == 400
    assert 'value="soon"' in wrong.text


async def test_a_facility_closes_on_public_holidays(sign_in: SignIn) -> None:
    desk = await sign_in()
    made = await surgery(desk)
    year = {"country": "US", "subdivision": "NY", "from_date": "2027-12-01",
            "to_date": "2027-12-31", "once": "form-0022"}  # fmt: skip
    place = f"/availability/facilities/{made.place['id']}"
    assert (await desk.post(f"{place}/holidays", year)).status_code == 303
    assert "Christmas" in (await desk.get(place)).text


async def test_hours_in_a_browser(sign_in: SignIn, window: Open) -> None:
    desk = await sign_in()
    made = await surgery(desk)
    opened = await window(desk)
    page = await opened.go(f"/availability/providers/{made.provider['id']}")
    await page.locator("[name=end_time]").first.fill("10:00")
    await opened.picture("availability")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Keep them").wait_for()
    await opened.picture("availability-stranded")
    await page.get_by_role("button", name="Keep them").click()
    await page.wait_for_url("**said=saved")
    assert await ends(made) == ["10:00"]
