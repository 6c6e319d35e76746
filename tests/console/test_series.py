"""A series as a whole: its page, and visits that are changed and cancelled together."""

import re
from html import unescape
from typing import Any

import pytest

from chroniccare.console import series as shaped
from tests.client import Clinic
from tests.console.conftest import Axe, Desk, Open, SignIn
from tests.console.visits import SCRIPT, booked, where

pytestmark = pytest.mark.usefixtures("clock")


async def weekly(
    clinic: Clinic, provider: dict[str, Any], *, count: int = 4, **fields: Any
) -> dict[str, Any]:
    """Book a series on Tuesdays at half past two in New York, from the day after the clock's."""
    patient = fields.pop("patient_id", None) or (await clinic.patient(last_name="Ortega"))["id"]
    body = {
        "patient_id": patient, "provider_id": provider["id"], "facility_id": where(provider),
        "appointment_type": "infusion", "duration_minutes": 30, "first_date": "2031-03-05",
        "local_time": "14:30", "recurrence": {"rrule": f"FREQ=WEEKLY;COUNT={count}"}, **fields,
    }  # fmt: skip
    made: dict[str, Any] = await clinic.make("/appointments/batch", body)
    return made


def visits(made: dict[str, Any]) -> list[str]:
    return [one["appointment_id"] for one in made["occurrences"]]


async def look(desk: Desk, path: str, form: dict[str, object]) -> dict[str, object]:
    """Ask for the preview; return the form that saves what it showed."""
    page = await desk.post(path, {**form, "act": "check"})
    assert page.status_code == 200, page.text
    [seen] = [one for one in re.findall(r'name="seen" value="([^"]*)"', page.text) if one]
    return {**form, "seen": unescape(seen)}


def test_a_rule_is_taken_apart() -> None:
    weeks = shaped.rule("FREQ=WEEKLY;INTERVAL=2;UNTIL=20310601;BYDAY=MO,-1FR")
    assert (weeks["interval"], weeks["until"]) == (2, "2031-06-01")
    assert weeks["days"] == [("MO", ""), ("FR", "-1")]
    ends = shaped.rule("FREQ=MONTHLY;COUNT=3;BYMONTHDAY=28,29,30,31;BYSETPOS=-1")
    assert (ends["month_end"], ends["raw"]) == (31, "")
    assert shaped.rule("FREQ=YEARLY;COUNT=3;BYMONTH=2")["raw"]
    cycles = shaped.rule("CYCLES=6;LENGTH=21;DAYS=1,8,15")
    assert (cycles["kind"], cycles["cycle_days"]) == ("CYCLES", "1, 8, 15")
    assert shaped.rule("RDATE")["kind"] == "RDATE"


async def test_a_series_has_a_page(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider(last_name=SCRIPT)
    patient = await clinic.patient(first_name=SCRIPT)
    made = await weekly(clinic, provider, series_name=SCRIPT, patient_id=patient["id"])
    path = f"/series/{made['series']['id']}"
    page = (await desk.get(path)).text
    assert SCRIPT not in page
    assert "Every week, 4 times" in unescape(page)
    for visit in visits(made):
        assert f"/console/visits/{visit}" in page
    second = await desk.get(f"/visits/{visits(made)[1]}")
    assert f"/console{path}?visit={visits(made)[1]}" in second.text
    chart = await desk.get(f"/patients/{patient['id']}/visits")
    assert f'href="/console{path}"' in chart.text
    assert SCRIPT not in chart.text
    reader = await sign_in("auditor")
    assert 'name="act"' not in (await reader.get(path)).text
    gone: dict[str, object] = {"cancellation_reason": "x", "act": "check"}
    assert (await reader.post(f"{path}/cancel", gone)).status_code == 403
    assert (await desk.get("/series/01900000-0000-7000-8000-000000000000")).status_code == 404


async def test_this_and_following_change_after_every_date_was_seen(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider()
    made = await weekly(clinic, provider)
    other = await booked(clinic, provider, scheduled_start="2031-03-26T16:00:00-04:00")
    path = f"/series/{made['series']['id']}/change"
    form: dict[str, object] = {
        "visit": visits(made)[2], "local_time": "16:00", "duration_minutes": "", "provider_id": "",
        "version": "1", "once": "a-change",
    }  # fmt: skip
    taken = await desk.post(path, {**form, "act": "check"})
    assert "Not every visit can be at its time" in taken.text
    assert "Change these visits" not in taken.text
    unseen = await desk.post(path, {**form, "act": "change"})
    assert unseen.status_code == 200  # looked at instead
    assert (await desk.post(path, {**form, "act": "check", "local_time": "4"})).status_code == 400
    assert (await desk.post(path, {**form, "act": "check", "local_time": ""})).status_code == 400
    await clinic.delete(f"/appointments/{other['id']}", json={"cancellation_reason": "Asked"})
    seen = await look(desk, path, form)
    changed = await desk.post(path, {**seen, "local_time": "16:30", "act": "change"})
    assert changed.status_code == 409  # something else than was looked at
    stale = await desk.post(path, {**seen, "version": "9", "act": "change", "once": "b"})
    assert stale.status_code == 412
    assert 'value="16:00"' in stale.text
    first = await desk.post(path, {**seen, "act": "change"})
    again = await desk.post(path, {**seen, "act": "change"})
    assert first.status_code == again.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    went_on = first.headers["location"].removeprefix("/console")
    assert "goes on from" in (await desk.get(went_on)).text
    starts = [
        (await clinic.get(f"/appointments/{one}")).json()["data"]["scheduled_start"][11:16]
        for one in visits(made)
    ]
    assert starts == ["19:30", "18:30", "20:00", "20:00"]


async def test_a_conflict_that_came_after_the_preview_changes_nothing(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider()
    made = await weekly(clinic, provider)
    path = f"/series/{made['series']['id']}/change"
    seen = await look(desk, path, {"local_time": "16:00", "visit": "", "version": "1"})
    await booked(clinic, provider, scheduled_start="2031-03-05T16:00:00-05:00")
    refused = await desk.post(path, {**seen, "act": "change"})
    assert refused.status_code == 409
    assert "Not possible" in refused.text
    assert f"/console/visits/{visits(made)[0]}" in refused.text
    read = (await clinic.get(f"/appointments/series/{made['series']['id']}")).json()["data"]
    assert read["version"] == 1


async def test_a_visit_that_was_moved_after_it_was_shown_is_shown_again(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    made = await weekly(clinic, await clinic.provider())
    path, moved = f"/series/{made['series']['id']}/cancel", visits(made)[2]
    form: dict[str, object] = {
        "visit": visits(made)[1], "version": "1", "cancellation_reason": "Away",
    }  # fmt: skip
    seen = await look(desk, path, form)
    one = (await clinic.get(f"/appointments/{moved}")).json()["data"]
    when = {"scheduled_start": "2031-04-15T14:00:00Z"}
    told = await clinic.post(
        f"/appointments/{moved}/reschedule", when, headers={"If-Match": f'"{one["version"]}"'}
    )
    assert told.status_code == 200, told.text
    again = await desk.post(path, {**seen, "act": "cancel"})
    assert again.status_code == 409
    assert "not what was shown before" in again.text
    now = (await clinic.get(f"/appointments/{moved}")).json()["data"]
    assert now["status"] == one["status"]


async def test_all_are_cancelled_after_they_were_seen(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    made = await weekly(clinic, await clinic.provider())
    path = f"/series/{made['series']['id']}"
    form: dict[str, object] = {"visit": visits(made)[3], "version": "1", "notify_patient": "yes"}
    assert (await desk.post(f"{path}/cancel", {**form, "act": "check"})).status_code == 400
    seen = await look(desk, f"{path}/cancel", {**form, "cancellation_reason": SCRIPT})
    read = (await clinic.get(f"/appointments{path}")).json()["data"]
    assert read["total_appointments"] == 4
    assert (await desk.post(f"{path}/cancel", {**seen, "act": "cancel"})).status_code == 303
    every: dict[str, object] = {"visit": "", "version": "2", "cancellation_reason": SCRIPT}
    seen = await look(desk, f"{path}/cancel", every)
    assert (await desk.post(f"{path}/cancel", {**seen, "act": "cancel"})).status_code == 303
    page = (await desk.get(path)).text
    assert SCRIPT not in page
    assert "Ended because" in page
    assert "Cancel visits together" not in page


async def test_a_series_is_changed_and_cancelled_by_keyboard(
    clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    provider = await clinic.provider(last_name="Rahman")
    made = await weekly(clinic, provider, count=6, series_name="Iron, six infusions")
    alone = visits(made)[1]
    await clinic.post(
        f"/appointments/{alone}/reschedule", {"scheduled_start": "2031-03-13T10:00:00-04:00"}
    )
    opened = await window(await sign_in("front_desk"))
    page = await opened.go(f"/visits/{visits(made)[2]}")
    await page.keyboard.press("w")
    await page.get_by_text("Change visits together").wait_for()
    await axe(page)
    await page.locator("#change input[name=local_time]").fill("16:00")
    await page.keyboard.press("Enter")
    await page.get_by_text("4 visits would change").wait_for()
    await axe(page)
    await page.emulate_media(color_scheme="dark")
    await axe(page, only="color-contrast")
    await page.emulate_media(color_scheme="light")
    await opened.picture("series")
    await page.keyboard.press("m")
    await page.get_by_text("Saved.").wait_for()
    await page.locator("#cancel input[name=cancellation_reason]").fill("Therapy has ended")
    await page.keyboard.press("Enter")
    await page.get_by_text("4 visits would be cancelled").wait_for()
    await axe(page)
    await page.get_by_role("button", name="Cancel these visits").focus()
    await page.keyboard.press("Enter")
    await page.get_by_text("Cancelled. Its messages are not sent.").wait_for()
