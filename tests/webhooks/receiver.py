"""A real HTTP receiver on loopback, for tests: it remembers what came and answers as told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(slots=True)
class Came:
    """One request, its headers by lower-case name."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found


@dataclass(slots=True)
class Receiver:
    """What came, and what is answered: a status, with headers and body, after a pause."""

    port: int = 0
    came: list[Came] = field(default_factory=list)
    status: Callable[[Came], int] = lambda _: 204
    headers: str = ""
    body: bytes = b""
    pause: float = 0.0
    open: int = 0
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)
        self.open -= 1
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        one = Came(headers, body)
        self.came.append(one)
        if self.pause:
            await asyncio.sleep(self.pause)
        start = f"HTTP/1.1 {self.status(one)} x\r\nContent-Length: {len(self.body)}\r\n"
        writer.write(f"{start}{self.headers}\r\n".encode() + self.body)
        await writer.drain()


@asynccontextmanager
async def receiving(**options: Any) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    made = Receiver(**options)
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
