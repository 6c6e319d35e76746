"""The address of a feed on paper: which feed of which tenant, and the proof that we made it.

    base64url( tenant id, 16 bytes | feed id, 16 bytes | HMAC-SHA256 of both, 32 bytes )

Nothing of it is stored: who reads the database cannot read a calendar, and a forged address is
refused before any database is asked.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

BEHIND = timedelta(days=30)
AHEAD = timedelta(days=400)
"""A feed holds the visits that start from BEHIND ago until AHEAD from now,"""
MOST = 2000
"""and of those the first MOST."""
PER_SECOND = 0.5
BURST = 30
"""Reads of one feed: clients poll every few minutes, so this holds a whole family's devices."""
_PURPOSE = b"chroniccare calendar feed, version 1\0"
_LENGTH = 86  # characters of 64 bytes in base64url, without padding


@dataclass(frozen=True, slots=True)
class Address:
    """The feed that an address names."""

    tenant_id: UUID
    feed_id: UUID


def token(address: Address, pepper: str) -> str:
    """Return the secret part of a feed's address: 86 characters of base64url."""
    ids = address.tenant_id.bytes + address.feed_id.bytes
    proof = hmac.digest(pepper.encode(), _PURPOSE + ids, hashlib.sha256)
    return base64.urlsafe_b64encode(ids + proof).decode().rstrip("=")


def opened(text: str, pepper: str) -> Address | None:
    """Return the feed that `text` names; None unless it is, letter for letter, what we gave out."""
    if len(text) != _LENGTH or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except ValueError:
        return None
    address = Address(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]))
    # The text, not the bytes: the last letter has bits to spare.
    return address if hmac.compare_digest(token(address, pepper), text) else None


def tag(data: bytes) -> str:
    """Return the ETag of a calendar."""
    return f'"{hashlib.blake2s(data, digest_size=16).hexdigest()}"'
