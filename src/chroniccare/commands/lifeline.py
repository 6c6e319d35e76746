"""A process ends when the one that started it has gone, however that went: kill -9 included."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait

_PATIENCE_S = 10.0


def end_with_stdin() -> None:
    """Ask this process to stop when its standard input, a pipe from its parent, closes."""

    def closed() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass

    _end_after(closed)


def end_with_parent() -> None:
    """Ask this process to stop when the process that spawned it through multiprocessing ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        _end_after(lambda: wait([sentinel]))


def _end_after(gone: Callable[[], object]) -> None:
    def watch() -> None:
        gone()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE_S)
        os._exit(1)  # it does not want to, and nobody is left to insist

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
