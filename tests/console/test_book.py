"""A patient is found, a time is found, and it is booked, held or repeated."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.client import Clinic
from tests.console.conftest import Axe, Open, SignIn
from tests.console.visits import SCRIPT, booked, read

pytestmark = pytest.mark.usefixtures("clock")


def slot(page: httpx.Response) -> str:
    """Return the way to the first free time of a page."""
    found = re.search(r'class="slot" href="/console(/book/slot[^"]+)"', page.text)
    assert found, page.text
    return unescape(found[1])


def fields(page: httpx.Response) -> dict[str, object]:
    """Return the hidden fields of the page's first form, but the token."""
    form = page.text.split('<form method="post" action="/console/book/slot"')[1].split("</form>")[0]
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in hidden if name != "csrf"}


async def visits_of(clinic: Clinic, patient: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await clinic.get("/appointments", params={"patient_id": patient["id"]})
    items: list[dict[str, Any]] = answer.json()["data"]["items"]
    return items


async def test_patients_are_found_as_somebody_types(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    patient = await clinic.patient(first_name=SCRIPT, last_name="Ortega")
    for path, name in (("/patients/found", "or"), ("/patients", "ortgea"), ("/book", "ort")):
        page = await desk.post(path, {"name": name})
        assert patient["id"] in page.text
        assert SCRIPT not in page.text
    assert "Nobody is found" in (await desk.post("/patients/found", {"name": "zz"})).text
    assert "Nobody is found" in (await desk.post("/patients", {"mrn": "none"})).text
    wrong = await desk.post("/patients", {"born": "soon"})
    assert wrong.status_code == 400
    assert "date_of_birth" in wrong.text
    book = await desk.post("/patients/found?to=book", {"name": "or"})
    assert f"/console/book?patient_id={patient['id']}" in book.text


async def test_no_search_puts_a_patient_into_an_address(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    for number in range(51):
        await clinic.patient(last_name="Ortega", mrn=f"M-{number}")
    first = await desk.post("/patients", {"name": "ortega"})
    assert not re.findall(r'(?:href|hx-get)="[^"]*(?:name|mrn|born|cursor)=[^"]*"', first.text)
    for path in ("/patients", "/book", "/waitlist"):
        page = (await desk.get(path)).text
        for form in re.findall(r"<form[^>]*>.*?</form>", page, re.DOTALL):
            assert 'method="post"' in form or not re.search(r'name="(name|mrn|born)"', form)
        assert "hx-get" not in page
    cursor = re.search(r'name="cursor" value="([^"]+)"', first.text)
    assert cursor
    rest = await desk.post("/patients", {"name": "ortega", "cursor": unescape(cursor[1])})
    assert rest.text.count('<th scope="row">') == 1
    ignored = await desk.get("/patients?name=nobody")  # as addresses were before
    assert ignored.text.count('<th scope="row">') == 50
    desk.http.cookies.clear()
    away = await desk.get("/book?name=Ortega&born=1960-01-02&priority=high")
    assert away.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fbook%3Fpriority%3Dhigh"


async def test_a_search_without_its_session_says_so_in_its_place(sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    desk.http.headers["hx-request"] = "true"
    old = await desk.post("/patients/found", {"name": "or", "csrf": "of before"})
    assert "Please open the page again" in old.text
    desk.http.cookies.clear()
    away = await desk.post("/patients/found", {"name": "or"})
    assert [old.status_code, away.status_code] == [403, 401]
    assert "/console/sign-in" in away.text
    for answer in (old, away):
        assert "<form" not in answer.text


async def test_a_free_time_is_booked_once(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    await clinic.provider(last_name=SCRIPT)
    patient = await clinic.patient()
    found = await desk.get(f"/book?patient_id={patient['id']}")
    assert SCRIPT not in found.text
    page = await desk.get(slot(found))
    form = {**fields(page), "duration_minutes": "30", "reason": SCRIPT, "act": "book"}
    first, second = await desk.post("/book/slot", form), await desk.post("/book/slot", form)
    assert first.status_code == 303, first.text
    assert first.headers["location"] == second.headers["location"]
    (visit,) = await visits_of(clinic, patient)
    assert (visit["status"], visit["reason"]) == ("scheduled", SCRIPT)
    shown = await desk.get(f"/visits/{visit['id']}?said=booked")
    assert SCRIPT not in shown.text
    assert "Booked. The patient is told" in shown.text


async def test_a_time_that_is_gone_offers_others_and_keeps_the_entries(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    provider, patient = await clinic.provider(), await clinic.patient()
    page = await desk.get(slot(await desk.get(f"/book?patient_id={patient['id']}")))
    form = {**fields(page), "duration_minutes": "30", "reason": "Dizzy", "act": "book"}
    await booked(clinic, provider, scheduled_start=str(form["scheduled_start"]))
    refused = await desk.post("/book/slot", form)
    assert refused.status_code == 409
    assert "Free instead" in refused.text
    assert "Dizzy" in refused.text
    assert await visits_of(clinic, patient) == []
    wrong = await desk.post("/book/slot", {**form, "duration_minutes": "soon"})
    assert wrong.status_code == 400
    assert 'id="e-duration_minutes"' in wrong.text
    again = {**fields(await desk.get(slot(refused))), "duration_minutes": "30"}
    assert (await desk.post("/book/slot", again)).status_code == 303


async def test_a_hold_is_taken_up(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    await clinic.provider()
    patient = await clinic.patient()
    page = await desk.get(slot(await desk.get(f"/book?patient_id={patient['id']}")))
    held = await desk.post("/book/slot", {**fields(page), "duration_minutes": "30", "act": "hold"})
    assert held.status_code == 303
    (visit,) = await visits_of(clinic, patient)
    assert visit["status"] == "held"
    assert "Held until" in (await desk.get(f"/visits/{visit['id']}")).text
    assert (await desk.post(f"/visits/{visit['id']}/step/book")).status_code == 303
    assert (await read(clinic, visit))["status"] == "scheduled"


async def test_a_series_shows_every_date_before_it_is_booked(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    await clinic.provider()
    patient = await clinic.patient()
    page = await desk.get(slot(await desk.get(f"/book?patient_id={patient['id']}")))
    form = {
        **fields(page), "duration_minutes": "30", "pattern": "weekly", "count": "3",
        "mode": "next_best",
    }  # fmt: skip
    preview = await desk.post("/book/slot", {**form, "act": "preview"})
    assert preview.status_code == 200
    assert "3 at their time, 0 moved, 0 not possible" in preview.text
    assert await visits_of(clinic, patient) == []
    assert (await desk.post("/book/slot", {**form, "act": "series"})).status_code == 303
    assert len(await visits_of(clinic, patient)) == 3
    wrong = await desk.post("/book/slot", {**form, "count": "many", "act": "preview"})
    assert wrong.status_code == 400


async def test_later_goes_on_where_the_times_that_are_shown_end(
    clinic: Clinic, sign_in: SignIn
) -> None:
    desk = await sign_in("front_desk")
    for _ in range(2):
        await clinic.provider()
    page = (await desk.get("/book?from_date=2031-03-05")).text
    days = re.findall(r'<section class="card"><h2>([^<]+)</h2><ul', page)
    assert len(days) == 1  # of a provider at all hours
    assert "there are more" in page
    assert "from_date=2031-03-06" in page
    assert "from_date=2031-03-12" not in page


async def test_a_series_takes_the_reason_and_the_minutes_that_were_typed(
    clinic: Clinic, sign_in: SignIn, window: Open
) -> None:
    await clinic.provider()
    patient = await clinic.patient()
    desk = await sign_in("front_desk")
    opened = await window(desk)
    page = await opened.go(slot(await desk.get(f"/book?patient_id={patient['id']}")))
    await page.locator("#f-reason").fill("Dizzy")
    await page.locator("#f-duration_minutes").fill("45")
    await page.locator("#f-count").fill("2")
    await page.get_by_role("button", name="Show every date").click()
    await page.get_by_role("button", name="Book these visits").click()
    await page.get_by_text("Booked. The patient is told").wait_for()
    made = await visits_of(clinic, patient)
    assert [(one["reason"], one["duration_minutes"]) for one in made] == [("Dizzy", 45)] * 2


async def test_a_visit_is_moved_and_cancelled(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    provider = await clinic.provider()
    visit, other = await booked(clinic, provider), await booked(clinic, provider, minutes=90)
    path = f"/visits/{visit['id']}"
    form = {
        "version": "1", "zone": "America/New_York", "day": "2031-03-04", "clock": "13:30",
        "duration_minutes": "30", "provider_id": provider["id"],
    }  # fmt: skip
    looked = await desk.post(f"{path}/move", {**form, "act": "check"})
    assert "That time is taken:" in looked.text
    assert (
        "That time is taken:"
        in (await desk.get(f"{path}?{urlencode({'start': other['scheduled_start']})}")).text
    )
    assert (await desk.post(f"{path}/move", form)).status_code == 409
    free = await desk.post(f"{path}/move", {**form, "clock": "15:00", "act": "check"})
    assert "No other visit is in the way" in free.text
    assert (await read(clinic, visit))["version"] == 1
    wrong = await desk.post(f"{path}/move", {**form, "day": "then"})
    assert wrong.status_code == 400
    moved = await desk.post(f"{path}/move", {**form, "clock": "15:00"})
    assert moved.status_code == 303, moved.text
    assert (await read(clinic, visit))["scheduled_start"] == "2031-03-04T20:00:00Z"
    assert "Moved once." in (await desk.get(path)).text
    stale = await desk.post(f"{path}/move", {**form, "clock": "16:00"})
    assert stale.status_code == 412
    assert 'value="16:00"' in stale.text
    empty = await desk.post(f"{path}/cancel", {"cancellation_reason": ""})
    assert empty.status_code == 400
    gone: dict[str, object] = {"cancellation_reason": SCRIPT, "notify_patient": "yes"}
    assert (await desk.post(f"{path}/cancel", gone)).status_code == 303
    assert SCRIPT not in (await desk.get(path)).text
    assert (await read(clinic, visit))["status"] == "cancelled"


async def test_an_auditor_books_nothing(clinic: Clinic, sign_in: SignIn) -> None:
    visit = await booked(clinic, await clinic.provider())
    desk = await sign_in("auditor")
    page = await desk.get(f"/visits/{visit['id']}")
    assert "Every change and who made it" in page.text
    assert 'name="act"' not in page.text
    assert "Book" not in (await desk.get("/patients")).text.split("</nav>")[1]
    form = {
        "patient_id": visit["patient_id"], "provider_id": visit["provider_id"],
        "facility_id": visit["facility_id"], "scheduled_start": "2031-03-05T12:00:00-05:00",
        "appointment_type": "follow_up", "duration_minutes": "30",
    }  # fmt: skip
    assert (await desk.post("/book/slot", form)).status_code == 403


async def test_the_next_free_visit_takes_three_keys_from_a_patient(
    clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    await clinic.provider()
    patient = await clinic.patient(last_name="Ortega")
    opened = await window(await sign_in("front_desk"))
    pressed: list[str] = []

    def note(key: str) -> None:
        pressed.append(key)

    await opened.page.expose_function("pressed", note)
    await opened.page.add_init_script("addEventListener('keydown', (e) => pressed(e.key), true)")
    page = await opened.go("/patients")
    await page.locator("#f-name").fill("ortega")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Ortega, Maria").wait_for()
    assert page.url.endswith("/console/patients")
    await axe(page)
    await opened.picture("patients")
    pressed.clear()
    await page.keyboard.press("b")
    await page.get_by_text("For Maria Ortega").wait_for()
    await axe(page)
    await opened.picture("book")
    await page.keyboard.press("1")
    await page.get_by_text("Visits that come back").wait_for()
    await axe(page)
    await opened.picture("book-slot")
    await page.keyboard.press("Enter")
    await page.get_by_text("Booked. The patient is told").wait_for()
    assert len(await visits_of(clinic, patient)) == 1
    assert pressed == ["b", "1", "Enter"]  # three actions, as the page itself has counted them
    await axe(page)
    await opened.picture("visit")
    await page.keyboard.press("/")
    await page.keyboard.type("or")  # two letters find who is meant
    await page.locator("#found a").wait_for()
    await page.keyboard.press("ArrowDown")
    assert patient["id"] in await page.evaluate("document.activeElement.href")
