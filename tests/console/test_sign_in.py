"""Signing in to the console over HTTP (SEC-17, SEC-42): lockout, second factor, sessions, forms."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from statistics import median
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from argon2 import PasswordHasher
from playwright.async_api import Browser as Chromium

from chroniccare.console import pages
from chroniccare.platform import passwords
from chroniccare.platform.postgres import begin, database, utc_now
from chroniccare.staff.accounts import actions
from chroniccare.staff.sessions import actions as sessions
from chroniccare.tenancy.guesses import Guesses
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.support import Clock
from tests.staff.accounts import OWN, Worker, let_pass, worker

WRONG = "wrong horse battery 9"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little work: what it costs in earnest is another test's."""
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(1, 1024, 1))


@pytest.fixture
async def clock(running: Running) -> AsyncIterator[Clock]:
    """A clock that stands at noon until it is moved."""
    made = Clock()
    running.platform.database.clock = made
    try:
        yield made
    finally:
        running.platform.database.clock = utc_now


@dataclass(slots=True)
class Browser:
    """A browser without a screen: cookies, forms, and nothing that it follows by itself."""

    http: httpx.AsyncClient

    @property
    def token(self) -> str:
        return self.http.cookies.get("chroniccare") or ""

    def hold(self, token: str) -> None:
        """Hold this token and no other cookie."""
        self.http.cookies.clear()
        self.http.cookies.set("chroniccare", token, domain="clinic.test", path="/")

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(f"/console{path}")

    async def post(self, path: str, **fields: str) -> httpx.Response:
        return await self.http.post(f"/console{path}", data=fields)

    async def send(self, page: httpx.Response, path: str, **fields: str) -> httpx.Response:
        """Send the form of `page` that goes to `path`, with what is hidden in it."""
        form = re.search(
            rf'<form[^>]*action="/console{path}"[^>]*>(.*?)</form>', page.text, re.DOTALL
        )
        assert form, page.text
        hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form[1])
        return await self.post(path, **{n: unescape(v) for n, v in hidden} | fields)

    async def sign_in(self, who: Worker, password: str = "", **more: str) -> httpx.Response:
        given = {"clinic": who.subdomain, "email": who.email, **more}
        return await self.post("/sign-in", password=password or who.password, **given)

    async def is_in(self) -> bool:
        answer = await self.get("/account")
        assert answer.status_code in {200, 303}
        return answer.status_code == 200


@pytest.fixture
async def browser(running: Running) -> AsyncIterator[Browser]:
    transport = httpx.ASGITransport(running.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as http:
        yield Browser(http)


@pytest.fixture
async def elsewhere(running: Running) -> AsyncIterator[Browser]:
    transport = httpx.ASGITransport(running.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as http:
        yield Browser(http)


async def test_sec_17_whoever_signs_in_gets_to_where_they_were_going(
    clinic: Clinic, browser: Browser
) -> None:
    who = await worker(clinic)
    answer = await browser.get("/recalls?state=due&page=2")
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]
    page = await browser.http.get(answer.headers["location"])
    assert page.status_code == 200
    done = await browser.send(
        page, "/sign-in", clinic=who.subdomain, email=who.email, password=who.password
    )
    assert (done.status_code, done.headers["location"]) == (
        303,
        "/console/recalls?state=due&page=2",
    )
    assert asked == "/console/recalls?state=due&page=2"
    cookie = next(one for one in done.headers.get_list("set-cookie") if "chroniccare=" in one)
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Max-Age" not in cookie
    assert await browser.is_in()
    assert f'value="{who.subdomain}"' in (await browser.get("/sign-in")).text


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example", "/\\evil", "/console//evil.example",
             "/console/../x", "/consolex", "javascript:alert(1)", "/console\r\nSet-Cookie: a=b"]
)  # fmt: skip
async def test_sec_17_nobody_is_sent_elsewhere_after_signing_in(
    clinic: Clinic, browser: Browser, path: str
) -> None:
    who = await worker(clinic)
    answer = await browser.sign_in(who, next=path)
    assert answer.headers["location"] == "/console/today"


async def test_sec_17_over_tls_the_cookie_is_of_this_host_alone(
    clinic: Clinic, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = database().settings.model_copy(update={"public_url": "https://clinic.test"})
    monkeypatch.setattr(database(), "settings", wanted)
    who = await worker(clinic)
    answer = await browser.sign_in(who)
    [cookie] = [one for one in answer.headers.get_list("set-cookie") if one.startswith("__Host-")]
    parts = cookie.split("; ")
    assert parts[0].startswith("__Host-chroniccare=cct_")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(parts)
    token = parts[0].partition("=")[2]
    browser.http.cookies.clear()
    browser.hold(token)  # as a subdomain could set it
    assert not await browser.is_in()


async def test_sec_17_a_wrong_answer_says_the_same_and_keeps_no_password(
    clinic: Clinic, browser: Browser
) -> None:
    who = await worker(clinic)
    texts = set()
    for typed in ({}, {"email": "nobody@clinic.example"}, {"clinic": "nowhere"}):
        answer = await browser.sign_in(who, WRONG, **typed)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert WRONG not in answer.text
        for one in (who.email, who.subdomain, *typed.values()):
            answer._text = answer.text.replace(one, "")
        texts.add(answer.text)
    assert len(texts) == 1
    script = '"><script>alert(1)</script>'
    shown = await browser.sign_in(who, WRONG, email=script, clinic=script, next=script)
    assert "<script>alert" not in shown.text


async def test_sec_17_an_account_rests_and_says_for_how_long(
    clinic: Clinic, browser: Browser, clock: Clock
) -> None:
    who = await worker(clinic)
    for email in (who.email, "nobody@clinic.example"):
        for _ in range(5):
            assert (await browser.sign_in(who, WRONG, email=email)).status_code == 401
        answer = await browser.sign_in(who, email=email)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
        assert "seconds left: 30." in answer.text
    clock.forward(seconds=30)
    assert (await browser.sign_in(who)).status_code == 303


async def test_sec_17_an_address_that_guesses_must_wait(
    clinic: Clinic, browser: Browser, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await worker(clinic)
    monkeypatch.setattr(running.app.state.reception, "guesses", Guesses(3, of=str(who.id)))
    for number in range(3):
        answer = await browser.sign_in(who, WRONG, email=f"nobody-{number}@clinic.example")
        assert answer.status_code == 401
    for password in (WRONG, who.password):
        answer = await browser.sign_in(who, password)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 50


async def test_sec_17_an_unknown_account_takes_as_long_as_a_known_one(
    clinic: Clinic, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(2, 8192, 1))
    who = [await worker(clinic) for _ in range(4)]
    took: dict[str, list[float]] = {"known": [], "unknown": [], "nowhere": []}
    for number in range(16):
        one = who[number % 4]
        for kind, typed in (
            ("known", {}), ("unknown", {"email": f"nobody-{number % 4}@clinic.example"}),
            ("nowhere", {"clinic": "no-such-clinic"}),
        ):  # fmt: skip
            started = time.perf_counter()
            answer = await browser.sign_in(one, WRONG, **typed)
            took[kind].append(time.perf_counter() - started)
            assert answer.status_code == 401
    known = median(took["known"])
    assert 0.5 < median(took["unknown"]) / known < 2, took
    assert 0.3 < median(took["nowhere"]) / known < 2, took


async def test_sec_17_a_token_that_was_there_before_is_over_after_signing_in(
    clinic: Clinic, browser: Browser, elsewhere: Browser
) -> None:
    who, other = await worker(clinic), await worker(clinic)
    await elsewhere.sign_in(other)
    planted = elsewhere.token
    browser.hold(planted)
    assert await browser.is_in()
    await browser.sign_in(who)
    assert browser.token != planted
    let_pass()
    assert not await elsewhere.is_in()
    browser.hold("cct_" + "A" * 43)
    assert not await browser.is_in()


async def test_sec_17_codes_are_set_up_asked_for_and_good_once(
    clinic: Clinic, browser: Browser, elsewhere: Browser, clock: Clock
) -> None:
    who = await worker(clinic)
    await browser.sign_in(who)
    await elsewhere.sign_in(who)
    before = browser.token
    page = await browser.get("/account/factor")
    refused = await browser.send(page, "/account/factor", password=WRONG)
    assert refused.status_code == 401
    shown = await browser.send(page, "/account/factor", password=who.password)
    assert shown.headers["cache-control"] == "no-store"
    assert "<svg" in shown.text
    assert "style" not in shown.text.partition("<svg")[2].partition("</svg>")[0]
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", shown.text)
    assert found
    device = pyotp.TOTP(found[1].replace(" ", ""))
    wrong = await browser.send(shown, "/account/factor/confirm", code="000000")
    assert wrong.status_code == 401
    done = await browser.send(shown, "/account/factor/confirm", code=device.at(clock.at))
    codes = re.findall(r"<code>([a-z0-9-]{14})</code>", done.text)
    assert len(codes) == 10
    assert browser.token != before
    let_pass()
    assert await browser.is_in()
    assert not await elsewhere.is_in()
    used = device.at(clock.at)
    step = await elsewhere.sign_in(who, next="/console/account")
    assert step.status_code == 200
    assert not await elsewhere.is_in()
    again = await elsewhere.send(step, "/sign-in/code", code=used)  # it has set it up
    assert again.status_code == 401
    clock.forward(seconds=30)
    half = elsewhere.token
    good = await elsewhere.send(step, "/sign-in/code", code=device.at(clock.at))
    assert (good.status_code, good.headers["location"]) == (303, "/console/account")
    assert elsewhere.token != half
    assert await elsewhere.is_in()
    elsewhere.http.cookies.clear()
    step = await elsewhere.sign_in(who)
    replayed = await elsewhere.send(step, "/sign-in/code", code=device.at(clock.at))
    assert replayed.status_code == 401
    assert (await elsewhere.send(step, "/sign-in/code", code=codes[0])).status_code == 303
    page = await browser.get("/account/factor")
    removed = await browser.send(page, "/account/factor/remove", code=codes[1])
    assert removed.headers["location"] == "/console/account?said=removed"
    assert (await elsewhere.get("/sign-in/code")).headers["location"] == "/console/sign-in"


async def test_sec_17_a_given_password_opens_nothing_but_its_own_change(
    clinic: Clinic, browser: Browser
) -> None:
    who = await worker(clinic, "administrator", must_change=True)
    await browser.sign_in(who)
    for path in ("/today", "/account", "/styleguide"):
        answer = await browser.get(path)
        assert answer.headers["location"] == "/console/account/password"
    page = await browser.get("/account/password")
    short = await browser.send(
        page, "/account/password", old_password=who.password, new_password="Password12345"
    )
    assert short.status_code == 400
    assert "is among the first" in short.text
    before = browser.token
    done = await browser.send(
        page, "/account/password", old_password=who.password, new_password=OWN
    )
    assert done.headers["location"] == "/console/account?said=saved"
    assert browser.token != before
    assert await browser.is_in()
    browser.hold(before)
    assert not await browser.is_in()


async def test_sec_17_a_second_factor_does_not_stand_for_ones_own_password(
    clinic: Clinic, browser: Browser, clock: Clock
) -> None:
    who = await worker(clinic, "administrator", must_change=True)
    await browser.sign_in(who)
    csrf = (await who.session(browser.token)).csrf
    for path in ("factor", "factor/confirm", "factor/remove", "look", "sessions/end-others"):
        answer = await browser.post(f"/account/{path}", csrf=csrf, password=who.password)
        assert (answer.status_code, answer.headers.get("location")) == (
            303, "/console/account/password",
        )  # fmt: skip
    device, _ = await who.with_codes()  # by another way than the console's
    clock.forward(seconds=30)
    step = await browser.sign_in(who)
    await browser.send(step, "/sign-in/code", code=device.at(clock.at))
    session = await who.session(browser.token)
    assert (session.needs, session.caller.scopes) == ("password", frozenset())
    clock.forward(seconds=30)
    fresh = await actions.remove_factor(session, browser.token, code=device.at(clock.at))
    assert (await who.session(fresh)).needs == "password"


async def test_sec_17_a_required_factor_comes_before_anything_else(
    clinic: Clinic, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = database().settings.model_copy(update={"second_factor": "required"})
    monkeypatch.setattr(database(), "settings", wanted)
    who = await worker(clinic)
    await browser.sign_in(who)
    answer = await browser.get("/today")
    assert answer.headers["location"] == "/console/account/factor"
    shown = await browser.send(await browser.get("/account/factor"), "/account/factor")
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", shown.text)
    assert found
    code = pyotp.TOTP(found[1].replace(" ", "")).at(database().clock())
    await browser.send(shown, "/account/factor/confirm", code=code)
    assert await browser.is_in()
    page = await browser.get("/account/factor")
    assert "/console/account/factor/remove" not in page.text


async def test_sec_17_signing_out_ends_the_session_and_leaves_no_page(
    clinic: Clinic, browser: Browser, elsewhere: Browser
) -> None:
    who = await worker(clinic)
    await browser.sign_in(who)
    elsewhere.hold(browser.token)  # a copy of the token
    page = await browser.get("/account")
    done = await browser.send(page, "/sign-out")
    assert done.headers["location"] == "/console/sign-in?said=signed_out"
    assert done.headers["clear-site-data"] == '"cache"'
    assert not browser.token
    assert not await elsewhere.is_in()
    assert "You are signed out." in (await browser.get("/sign-in?said=signed_out")).text


async def test_sec_17_ones_own_sessions_are_shown_and_ended(
    clinic: Clinic, other_clinic: Clinic, browser: Browser, elsewhere: Browser
) -> None:
    who, stranger = await worker(clinic), await worker(other_clinic)
    await browser.sign_in(who)
    elsewhere.http.headers["user-agent"] = "Mozilla/5.0 (iPad; CPU OS 18_0) Safari/604.1"
    await elsewhere.sign_in(who)
    page = await browser.get("/account")
    assert "Safari on iPad" in page.text
    ends = re.findall(r'action="/console(/account/sessions/[0-9a-f-]+/end)"', page.text)
    [end] = ends
    csrf = (await stranger.session((await stranger.sign_in()).token)).csrf
    assert (await browser.post(end, csrf=csrf)).status_code == 403
    assert (await browser.send(page, end)).headers["location"].endswith("said=ended")
    assert (await browser.send(page, end)).status_code == 404
    let_pass()
    assert not await elsewhere.is_in()
    await elsewhere.sign_in(who)
    page = await browser.get("/account")
    assert await browser.send(page, "/account/sessions/end-others")
    let_pass()
    assert [await browser.is_in(), await elsewhere.is_in()] == [True, False]
    elsewhere.http.cookies.clear()
    await elsewhere.sign_in(stranger)
    other = (await elsewhere.get("/account")).text
    assert who.email not in other
    theirs = re.search(r'name="csrf" value="([0-9a-f]{64})"', other)
    assert theirs
    assert (await elsewhere.post(end, csrf=theirs[1])).status_code == 404


@pytest.mark.parametrize("how", ["none", "another's", "of before", "cross-site"])
async def test_sec_17_a_form_that_is_not_of_this_session_changes_nothing(
    clinic: Clinic, browser: Browser, how: str
) -> None:
    who = await worker(clinic)
    await browser.sign_in(who)
    old = (await who.session(browser.token)).csrf
    other = await who.session((await who.sign_in()).token)
    if how == "of before":
        await browser.sign_in(who)
    csrf = {"none": "", "another's": other.csrf, "of before": old, "cross-site": old}[how]
    if how == "cross-site":
        browser.http.headers["sec-fetch-site"] = "cross-site"
    answer = await browser.post("/account/look", csrf=csrf, locale="es", theme="dark")
    assert answer.status_code == 403
    browser.http.headers.pop("sec-fetch-site", None)
    let_pass()
    assert (await who.session(browser.token)).locale == "en"


async def test_sec_17_another_site_signs_nobody_in(clinic: Clinic, browser: Browser) -> None:
    who = await worker(clinic)
    browser.http.headers["sec-fetch-site"] = "cross-site"
    answer = await browser.sign_in(who)
    assert answer.status_code == 403
    assert not browser.token
    assert (await browser.post("/sign-in/code", code="123456")).status_code == 403


async def test_sec_17_what_was_entered_is_kept_over_an_automatic_sign_out(
    clinic: Clinic, browser: Browser, clock: Clock
) -> None:
    who = await worker(clinic, "administrator")
    await browser.sign_in(who)
    page = await browser.get("/admin/keys")
    clock.forward(minutes=16)
    entered = {"key_name": '"><b>Kiosk', "scopes": "patients:read"}
    kept = await browser.send(page, "/admin/keys", **entered)
    assert kept.status_code == 401
    assert "What you entered is kept" in kept.text
    assert 'name="kept.scopes" value="patients:read"' in kept.text
    assert "<b>Kiosk" not in kept.text
    wrong = await browser.send(
        kept, "/sign-in", clinic=who.subdomain, email=who.email, password=WRONG
    )
    assert 'name="kept.scopes" value="patients:read"' in wrong.text
    back = await browser.send(
        wrong, "/sign-in", clinic=who.subdomain, email=who.email, password=who.password
    )
    assert back.status_code == 200
    assert "<li>patients:read</li>" in back.text
    assert await keys_of(clinic) == []  # nothing is sent by itself
    assert (await browser.send(back, "/admin/keys")).status_code == 200
    assert await keys_of(clinic) == [entered["key_name"]]


async def keys_of(clinic: Clinic) -> list[str]:
    items = (await clinic.get("/api-keys")).json()["data"]["items"]
    return [one["key_name"] for one in items if "Kiosk" in one["key_name"]]


@pytest.mark.parametrize("has_codes", [False, True])
async def test_sec_17_what_somebody_entered_is_handed_to_nobody_else(
    clinic: Clinic, browser: Browser, clock: Clock, has_codes: bool
) -> None:
    who, other = await worker(clinic, "administrator"), await worker(clinic, "administrator")
    device = (await other.with_codes())[0] if has_codes else None
    await browser.sign_in(who)
    page = await browser.get("/admin/keys")
    clock.forward(minutes=16)
    kept = await browser.send(page, "/admin/keys", key_name="Kiosk", scopes="patients:read")
    own = {"clinic": other.subdomain, "email": other.email, "password": other.password}
    back = await browser.send(kept, "/sign-in", **own)
    if device is not None:
        back = await browser.send(back, "/sign-in/code", code=device.at(clock.at))
    assert (back.status_code, back.headers["location"]) == (303, "/console/today")
    assert "Kiosk" not in back.text


async def test_sec_17_no_password_is_handed_back_in_a_page(
    clinic: Clinic, browser: Browser, clock: Clock
) -> None:
    who = await worker(clinic)
    await browser.sign_in(who)
    page = await browser.get("/account/password")
    csrf = (await who.session(browser.token)).csrf
    clock.forward(minutes=16)
    typed = {"old_password": who.password, "new_password": OWN}
    answers = [await browser.send(page, "/account/password", **typed)]
    more = {**typed, "password": OWN, "code": "123456", "key_name": "Kiosk"}
    answers.append(await browser.post("/admin/keys", csrf=csrf, **more))
    assert "kept." not in answers[0].text
    assert "kept.key_name" in answers[1].text
    for answer in answers:
        assert answer.status_code == 401
        assert not [one for one in (OWN, who.password, "123456") if one in answer.text]


async def test_sec_17_after_signing_in_nobody_lands_on_a_page_that_is_none(
    clinic: Clinic, browser: Browser, clock: Clock
) -> None:
    who = await worker(clinic)
    await browser.sign_in(who)
    page = await browser.get("/account")
    clock.forward(minutes=16)
    door = await browser.send(page, "/sign-out")
    own = {"clinic": who.subdomain, "email": who.email, "password": who.password}
    back = await browser.send(door, "/sign-in", **own)
    assert back.headers["location"] == "/console/today"


async def test_sec_17_a_form_of_ones_earlier_session_is_handed_back(
    clinic: Clinic, browser: Browser, elsewhere: Browser
) -> None:
    who, other = await worker(clinic, "administrator"), await worker(clinic, "administrator")
    await browser.sign_in(who)
    page = await browser.get("/admin/keys")
    await browser.sign_in(who)  # in another tab
    entered = {"key_name": "Kiosk", "scopes": "patients:read"}
    browser.http.headers["sec-fetch-site"] = "same-site"
    assert "Kiosk" not in (await browser.send(page, "/admin/keys", **entered)).text
    browser.http.headers["sec-fetch-site"] = "same-origin"
    again = await browser.send(page, "/admin/keys", **entered)
    assert again.status_code == 403
    assert "<li>Kiosk</li>" in again.text
    assert await keys_of(clinic) == []
    elsewhere.http.headers["sec-fetch-site"] = "same-origin"
    await elsewhere.sign_in(other)
    theirs = await elsewhere.send(page, "/admin/keys", **entered)
    assert theirs.status_code == 403
    assert "Kiosk" not in theirs.text
    assert (await browser.send(again, "/admin/keys")).status_code == 200
    assert await keys_of(clinic) == ["Kiosk"]


async def test_sec_17_a_page_that_refreshes_itself_keeps_no_session_alive(
    clinic: Clinic, browser: Browser, clock: Clock
) -> None:
    who = await worker(clinic)
    await browser.sign_in(who)
    by_itself = {"x-by-itself": "1"}
    for _ in range(4):
        assert (await browser.http.get("/console/account", headers=by_itself)).status_code == 200
        clock.forward(minutes=4)
    assert (await browser.http.get("/console/account", headers=by_itself)).status_code == 303
    assert not await browser.is_in()


async def test_sec_17_a_form_of_another_page_is_not_kept(
    clinic: Clinic, browser: Browser, clock: Clock
) -> None:
    who = await worker(clinic)
    for csrf in ("", "0" * 64):
        answer = await browser.post("/account/look", csrf=csrf, locale="es")
        assert answer.status_code == 401
        assert "kept." not in answer.text
    await browser.sign_in(who)
    clock.forward(minutes=16)
    assert "kept." not in (await browser.post("/account/look", csrf="0" * 64, locale="es")).text


async def test_sec_17_a_session_that_is_over_elsewhere_is_over_here_within_a_second(
    clinic: Clinic, browser: Browser
) -> None:
    who = await worker(clinic)
    await browser.sign_in(who)
    assert await browser.is_in()
    assert (await clinic.delete(f"/staff/{who.id}")).status_code == 200
    deadline = time.monotonic() + 1
    while await browser.is_in():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert (await browser.sign_in(who)).status_code == 401


async def test_sec_42_every_page_of_signing_in_is_kept_nowhere_and_runs_nothing_inline(
    clinic: Clinic, browser: Browser
) -> None:
    who = await worker(clinic)
    answers = [await browser.get("/sign-in"), await browser.sign_in(who, WRONG)]
    answers.append(await browser.sign_in(who))
    answers += [
        await browser.get(path) for path in ("/account", "/account/password", "/account/factor")
    ]
    for answer in answers:
        for name, value in pages.HEADERS.items():
            assert answer.headers[name] == value
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<style| style=|<script>| on[a-z]+=", answer.text)
        assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)


async def test_signing_out_of_what_has_ended_elsewhere_signs_out(
    clinic: Clinic, browser: Browser
) -> None:
    who = await worker(clinic)
    await browser.sign_in(who)
    page = await browser.get("/account")
    session = await who.session(browser.token)
    async with begin(session.caller) as tx:
        await sessions.end(tx, who.id, session.id)
    done = await browser.send(page, "/sign-out")  # remembered here for less than a second
    assert done.headers["location"] == "/console/sign-in?said=signed_out"


async def test_a_sign_in_that_cannot_be_looked_at_says_so_on_its_page(
    clinic: Clinic, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await worker(clinic)
    monkeypatch.setattr(passwords, "_waiting", 99)
    answer = await browser.sign_in(who, next="/console/recalls")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "The service is unavailable" in answer.text
    assert 'name="next" value="/console/recalls"' in answer.text


async def test_the_pages_of_signing_in_speak_spanish(clinic: Clinic, browser: Browser) -> None:
    who = await worker(clinic)
    browser.http.headers["accept-language"] = "es-MX,es;q=0.9"
    browser.http.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
    texts = [(await browser.get("/sign-in")).text, (await browser.sign_in(who, WRONG)).text]
    await browser.sign_in(who)
    page = await browser.get("/account")
    await browser.send(page, "/account/look", locale="es", theme="dark")
    page = await browser.get("/account")
    assert 'data-theme="dark"' in page.text
    texts += [page.text] + [
        (await browser.get(path)).text for path in ("/account/password", "/account/factor")
    ]
    known = pages.catalogue("es")
    for text in texts:
        assert 'lang="es"' in text
        shown = re.findall(r">([A-Z][^<>{}]{3,})<", text)
        assert not [one for one in shown if unescape(one).strip() in known.keys() - known.values()]
    assert "Se cerró" not in texts[0]
    assert "La clínica, el correo o la contraseña" in texts[1]


async def test_sec_42_a_second_factor_is_set_up_in_a_browser(
    clinic: Clinic, chromium: Chromium, address: str
) -> None:
    who = await worker(clinic)
    context = await chromium.new_context()
    complaints: list[str] = []
    page = await context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(f"{address}/console/account/factor")
    await page.get_by_label("Clinic").fill(who.subdomain)
    await page.get_by_label("Email address").fill(who.email)
    await page.get_by_label("Password").fill(who.password)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/account/factor")
    await page.get_by_label("Password").fill(who.password)
    await page.keyboard.press("Enter")
    picture = page.get_by_role("img", name="QR code for the authenticator")
    box = await picture.locator("svg").bounding_box()
    assert box is not None
    assert box["width"] > 150
    secret = (await page.locator("code").inner_text()).replace(" ", "")
    await page.locator("#f-code").fill(pyotp.TOTP(secret).at(database().clock()))
    await page.keyboard.press("Enter")
    await page.get_by_text("I have kept them").click()
    await page.wait_for_url("**/console/account")
    await context.close()
    assert complaints == []
