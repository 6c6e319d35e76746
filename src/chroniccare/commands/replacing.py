"""Granian that stops a worker when the one that replaces it answers, and not after a fixed time."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pkgutil import resolve_name
from typing import Any

from granian.server.mp import MPServer, WorkerProcess
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)
_LISTENS_S = 0.25
"""Between a worker's word that it has started and its listening, which Granian does not tell."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Loads the application in a worker; its process id goes to `to` when it has started."""

    to: Connection

    def __call__(self, target: str) -> ASGIApp:
        """Return the application that the factory `target` makes."""
        made: ASGIApp = resolve_name(target)()

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "lifespan":
                await made(scope, receive, send)
                return

            async def told(message: Message) -> None:
                await send(message)
                if message["type"] == "lifespan.startup.complete":
                    self.to.send(os.getpid())

            await made(scope, receive, told)

        return application


class Replacing(MPServer):
    """Granian's server; `respawn_interval` is how long a new worker is given at most."""

    def __init__(self, target: str, **options: Any) -> None:
        super().__init__(target, **options)
        self._started, self._to = Pipe(duplex=False)

    def run(self) -> None:
        """Serve until a signal."""
        self.serve(target_loader=Telling(self._to))

    def _respawn_workers(
        self,
        workers: Sequence[int],
        spawn_target: Callable[..., None],
        target_loader: Callable[..., Any],
        delay: float = 0,
    ) -> None:
        """Replace workers one by one; with `delay` the old one goes on until the new one answers.

        If that does not come up within `delay`, or ends, the old one stays, and all after it.
        """
        for idx in workers:
            self.respawned_wrks[idx] = time.monotonic()
            old: Any = self.wrks[idx]
            new: Any = self._spawn_worker(idx, spawn_target, target_loader)
            new.interrupt_by_parent = bool(delay)  # while it is on trial, its end is no crash
            new.start()
            if delay and not self._has_come_up(new, time.monotonic() + delay):
                del self.respawned_wrks[idx]
                self._end(new)
                if not self.interrupt_signal:
                    _log.error("a new worker did not start, the old ones go on")
                return
            self.wrks[idx] = new
            self._end(old)

    def _end(self, worker: Any) -> None:
        # Granian's watcher joins the process as well: of two that do, one is told that it ended,
        # and to the other `join` and `is_alive` say for a moment longer that it lives.
        sentinel = worker.inner.sentinel
        worker.terminate()
        if not wait([sentinel], timeout=self.workers_kill_timeout):
            worker.kill()
            wait([sentinel])

    def _has_come_up(self, worker: Any, until: float) -> bool:
        """Wait until the worker answers; False: it has ended, or it is `until`."""
        if not self._answers(worker, until):
            return False
        worker.interrupt_by_parent = False
        return bool(worker.is_alive())

    def _answers(self, worker: WorkerProcess, until: float) -> bool:
        process = worker.inner
        while (left := until - time.monotonic()) > 0 and not self.interrupt_signal:
            ready = wait([self._started, process.sentinel], timeout=min(left, 0.5))
            # What workers told that were started before, or together, is read as well.
            if self._started in ready and self._started.recv() == process.pid:
                time.sleep(_LISTENS_S)
                return True
            if process.sentinel in ready:
                return False
        return False
