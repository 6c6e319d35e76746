"""What the simulated providers saw: every call, and everything that reached a phone or a mailbox.

The truth that tests compare with: it is written before the answer goes out, and never changed.
"""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Literal

import orjson

Service = Literal["aws", "sns", "ses", "http", "smtp", "push"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, whatever became of it; `at` is in seconds since 1970."""

    service: Service
    operation: str
    attempt: str
    fault: str
    at: float


@dataclass(frozen=True, slots=True)
class Reached:
    """One copy of a message on a phone or in a mailbox.

    `attempt` is empty where the protocol has no place for it (SNS to a number). `text` is what was
    sent; of email the whole letter.
    """

    service: Service
    attempt: str
    to: str
    text: str
    message_id: str
    copy: int
    at: float


@dataclass(slots=True)
class Ledger:
    """Calls and what reached somebody, in order; with `path` also a line of JSON each in a file."""

    path: Path | None = None
    calls: list[Call] = field(default_factory=list)
    reached: list[Reached] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    file: IO[bytes] | None = None

    def called(self, service: Service, operation: str, attempt: str, fault: str) -> None:
        """Note a request."""
        entry = Call(service, operation, attempt, fault, time.time())
        self.calls.append(entry)
        self._write("call", entry)

    def arrived(self, service: Service, attempt: str, to: str, text: str, message_id: str, *,
                copies: int = 1) -> None:  # fmt: skip
        """Note what reached somebody."""
        for copy in range(1, copies + 1):
            entry = Reached(service, attempt, to, text, message_id, copy, time.time())
            self.reached.append(entry)
            self._write("reached", entry)

    def violated(self, what: str) -> None:
        """Note a request that AWS's model does not allow."""
        self.violations.append(what)

    def duplicates(self) -> int:
        """Return how many messages more than one for each recipient and text got through."""
        return len(self.reached) - len({(one.service, one.to, one.text) for one in self.reached})

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def _write(self, kind: str, entry: Call | Reached) -> None:
        if self.path is None:
            return
        if self.file is None:
            self.file = self.path.open("ab", buffering=0)  # kill -9 loses no line
        self.file.write(orjson.dumps({"kind": kind, **asdict(entry)}) + b"\n")
