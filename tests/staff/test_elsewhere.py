"""Signing in to the console at an issuer: authorization code, PKCE, state, nonce."""

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from chroniccare.app import build
from chroniccare.platform.postgres import Command, begin, database
from chroniccare.settings import Settings, SettingsError, load
from chroniccare.tenancy.actions import list_tenants
from tests.client import Clinic
from tests.staff.idp import Idp

CONSOLE = "console-client"
AUDIT = Command("SELECT changes FROM audit_logs WHERE action = 'sign_in'")


@pytest.fixture
def asking(
    settings: Settings, idp: Idp, running: object, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings with an issuer at which staff sign in."""
    del running
    listed = [
        {"issuer": "https://other.example", "audiences": ["x"]},
        {
            "issuer": idp.url, "audiences": ["clinic-app"], "client_id": CONSOLE,
            "authorize_url": f"{idp.url}/authorize?kind=staff", "token_url": f"{idp.url}/token",
            "name": "Clinic ID",
        },
    ]  # fmt: skip
    update = {
        "oidc_issuers": json.dumps(listed), "oidc_client_secret": SecretStr("a secret: with/signs"),
    }  # fmt: skip
    made = settings.model_copy(update=update)
    monkeypatch.setattr(database(), "settings", made)
    return made


@pytest.fixture
async def http(asking: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build(asking))
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as client:
        yield client


async def known(clinic: Clinic, idp: Idp, subject: str = "") -> str:
    """Add a member of staff whom the issuer knows; return how it calls them."""
    subject = subject or str(uuid4())
    body = {
        "email": f"{uuid4()}@clinic.example", "display_name": "Dana Lee", "role": "clinician",
        "issuer": idp.url, "subject": subject,
    }  # fmt: skip
    await clinic.make("/staff", body)
    return subject


async def leave(http: httpx.AsyncClient, more: str = "") -> dict[str, str]:
    """Go to the issuer; return what it is asked."""
    away = await http.get(f"/console/sign-in/with/0?next=/console/recalls{more}")
    assert away.status_code == 303
    place = urlsplit(away.headers["location"])
    asked = {name: values[0] for name, values in parse_qs(place.query).items()}
    assert (place.path, asked["kind"], asked["response_type"]) == ("/authorize", "staff", "code")
    assert (asked["client_id"], asked["code_challenge_method"]) == (CONSOLE, "S256")
    assert asked["redirect_uri"].endswith("/console/sign-in/from")
    return asked


async def come(http: httpx.AsyncClient, **query: str) -> httpx.Response:
    return await http.get("/console/sign-in/from", params=query)


async def test_sec_17_whoever_the_issuer_knows_is_signed_in_and_no_token_is_kept(
    clinic: Clinic, http: httpx.AsyncClient, idp: Idp
) -> None:
    subject = await known(clinic, idp)
    assert "Sign in with Clinic ID" in (await http.get("/console/sign-in")).text
    asked = await leave(http)
    code = idp.code(asked["code_challenge"], sub=subject, aud=CONSOLE, nonce=asked["nonce"])
    done = await come(http, code=code, state=asked["state"])
    assert (done.status_code, done.headers["location"]) == (303, "/console/recalls")
    sent = idp.asked[-1]
    assert sent["grant_type"] == "authorization_code"
    assert sent["redirect_uri"] == asked["redirect_uri"]
    assert sent["authorization"].startswith("Basic ")
    page = await http.get("/console/account")
    assert "You sign in through your organisation" in page.text
    cookies = " ".join(done.headers.get_list("set-cookie"))
    assert "id_token" not in cookies
    assert "ey" not in http.cookies["chroniccare"]
    async with begin(clinic.caller) as tx:
        assert (await tx.value(AUDIT))["after"] == {"by": "issuer"}
    again = await come(http, code=code, state=asked["state"])  # the way has been gone
    assert again.status_code == 401


Wrong = Callable[[dict[str, str]], dict[str, Any]]
now = int(time.time())
WRONG: dict[str, Wrong] = {
    "nonce of another": lambda _: {"nonce": "another"},
    "no nonce": lambda _: {"nonce": None},
    "audience of the API": lambda _: {"aud": "clinic-app"},
    "for another as well": lambda _: {"aud": [CONSOLE, "another"], "azp": "another"},
    "another issuer": lambda _: {"iss": "https://other.example"},
    "ended": lambda _: {"exp": now - 3600},
    "a stranger": lambda _: {"sub": "a-stranger"},
    "another key": lambda _: {"kid": "nobody's"},
    "another challenge": lambda asked: {"challenge": asked["state"]},
}


@pytest.mark.parametrize("kind", WRONG)
async def test_sec_17_what_the_issuer_did_not_say_of_this_sign_in_opens_nothing(
    clinic: Clinic, http: httpx.AsyncClient, idp: Idp, kind: str
) -> None:
    subject = await known(clinic, idp)
    asked = await leave(http)
    said = {
        "sub": subject, "aud": CONSOLE, "nonce": asked["nonce"],
        "challenge": asked["code_challenge"], **WRONG[kind](asked),
    }  # fmt: skip
    code = idp.code(said.pop("challenge"), **said)
    answer = await come(http, code=code, state=asked["state"])
    assert answer.status_code == 401
    assert "did not sign you in" in answer.text
    assert "chroniccare" not in http.cookies


@pytest.mark.parametrize("how", ["state", "no code", "browser", "cookie", "late", "error"])
async def test_sec_17_who_comes_back_must_have_gone_from_this_browser(
    clinic: Clinic, http: httpx.AsyncClient, idp: Idp, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    subject = await known(clinic, idp)
    asked = await leave(http)
    code = idp.code(asked["code_challenge"], sub=subject, aud=CONSOLE, nonce=asked["nonce"])
    query = {"code": code, "state": asked["state"]}
    kept = http.cookies["chroniccare-away"]
    if how in {"browser", "cookie"}:
        http.cookies.clear()
    if how == "cookie":
        http.cookies.set("chroniccare-away", f"x{kept}")
    elif how == "late":
        clock = database().clock
        monkeypatch.setattr(database(), "clock", lambda: clock().replace(year=2031))
    elif how == "state":
        query["state"] = "another"
    elif how in {"no code", "error"}:
        query = {"state": asked["state"]} | ({"error": "access_denied"} if how == "error" else {})
    asks = len(idp.asked)
    assert (await come(http, **query)).status_code == 401
    assert len(idp.asked) == asks  # nobody is asked about it


async def test_whoever_works_for_several_clinics_names_one(
    clinic: Clinic, other_clinic: Clinic, http: httpx.AsyncClient, idp: Idp
) -> None:
    subject = await known(clinic, idp)
    await known(other_clinic, idp, subject)
    names = {one.id: one.subdomain for one in await list_tenants()}
    for wanted in (other_clinic, clinic):
        asked = await leave(http, f"&clinic={names[wanted.tenant_id]}")
        code = idp.code(asked["code_challenge"], sub=subject, aud=CONSOLE, nonce=asked["nonce"])
        await come(http, code=code, state=asked["state"])
        async with begin(wanted.caller) as tx:
            assert (await tx.value(AUDIT))["after"] == {"by": "issuer"}
    assert (await http.get("/console/sign-in/with/1")).status_code == 404


@pytest.mark.parametrize(
    "issuer",
    [
        {"client_id": "x"},
        {"client_id": "x", "authorize_url": "https://a.example/a"},
        {"client_id": "x", "authorize_url": "http://a.example/a", "token_url": "https://a.example"},
        {"client_id": "x", "authorize_url": "https://a.example/a", "token_url": "ftp://a.example"},
    ],
)
def test_an_issuer_to_sign_in_at_is_whole_and_at_https(issuer: dict[str, str]) -> None:
    listed = json.dumps([{"issuer": "https://a.example", "audiences": ["x"], **issuer}])
    with pytest.raises(SettingsError, match="CHRONICCARE_OIDC_ISSUERS"):
        load({"CHRONICCARE_OIDC_ISSUERS": listed})
