"""The envelope of every answer under /api/v1, as bytes.

    {"success": true,  "data": ..., "meta": {"requestId": ..., "timestamp": ...}}
    {"success": true,  "data": {"items": [...], "next_cursor": ...}, "meta": {...}}   a list
    {"success": false, "error": {"code", "message", "details"}, "meta": {...}}

Data are spliced in as bytes, so that a cached record is never parsed again.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from chroniccare.core.errors import Problem

JSON = "application/json"
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def dumps(value: Any) -> bytes:
    """Return `value` (dataclasses, UUIDs and UTC datetimes included) as JSON bytes."""
    return orjson.dumps(value, default=_default, option=_OPTIONS)


def pretty(value: Any) -> bytes:
    """Return `value` as JSON bytes for people to read."""
    return orjson.dumps(value, default=_default, option=_OPTIONS | orjson.OPT_INDENT_2)


def _default(value: Any) -> str | orjson.Fragment:
    if isinstance(value, UUID):  # asyncpg's is a subclass, which orjson does not take for one
        return str(value)
    if isinstance(value, Decimal):  # with the digits that it has: 1.50 stays 1.50
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def _meta(request_id: str) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return b'"meta":{"requestId":"%s","timestamp":"%sZ"}}' % (
        request_id.encode(),
        now[:-6].encode(),
    )


def success(data: bytes, request_id: str) -> bytes:
    """Return the envelope around already rendered `data`."""
    return b'{"success":true,"data":' + data + b"," + _meta(request_id)


def failure(problem: Problem, request_id: str) -> bytes:
    """Return the envelope for `problem`."""
    error: dict[str, Any] = {
        "code": problem.code, "message": problem.message, "details": problem.details
    }  # fmt: skip
    if problem.data is not None:
        error["data"] = problem.data
    return b'{"success":false,"error":' + dumps(error) + b"," + _meta(request_id)
