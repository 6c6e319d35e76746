"""API keys: made with no more than their maker may do, shown once, revoked."""

import re

import httpx

from tests.console.conftest import Open, SignIn

SCRIPT = "<script>alert(1)</script>"
FORM = {"key_name": SCRIPT, "scopes": ["patients:read"], "once": "form-0030"}


async def test_a_key_is_made_once_shown_once_and_revoked(sign_in: SignIn) -> None:
    desk = await sign_in()
    first, second = [await desk.post("/admin/keys", FORM) for _ in range(2)]
    [key] = re.findall(r'class="secret">(cck_live_[^<]+)<', first.text)
    assert key not in second.text
    assert "shown already" in second.text
    page = (await desk.get("/admin/keys")).text
    assert key not in page
    assert SCRIPT not in page
    made = [one for one in (await desk.clinic.get("/api-keys")).json()["data"]["items"]
            if one["key_name"] == SCRIPT]  # fmt: skip
    assert len(made) == 1
    transport = httpx.ASGITransport(desk.clinic.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as program:
        headers = {"X-API-Key": key}
        assert (await program.get("/api/v1/patients", headers=headers)).status_code == 200
        assert (await program.get("/api/v1/staff", headers=headers)).status_code == 403
        assert (await desk.post(f"/admin/keys/{made[0]['id']}/revoke")).status_code == 303
        desk.clinic.app.state.authority.remembered.clear()  # as after a second
        assert (await program.get("/api/v1/patients", headers=headers)).status_code == 401
    actions = await desk.clinic.get("/audit-logs", params={"entity_id": made[0]["id"]})
    assert [one["action"] for one in actions.json()["data"]["items"]] == ["revoke", "create"]


async def test_nobody_gives_what_they_do_not_have(sign_in: SignIn) -> None:
    desk = await sign_in()
    answer = await desk.post("/admin/keys", {**FORM, "scopes": ["medications:write"]})
    assert answer.status_code == 422
    assert "may not do yourself: medications:write" in answer.text
    assert "&lt;script&gt;" in answer.text  # what was entered stays
    program = await desk.clinic.post(
        "/api-keys", {"key_name": "Small", "scopes": ["api_keys:write"]}
    )
    headers = {"X-API-Key": program.json()["data"]["key"]}
    body = {"key_name": "Large", "scopes": ["patients:read"]}
    grown = await desk.clinic.post("/api-keys", body, headers=headers)
    assert grown.status_code == 422


async def test_others_make_no_keys(sign_in: SignIn) -> None:
    for role in ("clinician", "front_desk", "auditor"):
        desk = await sign_in(role)
        assert (await desk.post("/admin/keys", FORM)).status_code == 403


async def test_keys_in_a_browser(sign_in: SignIn, window: Open) -> None:
    desk = await sign_in()
    opened = await window(desk)
    page = await opened.go("/admin/keys")
    await page.locator("#f-key_name").fill("Billing")
    await page.get_by_label("appointments:read").check()
    await page.keyboard.press("Enter")
    await page.locator(".secret").wait_for()
    await page.locator(".secret").evaluate("one => one.textContent = 'cck_live_' + 'x'.repeat(40)")
    await opened.picture("keys-of-programs")
