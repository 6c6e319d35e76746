"""Ctrl-C, SIGTERM and SIGHUP for a supervisor: an exception while it starts, then a flag."""

import signal
import threading
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """The operator asked to stop while things were still starting."""


class Interrupts:
    """Counts what the operator asks; use as `with Interrupts() as interrupts:`."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.count = 0
        self._raising = True
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        for number in _SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: it is to survive the end of the terminal
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def started(self) -> None:
        """From here on a signal sets `asked` and interrupts nothing."""
        self._raising = False

    def again(self) -> bool:
        """Say whether the operator asked twice and so will not wait."""
        return self.count > 1

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.asked.set()
        if self._raising:
            self._raising = False  # once: what is being undone must not be interrupted
            raise Stopped
