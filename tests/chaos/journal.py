"""What a client did and what it was told: written before it is done, so that kill -9 loses nothing.

One file a client, one JSON line an event; a line is one write, which no signal can tear.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

CUT = 0
"""In place of a status: the connection was lost before an answer came."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, numbered in its file; `body` is sent byte for byte when it is repeated."""

    number: int
    attack: str
    method: str
    url: str
    body: str
    key: str | None
    headers: dict[str, str]
    at: float


@dataclass(frozen=True, slots=True)
class Got:
    """An answer to request `number`, in `seconds`; `visits` are those in it."""

    number: int
    status: int
    code: str
    message: str
    seconds: float
    at: float
    visits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Say whether the client need not ask again."""
        return self.status not in {CUT, 503}


@dataclass(slots=True)
class Journal:
    """One client's file, which goes on where a killed predecessor's ended."""

    path: Path
    file: int = -1
    last: int = 0

    def open(self) -> list[Sent]:
        """Open the file and return the requests in it that have no final answer."""
        sent, got = read(self.path)
        self.last = max((one.number for one in sent), default=0)
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        answered = {one.number for one in got if one.is_final}
        return [one for one in sent if one.number not in answered]

    def number(self) -> int:
        """Return the next number."""
        self.last += 1
        return self.last

    def write(self, event: Sent | Got) -> None:
        """Write one event; it is with the kernel when this returns."""
        os.write(self.file, orjson.dumps([type(event).__name__, asdict(event)]) + b"\n")


def read(path: Path) -> tuple[list[Sent], list[Got]]:
    """Return what a file holds."""
    sent: list[Sent] = []
    got: list[Got] = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        kind, event = orjson.loads(line)
        if kind == "Sent":
            sent.append(Sent(**event))
        else:
            got.append(Got(**event))
    return sent, got


@dataclass(slots=True)
class Counter:
    """Counts the requests in growing files without reading them twice."""

    paths: Iterable[Path]
    seen: dict[Path, int] = field(default_factory=dict)
    count: int = 0

    def look(self) -> int:
        """Return how many requests there are by now."""
        for path in self.paths:
            if path.exists():
                with path.open("rb") as file:
                    file.seek(self.seen.get(path, 0))
                    fresh = file.read()
                self.seen[path] = self.seen.get(path, 0) + len(fresh)
                self.count += fresh.count(b'["Sent"')
        return self.count


def now() -> float:
    """Return seconds since 1970, on the one clock of all processes."""
    return time.time()
