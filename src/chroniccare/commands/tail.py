"""Shows in `up`'s terminal what the worker's log says was delivered: no patient data, few lines."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chroniccare.notifications.delivery import HANDED_OVER

_MOST_AT_ONCE = 6
_MOST_BYTES = 1_000_000


@dataclass(slots=True)
class Tail:
    """Where reading has got to in a log that may be cut short by rotation."""

    log: Path
    offset: int = field(default=-1)

    def __post_init__(self) -> None:
        if self.offset < 0:
            self.offset = self._size()

    def lines(self) -> list[str]:
        """Return a line for each message handed over since the last call; of many, a sum."""
        found = [line for line in map(_shown, self._new()) if line]
        more = len(found) - _MOST_AT_ONCE
        return found if more <= 0 else [*found[:_MOST_AT_ONCE], f"... and {more} messages more"]

    def _size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def _new(self) -> list[bytes]:
        size = self._size()
        if size < self.offset:
            self.offset = 0  # rotated
        if size == self.offset:
            return []
        with self.log.open("rb") as file:
            file.seek(self.offset)
            text = file.read(_MOST_BYTES)
        whole = text[: text.rfind(b"\n") + 1]  # a line still being written comes next time
        self.offset += len(whole)
        return whole.splitlines()


def _shown(raw: bytes) -> str | None:
    """Return type, channel and id of a message that the log says was handed over."""
    try:
        line: Any = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(line, dict) or line.get("message") != HANDED_OVER:
        return None
    words = [line.get(name, "") for name in ("channel", "type", "status", "notification_id")]
    return "{}  {:5}  {}  {}  {}".format(str(line.get("time", ""))[11:19], *words)
