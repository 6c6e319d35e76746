"""Tokens at the door (SEC-16): who signed, for whom, for when; nothing else lets anybody in."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI

from chroniccare.platform import jose
from chroniccare.platform.postgres import database
from chroniccare.settings import SettingsError, load
from chroniccare.settings_identity import Issuer
from chroniccare.tenancy.actions import list_tenants
from chroniccare.tenancy.claims import person as meant
from chroniccare.tenancy.people import ALGORITHMS, KeySet
from tests.client import Clinic
from tests.staff.conftest import Person
from tests.staff.idp import Idp, b64

PATH = "/api/v1/facilities?limit=1"
TWICE = "[" + ",".join(2 * ['{"issuer":"https://a.example","audiences":["x"]}']) + "]"
OTHER = rsa.generate_private_key(65537, 2048)
OTHER_CURVE = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
async def http(door: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(door)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as client:
        yield client


async def status(http: httpx.AsyncClient, token: str, **headers: str) -> int:
    headers = {"Authorization": f"Bearer {token}", **headers}
    return (await http.get(PATH, headers=headers)).status_code


@pytest.mark.parametrize("kid", ["rsa", "curve"])
async def test_a_token_of_somebody_who_works_here_is_taken(
    http: httpx.AsyncClient, person: Person, idp: Idp, kid: str
) -> None:
    who = await person("clinician")
    assert await status(http, idp.token(kid=kid, sub=who.key)) == 200
    several = idp.token(kid=kid, sub=who.key, aud=["another", "clinic-app"])
    assert await status(http, several) == 200
    late = int(time.time())
    assert await status(http, idp.token(sub=who.key, exp=late - 50)) == 200  # within the leeway


Forge = Callable[[Idp, str], str]
now = int(time.time())
FORGED: dict[str, Forge] = {
    "alg none": lambda idp, _: idp.unsigned(),
    "alg None": lambda idp, _: idp.unsigned("None"),
    "alg of ours without a signature": lambda idp, _: idp.unsigned("RS256"),
    "HS256 keyed by the public key": lambda idp, _: idp.confused(),
    "RS256 that is an HMAC": lambda idp, _: idp.confused("RS256"),
    "another key": lambda idp, sub: idp.token(sub=sub, key=OTHER),
    "another curve key": lambda idp, sub: idp.token(kid="curve", sub=sub, key=OTHER_CURVE),
    "unknown key": lambda idp, sub: idp.token(kid="nobody's", sub=sub),
    "another issuer": lambda idp, sub: idp.token(sub=sub, iss="https://evil.example"),
    "issuer with a slash": lambda idp, sub: idp.token(sub=sub, iss=f"{idp.url}/"),
    "issuer in a list": lambda idp, sub: idp.token(sub=sub, iss=[idp.url]),
    "another audience": lambda idp, sub: idp.token(sub=sub, aud="another-app"),
    "no audience": lambda idp, sub: idp.token(sub=sub, aud=None),
    "client_id for an audience": lambda idp, sub: idp.token(
        sub=sub, aud=None, client_id="clinic-app"
    ),
    "token_use of another kind": lambda idp, sub: idp.token(sub=sub, token_use="access"),
    "expired": lambda idp, sub: idp.token(sub=sub, exp=now - 3600),
    "no end": lambda idp, sub: idp.token(sub=sub, exp=None),
    "end that is text": lambda idp, sub: idp.token(sub=sub, exp=str(now + 300)),
    "end that is true": lambda idp, sub: idp.token(sub=sub, exp=True),
    "end that is infinite": lambda idp, sub: idp.token(sub=sub, exp=float("inf")),
    "not yet": lambda idp, sub: idp.token(sub=sub, nbf=now + 3600),
    "issued in the future": lambda idp, sub: idp.token(sub=sub, iat=now + 3600),
    "nobody": lambda idp, _: idp.token(sub=None),
    "empty subject": lambda idp, _: idp.token(sub=""),
    "subject with NUL": lambda idp, _: idp.token(sub="a\0b"),
    "somebody who does not work here": lambda idp, _: idp.token(sub="a-stranger"),
    "roles that it claims": lambda idp, _: idp.token(
        sub="a-stranger", role="administrator", scope="patients:read", tenant_id="x"
    ),
    "not JSON": lambda _, __: f"{b64(b'x')}.{b64(b'y')}.{b64(b'z')}",
    "claims that are a list": lambda _, __: f"{b64({'alg': 'RS256', 'kid': 'rsa'})}.{b64(b'[]')}.x",
    "empty parts": lambda _, __: "..",
    "too long": lambda idp, sub: idp.token(sub=sub, more="x" * 9000),
    "changed by a letter": lambda idp, sub: _changed(idp.token(sub=sub)),
}


def _changed(token: str) -> str:
    head, claims, signature = token.split(".")
    swapped = "A" if claims[20] != "A" else "B"
    return f"{head}.{claims[:20]}{swapped}{claims[21:]}.{signature}"


@pytest.mark.parametrize("kind", FORGED)
async def test_sec_16_a_forged_confused_or_ended_token_answers_as_none(
    http: httpx.AsyncClient, person: Person, idp: Idp, kind: str
) -> None:
    who = await person("administrator")
    wanted = (await http.get(PATH)).json()["error"]
    token = FORGED[kind](idp, who.key)
    response = await http.get(PATH, headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["error"]) == (401, wanted)
    assert await status(http, idp.token(sub=who.key)) == 200


async def test_sec_16_a_token_is_no_api_key(
    http: httpx.AsyncClient, person: Person, idp: Idp
) -> None:
    who = await person("administrator")
    headers = {"X-API-Key": idp.token(sub=who.key)}
    assert (await http.get(PATH, headers=headers)).status_code == 401


async def test_sec_16_unknown_keys_are_looked_for_once_a_minute(
    http: httpx.AsyncClient, person: Person, idp: Idp
) -> None:
    who = await person("clinician")
    idp.fetches = 0
    for number in range(30):
        assert await status(http, idp.token(kid=f"flood-{number}", sub=who.key)) == 401
    assert await status(http, idp.token(sub=who.key)) == 200
    assert idp.fetches == 1


async def test_sec_16_a_new_key_of_the_issuer_is_found_and_an_old_one_forgotten(
    http: httpx.AsyncClient, person: Person, idp: Idp, door: FastAPI
) -> None:
    who = await person("clinician")
    assert await status(http, idp.token(sub=who.key)) == 200
    idp.add("new", rsa.generate_private_key(65537, 2048))
    kept = door.state.authority.people.sets[idp.url]
    try:
        token = idp.token(kid="new", sub=who.key)
        assert await status(http, token) == 401  # a minute has not passed
        kept.tried_at -= 61
        assert await status(http, token) == 200
    finally:
        del idp.keys["new"]
    door.state.authority.people.proved.clear()
    kept.read_at -= 3601
    kept.tried_at -= 61
    assert await status(http, token) == 401
    assert await status(http, idp.token(sub=who.key)) == 200


async def test_keys_that_cannot_be_fetched_are_our_trouble_and_old_ones_last_a_day() -> None:
    away = KeySet("http://127.0.0.1:1/jwks.json")
    with pytest.raises(Exception, match="unavailable"):
        await away.find("rsa")
    away.keys = {"rsa": jose.Key("rsa", "RS256", None)}
    away.read_at = time.monotonic() - 7200
    assert await away.find("rsa") is not None
    away.read_at -= 86_400
    with pytest.raises(Exception, match="unavailable"):
        await away.find("rsa")


async def test_a_token_that_ends_while_it_is_remembered_is_refused(
    person: Person, idp: Idp, door: FastAPI
) -> None:
    who = await person("clinician")
    people, at = door.state.authority.people, database().clock()
    token = idp.token(sub=who.key)
    await people.authenticate(token, now=at, clinic=None)
    with pytest.raises(Exception, match="valid API key"):
        await people.authenticate(token, now=at + timedelta(seconds=361), clinic=None)


async def test_whoever_is_set_aside_or_gets_another_role_is_told_within_a_second(
    clinic: Clinic, person: Person
) -> None:
    who = await person("auditor")
    assert (await who.get("/audit")).status_code == 200
    [row] = [
        one
        for one in (await clinic.get("/staff")).json()["data"]["items"]
        if one["subject"] == who.key
    ]
    body = {k: row[k] for k in ("email", "display_name", "issuer", "subject")}
    changed = await clinic.put(f"/staff/{row['id']}", {**body, "role": "front_desk"})
    assert changed.status_code == 200
    started = time.monotonic()
    while (await who.get("/audit")).status_code == 200:
        assert time.monotonic() - started < 1
    assert (await who.get("/facilities")).status_code == 200
    assert (await clinic.delete(f"/staff/{row['id']}")).json()["data"]["is_active"] is False
    while (await who.get("/facilities")).status_code == 200:
        assert time.monotonic() - started < 2
    assert (await who.get("/facilities")).status_code == 401


async def test_somebody_of_two_clinics_names_one_else_it_is_the_first(
    clinic: Clinic, other_clinic: Clinic, person: Person, http: httpx.AsyncClient, idp: Idp
) -> None:
    who = await person("front_desk")
    other = {
        "email": "x@clinic.example", "display_name": "Dana", "role": "auditor",
        "issuer": idp.url, "subject": who.key,
    }  # fmt: skip
    await other_clinic.make("/staff", other)
    await clinic.facility()
    token = idp.token(sub=who.key)
    headers = {"Authorization": f"Bearer {token}"}

    async def count(**more: str) -> tuple[int, int]:
        answer = await http.get("/api/v1/facilities", headers={**headers, **more})
        items = answer.json()["data"]["items"] if answer.is_success else []
        return answer.status_code, len(items)

    assert await count() == (200, 1)
    assert await count(**{"X-Tenant": await subdomain(clinic)}) == (200, 1)
    assert await count(**{"X-Tenant": await subdomain(other_clinic)}) == (200, 0)
    assert await count(**{"X-Tenant": "nobody"}) == (401, 0)


async def subdomain(clinic: Clinic) -> str:
    return next(one.subdomain for one in await list_tenants() if one.id == clinic.tenant_id)


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-521", "x": "AQ", "y": "AQ"},
        {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AQ"},
        {"kty": None},
        {},
    ],
)
def test_keys_that_are_weak_private_or_for_something_else_are_left_out(jwk: dict[str, Any]) -> None:
    set_ = b'{"keys":[%s,7]}' % orjson.dumps({**jwk, "kid": "k"})
    assert jose.key_set(set_, ALGORITHMS) == {}


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys":7}'])
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever says so
        jose.key_set(document, ALGORITHMS)


@pytest.mark.parametrize(
    "text",
    [
        "https://idp.example",
        "{}",
        '[{"issuer":"https://a.example"}]',
        '[{"issuer":"https://a.example","audiences":[]}]',
        '[{"issuer":"http://a.example","audiences":["x"]}]',
        '[{"issuer":"https://a.example","audiences":["x"],"jwks_url":"http://a.example/k"}]',
        '[{"issuer":"https://a.example","audiences":["x"],"algorithms":["HS256"]}]',
        '[{"issuer":"https://a.example","audiences":["x"],"token_use":"refresh"}]',
        TWICE,
    ],
)
def test_issuers_that_cannot_be_trusted_stop_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_OIDC_ISSUERS"):
        load({"CHRONICCARE_OIDC_ISSUERS": text})


def test_production_takes_no_issuer_in_clear_text() -> None:
    listed = '[{"issuer":"http://127.0.0.1:9","audiences":["x"]}]'
    load({"CHRONICCARE_OIDC_ISSUERS": listed})
    with pytest.raises(SettingsError, match="https"):
        load({"CHRONICCARE_OIDC_ISSUERS": listed, "CHRONICCARE_ENVIRONMENT": "production"})


async def test_tokens_of_cognito_are_told_apart() -> None:
    pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"
    access = Issuer(issuer=pool, audiences=frozenset({"app"}), token_use="access")
    identity = Issuer(issuer=pool, audiences=frozenset({"app"}), token_use="id")
    at = datetime.now(UTC)
    whole = {"iss": pool, "sub": "s", "exp": at.timestamp() + 60}
    of_access = {**whole, "token_use": "access", "client_id": "app"}
    of_id = {**whole, "token_use": "id", "aud": "app"}
    assert meant(of_access, access, now=at) is not None
    assert meant(of_id, identity, now=at) is not None
    assert meant(of_access, identity, now=at) is None
    assert meant(of_id, access, now=at) is None
    assert meant({**of_access, "client_id": "another"}, access, now=at) is None
    assert meant({**of_id, "token_use": "access"}, access, now=at) is None
