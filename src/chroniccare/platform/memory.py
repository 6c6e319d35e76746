"""Rendered records in the memory of one process: bounded in bytes and in time.

A record is kept under its cache key, for each view of it that was told (what a role does not see is
another view), with its stamp: a text that is another one once the record is. Whoever looks for it
must have read the stamp a moment ago, so what is kept can be of no use but never wrong. A commit
of this process that names the key lets go of it at once; in other processes the time does.
"""

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

KEPT_S = 300.0
_MOST_BYTES = 32_000_000
_BESIDE_BYTES = 1_500
"""What a record takes beside its bytes: objects, keys, the index."""


@dataclass(slots=True)
class _Entry:
    stamp: str
    until: float  # monotonic seconds
    views: dict[Hashable, Any]
    size: int


@dataclass(slots=True)
class Memory:
    """Records by key, the oldest first: every one is let go of in `kept_s`, looked at or not."""

    most_bytes: int = _MOST_BYTES
    kept_s: float = KEPT_S
    size: int = 0
    entries: dict[str, _Entry] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

    def get(self, key: str, stamp: str, view: Hashable) -> Any | None:
        """Return what is kept of a view of the record, if it is of this stamp."""
        entry = self.entries.get(key)
        if entry is None or entry.stamp != stamp or entry.until <= time.monotonic():
            return None
        return entry.views.get(view)

    def put(self, key: str, stamp: str, view: Hashable, value: Any, size: int) -> None:
        """Keep a view of a record, whose bytes are `size`; other stamps of it are let go of."""
        size += _BESIDE_BYTES
        entry = self.entries.get(key)
        if entry is None or entry.stamp != stamp:
            self.drop([key])
            entry = _Entry(stamp, time.monotonic() + self.kept_s, {}, 0)
            self.entries[key] = entry
        elif view in entry.views:
            return
        entry.views[view] = value
        entry.size += size
        self.size += size
        while self.size > self.most_bytes:
            self.drop([next(iter(self.entries))])
        self._look_later()

    def drop(self, keys: list[str]) -> None:
        """Let go of records."""
        for key in keys:
            entry = self.entries.pop(key, None)
            if entry is not None:
                self.size -= entry.size

    def clear(self) -> None:
        """Let go of everything."""
        self.entries.clear()
        self.size = 0
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _look_later(self) -> None:
        if self.timer is None and self.entries:
            oldest = next(iter(self.entries.values()))
            wait = max(0.0, oldest.until - time.monotonic())
            self.timer = asyncio.get_running_loop().call_later(wait, self._sweep)

    def _sweep(self) -> None:
        self.timer = None
        now = time.monotonic()
        while self.entries and next(iter(self.entries.values())).until <= now:
            self.drop([next(iter(self.entries))])
        self._look_later()


_memory = Memory()


def memory() -> Memory:
    """Return the memory of the process."""
    return _memory
