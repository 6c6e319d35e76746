"""Tokens that others sign (RFC 7515, 7517, 7519): key sets and signatures.

Which algorithm a key is for follows from the key and from what the caller takes, never from the
token: so no token says `none`, and no public key is a secret of HMAC. Claims are the caller's to
judge, times included.
"""

from dataclasses import dataclass, field
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_LONGEST = 8192
_MOST_KEYS = 100
_LEAST_RSA = 2048
_CURVES = {"P-256": "ES256", "P-384": "ES384"}
_UNCHECKED = ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")


class BadToken(Exception):  # noqa: N818  what it is, not what happened
    """It is no token that the key has signed; the message never holds any of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the one algorithm that it is used with."""

    kid: str
    algorithm: str
    material: Any = field(repr=False)


def key_set(document: bytes, algorithms: frozenset[str]) -> dict[str, Key]:
    """Return the keys of a JWK set by their id: those that sign with one of `algorithms`.

    Others are left out, as are private ones, and RSA of less than 2048 bits.

    Raises:
        ValueError: it is no such set.
    """
    found = orjson.loads(document)
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no JWK set")  # noqa: TRY004  a document is wrong, not an argument's type
    keys = [_key(jwk, algorithms) for jwk in listed[:_MOST_KEYS] if isinstance(jwk, dict)]
    return {key.kid: key for key in keys if key is not None}


def _key(jwk: dict[str, Any], algorithms: frozenset[str]) -> Key | None:
    kid = jwk.get("kid")
    by_type = {"RSA": next((one for one in sorted(algorithms) if one.startswith("RS")), None)}
    by_type["EC"] = _CURVES.get(str(jwk.get("crv")))
    algorithm = by_type.get(str(jwk.get("kty")))
    if not isinstance(kid, str) or algorithm not in algorithms or "d" in jwk:
        return None
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        material = jwt.PyJWK(jwk, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(material, RSAPublicKey) and material.key_size < _LEAST_RSA:
        return None
    return Key(kid, str(algorithm), material)


def key_id(token: str) -> str:
    """Return which key a token says it is signed with.

    Raises:
        BadToken: it is none, or says nothing.
    """
    if len(token) > _LONGEST:
        raise BadToken("length")
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError):
        raise BadToken("header") from None
    if not isinstance(kid, str):
        raise BadToken("kid")
    return kid


def key_url(token: str) -> str | None:
    """Return where a token says its key is (`jku`), which nobody should follow.

    Raises:
        BadToken: it is none, or says something else than an address.
    """
    try:
        found = jwt.get_unverified_header(token).get("jku")
    except (jwt.PyJWTError, ValueError):
        raise BadToken("header") from None
    if found is not None and not isinstance(found, str):
        raise BadToken("jku")
    return found


def unproved(token: str) -> dict[str, Any]:
    """Return what a token claims, nothing of which is proved: to choose the keys by.

    Raises:
        BadToken: it is none.
    """
    if len(token) > _LONGEST:
        raise BadToken("length")
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError):
        raise BadToken("claims") from None


def proved(token: str, key: Key) -> dict[str, Any]:
    """Return what a token claims that `key` has signed; no claim is judged.

    Raises:
        BadToken: it has not, or not with its algorithm.
    """
    try:
        return dict(
            jwt.decode(
                token,
                key.material,
                algorithms=[key.algorithm],
                options={f"verify_{claim}": False for claim in _UNCHECKED},  # type: ignore[arg-type]
            )
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        raise BadToken("signature") from None
