"""Administration: staff, webhooks, the rules of texts."""

import re
from typing import Any

import pytest

from tests.console.conftest import Axe, Desk, Open, SignIn

SCRIPT = "<script>alert(1)</script>"
PERSON = {"email": "new@clinic.example", "display_name": SCRIPT, "role": "clinician",
          "is_active": "yes"}  # fmt: skip
ENDPOINT = {"url": "https://93.184.215.14/hook", "events": "appointment.*\nstaff.created",
            "description": SCRIPT, "signing": "hmac", "enabled": "yes"}  # fmt: skip


async def _names(desk: Desk, path: str, field: str) -> list[Any]:
    return [one[field] for one in (await desk.clinic.get(path)).json()["data"]["items"]]


async def test_somebody_is_added_once_changed_and_given_a_password_that_is_shown_once(
    sign_in: SignIn,
) -> None:
    desk = await sign_in()
    answers = [await desk.post("/admin/staff", {**PERSON, "once": "form-0001"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    place = answers[0].headers["location"].partition("?")[0].removeprefix("/console")
    assert answers[1].headers["location"].partition("?")[0] == f"/console{place}"
    page = (await desk.get(place)).text
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    changed = {**PERSON, "role": "auditor", "version": "1"}
    assert (await desk.post(place, changed)).headers["location"].endswith("said=saved")
    stale = await desk.post(place, {**changed, "display_name": "Mine"})
    assert stale.status_code == 412
    assert 'value="Mine"' in stale.text
    assert "Somebody else has changed this meanwhile" in stale.text
    now = stale.text.split("What differs is now:")[1].split("</dl>")[0]
    assert now.count("<dt>") == 1
    assert "<dt>Name</dt><dd>&lt;script&gt;" in now
    given = [await desk.post(f"{place}/password", {"once": "form-0002"}) for _ in range(2)]
    [word] = re.findall(r'class="secret">([^<]+)<', given[0].text)
    assert word not in given[1].text
    assert "shown already" in given[1].text


async def test_a_wrong_entry_is_named_at_its_field_and_kept(sign_in: SignIn) -> None:
    desk = await sign_in()
    answer = await desk.post("/admin/staff", {**PERSON, "email": "nowhere"})
    assert answer.status_code == 400
    assert 'id="e-email"' in answer.text
    assert 'value="nowhere"' in answer.text
    assert "new@clinic.example" not in await _names(desk, "/staff", "email")


async def test_an_endpoint_is_added_tried_rotated_and_removed(sign_in: SignIn) -> None:
    desk = await sign_in()
    assert "No endpoints" in (await desk.get("/admin/webhooks")).text
    made = await desk.post("/admin/webhooks", {**ENDPOINT, "once": "form-0003"})
    [secret] = re.findall(r'class="secret">(whsec_[^<]+)<', made.text)
    [webhook] = await _names(desk, "/webhooks", "id")
    place = f"/admin/webhooks/{webhook}"
    page = (await desk.get(place)).text
    assert secret not in page
    assert SCRIPT not in page
    assert (await desk.post(f"{place}/ping", {"once": "form-0004"})).status_code == 303
    rotated = await desk.post(f"{place}/rotate", {"version": "1", "once": "form-0005"})
    assert "whsec_" in rotated.text
    assert secret not in rotated.text
    assert (await desk.post(f"{place}/remove", {"version": "1"})).status_code == 412
    stale = await desk.post(place, {**ENDPOINT, "events": "*", "enabled": "", "version": "1"})
    assert "<dt>Events</dt><dd>appointment.*, staff.created</dd>" in stale.text
    assert "<dt>Send events there</dt><dd>Yes</dd>" in stale.text
    version = (await desk.clinic.get(f"/webhooks/{webhook}")).json()["data"]["version"]
    assert (await desk.post(f"{place}/remove", {"version": str(version)})).status_code == 303
    assert await _names(desk, "/webhooks", "id") == []


async def test_an_endpoint_that_cannot_be_is_refused_with_the_reason(sign_in: SignIn) -> None:
    desk = await sign_in()
    answer = await desk.post("/admin/webhooks", {**ENDPOINT, "url": "https://127.0.0.1/hook"})
    assert answer.status_code in {400, 422}
    assert 'id="e-url"' in answer.text
    assert "appointment.*" in answer.text


async def test_rules_of_texts_are_changed_or_refused_with_the_field(sign_in: SignIn) -> None:
    desk = await sign_in()
    rules = {"default_locale": "es", "max_segments": "2", "four_eyes": "yes", "version": "0"}
    assert (await desk.post("/admin/settings/texts", rules)).status_code == 303
    assert (await desk.clinic.get("/message-policy")).json()["data"]["default_locale"] == "es"
    stale = await desk.post("/admin/settings/texts", {**rules, "four_eyes": "", "asks": "link"})
    assert stale.status_code == 412
    assert "an SMS about a visit asks for an answer</dt><dd>–</dd>" in stale.text
    assert "somebody else than its author</dt><dd>Yes</dd>" in stale.text
    wrong = await desk.post(
        "/admin/settings/texts", {**rules, "max_segments": "99", "version": "1"}
    )
    assert wrong.status_code == 400
    assert 'id="e-max_segments"' in wrong.text
    assert (await desk.post("/admin/settings/walls", rules)).status_code == 404


async def test_rules_of_booking_and_limits_of_costs_are_changed(sign_in: SignIn) -> None:
    desk = await sign_in()
    page = (await desk.get("/admin/settings")).text
    assert [page.count(f'id="{name}"') for name in ("booking", "texts", "costs")] == [1, 1, 1]
    assert "(needed)" not in page
    assert page.count(" required") == 9  # each number and word whose hint does not allow none
    booking: dict[str, object] = {
        "cancel_notice_minutes": "1440", "reschedule_notice_minutes": "60", "max_reschedules": "",
        "overbooking_lanes": "1", "waitlist_offer_minutes": "60", "recall_return_days": "15",
        "version": "0",
    }  # fmt: skip
    path = "/admin/settings/booking"
    wrong = await desk.post(path, {**booking, "overbooking_lanes": "x", "recall_return_days": ""})
    assert wrong.status_code == 400
    assert 'id="e-recall_return_days"' in wrong.text
    assert 'value="1440"' in wrong.text
    assert (await desk.post(path, booking)).status_code == 303
    kept = (await desk.clinic.get("/scheduling-policy")).json()["data"]
    assert (kept["cancel_notice_minutes"], kept["max_reschedules"]) == (1440, None)
    stale = await desk.post(path, {**booking, "cancel_notice_minutes": "0"})
    assert stale.status_code == 412
    assert "Notice to cancel</dt><dd>1440</dd>" in stale.text
    costs: dict[str, object] = {
        "monthly_segments": "20000", "monthly_amount": "150.50", "currency": "USD",
        "alert_percent": "80", "segment_price": "0,0079", "countries": "US 2000\nCA",
        "version": "0",
    }  # fmt: skip
    path = "/admin/settings/costs"
    for field, text in (("countries", SCRIPT), ("monthly_amount", "NaN")):
        refused = await desk.post(path, {**costs, field: text})
        assert refused.status_code == 400
        assert f'id="e-{field}"' in refused.text
        assert SCRIPT not in refused.text
    assert (await desk.post(path, costs)).status_code == 303
    limits = (await desk.clinic.get("/spend/limits")).json()["data"]
    assert limits["monthly_amount"] == 150.5
    assert [one["daily_segments"] for one in limits["countries"]] == [None, 2000]
    assert "CA\nUS 2000</textarea>" in (await desk.get("/admin/settings")).text
    reader = await sign_in("auditor")
    assert "Save" not in (await reader.get("/admin/settings")).text.split("</nav>")[-1]
    assert (await reader.post(path, costs)).status_code == 403


async def test_settings_by_keyboard(sign_in: SignIn, window: Open, axe: Axe) -> None:
    opened = await window(await sign_in())
    page = await opened.go("/admin/settings")
    await axe(page)
    await page.emulate_media(color_scheme="dark")
    await axe(page, only="color-contrast")
    await opened.picture("settings")
    await page.locator("#f-cancel_notice_minutes").fill("720")
    await page.keyboard.press("Enter")
    await page.get_by_text("Saved.").wait_for()
    assert await page.locator("#f-cancel_notice_minutes").input_value() == "720"


@pytest.mark.parametrize("path", ["/admin/staff", "/admin/webhooks", "/admin/staff/new"])
async def test_the_front_desk_administers_nothing(sign_in: SignIn, path: str) -> None:
    desk = await sign_in("front_desk")
    answer = await desk.get(path)
    sent = await desk.post("/admin/staff", dict(PERSON))
    assert sent.status_code == 403
    assert answer.status_code == (200 if path.endswith("new") else 403)  # a form, and no more


async def test_administration_in_a_browser_by_keyboard(sign_in: SignIn, window: Open) -> None:
    desk = await sign_in()
    opened = await window(desk)
    page = await opened.go("/admin/staff")
    await opened.picture("staff")
    await page.keyboard.press("n")
    await page.wait_for_url("**/staff/new")
    await page.locator("#f-display_name").focus()
    await page.keyboard.type("Noor Haddad")
    await page.keyboard.press("Tab")
    await page.keyboard.type("noor@clinic.example")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/staff/*?said=saved")
    assert "noor@clinic.example" in await _names(desk, "/staff", "email")
    await opened.picture("person")
    await desk.post("/admin/webhooks", {**ENDPOINT, "description": "Billing", "once": "form-0006"})
    await opened.go("/admin/webhooks")
    await page.locator("tbody a").click()
    await opened.picture("webhook")
