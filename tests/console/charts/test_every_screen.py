"""What must hold of every screen at once: axe, the policy of scripts, two languages, a phone."""

import re
from collections.abc import AsyncIterator
from html import unescape
from html.parser import HTMLParser

import httpx
import pytest

from chroniccare.console import pages, said
from tests.conftest import Running
from tests.console.charts.everything import screens
from tests.console.conftest import Axe, Desk, Open
from tests.notifications.support import Bench
from tests.staff.accounts import let_pass, worker

NOT_FOUND = ("/nowhere",)
RAW = re.compile(r"(gsm7|ucs2|smpp|smtp|http)_?\w*", re.IGNORECASE)
"""Codes that have words."""
OF_COLOURS = "color-contrast link-in-text-block"
"""Rules of axe that depend on the scheme."""
NARROW = ("/today", "/recalls")
"""Screens that are made for a phone."""
WIDER = """[...document.querySelectorAll("main *, header, header *")].filter(
    (one) => one.getBoundingClientRect().right > innerWidth + 1 && one.checkVisibility()
    && !one.closest(".scroll, .quiet, svg, [popover], .calendar")
).map((one) => one.outerHTML.slice(0, 120))"""
"""Elements that stand out of the window and can be scrolled to by the whole page alone."""
LOST = """["a", "button", "input", "select", "summary"].flatMap(
    (name) => [...document.querySelectorAll(`main ${name}`)]
).filter((one) => one.checkVisibility()
    && !one.closest("details:not([open]) > :not(summary)")
).filter((one) => {
    one.scrollIntoView({block: "center", inline: "center"});
    const it = one.getBoundingClientRect();
    return it.width > 0 && (it.bottom < 0 || it.top > innerHeight
        || it.right < 0 || it.left > innerWidth);
}).map((one) => one.outerHTML.slice(0, 120))"""
"""Controls that no scrolling brings into the window."""
MOVING = """[...document.querySelectorAll("*")].filter((one) => {
    const style = getComputedStyle(one);
    return Math.max(...style.transitionDuration.split(",").map(parseFloat),
        ...style.animationDuration.split(",").map(parseFloat)) > 0.01;
}).map((one) => one.outerHTML.slice(0, 120))"""
"""Elements that move, though less of that is asked for."""
EXAMPLES = ("/styleguide",)
"""Pages whose texts are examples."""


class Words(HTMLParser):
    """Collects what a page says: its texts, and the attributes that are read to somebody."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_data(self, data: str) -> None:
        self.said.append(" ".join(data.split()))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        spoken = {"aria-label", "placeholder", "title", "alt", "data-confirm"}
        self.said += [" ".join((one or "").split()) for name, one in attrs if name in spoken]


@pytest.fixture
async def desk(bench: Bench, running: Running) -> AsyncIterator[Desk]:
    """An administrator who has signed in with a password."""
    who = await worker(bench.clinic, "administrator")
    token = (await who.sign_in()).token
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(running.app), base_url="http://clinic.test",
        cookies={"chroniccare": token},
    ) as http:  # fmt: skip
        yield Desk(bench.clinic, http, await who.session(token), token)  # type: ignore[arg-type]


async def test_every_screen_is_for_everybody(
    bench: Bench, desk: Desk, window: Open, axe: Axe
) -> None:
    paths = await screens(bench)
    opened = await window(desk)
    findings: dict[str, str] = {}
    for path in paths:
        page = await opened.go(path)
        try:
            assert await page.locator("h1").count() == 1, "not one h1"
            assert await page.get_attribute("html", "lang") == "en"
            await axe(page, only=OF_COLOURS)
            await page.emulate_media(color_scheme="dark")
            await axe(page)  # all rules; what is of no colour is the same in both schemes
            if path.startswith(NARROW):
                await page.set_viewport_size({"width": 375, "height": 700})
                assert await page.evaluate(WIDER) == [], "wider than a phone"
                await axe(page)
                await page.emulate_media(color_scheme="light")
                await axe(page, only=OF_COLOURS)
        except AssertionError as error:
            findings[path] = str(error)
        await page.emulate_media(color_scheme="light")
        await page.set_viewport_size({"width": 1280, "height": 800})
    assert findings == {}


async def test_nothing_is_lost_at_twice_the_size_and_nothing_moves(
    bench: Bench, desk: Desk, window: Open
) -> None:
    paths = await screens(bench)
    opened = await window(desk)
    # 200 % of a window of 1280 by 800 is as many pixels of CSS.
    await opened.page.set_viewport_size({"width": 640, "height": 400})
    chart = next(one for one in paths if one.startswith("/patients/"))
    for path in ("/today", "/calendar", "/calendar?view=week", chart, f"{chart}/medicines"):
        page = await opened.go(path)
        assert await page.evaluate(WIDER) == [], path
        assert await page.evaluate(LOST) == [], path
        assert await page.evaluate("document.getAnimations().length") == 0, path
        assert await page.evaluate(MOVING) == [], path


async def test_no_screen_speaks_english_in_spanish(bench: Bench, desk: Desk) -> None:
    paths = await screens(bench)
    assert (await desk.post("/account/look", {"locale": "es", "theme": "dark"})).status_code == 303
    let_pass()
    spanish = pages.catalogue("es")
    words = [tuple(pair) for kind in said.table().values() for pair in kind.values()]
    english = (
        {
            " ".join(text.split())
            for text, other in [*spanish.items(), *said._sentences().items(), *words]
            if text != other
        }
        - set(spanish.values())
        - {other for _, other in words}
        # A language in its own words, and a kind of visit as its clinic calls it.
        - {"English", "Education"}
    )
    left: dict[str, list[str]] = {}
    for path in paths:
        answer = await desk.get(path)
        assert answer.status_code == (404 if path in NOT_FOUND else 200), path
        assert '<html lang="es" data-theme="dark">' in answer.text
        assert {name: answer.headers[name] for name in pages.HEADERS} == pages.HEADERS, path
        read = Words()
        read.feed(answer.text)
        found = [one for one in read.said if unescape(one).removesuffix(".") in english]
        found += [one for one in read.said if RAW.fullmatch(one)]
        if found and path not in EXAMPLES:
            left[path] = sorted(set(found))
    assert not left, "; ".join(f"{path}: {found}" for path, found in left.items())
