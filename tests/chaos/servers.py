"""Engines, two API workers and the loops: started as an operator starts them, and broken as not."""

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from chroniccare.migrations.runner import migrate
from chroniccare.platform import masterkey_file
from chroniccare.platform.embedded import engines
from tests.e2e.process import COMMAND, clean_environment, data_dir, runs, wait_for

PEPPER = "a pepper that only chaos knows, 32 or more"


@dataclass(slots=True)
class Servers:
    """What runs; only these processes and their children are ever killed."""

    directory: Path
    database_url: str
    cache_url: str
    port: int
    api: "subprocess.Popen[bytes] | None" = None
    loops: "subprocess.Popen[bytes] | None" = None
    pepper: str = PEPPER
    more: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """What the processes find in their environment."""
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.cache_url,
            "CHRONICCARE_KEY_PEPPER": self.pepper,
            "CHRONICCARE_MASTER_KEY_FILE": str(self.directory / "master.key"),
            "CHRONICCARE_LOG_LEVEL": "WARNING",
            "CHRONICCARE_RATE_LIMIT_PER_MINUTE": "10000000",
            "CHRONICCARE_REQUESTS_AT_ONCE": "10000",
            "CHRONICCARE_RATE_LIMIT_BURST": "1000000",
            # As installed: who is born again does not compile 500 files first, half of its start.
            "PYTHONDONTWRITEBYTECODE": "",
            **self.more,
        }

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start one process of the command line."""
        with (self.directory / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [*COMMAND, *arguments], env=clean_environment(**self.settings),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def workers(self) -> list[psutil.Process]:
        """Return the API's worker processes."""
        assert self.api is not None
        found = psutil.Process(self.api.pid).children(recursive=True)
        return [one for one in found if _is_worker(one)]

    def answers(self) -> bool:
        """Say whether the API answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).is_success
        except httpx.TransportError:
            return False

    def errors(self) -> list[str]:
        """Return what the processes logged as errors."""
        logs = [(self.directory / f"{name}.log").read_text(errors="replace")
                for name in ("serve", "work")]  # fmt: skip
        return [line for log in logs for line in log.splitlines() if '"ERROR"' in line]

    def deadlocks(self) -> list[str]:
        """Return what PostgreSQL logged of each deadlock: who waited for whom, and where."""
        folder = self.directory / "data" / "log"
        log = "".join(path.read_text(errors="replace") for path in folder.glob("postgres.log*"))
        return re.findall(r"DETAIL:  (Process \d+ waits for .*(?:\n\t.*)*)", log)


@contextmanager
def running(
    *, workers: int, loops: bool = True, durable: bool = True, more: dict[str, str] | None = None
) -> Iterator[Servers]:
    """Run engines, the API and perhaps the loops; nothing of them is left at the end.

    `more` are settings beside those that every run has.
    """
    with data_dir() as directory, engines(directory, durable=durable) as urls:
        servers = Servers(
            directory.parent, urls.database_url, urls.cache_url, _free_port(), more=more or {}
        )
        asyncio.run(migrate(servers.database_url))
        masterkey_file.make(servers.directory / "master.key")
        try:
            servers.api = servers.start(
                "serve", "--port", str(servers.port), "--workers", str(workers)
            )
            if loops:
                servers.loops = servers.start("work")
            wait_for(servers.answers, "the API")
            yield servers
        finally:
            _end(servers.api, servers.loops)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return runs(process) and "spawn_main" in "".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False


def _end(*processes: "subprocess.Popen[bytes] | None") -> None:
    for process in processes:
        if process is not None and process.poll() is None:
            # Nobody is served any more, so there is nothing to finish.
            family = psutil.Process(process.pid).children(recursive=True)
            for one in [psutil.Process(process.pid), *family]:
                one.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def kill(pid: int) -> None:
    """End a process of ours as the kernel would when memory is short."""
    os.kill(pid, signal.SIGKILL)
