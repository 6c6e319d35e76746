"""A private RabbitMQ node for the tests: own name, ports and directories, loopback only."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_S = 90
STOP_S = 30
_POLICY = Path("/usr/sbin/policy-rc.d")


class NoRabbitError(Exception):
    """There is no RabbitMQ and it cannot be installed; the message is one line."""


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Node:
    """One node and the epmd that its runtime needs, as children of this process."""

    script: Path
    base: Path
    port: int = field(default_factory=_free_port)
    dist_port: int = field(default_factory=_free_port)
    epmd_port: int = field(default_factory=_free_port)
    server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def environment(self) -> dict[str, str]:
        base = str(self.base)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": base,  # the cookie
            "RABBITMQ_NODENAME": f"cct-{os.getpid()}-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{base}/data",
            "RABBITMQ_LOG_BASE": f"{base}/log",
            "RABBITMQ_PID_FILE": f"{base}/pid",
            "RABBITMQ_CONFIG_FILE": f"{base}/none",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{base}/none.config",
            "RABBITMQ_CONF_ENV_FILE": f"{base}/none.env",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{base}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+sbwt none +sbwtdcpu none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def start(self) -> None:
        """Start and wait until AMQP is spoken."""
        with (self.base / "out.log").open("ab") as out:
            self.server = subprocess.Popen(
                [self.script], env=self.environment(), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True, cwd=self.base,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not _listens(self.port):
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise NoRabbitError(f"RabbitMQ does not start: see {self.base}/out.log")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop and wait until it is gone; its data stay."""
        if self.server is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.server.poll() is None:
                os.killpg(self.server.pid, number)
            try:
                self.server.wait(STOP_S)
                break
            except subprocess.TimeoutExpired:
                continue
        self.server = None


@contextmanager
def private_node() -> Iterator[Node]:
    """Run a node while the block runs.

    Raises:
        NoRabbitError: there is none, and it cannot be installed here.
    """
    script = _script() or _installed()
    epmd = shutil.which("epmd")
    if epmd is None:
        raise NoRabbitError("RabbitMQ is there, but Erlang's epmd is not on the path")
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cct-rabbit-")))
        node = Node(script, base)
        # In the foreground, as a child: the one that Erlang would start stays for ever.
        names = subprocess.Popen(
            [epmd, "-port", str(node.epmd_port), "-address", "127.0.0.1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(names.wait)
        stack.callback(names.terminate)
        stack.callback(node.stop)
        node.start()
        yield node


def _script() -> Path | None:
    """Return the server's own script: Debian's wrapper on the path insists on its account."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    path = shutil.which("rabbitmq-server")
    return found[-1] if found else Path(path) if path else None


def _installed() -> Path:
    """Install RabbitMQ from the system's packages: as root on Debian, once for all workers."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoRabbitError("no RABBITMQ_URL, no rabbitmq-server, and not root on Debian")
    with Path(tempfile.gettempdir(), "cct-rabbit-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _script() is None:
            with _no_services():
                _apt("update", "-q")
                _apt("install", "-y", "-q", "--no-install-recommends", "rabbitmq-server")
    script = _script()
    if script is None:
        raise NoRabbitError("rabbitmq-server was installed, but is not where it should be")
    return script


@contextmanager
def _no_services() -> Iterator[None]:
    """Let the package start nothing: Debian asks policy-rc.d before it starts a service."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", *arguments], env=environment, capture_output=True, check=False, timeout=600
    )
    if done.returncode:
        raise NoRabbitError(f"apt-get {arguments[0]} failed: {done.stderr.decode()[-200:]!r}")


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
