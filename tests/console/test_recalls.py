"""Overdue patients: claimed by one person, called, and the outcome noted in one step."""

from datetime import timedelta
from typing import Any

import pytest

from tests.client import Clinic
from tests.console.conftest import Axe, Open, SignIn
from tests.console.visits import SCRIPT
from tests.notifications.support import NOON

pytestmark = pytest.mark.usefixtures("clock")


async def recalled(
    clinic: Clinic, *, days: int = 9, reason: str = "HbA1c after three months", **fields: Any
) -> dict[str, Any]:
    due = (NOON.date() - timedelta(days=days)).isoformat()
    patient = await clinic.patient(**fields)
    body = {"patient_id": patient["id"], "appointment_type": "follow_up", "due_on": due}
    return await clinic.make("/recalls", {**body, "reason": reason})


async def read(clinic: Clinic, recall: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = (await clinic.get(f"/recalls/{recall['id']}")).json()["data"]
    return data


async def test_two_people_never_have_the_same_patient(clinic: Clinic, sign_in: SignIn) -> None:
    first, second = await sign_in("front_desk"), await sign_in("front_desk")
    recall = await recalled(clinic, first_name=SCRIPT, reason=SCRIPT)
    assert SCRIPT not in (await first.get("/recalls")).text
    claimed = await first.post("/recalls/claim")
    assert claimed.headers["location"].endswith("said=claimed")
    page = await first.get("/recalls")
    assert "Comes: book" in page.text
    assert SCRIPT not in page.text
    assert "Nobody is to be called" in (await second.get("/recalls")).text
    assert (await second.post("/recalls/claim")).headers["location"].endswith("said=nothing")
    late = await second.post("/recalls/claim", {"recall_id": recall["id"]})
    assert late.status_code == 409
    assert (await first.post(f"/recalls/{recall['id']}/release")).status_code == 303
    assert "Call the next" in (await second.get("/recalls")).text


async def test_an_outcome_is_noted_once_and_leads_on(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    recall = await recalled(clinic)
    await desk.post("/recalls/claim")
    path = f"/recalls/{recall['id']}/call"
    missing = await desk.post(path, {"outcome": "removed", "note": SCRIPT})
    assert missing.status_code == 422
    assert "&lt;script&gt;" in missing.text.split('name="note"')[1][:200]
    stale = await desk.post(path, {"outcome": "no_answer", "version": "1"})
    assert stale.status_code == 412
    form: dict[str, object] = {"outcome": "agreed_to_visit", "once": "a-call"}
    first, second = await desk.post(path, form), await desk.post(path, form)
    assert first.headers["location"].startswith("/console/book?patient_id=")
    assert second.status_code == 303
    assert len((await read(clinic, recall))["calls"]) == 1


async def test_an_auditor_claims_nobody(clinic: Clinic, sign_in: SignIn) -> None:
    await recalled(clinic)
    desk = await sign_in("auditor")
    page = await desk.get("/recalls")
    assert "9 days" in page.text
    assert "/recalls/claim" not in page.text
    assert (await desk.post("/recalls/claim")).status_code == 403


async def test_a_call_by_keyboard(clinic: Clinic, sign_in: SignIn, window: Open, axe: Axe) -> None:
    recall = await recalled(clinic, days=40)
    await recalled(clinic)
    opened = await window(await sign_in("front_desk"))
    page = await opened.go("/recalls")
    await page.keyboard.press("n")
    await page.get_by_text("It is yours now.").wait_for()
    await axe(page)
    await opened.picture("recalls")
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await opened.picture("recalls-phone")
    await page.keyboard.press("o")
    await page.get_by_text("Recorded.").wait_for()
    assert (await read(clinic, recall))["last_call"]["outcome"] == "no_answer"
