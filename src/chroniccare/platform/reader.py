"""Reads of a JSON API over HTTP: asked again while it cannot answer, never redirected, bounded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

_LIMIT = aiohttp.ClientTimeout(total=20, sock_connect=5, sock_read=15)
_MOST_ANSWER = 16 * 2**20
_PAUSES_S = (0.5, 2.0)
_LONGEST_PAUSE_S = 30.0
_OK = 200
_PASSING = frozenset({429, 500, 502, 503, 504})
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


class ReadError(Exception):
    """There is no answer that can be used; the message is a code, without what the server said."""


def is_sealed(url: str) -> bool:
    """Return whether a key may be sent to `url`: over TLS, or to this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    sealed = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    return sealed and bool(parts.hostname) and not parts.query and not parts.fragment


@dataclass(slots=True)
class Reader:
    """An API at `url` (without a slash at its end), read with an API key. Close it in the end."""

    url: str
    key: str = field(repr=False)
    session: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def get(self, path: str, query: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the JSON object at `path`, asked for up to three times.

        Raises:
            ReadError: it answers otherwise, or not at all.
        """
        for pause in (*_PAUSES_S, None):
            try:
                status, wait_s, data = await self._ask(path, query)
            except (
                aiohttp.ClientError,
                OSError,
                ValueError,
            ) as error:  # TimeoutError is an OSError
                status, wait_s, data = 0, 0.0, type(error).__name__.encode()
            if status == _OK:
                return _object(data)
            if pause is None or (status and status not in _PASSING):
                raise ReadError(str(status) if status else data.decode())
            await asyncio.sleep(max(pause, min(wait_s, _LONGEST_PAUSE_S)))
        raise AssertionError  # pragma: no cover  the last round returns or raises

    async def close(self) -> None:
        """Close the connections."""
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    async def _ask(self, path: str, query: Sequence[tuple[str, str]]) -> tuple[int, float, bytes]:
        """Return status, the seconds that the server asks to wait, and the body."""
        self.session = self.session or self._open()
        async with self.session.get(
            f"{self.url}{path}", params=list(query), allow_redirects=False
        ) as reply:
            asked = reply.headers.get("Retry-After", "")
            wait_s = float(asked) if asked.isdecimal() else 0.0
            if reply.status != _OK:
                return reply.status, wait_s, b""
            parts, size = [], 0
            async for part in reply.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > _MOST_ANSWER:
                    raise ReadError("too_large")
            return reply.status, wait_s, b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        # A gateway before the API may be set to look at either header, and at that one alone.
        headers = {"X-API-Key": self.key, "Authorization": f"Bearer {self.key}"}
        return aiohttp.ClientSession(
            timeout=_LIMIT,
            headers={**headers, "Accept": "application/json", "User-Agent": "chroniccare"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ReadError("no_json") from None
    if not isinstance(found, dict):
        raise ReadError("no_object")
    return found
