"""Opaque keyset cursors: where the next page starts, stable under inserts.

A cursor is base64url of JSON: the sort key of the last row, and a digest of what was listed, so
that a cursor cannot be used with other filters. It holds sort keys of the caller's own rows only,
and row-level security decides what they reach, so it is checked against damage, not signed.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson

from chroniccare.core.errors import Invalid
from chroniccare.core.time import parse_instant
from chroniccare.core.wire import dumps

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
_MAX_CURSOR = 2048

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of rows and the cursor of the next, if there is one."""

    items: list[Row]
    next_cursor: str | None


def _digest(listing: str, filters: Sequence[Any]) -> str:
    raw = dumps([listing, *filters])
    return hashlib.blake2s(raw, digest_size=6).hexdigest()


def encode(listing: str, filters: Sequence[Any], key: Sequence[Any]) -> str:
    """Return the cursor that continues `listing` after the row with sort key `key`."""
    raw = dumps([_digest(listing, filters), *key])
    check = hashlib.blake2s(raw, digest_size=4).digest()
    return base64.urlsafe_b64encode(check + raw).decode().rstrip("=")


def decode(
    cursor: str | None,
    listing: str,
    filters: Sequence[Any],
    parsers: Sequence[Callable[[str], Any]],
) -> list[Any] | None:
    """Return the sort key in `cursor`, each part through its parser; None without a cursor.

    Raises:
        Invalid: the cursor is damaged, or belongs to another list or other filters.
    """
    if cursor is None:
        return None
    try:
        parts = _parts(cursor, _digest(listing, filters))
        values = [parse(part) for parse, part in zip(parsers, parts, strict=True)]
    except (ValueError, TypeError, AttributeError, LookupError):
        raise Invalid.field(
            "cursor", "not a cursor of this list with these filters; start without one", "cursor"
        ) from None
    for value in values:
        if isinstance(value, datetime):
            parse_instant(value, field="cursor")  # PostgreSQL's driver cannot send year 1
    return values


def _parts(cursor: str, digest: str) -> list[Any]:
    """Return the sort key in `cursor`; ValueError when it is damaged or belongs elsewhere."""
    if len(cursor) > _MAX_CURSOR:
        raise ValueError("length")
    blob = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    check, raw = blob[:4], blob[4:]
    if hashlib.blake2s(raw, digest_size=4).digest() != check:
        raise ValueError("check")
    document: list[Any] = orjson.loads(raw)
    # PostgreSQL stores no NUL in text, so none of our keys holds one.
    if document[:1] != [digest] or any("\0" in str(part) for part in document[1:]):
        raise ValueError("listing")
    return document[1:]


def page(
    rows: list[Row],
    limit: int,
    *,
    listing: str,
    filters: Sequence[Any],
    key: Callable[[Row], Sequence[Any]],
) -> Page[Row]:
    """Cut `rows`, fetched with `limit` + 1, to a page; one row too many means there is a next."""
    if len(rows) <= limit:
        return Page(rows, None)
    items = rows[:limit]
    return Page(items, encode(listing, filters, key(items[-1])))
