"""Assertions of clients on paper (RFC 7523; SMART Backend Services): for us, for now, and once."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

LONGEST = timedelta(minutes=5)
"""Furthest ahead that an assertion may end."""
LEEWAY = timedelta(seconds=60)
"""By how much a client's clock may be ahead, where it says since when the assertion holds."""
_MOST_JTI = 255
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})")
_NEVER = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?=$|[\s,;])")
_LEAST_KEPT, _MOST_KEPT = 60.0, 3600.0


class BadAssertionError(ValueError):
    """An assertion, signed by the client, that says something else than it must."""


def judged(
    claims: Mapping[str, Any], *, client_id: str, token_url: str, now: datetime
) -> tuple[str, datetime]:
    """Return an assertion's `jti` and its end, when it is the client's own, for us and for now.

    Raises:
        BadAssertionError: it is not; the message is for whoever holds the client's key.
    """
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise BadAssertionError("iss and sub must both be the client_id")
    audience = claims.get("aud")
    if token_url not in (audience if isinstance(audience, list) else [audience]):
        raise BadAssertionError(f"aud must be {token_url}")
    at, end = now.timestamp(), _second(claims.get("exp"))
    if end is None:
        raise BadAssertionError("exp must be a number of seconds since 1970")
    if end <= at:
        raise BadAssertionError("exp has passed")
    if end > at + LONGEST.total_seconds():
        raise BadAssertionError("exp must be at most five minutes ahead")
    for name in ("nbf", "iat"):
        start = _second(claims.get(name, 0))
        if start is None or start > at + LEEWAY.total_seconds():
            raise BadAssertionError(f"{name} is ahead of our clock")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _MOST_JTI:
        raise BadAssertionError(f"jti must be text of 1 to {_MOST_JTI} characters")
    return jti, datetime.fromtimestamp(end, UTC)


def _second(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e11 else None  # noqa: PLR2004  the year 5138


def kept_s(cache_control: str) -> float:
    """Return for how many seconds a client's keys may be kept, as its server says: 60 to 3600."""
    text = cache_control.lower()
    if _NEVER.search(text):
        return _LEAST_KEPT
    found = _MAX_AGE.search(text)
    return _MOST_KEPT if found is None else min(_MOST_KEPT, max(_LEAST_KEPT, float(found[1])))
