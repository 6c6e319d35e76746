"""Real processes of the command line: started, read, killed, and none left behind."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any

import httpx
import psutil

COMMAND = [sys.executable, "-P", "-m", "chroniccare.cli"]
_PATIENCE_S = 60.0


def clean_environment(**more: str) -> dict[str, str]:
    """Return our environment without what would point the command line anywhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CHRONICCARE_")
        and name not in {"DATABASE_URL", "REDIS_URL", "RABBITMQ_URL"}
    }
    return {**kept, **more}


def run(
    *arguments: str, stdout: Any = subprocess.PIPE, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=clean_environment(**environment),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the one line that says what the operator did wrong."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@contextmanager
def data_dir() -> Iterator[Path]:
    """A place for the engines where `nobody` may go too, as engines never run as root."""
    base = Path(tempfile.mkdtemp(prefix="cce-", dir="/tmp"))
    base.chmod(0o755)
    try:
        yield base / "data"
    finally:
        rmtree(base, ignore_errors=True)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = _PATIENCE_S) -> Any:
    """Return what `condition` returns once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def outbox(directory: Path) -> list[dict[str, Any]]:
    """Return what `chroniccare outbox --json` shows of the demo clinic."""
    done = run(
        "outbox", "--json", "--tenant", "demo", "--limit", "10000", "--data-dir", str(directory)
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@dataclass(slots=True)
class Up:
    """One running `chroniccare up`."""

    process: "subprocess.Popen[str]"
    started_at: float
    lines: list[str] = field(default_factory=list)

    def seen(self, pattern: str) -> str | None:
        """Return the first group of the first printed line that matches."""
        for line in list(self.lines):
            match = re.search(pattern, line)
            if match:
                return match[1] if match.groups() else match[0]
        return None

    def await_line(self, pattern: str, seconds: float = _PATIENCE_S) -> str:
        """Wait until such a line is printed."""

        def look() -> str | None:
            found = self.seen(pattern)
            assert found or self.process.poll() is None, "".join(self.lines)
            return found

        return str(wait_for(look, f"a line like {pattern}", seconds))

    @property
    def address(self) -> str:
        return self.await_line(r"^API\s+(http://\S+)$")

    @property
    def key(self) -> str:
        return self.await_line(r"^API key\s+(cck_\S+)$")

    def curl_lines(self) -> list[str]:
        self.await_line("Ctrl-C stops everything")
        return [line for line in self.lines if line.startswith("curl ")]

    def family(self) -> list[psutil.Process]:
        """Return every process that descends from it: children, their workers, the engines."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, command: str) -> psutil.Process:
        """Return the child that runs `chroniccare <command>`."""
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # ended since it was listed
                if command in process.cmdline():
                    return process
        raise AssertionError(f"no child runs {command}")

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it as an operator does; it exits with 0 and leaves nothing running."""
        family = self.family()
        self.process.send_signal(number)
        assert self.process.wait(_PATIENCE_S) == 0, "".join(self.lines)
        assert gone(family, 1) == []

    def kill(self) -> None:
        """Kill it and everything that descends from it, all at once."""
        family = self.family()
        self.process.kill()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        assert gone(family, 5) == []


def named(process: psutil.Process) -> str | None:
    """Return its name; None for one that has ended since it was listed."""
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return None


def gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Return which of the processes still run after that time."""
    deadline = time.monotonic() + seconds
    while (left := [process for process in processes if runs(process)]) != []:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def runs(process: psutil.Process) -> bool:
    """Say whether it runs; one that has ended may wait for its new parent to notice."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def up(directory: Path, *options: str, **environment: str) -> Iterator[Up]:
    """Run `chroniccare up`; whatever is left of it at the end is killed."""
    process = subprocess.Popen(
        [*COMMAND, "up", "--data-dir", str(directory), *options],
        env=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    )
    made = Up(process, time.monotonic())
    reader = threading.Thread(target=_read, args=(process, made.lines))
    reader.start()
    try:
        yield made
    finally:
        if process.poll() is None:
            made.kill()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()


def _read(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    if process.stdout is not None:
        lines.extend(line.rstrip("\n") for line in process.stdout)


def curl(line: str) -> httpx.Response:
    """Make the request that a curl line makes."""
    words = iter(shlex.split(line)[1:])
    headers, data, url = {}, None, ""
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = next(words)
        elif word == "-w":
            next(words)
        elif not word.startswith("-"):
            url = word
    method = "GET" if data is None else "POST"
    return httpx.request(method, url, headers=headers, content=data, timeout=10)
