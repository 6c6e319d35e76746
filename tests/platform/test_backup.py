"""A backup gives the database back as it was at a chosen second, or says why it cannot."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chroniccare.platform import embedded_backup
from chroniccare.platform.embedded import EngineError, EngineUrls, engines, restored
from tests.platform.test_embedded import base as base  # noqa: PLC0414  a fixture
from tests.platform.test_embedded import query

NOW = datetime(2026, 12, 1, 8, 15, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def write(urls: EngineUrls, rows: int) -> datetime:
    """Write that many rows and return an instant after their commit and before any other."""
    more = f"INSERT INTO t SELECT n FROM generate_series(1, {rows}) n"  # noqa: S608
    query(urls.database_url, more)
    time.sleep(0.05)
    at = now()
    time.sleep(0.05)
    return at


@pytest.fixture
def kept(base: Path) -> Iterator[tuple[Path, EngineUrls]]:
    with engines(base / "data", valkey=False, backup=base / "kept") as urls:
        query(urls.database_url, "CREATE TABLE t (n int)")
        yield embedded_backup.line_of(base / "kept", base / "data"), urls


def rows(data_dir: Path) -> object:
    with engines(data_dir, valkey=False) as urls:
        return query(urls.database_url, "SELECT count(*) FROM t")


def archived(urls: EngineUrls, backup: Path) -> None:
    """Wait until what is committed is in the archive."""
    name = query(urls.database_url, "SELECT pg_walfile_name(pg_switch_wal())")
    until = time.monotonic() + 30
    while not (backup / "wal" / f"{name}.gz").exists():
        assert time.monotonic() < until, "the log was not archived"
        time.sleep(0.05)


def test_any_second_since_a_backup_can_be_restored(
    base: Path, kept: tuple[Path, EngineUrls]
) -> None:
    backup, urls = kept
    write(urls, 10)
    taken = embedded_backup.take(urls.database_url, backup, now=NOW)
    first = write(urls, 20)
    write(urls, 40)
    archived(urls, backup)
    last = restored(base / "first", backup.parent, to=first)
    other = embedded_backup.line_of(backup.parent, base / "first")
    with engines(base / "first", valkey=False, backup=backup.parent) as others:
        assert query(others.database_url, "SELECT count(*) FROM t") == 30
        write(others, 5)
        embedded_backup.take(others.database_url, other, now=NOW)
    assert last is not None
    assert timedelta() < first - last < timedelta(seconds=1)
    # What the restored one writes is a line of its own, and changes nothing here.
    with pytest.raises(EngineError, match="several data directories were backed up here"):
        restored(base / "all", backup.parent, to=None)
    restored(base / "all", backup, to=None)
    assert rows(base / "all") == 70
    restored(base / "branch", other, to=None)
    assert rows(base / "branch") == 35
    assert embedded_backup.bases(backup) == [taken]
    wal = (backup / "wal").stat()
    assert (wal.st_mode & 0o077, (backup / "base").stat().st_mode & 0o077) == (0, 0)


def test_what_cannot_be_restored_says_why(base: Path, kept: tuple[Path, EngineUrls]) -> None:
    backup, urls = kept
    with pytest.raises(EngineError, match="there is no backup in"):
        restored(base / "new", backup, to=None)
    taken = embedded_backup.take(urls.database_url, backup, now=NOW)
    with pytest.raises(EngineError, match=r"the oldest backup in .* is of .*: no earlier"):
        restored(base / "new", backup, to=taken.finished - timedelta(seconds=1))
    write(urls, 3)
    archived(urls, backup)
    with pytest.raises(EngineError, match="recovery ended before configured recovery target"):
        restored(base / "new", backup, to=now() + timedelta(hours=1))
    with pytest.raises(EngineError, match="nothing is overwritten"):
        restored(base / "new", backup, to=None)
    restored(base / "newer", backup, to=None)
    assert rows(base / "newer") == 3


def test_old_backups_go_with_their_log(kept: tuple[Path, EngineUrls]) -> None:
    backup, urls = kept
    for number in range(3):
        write(urls, 5)
        archived(urls, backup)
        embedded_backup.take(urls.database_url, backup, now=NOW + timedelta(days=number))
    before = {path.name for path in (backup / "wal").iterdir()}
    [gone] = embedded_backup.prune(backup, keep=2)
    assert not gone.exists()
    oldest, _ = embedded_backup.bases(backup)
    after = {path.name for path in (backup / "wal").iterdir()}
    assert after < before
    assert all(name[:24] >= oldest.segment for name in after)
    assert f"{oldest.segment}.gz" in after
    assert embedded_backup.prune(backup, keep=2) == []
    with pytest.raises(EngineError, match="is there already"):
        embedded_backup.take(urls.database_url, backup, now=NOW + timedelta(days=2))
    assert len(os.listdir(backup / "base")) == 2  # noqa: PTH208  hidden leftovers count


def test_a_damaged_copy_is_refused(
    kept: tuple[Path, EngineUrls], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, urls = kept
    real = embedded_backup._client

    def damaging(program: str, *arguments: str, password: str = "") -> None:
        real(program, *arguments, password=password)
        if program == "pg_basebackup":
            [folder] = (backup / "base").iterdir()
            whole = (folder / "base.tar.gz").read_bytes()
            (folder / "base.tar.gz").write_bytes(whole[: len(whole) // 2])

    monkeypatch.setattr(embedded_backup, "_client", damaging)
    with pytest.raises(EngineError, match="pg_verifybackup failed"):
        embedded_backup.take(urls.database_url, backup, now=NOW)
    assert list((backup / "base").iterdir()) == []


def test_a_name_that_cannot_stand_in_a_command_is_refused(base: Path) -> None:
    with pytest.raises(EngineError, match="only letters, digits"):
        engines(base / "data", valkey=False, backup=base / 'a"; rm').__enter__()
    assert not (base / "data" / "postgres").exists()
