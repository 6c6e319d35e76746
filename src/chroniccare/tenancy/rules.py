"""API keys on paper: `cck_{live|test}_{id}_{secret}_{check}`.

The id (12 characters) finds the row, the secret (43 characters, 256 bits) proves possession, and
the check (6 characters, CRC-32) lets typing errors be refused, and leaked keys be found by
scanners, without asking the database.

Access tokens of SMART clients are `ccs_{secret}_{check}`: there is nothing to look up but a hash.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz"
_KEY = re.compile(
    r"^cck_(live|test)_([0-9A-Za-z]{12})_([0-9A-Za-z_-]{43})_([0-9a-z]{6})$", re.ASCII
)
_TOKEN = re.compile(r"^ccs_[0-9A-Za-z_-]{43}_([0-9a-z]{6})$", re.ASCII)
_CHECKED = 7
"""Characters of a check and the line before it."""
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"

SCOPES = frozenset(
    {
        "api_keys:read",
        "api_keys:write",  # what programs may do
        "appointments:override",  # set rules of booking aside, with a reason
        "appointments:read",
        "appointments:write",
        "audit:read",
        "break_glass:read",
        "break_glass:write",  # see what a clinician sees, with a reason
        "facilities:read",
        "facilities:write",
        "medications:override",  # set a contraindicated finding aside, with a reason
        "medications:read",
        "medications:write",
        "notifications:read",
        "notifications:write",
        "patients:read",
        "patients:write",
        "privacy:read",  # exports: everything about a patient
        "privacy:write",  # export, erase, hold
        "providers:read",
        "providers:write",
        "recalls:read",
        "recalls:write",
        "records:read",  # what FHIR clients store: observations, conditions, coverage, ...
        "records:write",
        "replies:read",  # what patients have written
        "scheduling:read",
        "scheduling:write",
        "smart_clients:read",
        "smart_clients:write",  # who may sign in to /fhir, and for what
        "spend:read",
        "spend:write",
        "staff:read",
        "staff:write",
        "tasks:read",
        "tasks:write",
        "telehealth:read",  # links into video visits
        "templates:read",
        "templates:write",
        "webhooks:read",
        "webhooks:write",
    }
)


@dataclass(frozen=True, slots=True)
class KeyParts:
    """A well-formed key taken apart; not yet known to be valid."""

    environment: str
    key_id: str
    secret: str


def _check(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), []
    for _ in range(6):
        number, digit = divmod(number, 36)
        digits.append(_BASE36[digit])
    return "".join(digits)


def new_key(environment: str) -> tuple[str, KeyParts]:
    """Return a new key and its parts; the key itself is shown once and never stored."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    parts = KeyParts(environment, key_id, secrets.token_urlsafe(32))
    body = f"cck_{environment}_{key_id}_{parts.secret}"
    return f"{body}_{_check(body)}", parts


def parse_key(key: str) -> KeyParts | None:
    """Return the parts of `key`, or None when it is malformed or its check does not match."""
    match = _KEY.match(key)
    if match is None or _check(key[:-_CHECKED]) != match[4]:
        return None
    return KeyParts(match[1], match[2], match[3])


def key_hash(parts: KeyParts, pepper: str) -> bytes:
    """Return the HMAC-SHA256 of id and secret under the pepper: 32 bytes."""
    message = f"{parts.environment}:{parts.key_id}:{parts.secret}".encode()
    return hmac.digest(pepper.encode(), message, hashlib.sha256)


def new_token() -> str:
    """Return a new access token of 256 bits, shown once and never stored."""
    body = f"ccs_{secrets.token_urlsafe(32)}"
    return f"{body}_{_check(body)}"


def is_token(text: str) -> bool:
    """Return whether `text` is an access token by its form and its check."""
    match = _TOKEN.match(text)
    return match is not None and _check(text[:-_CHECKED]) == match[1]


def token_hash(token: str, pepper: str) -> bytes:
    """Return the HMAC-SHA256 of an access token under the pepper: 32 bytes."""
    return hmac.digest(pepper.encode(), token.encode(), hashlib.sha256)
