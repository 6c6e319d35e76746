"""What happens to what is being entered when nobody is there, and after signing out."""

import asyncio

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.client import Clinic
from tests.console.conftest import Axe, Desk, Open, SignIn, Window
from tests.console.test_recalls import read, recalled
from tests.console.visits import booked
from tests.notifications.support import Clock
from tests.staff.accounts import Worker, worker


async def at_work(clinic: Clinic, window: Open) -> tuple[Worker, Window]:
    """Sign somebody in with a password, in a browser."""
    who = await worker(clinic)
    token = (await who.sign_in()).token
    session = await who.session(token)
    return who, await window(Desk(clinic, httpx.AsyncClient(), session, token))  # type: ignore[arg-type]


async def sign_in_again(page: Page, who: Worker) -> None:
    await page.get_by_label("Clinic").fill(who.subdomain)
    await page.get_by_label("Email address").fill(who.email)
    await page.get_by_label("Password").fill(who.password)
    await page.keyboard.press("Enter")


async def city(clinic: Clinic, patient: str) -> str:
    found = (await clinic.get(f"/patients/{patient}")).json()["data"]["contact_info"]
    return str(found["address"]["city"])


async def test_a_session_that_ends_in_the_middle_of_a_form_loses_nothing(
    clinic: Clinic, window: Open, clock: Clock
) -> None:
    patient = (await clinic.patient(last_name="Ortega"))["id"]
    who, opened = await at_work(clinic, window)
    page = await opened.go(f"/patients/{patient}/contact")
    await page.fill("#f-city", "Rivertown")
    clock.forward(minutes=16)
    await page.keyboard.press("Enter")
    await page.get_by_text("What you entered is kept").wait_for()
    assert "Ortega" not in await page.inner_text("body")
    await sign_in_again(page, who)
    await page.get_by_role("button", name="Send it now").dblclick()
    await page.wait_for_url("**/contact?said=saved")
    assert await city(clinic, patient) == "Rivertown"


async def test_a_page_that_nobody_uses_is_covered_and_goes_on_where_it_was(
    clinic: Clinic, window: Open, axe: Axe, clock: Clock
) -> None:
    patient = (await clinic.patient(last_name="Ortega"))["id"]
    who, opened = await at_work(clinic, window)
    page = opened.page
    await page.clock.install()
    await opened.go(f"/patients/{patient}/contact")
    await page.fill("#f-city", "Rivertown")
    await page.clock.fast_forward("14:00")
    await expect(page.locator("#cover")).to_be_hidden()
    clock.forward(minutes=16)
    await page.clock.fast_forward("02:00")
    await expect(page.locator("#cover")).to_be_visible()
    await expect(page.locator("h1")).to_be_hidden()
    for _ in range(2):
        await page.keyboard.press("Escape")
    await expect(page.locator("h1")).to_be_hidden()
    await axe(page)
    async with page.expect_popup() as popup:
        await page.locator("#cover a").click()
    other = await popup.value
    await sign_in_again(other, who)
    await other.wait_for_url("**/today")
    await other.close()
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(page.locator("h1")).to_be_visible()
    assert await page.input_value("#f-city") == "Rivertown"
    await page.focus("#f-city")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/contact?said=saved")
    assert await city(clinic, patient) == "Rivertown"


async def test_the_back_button_shows_nothing_after_signing_out(
    clinic: Clinic, window: Open
) -> None:
    patient = (await clinic.patient(last_name="Ortega"))["id"]
    _, opened = await at_work(clinic, window)
    page = await opened.go(f"/patients/{patient}")
    await page.get_by_text("Ortega").first.wait_for()
    await page.locator(".person summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Password").wait_for()
    await page.go_back()
    await page.get_by_label("Password").wait_for()
    assert "Ortega" not in await page.content()


@pytest.mark.usefixtures("clock")
async def test_two_browsers_see_what_the_other_does(
    clinic: Clinic, sign_in: SignIn, window: Open
) -> None:
    await booked(clinic, await clinic.provider())
    recall = await recalled(clinic)
    here, there = await window(await sign_in("front_desk")), await window(await sign_in())
    for one in (here, there):
        async with one.page.expect_response("**/console/live"):
            await one.go("/today")
    await asyncio.sleep(1.5)  # the feed has looked once
    for key in ("j", "c"):
        await here.page.keyboard.press(key)
    await expect(there.page.get_by_text("Checked in", exact=True).first).to_be_visible()
    # A double click is one call.
    page = await here.go("/recalls")
    await page.keyboard.press("n")
    await page.get_by_text("It is yours now.").wait_for()
    await page.locator("[data-key='o']").dblclick()
    await page.get_by_text("Recorded.").wait_for()
    assert len((await read(clinic, recall))["calls"]) == 1
