"""The processes that `up` runs beside itself: started, watched, restarted, stopped.

Each is in a session of its own, so that Ctrl-C reaches `up` alone, which stops them in order. Each
holds the read end of a pipe from `up` and ends when it closes, and a shared lock on a file, so that
the next `up` can wait until those of a killed one have gone.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chroniccare.platform.embedded import EngineError
from chroniccare.platform.embedded_process import make_data_dir, rotate, wait_until

LOCK = "children.lock"

_DRAIN_S = 20.0
_OLD_ONES_S = 15.0
_STEADY_S = 60.0
_LONGEST_DELAY_S = 30.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Child:
    """One process and its restarts.

    Attributes:
        name: for the operator.
        arguments: of `chroniccare`.
        log: where its standard output and error go.
        retry_at: monotonic seconds of the next start while it is down.
    """

    name: str
    arguments: Sequence[str]
    environment: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0

    def start(self) -> None:
        """Start it."""
        rotate(self.log)
        lock = os.open(self.log.parent.parent / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            with self.log.open("ab") as output:
                self.process = subprocess.Popen(  # noqa: S603  our own argument list, no shell
                    [sys.executable, "-P", "-m", "chroniccare.cli", *self.arguments],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env=self.environment,
                    start_new_session=True,
                    pass_fds=[lock],
                )
        finally:
            os.close(lock)
        self.started_at = time.monotonic()

    def tend(self, say: Say) -> None:
        """Start it again when it has ended, after a delay that grows from failure to failure."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.retry_at:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        self.forget()
        self.failures = 1 if now - self.started_at > _STEADY_S else self.failures + 1
        delay = min(_LONGEST_DELAY_S, 2.0 ** (self.failures - 1))
        self.retry_at = now + delay
        say(f"the {self.name} ended (exit {code}); starting it again in {delay:.0f} s: {self.log}")

    def ask_to_stop(self) -> None:
        """Send SIGTERM; it finishes what is under way."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def has_ended(self) -> bool:
        """Say whether it does not run."""
        return self.process is None or self.process.poll() is not None

    def forget(self) -> None:
        """End whatever is left of its session, and close the pipe."""
        if self.process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process = None


@contextmanager
def running(children: Sequence[Child], hurry: Callable[[], bool]) -> Iterator[None]:
    """Run `children` while the block runs; then they drain for 20 s, or until `hurry` says so."""
    try:
        for child in children:
            child.start()
        yield
    finally:
        for child in children:
            child.ask_to_stop()
        wait_until(lambda: hurry() or all(child.has_ended() for child in children), _DRAIN_S)
        for child in children:
            child.forget()


def await_old_ones(directory: Path) -> None:
    """Wait until the children of a killed `up` on this directory have noticed and gone.

    Raises:
        EngineError: they, or those of a living `up`, still run.
    """
    make_data_dir(directory)
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not wait_until(lambda: _try_alone(lock), _OLD_ONES_S):
            raise EngineError(
                f"another `chroniccare up` works on {directory}: stop it first, or pass another"
                " --data-dir"
            )
    finally:
        os.close(lock)


def _try_alone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
