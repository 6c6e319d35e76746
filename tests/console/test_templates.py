"""Templates: written, looked at while they are written, approved."""

from tests.console.conftest import Open, SignIn

SCRIPT = "<script>alert(1)</script>"
WHICH = {"type": "appointment_reminder", "channel": "sms", "locale": "en"}
ADDRESS = "/templates/text?type=appointment_reminder&channel=sms&locale=en"
TEXT = {**WHICH, "text": "See you at {{ clinic }}: {{ when }}.", "note": SCRIPT}


async def test_a_text_is_written_once_approved_and_taken_back(sign_in: SignIn) -> None:
    desk = await sign_in()
    assert "Built in" in (await desk.get("/templates")).text
    for _ in range(2):
        saved = await desk.post("/templates/text", {**TEXT, "once": "form-0010"})
        assert saved.status_code == 303, saved.text
    [own] = (await desk.clinic.get("/templates")).json()["data"]["items"]
    assert own["latest_number"] == 1
    page = (await desk.get(ADDRESS)).text
    assert "Never sent" in page
    assert SCRIPT not in page
    steps = f"/templates/{own['id']}/versions/{own['latest_version_id']}/activate"
    stale = await desk.post(steps, {**WHICH, "version": "7"})
    assert stale.status_code == 412
    done = await desk.post(steps, {**WHICH, "version": str(own["version"])})
    assert done.status_code == 303
    assert "Our own, version 1" in (await desk.get("/templates")).text
    approved = (await desk.get(ADDRESS)).text.partition("Sent now")[2].partition("</td>")[0]
    assert approved.endswith(", Dana Lee")
    [own] = (await desk.clinic.get("/templates")).json()["data"]["items"]
    back = f"/templates/{own['id']}/deactivate"
    assert (await desk.post(back, {**WHICH, "version": str(own["version"])})).status_code == 303
    assert "Our own, version 1" not in (await desk.get("/templates")).text


async def test_a_text_that_cannot_be_is_refused_and_kept(sign_in: SignIn) -> None:
    desk = await sign_in()
    wrong = {**TEXT, "text": "Hello {{ password }}"}
    answer = await desk.post("/templates/text", wrong)
    assert answer.status_code in {400, 422}
    assert "Hello {{ password }}" in answer.text
    looked = await desk.post("/templates/text", {**wrong, "look": "yes"})
    assert looked.status_code == 200
    assert (await desk.clinic.get("/templates")).json()["data"]["items"] == []


async def test_segments_are_shown_while_it_is_written(sign_in: SignIn) -> None:
    desk = await sign_in()
    short = (await desk.post("/templates/preview", dict(TEXT))).text
    assert "1 segment<" in short
    long = (await desk.post("/templates/preview", {**TEXT, "text": "ñ" * 10 + "漢" * 100})).text
    assert "2 segments" in long
    assert "special letters" in long


async def test_who_may_only_read_sees_no_way_to_write(sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    page = await desk.get(ADDRESS)
    assert page.status_code == 200
    assert "Save as a new version" not in page.text
    assert (await desk.post("/templates/text", dict(TEXT))).status_code == 403


async def test_a_preview_follows_the_text_in_a_browser(sign_in: SignIn, window: Open) -> None:
    opened = await window(await sign_in())
    page = await opened.go(ADDRESS)
    await page.locator("#f-text").fill("See you soon at {{ clinic }}!")
    await page.locator("#preview", has_text="soon at").wait_for()
    await opened.picture("template")
    await opened.go("/templates")
    await opened.picture("templates")
