"""The audit's pages: search, what changed, one patient's report, the chain."""

from tests.console.conftest import Open, SignIn

SCRIPT = "<script>alert(1)</script>"


async def test_a_change_is_shown_field_by_field_and_runs_nothing(sign_in: SignIn) -> None:
    desk = await sign_in("auditor")
    patient = await desk.clinic.patient(last_name="Before")
    body = desk.clinic.patient_body(mrn=patient["mrn"], last_name=SCRIPT)
    await desk.clinic.put(f"/patients/{patient['id']}", body)
    page = (await desk.get("/audit?entity_type=patient&action=update")).text
    assert "<del>Before</del>" in page
    assert "<ins>&lt;script&gt;alert(1)&lt;/script&gt;</ins>" in page
    assert SCRIPT not in page
    report = (await desk.get(f"/audit/patients/{patient['id']}")).text
    assert "<del>Before</del>" in report
    # That was looked at, and stands there now.
    assert "Access report</td>" in (await desk.get(f"/audit/patients/{patient['id']}")).text


async def test_a_wrong_search_says_what_is_wrong_and_keeps_what_was_entered(
    sign_in: SignIn,
) -> None:
    desk = await sign_in("auditor")
    answer = await desk.get("/audit?entity_id=17&action=read&from=yesterday")
    assert answer.status_code == 400
    assert "entity_id" in answer.text
    assert 'value="17"' in answer.text


async def test_who_may_not_read_the_audit_is_told_so(sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    for path in ("/audit", "/audit/chain"):
        answer = await desk.get(path)
        assert answer.status_code == 403
        assert "Your role does not have this" in answer.text


async def test_the_chain_is_checked(sign_in: SignIn) -> None:
    desk = await sign_in("auditor")
    page = (await desk.get("/audit/chain")).text
    assert "Intact" in page
    assert (await desk.clinic.get("/audit-chain")).json()["data"]["wrong"] == 0


async def test_the_audit_in_a_browser(sign_in: SignIn, window: Open) -> None:
    desk = await sign_in("auditor")
    patient = await desk.clinic.patient(last_name="Before")
    body = desk.clinic.patient_body(mrn=patient["mrn"], last_name="After")
    await desk.clinic.put(f"/patients/{patient['id']}", body)
    opened = await window(desk)
    page = await opened.go("/today")
    await page.keyboard.press("g")
    await page.keyboard.press("u")
    await page.wait_for_url("**/console/audit")
    await page.locator("details summary").last.click()
    await opened.picture("audit")
    await page.keyboard.press("?")
    await page.wait_for_url("**/console/keys")
    await opened.picture("keys")
