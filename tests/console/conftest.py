"""Somebody who is signed in, as a client of HTTP and as a browser."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from uuid import UUID

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.async_api import Browser, Page, async_playwright

from chroniccare.core.caller import Caller
from chroniccare.tenancy.roles import ROLES
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.conftest import clock

__all__ = ["clock"]

PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"
AXE = Path(__file__).parents[2] / ".cache" / "axe" / "axe.min.js"
CHROMIUM = "/usr/bin/chromium"


@dataclass(frozen=True, slots=True)
class Standing:
    """A session that nobody had to sign in for."""

    caller: Caller
    display_name: str = "Dana Lee"
    csrf: str = "the token of this session's forms"
    locale: str = "en"
    theme: str = "system"
    needs: str = ""


@dataclass(slots=True)
class Sessions:
    """Sessions by token."""

    known: dict[str, Standing] = field(default_factory=dict)

    async def opened(
        self, token: str, *, now: datetime, address: str | None, seen: bool, request_id: str
    ) -> Standing | None:
        del now, address, seen, request_id
        return self.known.get(token)


@dataclass(slots=True)
class Desk:
    """One member of staff at one browser, without the browser."""

    clinic: Clinic
    http: httpx.AsyncClient
    session: Standing
    token: str

    async def get(self, path: str, **options: object) -> httpx.Response:
        return await self.http.get(f"/console{path}", **options)  # type: ignore[arg-type]

    async def post(self, path: str, data: Mapping[str, object] | None = None) -> httpx.Response:
        """Send a form with the session's token; what comes back is not followed."""
        given = {"csrf": self.session.csrf, **(data or {})}
        return await self.http.post(f"/console{path}", data=given)


SignIn = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def sign_in(clinic: Clinic, running: Running) -> AsyncIterator[SignIn]:
    """Return a function that adds somebody with a role and signs them in."""
    sessions = Sessions()
    before, running.app.state.sessions = running.app.state.sessions, sessions
    async with AsyncExitStack() as stack:

        async def add(role: str = "administrator", *, locale: str = "en") -> Desk:
            body = {
                "email": f"{token_hex(8)}@clinic.example", "display_name": "Dana Lee", "role": role,
            }  # fmt: skip
            person = await clinic.make("/staff", body)
            caller = Caller(clinic.tenant_id, UUID(person["id"]), "staff", ROLES[role], role=role)
            token = token_hex(16)
            sessions.known[token] = session = Standing(caller, locale=locale)
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(running.app), base_url="http://clinic.test",
                cookies={"chroniccare": token},
            )  # fmt: skip
            await stack.enter_async_context(http)
            return Desk(clinic, http, session, token)

        yield add
    running.app.state.sessions = before


@pytest.fixture(scope="session")
async def address(running: Running) -> AsyncIterator[str]:
    """The application served on loopback, from this process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(running.app, port=port, interface=Interfaces.ASGINL)
    serving = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient() as client:
        for _ in range(100):
            with suppress(httpx.TransportError):
                await client.get(f"{url}/livez")
                break
            await asyncio.sleep(0.05)
    yield url
    server.stop()  # type: ignore[no-untyped-call]  # granian's
    await serving


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The machine's Chromium, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@dataclass(slots=True)
class Window:
    """A browser's page, and what it complained of."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    async def go(self, path: str) -> Page:
        await self.page.goto(f"{self.address}/console{path}")
        return self.page

    async def picture(self, name: str) -> None:
        """Write the page to docs/screenshots, light and dark, where SCREENSHOTS is set."""
        if os.environ.get("SCREENSHOTS"):
            for scheme in ("light", "dark"):
                await self.page.emulate_media(color_scheme=scheme)
                await self.page.screenshot(path=PICTURES / f"{name}-{scheme}.png")
            await self.page.emulate_media(color_scheme="light")


Open = Callable[[Desk], Awaitable[Window]]


@pytest.fixture
async def window(chromium: Browser, address: str) -> AsyncIterator[Open]:
    """Return a function that opens a browser for somebody; no page of it may break the policy."""
    opened: list[Window] = []
    async with AsyncExitStack() as stack:

        async def open_(desk: Desk) -> Window:
            context = await chromium.new_context(
                viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
            )
            stack.push_async_callback(context.close)
            await context.add_cookies([
                {"name": "chroniccare", "value": desk.token, "url": address, "httpOnly": True}
            ])  # fmt: skip
            made = Window(await context.new_page(), address)
            made.page.on("console", lambda said: _note(made, said.type, said.text))
            made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
            opened.append(made)
            return made

        yield open_
    assert [one for made in opened for one in made.complaints] == []


Axe = Callable[..., Awaitable[None]]


@pytest.fixture
def axe() -> Axe:
    """Return a function that fails on serious or critical findings of axe-core in a page."""
    if not AXE.is_file():
        pytest.skip("axe-core is not there: python tools/console_scripts.py --with-axe")

    async def look(page: Page, *, only: str = "") -> None:
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(AXE.read_text())  # by the debugger, which no policy of a page stops
        rules = {"runOnly": only.split()} if only else {}
        found = await page.evaluate(
            "(rules) => axe.run(rules).then((all) => all.violations)", rules
        )
        told = [
            f"{one['impact']} {one['id']}: {[node['html'][:200] for node in one['nodes'][:5]]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]
        assert told == []

    return look


def _note(window: Window, kind: str, text: str) -> None:
    expected = "Failed to load resource: the server responded with a status of"
    if kind == "error" and not text.startswith(expected):
        window.complaints.append(text)
