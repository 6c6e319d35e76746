"""Where the next page of a search starts: opaque, signed, of one tenant and one search.

    base64url( HMAC-SHA256 of tenant and rest, its first 16 bytes | digest of the search | keys )

Nothing is kept on the server, so a cursor is good for as long as the search is.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson

from chroniccare.core.errors import Invalid
from chroniccare.core.wire import dumps
from chroniccare.settings import Settings

_PROOF = 16
_DIGEST = 8
_LONGEST = 4096
PARSERS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "uuid": UUID,
    "date": date.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "int": int,
}


def digest(search: list[Any]) -> bytes:
    """Return what stands for a search in its cursors."""
    return hashlib.blake2s(dumps(search), digest_size=_DIGEST).digest()


def written(settings: Settings, tenant_id: UUID, search: bytes, keys: list[Any]) -> str:
    """Return the cursor of the page behind the record with these sort keys."""
    raw = search + dumps(keys)
    return base64.urlsafe_b64encode(_proof(settings, tenant_id, raw) + raw).decode().rstrip("=")


def read(
    settings: Settings, tenant_id: UUID, search: bytes, text: str, casts: list[str]
) -> list[Any]:
    """Return the sort keys in a cursor.

    Raises:
        Invalid: we did not make it, or for another search.
    """
    wrong = Invalid.field("_cursor", "is not of this search; start without it", "cursor")
    try:
        if len(text) > _LONGEST:
            raise wrong
        blob = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise wrong from None
    raw = blob[_PROOF:]
    if not hmac.compare_digest(blob[:_PROOF], _proof(settings, tenant_id, raw)):
        raise wrong
    if raw[:_DIGEST] != search:
        raise wrong
    keys = orjson.loads(raw[_DIGEST:])
    return [PARSERS[cast](key) for cast, key in zip(casts, keys, strict=True)]


def _proof(settings: Settings, tenant_id: UUID, raw: bytes) -> bytes:
    secret = settings.key_pepper.get_secret_value().encode()
    return hmac.digest(secret, b"fhir-cursor" + tenant_id.bytes + raw, hashlib.sha256)[:_PROOF]
