"""What the benchmarks stand on: embedded engines (durable), a clinic, and a server process."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import httpx
import psutil

from chroniccare.platform import masterkey_file
from chroniccare.platform.embedded import engines

_ROOT = Path(__file__).parent.parent
PEPPER = "benchmark pepper, thirty-two characters"


@dataclass(frozen=True, slots=True)
class Stage:
    """The engines' addresses, the master keys and the environment that servers get."""

    database_url: str
    redis_url: str
    master_key_file: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a server process."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'src'}",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CHRONICCARE_KEY_PEPPER": PEPPER,
            "CHRONICCARE_MASTER_KEY_FILE": self.master_key_file,
            "CHRONICCARE_LOG_LEVEL": "WARNING",
            "CHRONICCARE_RATE_LIMIT_PER_MINUTE": "10000000",
            "CHRONICCARE_REQUESTS_AT_ONCE": "10000",
            "CHRONICCARE_RATE_LIMIT_BURST": "1000000",
        }


def settings_of(where: Stage) -> dict[str, str]:
    """Return the environment without what is not a setting."""
    return {k: v for k, v in where.environment.items() if k not in {"PATH", "PYTHONPATH"}}


@contextmanager
def stage() -> Iterator[Stage]:
    """Start durable engines in a directory of their own."""
    base = Path(tempfile.mkdtemp(prefix="ccb-"))
    base.chmod(0o755)
    try:
        with engines(base / "data", durable=True) as urls:
            masterkey_file.make(base / "master.key")
            yield Stage(urls.database_url, urls.cache_url, str(base / "master.key"))
    finally:
        rmtree(base, ignore_errors=True)


@dataclass(slots=True)
class Server:
    """One Granian with one worker."""

    port: int
    worker: psutil.Process

    def cpu(self) -> float:
        """CPU seconds that the worker has used."""
        times = self.worker.cpu_times()
        return float(times.user + times.system)

    def resident_mb(self) -> float:
        """Resident memory of the worker, in MB (10^6 bytes)."""
        return float(self.worker.memory_info().rss) / 1e6


@contextmanager
def server(target: str, environment: dict[str, str], *, factory: bool = False) -> Iterator[Server]:
    """Serve `target` on a free port; ready when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1", "--loop", "uvloop", "--no-access-log",
        "--log-level", "error", *(["--factory"] if factory else []), target,
    ]  # fmt: skip
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        _wait(port)
        children = psutil.Process(process.pid).children(recursive=True)
        workers = [
            child for child in children if "resource_tracker" not in "".join(child.cmdline())
        ]
        yield Server(port, max(workers, key=lambda child: child.memory_info().rss))
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start")
