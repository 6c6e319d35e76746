"""The address of a feed on paper: see `core.signed`."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chroniccare.core import signed

BEHIND = timedelta(days=30)
AHEAD = timedelta(days=400)
"""A feed holds the visits that start from BEHIND ago until AHEAD from now,"""
MOST = 2000
"""and of those the first MOST."""
PER_SECOND = 0.5
BURST = 30
"""Reads of one feed: clients poll every few minutes, so this holds a whole family's devices."""
_PURPOSE = b"chroniccare calendar feed, version 1\0"


@dataclass(frozen=True, slots=True)
class Address:
    """The feed that an address names."""

    tenant_id: UUID
    feed_id: UUID


def token(address: Address, pepper: str) -> str:
    """Return the secret part of a feed's address: 86 characters of base64url."""
    return signed.token(_PURPOSE, address.tenant_id, address.feed_id, pepper)


def opened(text: str, pepper: str) -> Address | None:
    """Return the feed that `text` names; None unless it is, letter for letter, what we gave out."""
    found = signed.opened(_PURPOSE, text, pepper)
    return None if found is None else Address(*found)


def tag(data: bytes) -> str:
    """Return the ETag of a calendar."""
    return f'"{hashlib.blake2s(data, digest_size=16).hexdigest()}"'
