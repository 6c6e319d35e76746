"""A program with a key pair, the assertions it signs, and any that somebody else may think of."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chroniccare.app import build
from chroniccare.platform.postgres import database
from chroniccare.settings import Settings, address
from chroniccare.smart.tokens import ASSERTION
from tests.client import Clinic

CURVE_KEY = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def jwk(key: Any, kid: str) -> dict[str, Any]:
    """Return a public key as a client hands it in."""
    if isinstance(key, rsa.RSAPrivateKey):
        made = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return {**made, "kid": kid, "alg": "RS384", "key_ops": ["verify"]}
    made = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": kid, "alg": "ES384", "use": "sig"}


JWKS = {"keys": [jwk(CURVE_KEY, "curve"), jwk(RSA_KEY, "rsa")]}


@dataclass(slots=True)
class Program:
    """A SMART client: its id, its keys and how it reaches the server."""

    id: str
    clinic: Clinic
    http: httpx.AsyncClient
    token_url: str
    row: dict[str, Any] = field(default_factory=dict)

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        made = {
            "iss": self.id, "sub": self.id, "aud": self.token_url, "exp": now + 240,
            "jti": str(uuid4()), **changed,
        }  # fmt: skip
        return {name: value for name, value in made.items() if value is not None}

    def assertion(
        self, *, key: Any = CURVE_KEY, kid: str | None = None, header: Any = None, **claims: Any
    ) -> str:
        is_rsa = isinstance(key, rsa.RSAPrivateKey)
        algorithm = "RS384" if is_rsa else {384: "ES384", 256: "ES256"}[key.curve.key_size]
        headers = {"kid": kid or ("rsa" if is_rsa else "curve"), **(header or {})}
        payload = json.dumps(self.claims(**claims)).encode()
        return jwt.PyJWS().encode(payload, key, algorithm, headers=headers)

    async def ask(self, assertion: str | None = None, **changed: Any) -> httpx.Response:
        """Ask for a token; a field that is None is left out."""
        form = {
            "grant_type": "client_credentials", "client_assertion_type": ASSERTION,
            "client_assertion": self.assertion() if assertion is None else assertion,
            "scope": "system/Patient.rs", **changed,
        }  # fmt: skip
        form = {name: value for name, value in form.items() if value is not None}
        response = await self.http.post("/auth/token", data=form)
        assert response.headers["cache-control"] == "no-store"
        return response

    async def token(self, **changed: Any) -> str:
        response = await self.ask(**changed)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])


Register = Callable[..., Awaitable[Program]]


@pytest.fixture
def door(settings: Settings, running: object, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """An application of its own, which knows no client yet and may read keys on loopback."""
    del running
    changed = settings.model_copy(update={"webhook_targets": "any", "wrong_keys_per_minute": 1000})
    monkeypatch.setattr(database(), "settings", changed)
    return build(changed)


@pytest.fixture
async def http(door: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(door)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as client:
        yield client


@pytest.fixture
async def register(clinic: Clinic, http: httpx.AsyncClient, settings: Settings) -> Register:
    """Return a function that adds a client to the clinic, or to another."""

    async def add(at: Clinic = clinic, **fields: Any) -> Program:
        if "jwks_url" not in fields:
            fields = {"jwks": JWKS, **fields}
        scopes = ["system/Patient.rs", "system/Appointment.cruds"]
        row = await at.make("/smart-clients", {"name": "Export", "scopes": scopes, **fields})
        return Program(row["id"], at, http, f"{address(settings)}/auth/token", row)

    return add


@pytest.fixture
async def program(register: Register) -> Program:
    return await register()


@dataclass(slots=True)
class KeyServer:
    """Where a client's keys are; `fetches` counts how often they were asked for."""

    url: str = ""
    fetches: int = 0
    status: int = 200
    body: bytes = field(default_factory=lambda: json.dumps(JWKS).encode())
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def serving() -> Iterator[KeyServer]:
    keys = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.fetches += 1
            self.send_response(keys.status)
            self.send_header("Content-Length", str(len(keys.body)))
            for name, value in keys.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(keys.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    keys.url = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
    try:
        yield keys
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with serving() as keys:
        yield keys
