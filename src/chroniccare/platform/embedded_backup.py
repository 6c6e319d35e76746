"""Backups of the embedded PostgreSQL: copies of the cluster, and its log since then.

    DIR/3f9c01ab/                         of one data directory, whose file `line` names it
        base/20261130T081500Z/            base.tar.gz, pg_wal.tar.gz, backup_manifest, taken.json
        wal/                              each segment of the log, written by PostgreSQL itself

A copy and the segments after it give the cluster at any second since. A data directory that was
restored is a line of its own: what it writes never mixes with the log that it came from, so that a
drill beside a running clinic does no harm.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from chroniccare.platform import embedded_postgres
from chroniccare.platform.embedded_process import (
    Account,
    EngineError,
    Host,
    give,
    make_dirs,
    may_enter,
    tail,
    write_file,
)

_NAME = "%Y%m%dT%H%M%SZ"
_SEGMENT_BITS = 24  # 16 MiB
_COMMITTED = re.compile(r"last completed transaction was at log time (\S+ \S+)")


@dataclass(frozen=True, slots=True)
class Base:
    """A copy of the cluster: where it is, when it was whole, and the first segment it needs."""

    folder: Path
    finished: datetime
    segment: str


def line_of(backup: Path, data_dir: Path) -> Path:
    """Return the folder below `backup` that is the data directory's own."""
    named = data_dir / "line"
    if not named.exists():
        write_file(named, secrets.token_hex(4) + "\n", durable=True)
    return backup.expanduser().resolve() / named.read_text(encoding="utf-8").strip()


def archive_of(line: Path, account: Account) -> Path:
    """Return the folder of the log of a line, which `account` may write.

    Raises EngineError: its name cannot stand in a command, or the account cannot go there.
    """
    wal = line / "wal"
    if not re.fullmatch(r"[\w/.+-]+", str(wal), re.ASCII):
        raise EngineError(f"{line}: only letters, digits and / . + - _ may name a backup's folder")
    if not wal.exists():
        make_dirs(wal.parent, 0o755 if account.drop else 0o700)
        make_dirs(wal, 0o700)
        give(wal, account)
    if not may_enter(wal, account):
        raise EngineError(f"the account '{account.name}' that runs PostgreSQL cannot enter {wal}")
    return wal


def take(database_url: str, line: Path, *, now: datetime) -> Base:
    """Copy the running cluster, check the copy against its manifest, and return it.

    Raises EngineError: PostgreSQL could not be copied; nothing is left then.
    """
    make_dirs(line / "base", 0o700)
    work = Path(tempfile.mkdtemp(prefix="taking-", dir=line / "base"))
    try:
        url = urlsplit(database_url)
        host = parse_qs(url.query)["host"][0]
        _client(
            "pg_basebackup", f"--host={host}", f"--username={url.username}", "--format=tar",
            "--gzip", "--wal-method=stream", "--checkpoint=fast", f"--pgdata={work}",
            "--manifest-checksums=SHA256", "--no-password", password=unquote(url.password or ""),
        )  # fmt: skip
        _client("pg_verifybackup", "--no-parse-wal", "--format=tar", str(work))
        manifest = json.loads((work / "backup_manifest").read_text(encoding="utf-8"))
        [needed] = manifest["WAL-Ranges"][:1]
        # A manifest does not say when the copy was whole; the file's own time does.
        finished = datetime.fromtimestamp((work / "backup_manifest").stat().st_mtime, now.tzinfo)
        base = Base(line / "base" / now.strftime(_NAME), finished, _segment(needed))
        taken = {"finished": finished.isoformat(), "segment": base.segment}
        write_file(work / "taken.json", json.dumps(taken) + "\n", durable=True)
        try:
            work.rename(base.folder)
        except OSError:
            raise EngineError(f"{base.folder} is there already: wait a second") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return base


def _client(program: str, *arguments: str, password: str = "") -> None:
    command = [str(embedded_postgres.client(program)), *arguments]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "PGPASSWORD": password}
    done = subprocess.run(  # noqa: S603  our own argument list, no shell, absolute program
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
        errors="replace", check=False, cwd="/", env=environment, umask=0o077,
    )  # fmt: skip
    if done.returncode != 0:
        raise EngineError(f"{program} failed: {tail(done.stderr)}")


def _segment(needed: dict[str, str | int]) -> str:
    high, low = (int(part, 16) for part in str(needed["Start-LSN"]).split("/"))
    return f"{int(needed['Timeline']):08X}{high:08X}{low >> _SEGMENT_BITS:08X}"


def bases(line: Path) -> list[Base]:
    """Return the copies of a line, the oldest first."""
    found = []
    for folder in sorted((line / "base").glob("*T*Z")):
        told = json.loads((folder / "taken.json").read_text(encoding="utf-8"))
        found.append(Base(folder, datetime.fromisoformat(told["finished"]), told["segment"]))
    return found


def newest(backup: Path, *, before: datetime | None) -> Base:
    """Return the newest copy that was whole before that instant, or at all.

    `backup` is a folder of backups, or of one line below it.

    Raises EngineError: there is none, or several data directories were backed up there.
    """
    backup = backup.expanduser().resolve()
    lines = {one: bases(one) for one in [backup, *sorted(backup.glob("*/"))]}
    lines = {one: found for one, found in lines.items() if found}
    if len(lines) > 1:
        told = ", ".join(
            f"{one} ({found[0].finished:%Y-%m-%d %H:%M} to {found[-1].finished:%Y-%m-%d %H:%M} UTC)"
            for one, found in lines.items()
        )
        raise EngineError(f"several data directories were backed up here, name one: {told}")
    found = next(iter(lines.values()), [])
    fit = [one for one in found if before is None or one.finished <= before]
    if fit:
        return fit[-1]
    if not found:
        raise EngineError(f"there is no backup in {backup}")
    oldest = found[0].finished.isoformat(timespec="seconds")
    raise EngineError(f"the oldest backup in {backup} is of {oldest}: no earlier time can be had")


def prune(line: Path, *, keep: int) -> list[Path]:
    """Remove all but the newest `keep` copies, and the log before them; return what is gone."""
    found = bases(line)
    gone = [one.folder for one in found[:-keep]]
    for folder in gone:
        shutil.rmtree(folder)
    wal = line / "wal"
    if gone and wal.is_dir():
        _client(
            "pg_archivecleanup", "--clean-backup-history", "--strip-extension=.gz", str(wal),
            found[-keep].segment,
        )  # fmt: skip
    return gone


def unpack(base: Base, host: Host) -> None:
    """Make the cluster of `host` from a copy; it has its final name only when it is whole.

    Raises EngineError: there is a cluster already.
    """
    cluster = host.data_dir / "postgres"
    if cluster.exists():
        raise EngineError(f"{cluster} exists: nothing is overwritten; pass a new --data-dir")
    work = Path(tempfile.mkdtemp(prefix="postgres.init-", dir=host.data_dir))
    try:
        for name, place in (("base.tar.gz", work), ("pg_wal.tar.gz", work / "pg_wal")):
            with tarfile.open(base.folder / name) as archive:
                archive.extractall(place, filter="data")
        (work / "recovery.signal").touch()
        for folder, _, files in os.walk(work):
            give(Path(folder), host.account)
            Path(folder).chmod(0o700)
            for name in files:
                give(Path(folder) / name, host.account)
        work.rename(cluster)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def options(base: Base, to: datetime | None) -> Sequence[str]:
    """Return the settings with which a copy replays the log of its line, until `to` or its end."""
    wal = base.folder.parent.parent / "wal"
    chosen = {
        "restore_command": f'gzip -dc "{wal}/%f.gz" > "%p"',
        "hot_standby": "off",  # so that "ready" means that everything is replayed
    }
    if to is not None:
        chosen |= {
            "recovery_target_time": to.isoformat(sep=" "),
            "recovery_target_action": "promote",
        }
    return [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]


def last_commit(said: str) -> datetime | None:
    """Return the instant of the last commit that was replayed, as PostgreSQL logged it."""
    found = _COMMITTED.findall(said)
    return datetime.fromisoformat(found[-1]) if found else None
