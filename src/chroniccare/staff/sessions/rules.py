"""Tokens of sessions on paper, and what a browser calls itself.

A token is `cct_` and 43 characters, 256 bits. It stands in a cookie of the browser and nowhere
else; the table has its hash, and forms carry what `csrf` makes of it.
"""

import hashlib
import hmac
import re
import secrets
from uuid import UUID

_TOKEN = re.compile(r"cct_[0-9A-Za-z_-]{43}", re.ASCII)
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"),
             ("Safari", "Safari"))  # fmt: skip
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
            ("Mac OS", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"))  # fmt: skip


def new_token() -> str:
    """Return a new token of 256 bits, which only the browser keeps."""
    return f"cct_{secrets.token_urlsafe(32)}"


def is_token(text: str) -> bool:
    """Return whether `text` is a token by its form."""
    return _TOKEN.fullmatch(text) is not None


def token_hash(token: str, pepper: str) -> bytes:
    """Return the HMAC-SHA256 of a token under the pepper: 32 bytes."""
    return hmac.digest(pepper.encode(), b"session|" + token.encode(), hashlib.sha256)


def csrf(token: str, pepper: str) -> str:
    """Return what a form of this session carries: a page of somebody else cannot know it."""
    return hmac.digest(pepper.encode(), b"csrf|" + token.encode(), hashlib.sha256).hex()


def owner(tenant_id: UUID, staff_id: UUID | None, pepper: str) -> str:
    """Return what forms of a member of staff carry, whichever session they were shown in."""
    return hmac.digest(
        pepper.encode(), b"owner|" + f"{tenant_id}|{staff_id}".encode(), hashlib.sha256
    ).hex()


def device(user_agent: str) -> str:
    """Return browser and system in a few words, such as `Firefox on Linux`."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "Browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser
