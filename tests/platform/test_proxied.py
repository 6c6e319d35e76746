"""Whose address counts behind load balancers of ours, whatever the client wrote."""

import asyncio
from ipaddress import IPv4Address
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from chroniccare.app import build
from chroniccare.front import Proxied
from chroniccare.settings import Settings, SettingsError, load

OURS = ["10.20.0.0/16", "fd00::/8"]
BALANCER, CLIENT = "10.20.3.4", "203.0.113.9"


def seen(host: str, *said: str, kind: str = "http") -> Any:
    """Return whose request the application takes it for."""
    found: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        found.append(scope["client"] and scope["client"][0])

    scope = {
        "type": kind, "client": (host, 5) if host else None,
        "headers": [(b"x-forwarded-for", one.encode()) for one in said],
    }  # fmt: skip
    asyncio.run(Proxied(app, OURS)(scope, None, None))  # type: ignore[arg-type]
    return found[0]


@pytest.mark.parametrize(
    ("host", "said", "wanted"),
    [(BALANCER, [CLIENT], CLIENT), (BALANCER, [f"{CLIENT}, 10.20.9.9"], CLIENT),
     (BALANCER, [CLIENT, "fd00::7"], CLIENT), (BALANCER, ["2001:db8::1"], "2001:db8::1"),
     (BALANCER, [], BALANCER), (BALANCER, ["10.20.1.1"], "10.20.1.1"),
     (BALANCER, [f"{CLIENT}, nonsense"], BALANCER), (BALANCER, [f"{CLIENT}, ,"], CLIENT),
     (CLIENT, ["198.51.100.1"], CLIENT), ("", [CLIENT], None),
     ("testclient", [CLIENT], "testclient"),
     ("::ffff:10.20.0.9", [CLIENT], CLIENT), (f"::ffff:{CLIENT}", ["198.51.100.1"], CLIENT),
     (BALANCER, [f"198.51.100.1, ::ffff:{CLIENT}, ::ffff:10.20.0.9"], CLIENT),
     (BALANCER, [f"198.51.100.1, {CLIENT}:5123, 10.20.0.9:443"], CLIENT),
     (BALANCER, ["[2001:db8::1]:5123"], "2001:db8::1"),
     (BALANCER, ["[2001:db8::1]"], "2001:db8::1"),
     (BALANCER, [f"{CLIENT}:port"], BALANCER), (BALANCER, [f"[{CLIENT}"], BALANCER)],
)  # fmt: skip
def test_the_client_is_whom_our_last_balancer_was_asked_by(
    host: str, said: list[str], wanted: str | None
) -> None:
    assert seen(host, *said) == wanted


@given(st.text(st.characters(max_codepoint=255), max_size=40), st.ip_addresses(v=4))
def test_what_the_client_wrote_changes_nothing(forged: str, client: IPv4Address) -> None:
    written = forged.encode("latin-1").decode("latin-1")
    honest = seen(BALANCER, str(client))
    if not str(client).startswith("10.20."):
        assert seen(BALANCER, f"{written}, {client}") == honest == str(client)


def test_websockets_and_the_rest_pass() -> None:
    assert seen(BALANCER, CLIENT, kind="lifespan") == BALANCER


def middleware(app: FastAPI) -> list[str]:
    return [getattr(one.cls, "__name__", "") for one in app.user_middleware]


def test_nobodys_word_is_taken_unless_a_setting_says_so(settings: Settings) -> None:
    assert "Proxied" not in middleware(build(settings))
    told = settings.model_copy(update={"trusted_proxies": "10.20.0.0/16, fd00::/8"})
    assert middleware(build(told))[0] == "Proxied"


@pytest.mark.parametrize("text", ["10.20.0.0/33", "10.20.3.4/16", "everybody"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_TRUSTED_PROXIES"):
        load({"CHRONICCARE_TRUSTED_PROXIES": text})
