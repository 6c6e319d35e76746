"""The pages behind a patient's links in a browser of a telephone's width, by keyboard alone."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from chroniccare.notifications.channels import choice
from chroniccare.platform.postgres import utc_now
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.console.conftest import Open, SignIn, Window
from tests.medications.support import Ward
from tests.notifications.support import NOON, Clock, clear_the_desk, make_bench

_AXE = Path(__file__).parents[2] / ".cache/axe/axe.min.js"
_LINK = re.compile(r"http://127\.0\.0\.1:8000(/(?:visits|doses|offers)/[A-Za-z0-9_-]{72,86})\b")
_BY_EMAIL = {"channels": ["email"]}


@pytest.fixture
async def ward(clinic: Clinic, running: Running, settings: Settings) -> AsyncIterator[Ward]:
    """A clinic whose messages go into the outbox, at noon."""
    clock = Clock()
    running.platform.database.clock = clock
    await clear_the_desk()
    try:
        async with choice.opened(settings) as channels:
            yield Ward(await make_bench(clinic, clock, channels))
    finally:
        running.platform.database.clock = utc_now


async def follow(window: Window, ward: Ward) -> Page:
    """Open the link in the last message."""
    found = _LINK.search((await ward.bench.outbox())[-1].body)
    assert found is not None
    await window.page.set_viewport_size({"width": 390, "height": 780})
    await window.page.goto(window.address + found[1])
    return window.page


async def unlock(page: Page, *typed: str) -> None:
    """Type a date of birth into the page's fields in their order."""
    for one in typed:
        await page.keyboard.press("Tab")
        await page.keyboard.type(one)
    await page.keyboard.press("Enter")


async def check(page: Page) -> None:
    """Have axe-core look at the page."""
    if _AXE.is_file():
        await page.evaluate(_AXE.read_text())
        found = await page.evaluate("axe.run().then((all) => all.violations)")
        bad = [one["id"] for one in found if one["impact"] in {"serious", "critical"}]
        assert bad == []


async def test_a_visit_is_confirmed_by_keyboard(ward: Ward, sign_in: SignIn, window: Open) -> None:
    patient = await ward.bench.patient(communication_preferences=_BY_EMAIL)
    visit = await ward.bench.planned(patient_id=patient)
    await ward.bench.drain()
    opened = await window(await sign_in())
    page = await follow(opened, ward)
    await check(page)
    await unlock(page, "5", "12", "1961")
    await expect(page.get_by_role("alert")).to_contain_text("not the date that we have")
    await check(page)
    await opened.picture("patient-birth-date")
    await unlock(page, "4", "12", "1961")
    await expect(page.get_by_text("We expect you")).to_be_visible()
    await check(page)
    await opened.picture("patient-visit")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Your visit is confirmed")
    read = await ward.clinic.get(f"/appointments/{visit.appointment_id}")
    assert read.json()["data"]["status"] == "confirmed"


async def test_a_dose_is_marked_by_keyboard(ward: Ward, sign_in: SignIn, window: Open) -> None:
    patient = await ward.bench.patient(communication_preferences=_BY_EMAIL)
    due = NOON + timedelta(hours=1)
    doses = [
        await ward.dose(patient, await ward.medication(patient, **drug), due)
        for drug in ({}, {"medication_name": "Lisinopril", "strength": "10 mg"})
    ]
    await ward.at(due)
    opened = await window(await sign_in())
    page = await follow(opened, ward)
    await unlock(page, "04", "12", "1961")
    await expect(page.get_by_role("heading", name="Metformin 500 mg")).to_be_visible()
    await check(page)
    await opened.picture("patient-doses")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("It is noted")
    await check(page)
    assert {one.state for one in await ward.doses(*doses)} == {"taken"}
    await opened.picture("patient-doses-noted")


async def test_an_earlier_time_is_taken_by_keyboard_in_spanish(
    ward: Ward, sign_in: SignIn, window: Open
) -> None:
    clinic, bench = ward.clinic, ward.bench
    patient = await bench.patient(communication_preferences=_BY_EMAIL, language="es")
    entry = await clinic.make("/waitlist", {"patient_id": str(patient)})
    provider = await clinic.provider()
    body = {
        "provider_id": provider["id"], "facility_id": provider["facilities"][0]["facility_id"],
        "scheduled_start": (NOON + timedelta(days=2)).isoformat(),
        "appointment_type": "follow_up",
    }  # fmt: skip
    offer = await clinic.make(f"/waitlist/{entry['id']}/offers", body)
    await bench.drain()
    opened = await window(await sign_in())
    page = await follow(opened, ward)
    assert await page.get_attribute("html", "lang") == "es"
    await check(page)
    await unlock(page, "12", "4", "1961")
    await expect(page.get_by_role("button", name="Sí, iré")).to_be_visible()
    await check(page)
    await opened.picture("patient-offer")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("La hora es suya")
    read = await clinic.get(f"/waitlist/offers/{offer['id']}")
    assert read.json()["data"]["outcome"] == "accepted"
