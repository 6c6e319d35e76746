"""The console's way to the API: its routes, in this process, as whoever is signed in.

A page shows what the API answers and does what the API does. Scopes, hidden fields, the audit,
versions and repeated keys are so looked after in one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import Request

from chroniccare.console.session import current
from chroniccare.core.errors import FieldError, Problem

_FIRST_ERROR = 400
CONFLICT = 409
_STALE = 412
# What FastAPI and its middleware have put there, without which no route can be called.
_SHARED = (
    "app", "asgi", "client", "fastapi_middleware_astack", "scheme", "server", "state",
    "starlette.exception_handlers", "chroniccare.request_id",
)  # fmt: skip


class Refused(Problem):
    """The API refused a call: its status, code, message, details and data."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        details = [FieldError(**one) for one in error.get("details") or []]
        super().__init__(error["message"], details=details, data=error.get("data"))
        self.status, self.code = status, error["code"]

    def differing(self, now: Mapping[str, Any], entries: Mapping[str, Any]) -> dict[str, Any]:
        """Return what stands where the entries are others, by field; only for an old version."""
        if self.status != _STALE:
            return {}
        return {
            name: now[name] for name, one in entries.items() if name in now and now[name] != one
        }

    @property
    def fields(self) -> dict[str, str]:
        """Return what is wrong by the field's path."""
        return {one.field: one.reason for one in self.details or []}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered.

    Attributes:
        data: the envelope's `data`.
        headers: names in lower case.
    """

    status: int
    data: Any
    headers: dict[str, str]


async def get(request: Request, path: str, **query: Any) -> Any:
    """Return the data at `path`, which begins below /api/v1; what is None is not asked.

    Raises:
        Refused: the API's answer is an error.
    """
    return (await call(request, "GET", path, query=query)).data


async def everything(request: Request, path: str, *, most: int = 1000, **query: Any) -> list[Any]:
    """Return the items of a list, page after page, at most `most`.

    Raises:
        Refused: the API's answer is an error.
    """
    items: list[Any] = []
    cursor = None
    while len(items) < most:
        page = await get(request, path, cursor=cursor, limit=min(200, most - len(items)), **query)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return items


async def call(
    request: Request,
    method: str,
    path: str,
    body: Any = None,
    *,
    query: Mapping[str, Any] | None = None,
    version: str | int | None = None,
    once: str | None = None,
) -> Answer:
    """Send a request to the API.

    Attributes:
        version: the record's version that whoever is at the browser has seen; If-Match.
        once: key of the form, which has one effect however often it is sent; Idempotency-Key.

    Raises:
        Refused: the API's answer is an error.
    """
    headers = [(b"content-type", b"application/json")] if body is not None else []
    if version not in {None, ""}:
        headers.append((b"if-match", b'"%s"' % str(version).encode()))
    if once:
        headers.append((b"idempotency-key", once.encode()))
    given = {name.rstrip("_"): one for name, one in (query or {}).items() if one is not None}
    raw = b"" if body is None else orjson.dumps(body, default=str)
    address = {
        "method": method, "path": f"/api/v1{path}", "raw_path": f"/api/v1{path}".encode(),
        "query_string": urlencode(given, doseq=True).encode(), "headers": headers,
    }  # fmt: skip
    status, answered, document = await _run(request, address, raw)
    parsed = orjson.loads(document) if document else {}
    if status >= _FIRST_ERROR:
        raise Refused(status, parsed["error"])
    return Answer(status, parsed.get("data"), answered)


async def _run(
    request: Request, address: dict[str, Any], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    outer = request.scope
    scope = {name: outer[name] for name in _SHARED if name in outer} | address | {
        "type": "http", "http_version": "1.1", "root_path": "",
        "chroniccare.session": current(request).caller,
    }  # fmt: skip
    status, answered, parts = 500, {}, []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status, answered
        if message["type"] == "http.response.start":
            status = message["status"]
            answered = {name.decode(): one.decode() for name, one in message["headers"]}
        else:
            parts.append(message.get("body", b""))

    await request.app.router(scope, receive, send)
    return status, answered, b"".join(parts)
