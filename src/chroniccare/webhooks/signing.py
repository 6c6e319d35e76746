"""Signatures as Standard Webhooks has them, over `id.timestamp.body`.

A secret is `whsec_` and base64 of its bytes (HMAC-SHA256, `v1`) or `whsk_` and base64 of an
ed25519 key pair, the seed and then the public half (`v1a`); receivers of the second kind hold
`whpk_` and the public half, and cannot sign themselves.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from chroniccare.platform import ed25519

Kind = Literal["hmac", "ed25519"]

_SHARED, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_BYTES = 32
SIGNATURES = frozenset({"webhook-signature", "x-chronic-care-signature"})
"""Headers that are not kept in the log of deliveries."""


def new_secret(kind: Kind) -> str:
    """Return a new secret of this kind."""
    seed = secrets.token_bytes(_BYTES)
    if kind == "hmac":
        return _SHARED + _text(seed)
    return _PRIVATE + _text(seed + ed25519.public_of(seed))


def public_key(secret: str) -> str | None:
    """Return what receivers verify with, `whpk_...`; None for a shared secret."""
    if not secret.startswith(_PRIVATE):
        return None
    return _PUBLIC + _text(ed25519.public_of(_key(secret, _PRIVATE)[:_BYTES]))


def signed_text(event_id: str, timestamp: int, body: bytes) -> bytes:
    """Return what is signed; `timestamp` is in seconds since 1970."""
    return f"{event_id}.{timestamp}.".encode() + body


def signature(secret: str, text: bytes) -> str:
    """Return one signature of `text`, with its version before it."""
    if secret.startswith(_PRIVATE):
        return "v1a," + _text(ed25519.sign(_key(secret, _PRIVATE)[:_BYTES], text))
    return "v1," + _text(_mac(secret, text))


def headers(
    *, event_id: UUID, event_type: str, at: datetime, body: bytes, live: Sequence[str]
) -> dict[str, str]:
    """Return the headers of one delivery; `live` are the secrets that hold, the newest first.

    `X-Chronic-Care-Signature` has the HMAC of the same text in hexadecimal, one for each shared
    secret, with commas between them; an endpoint that verifies by public key has none.
    """
    timestamp = int(at.timestamp())
    text = signed_text(str(event_id), timestamp, body)
    found = {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, text) for secret in live),
        "X-Chronic-Care-Event": event_type,
    }
    shared = [_mac(secret, text).hex() for secret in live if secret.startswith(_SHARED)]
    return found | ({"X-Chronic-Care-Signature": ",".join(shared)} if shared else {})


def _mac(secret: str, text: bytes) -> bytes:
    return hmac.digest(_key(secret, _SHARED), text, hashlib.sha256)


def _key(secret: str, prefix: str) -> bytes:
    return base64.b64decode(secret.removeprefix(prefix), validate=True)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
