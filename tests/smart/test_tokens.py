"""SMART Backend Services (SEC-16): who signed, for whom, for when, and only once."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from examples import smart_client
from fastapi import FastAPI

from chroniccare.app import build
from chroniccare.core.caller import Caller, SmartScope
from chroniccare.core.errors import Unauthenticated
from chroniccare.platform.postgres import Command, begin, database
from chroniccare.settings import Settings
from chroniccare.smart import actions, tokens
from chroniccare.tenancy import rules
from tests.client import Clinic
from tests.smart.conftest import CURVE_KEY, JWKS, RSA_KEY, KeyServer, Program, Register, jwk


def ahead(seconds: int) -> Callable[[], int]:
    """Return what tells the second that lies so far ahead of the test, not of its collection."""
    return lambda: int(time.time()) + seconds


OTHER = ec.generate_private_key(ec.SECP384R1())
OTHER_RSA = rsa.generate_private_key(65537, 2048)
SMALL_CURVE = ec.generate_private_key(ec.SECP256R1())


def b64(value: bytes | dict[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


async def caller(door: FastAPI, token: str, *, address: str = "127.0.0.1") -> Caller:
    found: Caller = await door.state.authority.identify(
        token, now=database().clock(), address=address, clinic=None
    )
    return found


@pytest.mark.parametrize("key", [CURVE_KEY, RSA_KEY], ids=["ES384", "RS384"])
async def test_an_assertion_becomes_a_token_and_the_token_a_caller(
    program: Program, door: FastAPI, key: Any
) -> None:
    asked = "system/Patient.read system/Appointment.rs system/Observation.rs user/Patient.rs"
    response = await program.ask(program.assertion(key=key), scope=asked)
    assert response.status_code == 200
    body = response.json()
    token = body.pop("access_token")
    assert body == {
        "token_type": "bearer", "expires_in": 300,
        "scope": "system/Patient.rs system/Appointment.rs",
    }  # fmt: skip
    found = await caller(door, token)
    assert (found.tenant_id, str(found.actor_id)) == (program.clinic.tenant_id, program.id)
    assert (found.actor_type, found.scopes) == ("smart_client", frozenset())
    assert found.smart_scopes == (
        SmartScope("system", "Patient", "rs"),
        SmartScope("system", "Appointment", "rs"),
    )


async def test_a_token_opens_nothing_under_api_v1(program: Program) -> None:
    token = await program.token()
    bearer = {"Authorization": f"Bearer {token}"}
    for method, path in (("GET", "/patients"), ("POST", "/patients"), ("GET", "/smart-clients")):
        refused = await program.http.request(method, f"/api/v1{path}", headers=bearer)
        assert refused.status_code == 403
        assert "/fhir only" in refused.json()["error"]["message"]
    as_key = await program.http.get("/api/v1/patients", headers={"X-API-Key": token})
    assert as_key.status_code == 401


def _hmac_by_public_key(program: Program, algorithm: str) -> str:
    public = RSA_KEY.public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{b64({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa'})}.{b64(program.claims())}"
    return f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def _unsigned(program: Program, algorithm: str) -> str:
    return f"{b64({'alg': algorithm, 'kid': 'curve'})}.{b64(program.claims())}."


def _in_rs256(program: Program) -> str:
    payload = json.dumps(program.claims()).encode()
    return jwt.PyJWS().encode(payload, RSA_KEY, "RS256", headers={"kid": "rsa"})


def _changed(token: str) -> str:
    head, claims, signature = token.split(".")
    swapped = "A" if claims[20] != "A" else "B"
    return f"{head}.{claims[:20]}{swapped}{claims[21:]}.{signature}"


Forge = Callable[[Program], str]
FORGED: dict[str, Forge] = {
    "alg none": lambda one: _unsigned(one, "none"),
    "alg of ours without a signature": lambda one: _unsigned(one, "ES384"),
    "HS256 keyed by the public key": lambda one: _hmac_by_public_key(one, "HS256"),
    "RS384 that is an HMAC": lambda one: _hmac_by_public_key(one, "RS384"),
    "RS256 by its own key": _in_rs256,
    "another key": lambda one: one.assertion(key=OTHER),
    "another RSA key": lambda one: one.assertion(key=OTHER_RSA),
    "a smaller curve": lambda one: one.assertion(key=SMALL_CURVE),
    "an unknown kid": lambda one: one.assertion(kid="nobody's"),
    "the kid of its other key": lambda one: one.assertion(kid="rsa"),
    "keys named by itself": lambda one: one.assertion(
        key=OTHER, header={"jku": "https://evil.example/jwks.json"}
    ),
    "keys named elsewhere": lambda one: one.assertion(header={"jku": "https://evil.example/"}),
    "a key in its header": lambda one: one.assertion(
        key=OTHER, header={"jwk": jwk(OTHER, "curve")}
    ),
    "a client that never was": lambda one: one.assertion(iss=str(uuid4())),
    "no client": lambda one: one.assertion(iss=None),
    "a client that is none": lambda one: one.assertion(iss="export"),
    "changed by a letter": lambda one: _changed(one.assertion()),
    "not JSON": lambda _: f"{b64(b'x')}.{b64(b'y')}.{b64(b'z')}",
    "claims that are a list": lambda _: f"{b64({'alg': 'ES384', 'kid': 'curve'})}.{b64(b'[]')}.x",
    "too long": lambda one: one.assertion(more="x" * 9000),
    "an API key": lambda one: one.clinic.key,
    "empty parts": lambda _: "..",
}


@pytest.mark.parametrize("kind", FORGED)
async def test_sec_16_what_no_client_has_signed_is_refused_alike(
    program: Program, kind: str
) -> None:
    refused = await program.ask(FORGED[kind](program))
    assert refused.status_code == 401
    assert refused.json() == {
        "error": "invalid_client",
        "error_description": "No client of ours has signed this assertion.",
    }
    assert (await program.ask()).status_code == 200


SIGNED: dict[str, tuple[str, dict[str, Any]]] = {
    "for another address": ("aud", {"aud": "https://other.example/auth/token"}),
    "for an address like it": ("aud", {"aud": "http://127.0.0.1:8000/auth/token/"}),
    "for nobody": ("aud", {"aud": None}),
    "in another's name": ("iss and sub", {"sub": str(uuid4())}),
    "without a subject": ("iss and sub", {"sub": None}),
    "expired": ("exp has passed", {"exp": ahead(-1)}),
    "expired long ago": ("exp has passed", {"exp": 0}),
    "too far ahead": ("five minutes", {"exp": ahead(3600)}),
    "without an end": ("exp", {"exp": None}),
    "with an end that is text": ("exp", {"exp": lambda: str(ahead(60)())}),
    "with an end that is true": ("exp", {"exp": True}),
    "with an endless end": ("exp", {"exp": float("inf")}),
    "not yet": ("nbf", {"nbf": ahead(600)}),
    "issued in the future": ("iat", {"iat": ahead(600)}),
    "without jti": ("jti", {"jti": None}),
    "with an empty jti": ("jti", {"jti": ""}),
    "with a number for jti": ("jti", {"jti": 7}),
    "with a long jti": ("jti", {"jti": "x" * 256}),
}


@pytest.mark.parametrize("kind", SIGNED)
async def test_sec_16_what_is_signed_but_not_for_us_or_for_now_says_why(
    program: Program, kind: str
) -> None:
    word, claims = SIGNED[kind]
    said = {name: one() if callable(one) else one for name, one in claims.items()}
    refused = await program.ask(program.assertion(**said))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert word in refused.json()["error_description"]


async def test_several_audiences_and_the_furthest_end_are_good(program: Program) -> None:
    listed = ["https://other.example/", program.token_url]
    assert (await program.ask(program.assertion(aud=listed))).status_code == 200
    furthest = int(time.time()) + 299
    odd = program.assertion(exp=furthest, jti="\0\U0001f600 \ud800")
    assert (await program.ask(odd)).status_code == 200


async def test_sec_16_an_assertion_is_good_once(program: Program, register: Register) -> None:
    assertion = program.assertion()
    assert (await program.ask(assertion)).status_code == 200
    again = await program.ask(assertion)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert "jti" in again.json()["error_description"]
    jti = str(uuid4())
    for one in (program, await register()):  # each client has its own
        assert (await one.ask(one.assertion(jti=jti))).status_code == 200


async def test_sec_16_of_twenty_at_once_one_wins(program: Program, settings: Settings) -> None:
    assertion = program.assertion()
    other = httpx.ASGITransport(build(settings))  # another process would share no more than this
    async with httpx.AsyncClient(transport=other, base_url="http://clinic.test") as http:
        second = Program(program.id, program.clinic, http, program.token_url)
        answers = await asyncio.gather(
            *[one.ask(assertion) for one in (program, second) for _ in range(10)]
        )
    assert sorted(one.status_code for one in answers) == [200] + [401] * 19


async def test_a_refused_request_leaves_the_assertion_good(program: Program) -> None:
    assertion = program.assertion()
    for changed in ({"scope": "system/Observation.rs"}, {"grant_type": "password"}):
        assert (await program.ask(assertion, **changed)).status_code == 400
    assert (await program.ask(assertion)).status_code == 200


async def test_sec_16_another_clinics_client_gets_a_token_of_its_own_clinic(
    program: Program, register: Register, other_clinic: Clinic, door: FastAPI
) -> None:
    other = await register(other_clinic, jwks={"keys": [jwk(OTHER, "curve")]})
    crossed = program.assertion(key=OTHER)
    assert (await program.ask(crossed)).status_code == 401
    found = await caller(door, await other.token(assertion=other.assertion(key=OTHER)))
    assert found.tenant_id == other_clinic.tenant_id
    assert (await program.clinic.get(f"/smart-clients/{other.id}")).status_code == 404


async def test_sec_16_a_token_is_no_assertion_and_an_assertion_no_token(program: Program) -> None:
    token, assertion = await program.token(), program.assertion()
    refused = await program.ask(token)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    for path in ("/api/v1/patients", "/api/v1/facilities"):
        bearer = {"Authorization": f"Bearer {assertion}"}
        assert (await program.http.get(path, headers=bearer)).status_code == 401


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
        ({"client_assertion_type": "urn:other"}, "invalid_request"),
        ({"client_assertion_type": None}, "invalid_request"),
        ({"client_assertion": None}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "system/Patient.sr"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": "patient/Patient.rs"}, "invalid_scope"),
        ({"scope": "system/Observation.rs"}, "invalid_scope"),
        ({"scope": "system/Patient.cud"}, "invalid_scope"),
        ({"scope": " ".join(["system/Patient.rs"] * 51)}, "invalid_scope"),
        ({"scope": ["system/Patient.rs", "system/*.rs"]}, "invalid_request"),
        ({f"f{n}": "x" for n in range(30)}, "invalid_request"),
    ],
)
async def test_a_bad_request_answers_as_oauth_does(
    program: Program, changed: dict[str, Any], error: str
) -> None:
    refused = await program.ask(**changed)
    assert (refused.status_code, refused.json()["error"]) == (400, error)
    assert set(refused.json()) == {"error", "error_description"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"grant_type":"client_credentials"}'),
        ("", b"grant_type=client_credentials"),
        ("application/x-www-form-urlencoded", b"\xff=\xff"),
        ("application/x-www-form-urlencoded", b"grant_type=%ff"),
        ("application/x-www-form-urlencoded", b"no pairs"),
        ("application/x-www-form-urlencoded", b""),
    ],
)
async def test_what_is_no_form_is_refused(http: httpx.AsyncClient, kind: str, body: bytes) -> None:
    refused = await http.post("/auth/token", content=body, headers={"Content-Type": kind})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


async def test_a_token_ends_after_five_minutes_although_it_is_remembered(
    program: Program, door: FastAPI
) -> None:
    token = await program.token()
    await caller(door, token)
    later = database().clock() + timedelta(seconds=301)
    with pytest.raises(Unauthenticated):
        await door.state.authority.identify(token, now=later, address=None, clinic=None)


@pytest.mark.parametrize("how", ["disabled", "removed", "narrowed"])
async def test_sec_13_what_is_taken_from_a_client_is_taken_from_its_tokens_within_a_second(
    program: Program, door: FastAPI, how: str
) -> None:
    token = await program.token(scope="system/*.rs")
    assert len((await caller(door, token)).smart_scopes) == 2
    path = f"/smart-clients/{program.id}"
    body: dict[str, Any] = {"name": "Export", "jwks": JWKS, "scopes": ["system/Appointment.r"]}
    if how == "removed":
        assert (await program.clinic.delete(path)).status_code == 200
    else:
        body["enabled"] = how == "narrowed"
        assert (await program.clinic.put(path, body)).status_code == 200
    started, left = time.monotonic(), 2
    while left == 2:
        assert time.monotonic() - started < 1
        try:
            left = len((await caller(door, token)).smart_scopes)
        except Unauthenticated:
            left = 0
    assert left == (1 if how == "narrowed" else 0)
    answer = await program.ask()
    assert (answer.status_code, answer.json()["error"]) == (
        (400, "invalid_scope") if how == "narrowed" else (401, "invalid_client")
    )


async def test_a_client_comes_from_its_networks_alone(register: Register, door: FastAPI) -> None:
    elsewhere = await register(networks=["10.1.0.0/16"])
    refused = await elsewhere.ask()
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    transport = httpx.ASGITransport(door, client=("10.1.2.3", 5555))
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as http:
        elsewhere.http = http
        token = await elsewhere.token()
    assert str((await caller(door, token, address="10.1.2.3")).actor_id) == elsewhere.id
    with pytest.raises(Unauthenticated):
        await caller(door, token, address="10.2.0.1")


STORED = Command("SELECT jsonb_agg(to_jsonb(s))::text FROM smart_tokens s")


async def test_sec_10_neither_token_nor_assertion_is_stored(program: Program) -> None:
    assertion = program.assertion(jti="a-canary")
    token = (await program.ask(assertion)).json()["access_token"]
    async with begin(program.clinic.caller) as tx:
        rows = str(await tx.value(STORED))
    assert token[4:20] not in rows
    assert "a-canary" not in rows
    parts = rules.token_hash(token, "another pepper of thirty-two letters").hex()
    assert parts not in rows


async def test_used_assertions_are_forgotten_an_hour_after_they_ended(
    program: Program, door: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, at = await program.token(), database().clock()
    for minutes, gone in ((60, 0), (66, 1)):
        monkeypatch.setattr(database(), "clock", lambda m=minutes: at + timedelta(minutes=m))
        async with begin(program.clinic.caller) as tx:
            assert await actions.tidy(tx) == gone
    monkeypatch.undo()
    with pytest.raises(Unauthenticated):
        await caller(door, token)


async def test_every_token_is_in_the_audit(program: Program) -> None:
    token = await program.token()
    listed = await program.clinic.get(f"/audit?entity_id={program.id}&action=token")
    [entry] = listed.json()["data"]["items"]
    assert (entry["user_type"], entry["user_id"]) == ("smart_client", program.id)
    assert entry["changes"]["after"] == {"scopes": ["system/Patient.rs"]}
    assert token not in listed.text


async def test_sec_19_who_guesses_must_wait_and_clients_that_are_known_need_not(
    program: Program, register: Register, settings: Settings, door: FastAPI
) -> None:
    del door
    strict = build(settings.model_copy(update={"wrong_keys_per_minute": 10}))
    transport = httpx.ASGITransport(strict, client=("192.0.2.77", 5555))
    fresh = await register()
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as http:
        program.http = fresh.http = http
        assert (await program.ask()).status_code == 200
        wrong = [await program.ask(program.assertion(key=OTHER)) for _ in range(12)]
        assert [one.status_code for one in wrong] == [401] * 10 + [429] * 2
        assert 55 <= int(wrong[-1].headers["retry-after"]) <= 61
        assert wrong[-1].json()["error"] == "temporarily_unavailable"
        assert (await fresh.ask()).status_code == 429
        assert (await program.ask()).status_code == 200


async def test_assertions_in_the_name_of_a_known_client_leave_connections(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await program.ask()).status_code == 200
    find, at_once, most = tokens._find, 0, 0

    async def counted(client_id: UUID) -> Any:
        nonlocal at_once, most
        at_once, most = at_once + 1, max(most, at_once + 1)
        await asyncio.sleep(0.02)
        try:
            return await find(client_id)
        finally:
            at_once -= 1

    monkeypatch.setattr(tokens, "_find", counted)
    forged = [program.ask(program.assertion(key=OTHER)) for _ in range(20)]
    answers = await asyncio.gather(program.ask(), *forged)
    assert [one.status_code for one in answers] == [200] + [401] * 20
    assert most == 4


async def test_sec_11_a_token_with_a_typing_error_asks_nobody(
    program: Program, door: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await program.token()
    monkeypatch.setattr("chroniccare.tenancy.caller.begin_system", None)
    for wrong in (token[:-1], token[:-1] + ("a" if token[-1] != "a" else "b"), "ccs_", token + "x"):
        with pytest.raises(Unauthenticated):
            await caller(door, wrong)


async def test_a_client_has_an_allowance(program: Program, settings: Settings) -> None:
    slow = build(settings.model_copy(update={"rate_limit_burst": 2, "rate_limit_per_minute": 1}))
    transport = httpx.ASGITransport(slow)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as http:
        program.http = http
        answers = [await program.ask() for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_keys_at_an_address_are_read_once_and_again_when_they_change(
    register: Register, key_server: KeyServer, door: FastAPI
) -> None:
    program = await register(jwks_url=key_server.url)
    for _ in range(5):
        assert (await program.ask()).status_code == 200
    assert key_server.fetches == 1
    named = program.assertion(header={"jku": key_server.url})
    assert (await program.ask(named)).status_code == 200
    key_server.body = json.dumps({"keys": [jwk(OTHER, "new")]}).encode()
    for _ in range(5):  # a minute has not passed
        assert (await program.ask(program.assertion(key=OTHER, kid="new"))).status_code == 401
    assert key_server.fetches == 1
    kept = door.state.smart.sets[UUID(program.id), key_server.url]
    kept.tried_at -= 61
    assert (await program.ask(program.assertion(key=OTHER, kid="new"))).status_code == 200
    assert (await program.ask()).status_code == 401
    assert key_server.fetches == 2


async def test_keys_are_not_used_longer_than_their_server_says(
    register: Register, key_server: KeyServer, door: FastAPI
) -> None:
    key_server.headers["Cache-Control"] = "public, max-age=120"
    program = await register(jwks_url=key_server.url)
    assert (await program.ask()).status_code == 200
    kept = door.state.smart.sets[UUID(program.id), key_server.url]
    kept.read_at -= 119
    kept.tried_at -= 119
    key_server.status = 500
    assert (await program.ask()).status_code == 200
    kept.read_at -= 2
    kept.tried_at -= 2
    refused = await program.ask()
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b""), (302, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"{}"),
        (200, b'{"keys":[' + b" " * 70_000 + b"]}"),
    ],
)  # fmt: skip
async def test_keys_that_cannot_be_read_let_nobody_in(
    register: Register, key_server: KeyServer, status: int, body: bytes
) -> None:
    key_server.status, key_server.body = status, body
    key_server.headers["Location"] = "/elsewhere"
    program = await register(jwks_url=key_server.url)
    refused = await program.ask()
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert key_server.fetches == 1


async def test_keys_are_read_from_public_hosts_alone(
    register: Register, key_server: KeyServer, settings: Settings
) -> None:
    program = await register(jwks_url=key_server.url)  # as a name that has turned private
    transport = httpx.ASGITransport(build(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as http:
        program.http = http
        assert (await program.ask()).status_code == 503
    assert key_server.fetches == 0


@pytest.mark.parametrize("prefix", ["", "/fhir"])
async def test_the_way_to_sign_in_is_published(
    http: httpx.AsyncClient, program: Program, prefix: str
) -> None:
    path = f"{prefix}/.well-known/smart-configuration"
    answer = await http.get(path, headers={"Accept": "application/fhir+xml"})
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["token_endpoint"] == program.token_url
    assert found["grant_types_supported"] == ["client_credentials"]
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert found["token_endpoint_auth_signing_alg_values_supported"] == ["ES384", "RS384"]
    assert "client-confidential-asymmetric" in found["capabilities"]
    assert not any("launch" in one for one in found["capabilities"])
    assert not any(one.startswith(("user/", "patient/")) for one in found["scopes_supported"])


async def test_scopes_of_people_are_published_where_their_tokens_are_taken(
    http: httpx.AsyncClient, door: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    del door
    listed = json.dumps([{"issuer": "https://login.example", "audiences": ["x"]}])
    told = settings.model_copy(update={"oidc_issuers": listed})
    monkeypatch.setattr(database(), "settings", told)
    found = (await http.get("/.well-known/smart-configuration")).json()
    assert {"system/*.rs", "user/*.cruds", "patient/*.rs"} <= set(found["scopes_supported"])
    assert {"permission-user", "permission-patient"} <= set(found["capabilities"])


async def test_the_example_gets_a_token(
    clinic: Clinic, http: httpx.AsyncClient, tmp_path: Path, door: FastAPI
) -> None:
    pem = tmp_path / "client.pem"
    jwks = smart_client.new_key(pem)
    assert pem.stat().st_mode & 0o777 == 0o600
    body = {"name": "x", "jwks": jwks, "scopes": ["system/*.rs"]}
    client_id = (await clinic.make("/smart-clients", body))["id"]
    token_url = (await http.get("/.well-known/smart-configuration")).json()["token_endpoint"]
    signed = smart_client.assertion(pem.read_bytes(), client_id, token_url)
    answer = await http.post("/auth/token", data=smart_client.form(signed, "system/*.rs"))
    assert str((await caller(door, answer.json()["access_token"])).actor_id) == client_id
