"""Claims of tokens on paper: who is meant, and whether the token is for us and for now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.caller import SmartScope
from chroniccare.settings_identity import Issuer
from chroniccare.tenancy import smart_scopes

LEEWAY = timedelta(seconds=60)
"""By how much the clocks of an issuer and of ours may differ."""
_LONGEST = 255
_FAR = 1e11


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom an issuer knows.

    Attributes:
        until: the epoch second at which the token ends.
        smart_scopes: what the token is limited to under /fhir; nothing: it is not.
    """

    issuer: str
    subject: str
    until: float
    smart_scopes: tuple[SmartScope, ...] = ()


def person(claims: Mapping[str, Any], issuer: Issuer, *, now: datetime) -> Person | None:
    """Return who is meant; None when the token is another's, for others, too old or too new.

    A token without an end is refused, and one whose SMART scopes open nothing. Roles and tenants
    that it may claim are not looked at.
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
    said = claims.get("patient")
    scopes = smart_scopes.of_person(_words(claims), _patient(said), is_launched=said is not None)
    if scopes is None or not subject.isprintable():
        return None
    return Person(issuer.issuer, subject, until + leeway, scopes)


def _words(claims: Mapping[str, Any]) -> list[str]:
    """Return the scopes of a token: `scope` of RFC 9068, or the `scp` that some issuers have."""
    found: list[str] = []
    for name in ("scope", "scp"):
        said = claims.get(name)
        listed = said if isinstance(said, list) else [said]
        found += [word for one in listed if isinstance(one, str) for word in one.split()]
    return found


def _patient(said: Any) -> str | None:
    """Return the id of the patient in a token's context."""
    try:
        return str(UUID(said)) if isinstance(said, str) else None
    except ValueError:
        return None


def _audiences(claims: Mapping[str, Any], issuer: Issuer) -> set[str]:
    # Cognito's access tokens have no `aud`.
    found = claims.get("client_id" if issuer.has_client_id else "aud")
    listed = found if isinstance(found, list) else [found]
    return {one for one in listed if isinstance(one, str)}


def _second(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _FAR else None
