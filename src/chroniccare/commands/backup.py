"""Backups of the embedded PostgreSQL, and a clinic made anew from one. See docs/operations.md."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from chroniccare.commands import servers
from chroniccare.core.errors import Invalid
from chroniccare.core.time import parse_instant
from chroniccare.platform import embedded_backup
from chroniccare.platform.embedded import EngineError, restored
from chroniccare.settings import load


def take(directory: Path, into: Path | None, *, keep: int) -> Iterator[str]:
    """Take a backup of the running or the resting PostgreSQL, and yield what was done.

    Raises:
        EngineError: there is nowhere to put it, or it is not the embedded PostgreSQL.
    """
    settings = load()
    if settings.database_url:
        raise EngineError(
            "DATABASE_URL is set: `backup` is for the embedded PostgreSQL; use that server's own"
        )
    kept = servers.backup_dir(settings)
    place = into or kept
    if place is None:
        raise EngineError("say where: --into, or CHRONICCARE_BACKUP_DIR, which keeps the log too")
    now = datetime.now(UTC)
    with servers.servers(directory, migrated=False) as running:
        line = embedded_backup.line_of(place, directory)
        base = embedded_backup.take(running.database_url, line, now=now)
    yield f"backup   {base.folder}"
    for folder in embedded_backup.prune(line, keep=keep):
        yield f"removed  {folder}"
    if place != kept:
        yield "this moment can be restored; any second since only with CHRONICCARE_BACKUP_DIR"
    yield f"keep copies of {directory / 'pepper'} and master.key beside it: no backup holds them"
    if (directory / "tenant-keys").is_dir():
        yield "keep its tenant-keys as they are now, and no older state: see docs/operations.md"


def restore(directory: Path, backup: Path, to: str | None) -> Iterator[str]:
    """Make `directory` from a backup, as the clinic was at the instant `to`; yield what was done.

    Raises:
        Invalid: `to` is no instant.
        EngineError: it cannot be had, or the directory has a cluster.
    """
    at = None
    if to is not None:
        try:
            at = parse_instant(datetime.fromisoformat(to), field="to")
        except ValueError:
            raise Invalid.field("to", "must be like 2026-12-01T09:00:00-05:00", "date") from None
    last = restored(directory, backup, to=at)
    yield f"restored {directory}"
    if last is not None:
        yield f"the last change in it is of {last.isoformat(timespec='seconds')}"
    if not (directory / "pepper").exists():
        yield f"put the pepper back: {directory / 'pepper'}; without it no API key is accepted"
    if not (directory / "master.key").exists():
        yield f"put the master keys back: {directory / 'master.key'}; without them fields are lost"
    if not (directory / "tenant-keys").exists():
        yield f"put the tenants' keys back: {directory / 'tenant-keys'}, if the clinic had them"
    yield "start it with `chroniccare up`, and take a backup"
