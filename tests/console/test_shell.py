"""What every page of the console has: a session, a token for forms, a strict policy."""

from tests.console.conftest import Axe, Open, SignIn


async def test_nobody_sees_a_page_without_a_session(sign_in: SignIn) -> None:
    desk = await sign_in()
    desk.http.cookies.clear()
    answer = await desk.get("/styleguide")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fstyleguide"


async def test_pages_are_not_kept_and_run_nothing_from_elsewhere(sign_in: SignIn) -> None:
    desk = await sign_in()
    answer = await desk.get("/styleguide")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert "style=" not in answer.text
    assert "<style" not in answer.text


async def test_a_form_without_the_sessions_token_changes_nothing(sign_in: SignIn) -> None:
    desk = await sign_in()
    answer = await desk.http.post("/console/nowhere", data={"csrf": "another"})
    assert answer.status_code == 403
    assert "too old or comes from elsewhere" in answer.text
    assert (await desk.post("/nowhere")).status_code == 404


async def test_what_the_policy_forbids_is_noticed(sign_in: SignIn, window: Open) -> None:
    opened = await window(await sign_in())
    page = await opened.go("/styleguide")
    assert opened.complaints == []
    for text in (
        "document.body.append(Object.assign(document.createElement('script'), {text: 'ran = 1'}))",
        "document.body.setAttribute('style', 'color: red')",
        "document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.example/i'}))",
    ):
        async with page.expect_event("console"):
            await page.evaluate(text)
        complaint = opened.complaints.pop()
        assert "Content Security Policy" in complaint
    assert not await page.evaluate("'ran' in window")


async def test_the_styleguide_in_a_browser(sign_in: SignIn, window: Open, axe: Axe) -> None:
    opened = await window(await sign_in())
    page = await opened.go("/styleguide")
    assert await page.title() == "Styleguide · Chronic Care"
    await page.keyboard.press("/")
    assert await page.evaluate("document.activeElement.id") == "search"
    await opened.picture("styleguide")
    await axe(page)
