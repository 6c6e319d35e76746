"""Addresses that are the key themselves: which record of whom, and the proof that we made it.

    base64url( tenant id, 16 bytes | record id, 16 bytes | HMAC-SHA256 of purpose and both, 32 )

    base64url( tenant id | record id | the same HMAC's first 16 bytes | UTC second, 6 bytes )

The second kind holds for a record at one time, and is shorter, because it goes into text messages.
Neither ends in "-": telephones that make links of addresses leave such an end out of the link
(Android's `Patterns.WEB_URL` ends at a word's edge). Hence the second's lowest byte comes first:
its highest, which ends the address, is 0 for the next 34,000 years, and that is an "A".
Nothing of it is stored: who reads the database cannot make one, and a forged one is refused before
any database is asked. The purpose keeps an address of one kind from being one of another.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from uuid import UUID

_LENGTH = 86  # characters of 64 bytes in base64url, without padding


def token(purpose: bytes, tenant_id: UUID, record_id: UUID, pepper: str) -> str:
    """Return the secret part of an address: 86 characters of base64url."""
    ids = tenant_id.bytes + record_id.bytes
    proof = hmac.digest(pepper.encode(), purpose + ids, hashlib.sha256)
    return base64.urlsafe_b64encode(ids + proof).decode().rstrip("=")


def opened(purpose: bytes, text: str, pepper: str) -> tuple[UUID, UUID] | None:
    """Return tenant and record; None unless `text` is, letter for letter, what we gave out."""
    if len(text) != _LENGTH or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except ValueError:
        return None
    tenant_id, record_id = UUID(bytes=raw[:16]), UUID(bytes=raw[16:32])
    # The text, not the bytes: the last letter has bits to spare.
    made = token(purpose, tenant_id, record_id, pepper)
    return (tenant_id, record_id) if hmac.compare_digest(made, text) else None


_DATED_LENGTH = 72  # characters of 54 bytes in base64url: no padding, and no bits to spare
_PROOF = 16


def dated_token(purpose: bytes, tenant_id: UUID, record_id: UUID, at: datetime, pepper: str) -> str:
    """Return the secret part of an address for a record at one time: 72 characters."""
    ids, second = tenant_id.bytes + record_id.bytes, int(at.timestamp()).to_bytes(6, "little")
    proof = hmac.digest(pepper.encode(), purpose + ids + second, hashlib.sha256)[:_PROOF]
    return base64.urlsafe_b64encode(ids + proof + second).decode()


def opened_dated(purpose: bytes, text: str, pepper: str) -> tuple[UUID, UUID, datetime] | None:
    """Return tenant, record and time; None unless `text` is what we gave out."""
    if len(text) != _DATED_LENGTH or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except ValueError:
        return None
    ids, proof, second = raw[:32], raw[32:-6], raw[-6:]
    made = hmac.digest(pepper.encode(), purpose + ids + second, hashlib.sha256)[:_PROOF]
    if not hmac.compare_digest(made, proof):
        return None
    at = datetime.fromtimestamp(int.from_bytes(second, "little"), UTC)
    return UUID(bytes=ids[:16]), UUID(bytes=ids[16:]), at
