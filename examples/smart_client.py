"""A small SMART Backend Services client for Chronic Care, to copy from (PyJWT, cryptography).

    python examples/smart_client.py key client.pem > jwks.json
    python examples/smart_client.py token client.pem http://localhost:8000 CLIENT_ID SCOPES

The first makes a private key and prints the public keys to register; the second signs an
assertion, and prints the access token that it is answered with.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

KID = "smart-client"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECONDS = 240


def new_key(path: Path) -> dict[str, Any]:
    """Make a private key that its owner alone can read; return the set of its public half."""
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"keys": [{**public, "kid": KID, "use": "sig", "alg": "ES384"}]}


def assertion(pem: bytes, client_id: str, token_url: str) -> str:
    """Return a signed assertion, good once and for four minutes."""
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "exp": int(time.time()) + SECONDS,
        "jti": str(uuid.uuid4()),
    }
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  what new_key made
    return jwt.encode(claims, key, "ES384", headers={"kid": KID})


def form(signed: str, scopes: str) -> dict[str, str]:
    """Return the request for a token."""
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION,
        "client_assertion": signed,
        "scope": scopes,
    }


def _read(url: str, data: bytes | None = None) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, data, timeout=10) as answer:  # noqa: S310  our own server
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read().decode(errors='replace')}")
    return found


def main() -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description="A SMART Backend Services client.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("key").add_argument("file", type=Path)
    asked = commands.add_parser("token")
    asked.add_argument("file", type=Path)
    for name in ("server", "client_id", "scopes"):
        asked.add_argument(name)
    given = parser.parse_args()
    if given.command == "key":
        sys.stdout.write(json.dumps(new_key(given.file)) + "\n")
        return
    token_url = _read(f"{given.server}/.well-known/smart-configuration")["token_endpoint"]
    signed = assertion(given.file.read_bytes(), given.client_id, token_url)
    body = urllib.parse.urlencode(form(signed, given.scopes)).encode()
    sys.stdout.write(_read(token_url, body)["access_token"] + "\n")


if __name__ == "__main__":
    main()
