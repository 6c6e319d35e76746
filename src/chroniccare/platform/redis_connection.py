"""One multiplexed connection to Redis or Valkey, with implicit pipelining."""

import asyncio
import ssl
from collections import deque
from urllib.parse import unquote, urlsplit

import hiredis

_TIMEOUT_S = 0.5
_WATCH_S = 0.1

Reply = object


class CacheAway(Exception):  # noqa: N818  a state, not a fault of the caller
    """The cache cannot be reached just now; callers go on without it."""


class Connection(asyncio.Protocol):
    """One connection; commands of one loop turn leave in one write, replies come in order.

    Own code and not redis-py, which costs 0.24 s of import and a round trip a command (ADR 0008);
    the protocol itself is hiredis's.
    """

    def __init__(self) -> None:
        self.reader = hiredis.Reader()
        self.waiting: deque[tuple[asyncio.Future[Reply], float]] = deque()
        self.buffer: list[bytes] = []
        self.transport: asyncio.WriteTransport | None = None
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to watch for replies that do not come."""
        self.transport = transport  # type: ignore[assignment]
        self.loop.call_later(_WATCH_S, self._watch)

    def data_received(self, data: bytes) -> None:
        """Hand each complete reply to the command that has waited longest."""
        self.reader.feed(data)
        while True:
            reply = self.reader.gets()
            if reply is False:
                return
            future, _ = self.waiting.popleft()
            if not future.done():
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's
        """Tell every waiting command that no reply will come."""
        self.transport = None
        while self.waiting:
            future, _ = self.waiting.popleft()
            if not future.done():
                future.set_exception(CacheAway())
                future.exception()  # nobody may be waiting: see `Cache.put`

    def send(self, *words: bytes | str) -> "asyncio.Future[Reply]":
        """Send a command; the future is its reply (a hiredis.ReplyError when it was refused).

        Raises:
            CacheAway: the connection is lost.
        """
        if self.transport is None:
            raise CacheAway
        future: asyncio.Future[Reply] = self.loop.create_future()
        self.waiting.append((future, self.loop.time()))
        if not self.buffer:
            self.loop.call_soon(self._flush)
        self.buffer.append(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub knows one word
        return future

    def close(self) -> None:
        """Close at once; waiting commands learn that the cache is away."""
        if self.transport is not None:
            self.transport.abort()

    def _flush(self) -> None:
        data, self.buffer = b"".join(self.buffer), []
        if self.transport is not None:
            self.transport.write(data)

    def _watch(self) -> None:
        """Give up the connection when a reply is overdue: one timer for all commands.

        A late reply may still be on its way, so only a new connection is sure to be in step.
        """
        if self.transport is None:
            return
        if self.waiting and self.loop.time() - self.waiting[0][1] > _TIMEOUT_S:
            self.close()
            return
        self.loop.call_later(_WATCH_S, self._watch)


async def connect(url: str) -> Connection:
    """Open `redis://`, `rediss://` (TLS, verified) or `unix://`; log in and choose the database."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    if parts.scheme == "unix":
        _, connection = await loop.create_unix_connection(Connection, unquote(parts.path))
        number = ""
    else:
        tls = ssl.create_default_context() if parts.scheme == "rediss" else None
        _, connection = await loop.create_connection(
            Connection, parts.hostname or "127.0.0.1", parts.port or 6379, ssl=tls
        )
        number = parts.path.strip("/")
    replies = []
    if parts.password:
        user = (unquote(parts.username),) if parts.username else ()
        replies.append(connection.send("AUTH", *user, unquote(parts.password)))
    if number:
        replies.append(connection.send("SELECT", number))
    for reply in replies:
        if isinstance(await reply, hiredis.ReplyError):
            connection.close()
            raise CacheAway
    return connection
