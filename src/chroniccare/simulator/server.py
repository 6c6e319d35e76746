"""A small HTTP/1.1 server that can also misbehave: below a framework connections stay in our hand.

It reads requests as the clients under test make them (with a length, or without a body), and
answers them in turn on each connection.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

_MOST_BODY = 50_000_000
_CLOSE_NOW = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Misbehaviour = Literal["hang", "reset", "close"]
Handler = Callable[[Request], Awaitable[Answer | Misbehaviour]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Run `talk` for each connection and yield the port; what is still open at the end is cut."""
    tasks: set[asyncio.Task[None]] = set()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  asyncio runs it in one
        tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(begin, host, port, limit=2**20, backlog=512)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks), timeout=5)


def speaking_http(handler: Handler) -> Talk:
    """Return what talks HTTP on a connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await _read(reader)) is not None:
            answer = await handler(request)
            if isinstance(answer, Answer):
                writer.write(_written(answer))
                await writer.drain()
                continue
            await misbehave(answer, reader, writer)
            return

    return talk


async def misbehave(
    how: Misbehaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Do something else than answer."""
    if how == "hang":
        while await reader.read(65_536):
            pass
    elif how == "reset":
        # RST in place of FIN: what a crashed machine or a firewall sends.
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_NOW)
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request; None at the end, or when it is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    length = headers.get("content-length", "0")
    if len(words) != 3 or not length.isdigit() or int(length) > _MOST_BODY:  # noqa: PLR2004
        return None
    body = await reader.readexactly(int(length)) if int(length) else b""
    return Request(words[0], words[1], headers, body)


def _written(answer: Answer) -> bytes:
    headers = {
        "Content-Type": answer.content_type,
        "Content-Length": str(len(answer.body)),
        **answer.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} Simulated\r\n{lines}\r\n".encode("latin-1") + answer.body
