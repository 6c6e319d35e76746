"""JSON over HTTP to somebody else's server: one request, never repeated, never redirected."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
import orjson

_CONNECT_S = 2.0
_READ_S = 8.0
BUDGET_S = _CONNECT_S + _READ_S + 2.0
"""No request takes longer than this."""
_IDLE_S = 4.0  # many servers close after 5: a request that meets the closing leaves doubt
_MOST_ANSWER = 65_536


class HttpError(Exception):
    """There is no answer.

    Attributes:
        kind: `transient`: the request never left; `unknown`: it may have arrived.
    """

    def __init__(self, kind: Literal["transient", "unknown"], code: str) -> None:
        self.kind, self.code = kind, code
        super().__init__(f"{kind}: {code}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; `body` is its JSON object, or empty when it sent none."""

    status: int
    body: dict[str, Any]


@dataclass(slots=True)
class Poster:
    """Connections to the server at `url`; `secret` is sent as a bearer token, when there is one."""

    url: str
    secret: str = ""
    connections: int = 10
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    session: aiohttp.ClientSession | None = None

    async def post(
        self, body: dict[str, Any] | bytes, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send `body`, JSON as bytes or to be, once and return the answer, whatever its status.

        Raises:
            HttpError: there is none.
        """
        session = self.session or await self._open()
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        try:
            async with session.post(
                self.url, data=data, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, _document(await _beginning(response)))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            raise HttpError("transient", "unreachable") from None
        except TimeoutError:
            raise HttpError("unknown", "timeout") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise HttpError("unknown", "disconnected") from None

    async def close(self) -> None:
        """Close the connections."""
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    async def _open(self) -> aiohttp.ClientSession:
        async with self.opening:
            if self.session is None:
                headers = {"Content-Type": "application/json", "User-Agent": "chroniccare"}
                if self.secret:
                    headers["Authorization"] = f"Bearer {self.secret}"
                self.session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(
                        limit=self.connections, keepalive_timeout=_IDLE_S
                    ),
                    timeout=aiohttp.ClientTimeout(
                        total=BUDGET_S, sock_connect=_CONNECT_S, sock_read=_READ_S
                    ),
                    headers=headers,
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            return self.session


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, as far as it is read."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > _MOST_ANSWER:
            response.close()
            return b""
    return b"".join(parts)


def _document(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
