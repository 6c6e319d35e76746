"""Claims of tokens on paper: who is meant, and whether the token is for us and for now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chroniccare.settings_identity import Issuer

LEEWAY = timedelta(seconds=60)
"""By how much the clocks of an issuer and of ours may differ."""
_LONGEST = 255
_FAR = 1e11


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom an issuer knows; `until` is the epoch second at which the token ends."""

    issuer: str
    subject: str
    until: float


def person(claims: Mapping[str, Any], issuer: Issuer, *, now: datetime) -> Person | None:
    """Return who is meant; None when the token is another's, for others, too old or too new.

    A token without an end is refused. Roles and tenants that it may claim are not looked at.
    """
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    until, start = _second(claims.get("exp")), _second(claims.get("nbf", 0))
    subject, issued = claims.get("sub"), _second(claims.get("iat", 0))
    if until is None or start is None or issued is None:
        return None
    good = (
        claims.get("iss") == issuer.issuer
        and until + leeway > at
        and max(start, issued) - leeway <= at
        and claims.get("token_use") == issuer.token_use
        and bool(issuer.audiences & _audiences(claims, issuer))
    )
    if not good or not isinstance(subject, str) or not 1 <= len(subject) <= _LONGEST:
        return None
    return Person(issuer.issuer, subject, until + leeway) if subject.isprintable() else None


def _audiences(claims: Mapping[str, Any], issuer: Issuer) -> set[str]:
    # Cognito's access tokens have no `aud`.
    found = claims.get("client_id" if issuer.has_client_id else "aud")
    listed = found if isinstance(found, list) else [found]
    return {one for one in listed if isinstance(one, str)}


def _second(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _FAR else None
