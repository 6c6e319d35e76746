"""PostgreSQL and Valkey from wheels, supervised by this process: the default without a server.

Start: lock, orphans of a killed run stopped, socket directory, PostgreSQL, Valkey; stop is the
reverse. The data directory holds `postgres/` (the cluster), `log/`, `password`, `lock`,
`running.json` and, only if root alone may enter the virtual environment, `engines/` (a copy).
As root the engines run as `nobody`: it owns the cluster and the sockets and nothing else there.
"""

import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chroniccare.platform import embedded_backup, embedded_postgres, embedded_valkey
from chroniccare.platform.embedded_process import (
    SYSTEM_DATA_DIR,
    EngineError,
    Host,
    engine_account,
    give,
    listener_pid,
    make_data_dir,
    make_dirs,
    may_enter,
    rotated_logs,
    write_file,
)

__all__ = ["EngineError", "EngineUrls", "default_data_dir", "engines", "running_urls"]

# A unix socket's path may have 103 bytes (macOS; Linux 107). This leaves room for our names.
_SOCKET_BASE_LIMIT = 64


def _in_silence(_line: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class EngineUrls:
    """Values for DATABASE_URL (the owner's login) and REDIS_URL; "" for an engine not started."""

    database_url: str
    cache_url: str


def default_data_dir() -> Path:
    """Return `$XDG_DATA_HOME/chroniccare`, or `/var/lib/chroniccare` as root."""
    if os.geteuid() == 0:
        return SYSTEM_DATA_DIR
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    # The XDG specification: a relative path is invalid and is ignored.
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "chroniccare"


@contextmanager
def engines(
    data_dir: Path,
    *,
    postgres: bool = True,
    valkey: bool = True,
    durable: bool = True,
    connections: int = embedded_postgres.LEAST_CONNECTIONS,
    backup: Path | None = None,
    say: Callable[[str], None] = _in_silence,
) -> Iterator[EngineUrls]:
    """Run the engines while the block runs; `durable=False` trades crash safety for tests' speed.

    A Valkey that ends is started again, and `say` gets a line about it, from another thread.
    PostgreSQL allows `connections`, and keeps its log below `backup` for `restore`.

    Raises EngineError when one cannot start; then nothing is left running.
    """
    if not (postgres or valkey):
        yield EngineUrls("", "")
        return
    with ExitStack() as stack:
        try:
            host = Host(data_dir.expanduser().resolve(), engine_account(), durable)
            socket_dir = _prepared(stack, host)
            if backup is not None:
                line = embedded_backup.line_of(backup, host.data_dir)
                host = replace(host, archive=embedded_backup.archive_of(line, host.account))
            urls = _start(
                stack, host, socket_dir, connections if postgres else None, say if valkey else None
            )
        except OSError as error:
            where = error.filename or data_dir
            raise EngineError(
                f"cannot use the data directory {data_dir}: {error.strerror} ({where}): "
                "mend that, or pass another --data-dir"
            ) from error
        yield urls


def restored(data_dir: Path, backup: Path, *, to: datetime | None) -> datetime | None:
    """Make the cluster of a new data directory from the backups in `backup`, as it was `to` then.

    Without `to`, as it was at the end of the archive. Returns when the last transaction that is in
    it was committed; None: none after the copy it starts from.

    Raises EngineError: there is a cluster already, no backup before `to`, or no log until `to`.
    """
    with ExitStack() as stack:
        base = embedded_backup.newest(backup, before=to)
        host = Host(data_dir.expanduser().resolve(), engine_account(), durable=True)
        socket_dir = _prepared(stack, host)
        embedded_backup.unpack(base, host)
        said = embedded_postgres.recover(host, socket_dir, embedded_backup.options(base, to))
    return embedded_backup.last_commit(said)


def running_urls(data_dir: Path) -> EngineUrls | None:
    """Find the engines that another process runs on this directory; None when there are none.

    A Valkey that is away for the moment counts as running: its process starts it again.
    """
    data_dir = data_dir.expanduser().resolve()
    try:
        with (data_dir / "lock").open("rb") as lock:
            if _try_lock(lock.fileno(), fcntl.LOCK_SH):
                return None  # nobody holds it: whatever the record says is stale
        record = _read_record(data_dir)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(
            f"cannot look into {data_dir}: {error.strerror}; use the account that runs it"
        ) from error
    if not record.get("ready"):
        return None
    socket = Path(record["socket_dir"]) / embedded_postgres.SOCKET_NAME
    if record["database_url"] and listener_pid(socket) is None:
        return None
    return EngineUrls(record["database_url"], record["cache_url"])


def _prepared(stack: ExitStack, host: Host) -> Path:
    """Lock the data directory, clean up after a crash, and return a directory for the sockets."""
    _check_entry(host)
    _make_data_dir(host.data_dir)
    stack.enter_context(_locked(host.data_dir))
    _clean_up_after_crash(host)
    make_dirs(host.data_dir / "log", 0o700)
    socket_dir = _socket_dir(host)
    # Registered first, removed last. Written before the engines start, so that a crash from here
    # on leaves a trace of the directory; `ready` comes when they answer.
    stack.callback((host.data_dir / "running.json").unlink, missing_ok=True)
    stack.callback(shutil.rmtree, socket_dir, ignore_errors=True)
    _write_record(host, socket_dir, EngineUrls("", ""), ready=False)
    return socket_dir


def _start(
    stack: ExitStack,
    host: Host,
    socket_dir: Path,
    connections: int | None,
    say: Callable[[str], None] | None,
) -> EngineUrls:
    """Start PostgreSQL with that many connections, and Valkey; None for one that is not wanted."""
    database_url = cache_url = ""
    if connections is not None:
        server, password = embedded_postgres.start(host, socket_dir, connections)
        stack.callback(embedded_postgres.stop_process, server)
        database_url = (
            f"postgresql://{embedded_postgres.OWNER}:{password}@/{embedded_postgres.DATABASE}"
            f"?host={quote(str(socket_dir))}&port=5432"
        )
    if say is not None:
        stack.enter_context(embedded_valkey.kept_running(host, socket_dir, say))
        cache_url = f"unix://{socket_dir / embedded_valkey.SOCKET_NAME}"
    stack.enter_context(rotated_logs([host.log("postgres"), host.log("valkey")]))
    urls = EngineUrls(database_url, cache_url)
    _write_record(host, socket_dir, urls, ready=True)
    return urls


def _make_data_dir(data_dir: Path) -> None:
    """Make the directory if it is missing; refuse one that another account could tamper with."""
    make_data_dir(data_dir)
    found = data_dir.stat()
    if found.st_uid != os.geteuid():
        raise EngineError(
            f"{data_dir} belongs to another account: run as that one, or pass --data-dir"
        )
    if found.st_mode & stat.S_IWOTH:
        raise EngineError(f"every account may write to {data_dir}: pass another --data-dir")


def _check_entry(host: Host) -> None:
    """Refuse a place where the account cannot go, before anything is made there."""
    path = [*reversed(host.data_dir.parents), host.data_dir]
    existing = [part for part in path if part.is_dir()]
    if may_enter(existing[-1], host.account):
        return
    closed = next(part for part in existing if not may_enter(part, host.account))
    raise EngineError(
        f"the engines run as '{host.account.name}' (never as root), who may not enter {closed}: "
        f"pass --data-dir {SYSTEM_DATA_DIR}"
    )


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Hold the lock. The kernel frees it with our last descriptor; Python closes it on exec."""
    descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _try_lock(descriptor, fcntl.LOCK_EX):
            time.sleep(0.1)  # running_urls() may have held it for the blink of an eye
            if not _try_lock(descriptor, fcntl.LOCK_EX):
                pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                raise EngineError(
                    f"process {pid or '(unknown)'} already runs on {data_dir}: "
                    "stop it first, or pass another --data-dir"
                )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clean_up_after_crash(host: Host) -> None:
    """Stop what a killed supervisor left running; with the lock held, no living one owns it."""
    embedded_postgres.stop_orphan(host)
    with suppress(FileNotFoundError):
        record = _read_record(host.data_dir)
        folder = Path(record.get("socket_dir", ""))
        # A copy of the data directory carries the record of the original, whose engines may live.
        same = record.get("data_dir_inode") == host.data_dir.stat().st_ino
        if same and folder.name.startswith("cc-") and folder.is_dir():
            embedded_valkey.stop_orphan(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _socket_dir(host: Host) -> Path:
    """Make a fresh 0700 directory with a short path, whatever the data directory's length."""
    shared = Path("/tmp")  # noqa: S108 - mkdtemp makes a new private directory below it
    for base in (shared,) if host.account.drop else (Path(tempfile.gettempdir()), shared):
        plain = re.fullmatch(r"[\w/.+-]+", str(base), re.ASCII)
        if plain and len(str(base)) <= _SOCKET_BASE_LIMIT and may_enter(base, host.account):
            folder = Path(tempfile.mkdtemp(prefix="cc-", dir=base))
            give(folder, host.account)
            return folder
    raise EngineError(
        "no directory for the engines' sockets: /tmp must exist and be open to everyone"
    )


def _write_record(host: Host, socket_dir: Path, urls: EngineUrls, *, ready: bool) -> None:
    record = {
        "ready": ready,
        "pid": os.getpid(),
        "data_dir_inode": host.data_dir.stat().st_ino,
        "socket_dir": str(socket_dir),
        "database_url": urls.database_url,
        "cache_url": urls.cache_url,
    }
    write_file(host.data_dir / "running.json", json.dumps(record) + "\n")


def _read_record(data_dir: Path) -> dict[str, Any]:
    """Return the record, or {} when it is damaged; its file is ours alone, hence trusted."""
    text = (data_dir / "running.json").read_text(encoding="utf-8")
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
