"""Requests to addresses that clients chose: nothing but public hosts is ever connected to.

A URL is looked at by itself, its host is resolved and EVERY address of it is checked
(`public_hosts`), and the connection goes to a checked address, with the host's name in SNI,
certificate and Host header: an answer of DNS that changes in between is checked again or not used.
No redirect, no proxy of the environment, no cookie, nothing unpacked; five seconds in all, 64 KiB
of the answer at most.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from chroniccare.platform.public_hosts import TIMEOUT_S, EgressError, addresses, is_public, target

MOST_ANSWER = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; `body` ends at MOST_ANSWER."""

    status: int
    retry_after: str | None
    body: bytes
    cache_control: str = ""


class _Checked(AbstractResolver):
    def __init__(self, *, anywhere: bool) -> None:
        self.anywhere = anywhere

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=numeric
            )
            for kind, address in await addresses(host, port, anywhere=self.anywhere)
        ]

    async def close(self) -> None: ...


@dataclass(slots=True)
class Egress:
    """Sends; `anywhere` is for development, `context` for tests. Close it in the end."""

    anywhere: bool = False
    context: ssl.SSLContext | None = None
    session: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def post(self, url: str, *, body: bytes, headers: dict[str, str]) -> Answer:
        """Post `body` once and return the answer, whatever its status.

        Raises:
            EgressError: there is none, or the address may not be asked.
        """
        return await self._ask("POST", url, body, headers)

    async def get(self, url: str) -> Answer:
        """Read what is at `url` and return the answer, whatever its status.

        Raises:
            EgressError: see `post`.
        """
        return await self._ask("GET", url, None, {"User-Agent": "chroniccare"})

    async def _ask(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        aim = target(url, anywhere=self.anywhere)
        session = self.session or self._open()
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                session.request(
                    method, aim.url, data=body, headers=headers, allow_redirects=False
                ) as reply,
            ):
                text = await _beginning(reply)
                found = reply.headers
                return Answer(
                    reply.status, found.get("Retry-After"), text, found.get("Cache-Control", "")
                )
        except TimeoutError:
            raise EgressError("timeout") from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise EgressError("tls") from None
        except aiohttp.ClientConnectorError:
            raise EgressError("unreachable") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise EgressError("disconnected") from None

    async def close(self) -> None:
        """Close what is open."""
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=_Checked(anywhere=self.anywhere),
            use_dns_cache=False,
            force_close=True,  # the next request resolves and checks again
            limit=0,  # the caller counts
            ssl=self.context or True,
            socket_factory=self._socket,
        )
        self.session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers={"Accept"},
            headers={"User-Agent": "chroniccare-webhooks", "Accept-Encoding": "identity"},
        )
        return self.session

    def _socket(self, info: Any) -> socket.socket:
        """Return a socket for the address that is about to be connected to, the last check."""
        family, kind, protocol, _, place = info
        if not (self.anywhere or is_public(str(place[0]))):
            raise EgressError("address")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


async def _beginning(reply: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in reply.content.iter_any():
        parts.append(part)
        size += len(part)
        if size >= MOST_ANSWER:
            reply.close()
            break
    return b"".join(parts)[:MOST_ANSWER]
