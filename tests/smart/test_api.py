"""Clients of FHIR are an administrator's to add, change and remove."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from chroniccare.smart.rules import kept_s
from tests.client import Clinic
from tests.smart.conftest import CURVE_KEY, JWKS, RSA_KEY, jwk

SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505  what must be refused
GOOD: dict[str, Any] = {"name": "Export", "jwks": JWKS, "scopes": ["system/Patient.read"]}


async def test_a_client_is_added_read_changed_and_removed(clinic: Clinic) -> None:
    made = await clinic.make("/smart-clients", GOOD)
    assert made["scopes"] == ["system/Patient.rs"]
    assert made["jwks_url"] is None
    assert [key["kid"] for key in made["jwks"]["keys"]] == ["curve", "rsa"]
    path = f"/smart-clients/{made['id']}"
    assert (await clinic.get(path)).json()["data"] == made
    stale = await clinic.put(path, GOOD, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    body = {**GOOD, "name": "Other", "networks": ["10.1.0.0/16"], "enabled": False}
    changed = await clinic.put(path, body, headers={"If-Match": '"1"'})
    assert changed.headers["etag"] == '"2"'
    assert changed.json()["data"]["enabled"] is False
    listed = (await clinic.get("/smart-clients")).json()["data"]["items"]
    assert [one["name"] for one in listed] == ["Other"]
    assert (await clinic.delete(path)).status_code == 200
    assert (await clinic.get(path)).status_code == 404
    assert (await clinic.get("/smart-clients")).json()["data"]["items"] == []
    audit = await clinic.get(f"/audit?entity_id={made['id']}")
    actions = [one["action"] for one in audit.json()["data"]["items"]]
    assert sorted(actions) == ["create", "delete", "update"]


async def test_pages_go_on_where_they_ended(clinic: Clinic) -> None:
    names = [f"client {number}" for number in range(5)]
    for name in names:
        await clinic.make("/smart-clients", {**GOOD, "name": name})
    found, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await clinic.get("/smart-clients", params=params)).json()["data"]
        found += [one["name"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == names


def _private() -> dict[str, Any]:
    key = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    algorithm = RSAAlgorithm(RSAAlgorithm.SHA384)
    made: dict[str, Any] = RSAAlgorithm.to_jwk(algorithm.prepare_key(key), as_dict=True)
    return {**made, "kid": "rsa"}


P256 = jwk(ec.generate_private_key(ec.SECP256R1()), "small")
BAD: dict[str, tuple[int, str, dict[str, Any]]] = {
    "no keys": (400, "body", {"jwks": None}),
    "both kinds of keys": (400, "body", {"jwks_url": "https://93.184.215.14/"}),
    "an empty set": (400, "jwks.keys", {"jwks": {"keys": []}}),
    "a private key": (400, "jwks.keys.0", {"jwks": {"keys": [_private()]}}),
    "a shared secret": (
        400, "jwks.keys.0", {"jwks": {"keys": [{"kty": "oct", "k": "AQAB", "kid": "x"}]}},
    ),
    "a key without a name": (
        400, "jwks.keys.0.kid", {"jwks": {"keys": [{**JWKS["keys"][0], "kid": ""}]}},
    ),
    "a smaller curve": (400, "jwks.keys.0.crv", {"jwks": {"keys": [{**P256, "alg": "ES384"}]}}),
    "an algorithm of others": (
        400, "jwks.keys.0.alg", {"jwks": {"keys": [{**JWKS["keys"][1], "alg": "RS256"}]}},
    ),
    "a weak key": (422, "jwks.keys.0", {"jwks": {"keys": [jwk(SMALL, "weak")]}}),
    "half a key": (422, "jwks.keys.0", {"jwks": {"keys": [{"kty": "EC", "kid": "x"}]}}),
    "a point off the curve": (
        422, "jwks.keys.0", {"jwks": {"keys": [{**JWKS["keys"][0], "x": "AQAB"}]}},
    ),
    "two keys of one name": (
        422, "jwks.keys", {"jwks": {"keys": [jwk(CURVE_KEY, "one"), jwk(RSA_KEY, "one")]}},
    ),
    "no scopes": (400, "scopes", {"scopes": []}),
    "a scope that is none": (400, "scopes.0", {"scopes": ["system/Patient.sr"]}),
    "a person's scope": (400, "scopes.0", {"scopes": ["user/Patient.rs"]}),
    "too many scopes": (400, "scopes", {"scopes": ["system/Patient.rs"] * 51}),
    "a network that is none": (400, "networks.0", {"networks": ["10.1.0.1/16"]}),
    "a name that is none": (400, "name", {"name": ""}),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
async def test_what_cannot_be_a_client_is_refused_by_its_field(clinic: Clinic, kind: str) -> None:
    status, field, changed = BAD[kind]
    refused = await clinic.post("/smart-clients", {**GOOD, **changed})
    assert refused.status_code == status
    assert field in {one["field"] for one in refused.json()["error"]["details"]}
    assert (await clinic.get("/smart-clients")).json()["data"]["items"] == []


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.215.14/", "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/",
        "https://169.254.169.254/latest", "https://localhost/", "https://93.184.215.14:8443/",
        "https://a:b@93.184.215.14/", "ftp://93.184.215.14/", "https://", "nonsense",
    ],
)  # fmt: skip
async def test_sec_29_keys_can_be_at_public_hosts_alone(clinic: Clinic, url: str) -> None:
    body = {"name": "Export", "scopes": ["system/*.rs"], "jwks_url": url}
    refused = await clinic.post("/smart-clients", body)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["field"] == "jwks_url"


@given(st.text(max_size=60) | st.from_regex(r"(public, )?max-age=[0-9]{1,9}(, immutable)?"))
def test_keys_are_kept_for_a_minute_to_an_hour(header: str) -> None:
    assert 60 <= kept_s(header) <= 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 3600), ("max-age=300", 300), ("public, MAX-AGE=300", 300), ("max-age=1", 60),
        ("max-age=86400", 3600), ("no-store", 60), ("private, no-cache, max-age=300", 60),
        ("s-maxage=5", 3600), ("max-age=x", 3600),
    ],
)  # fmt: skip
def test_what_a_server_says_about_its_keys(header: str, seconds: float) -> None:
    assert kept_s(header) == seconds
