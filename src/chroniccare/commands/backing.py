"""`backup` and `restore` on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from chroniccare.commands.options import DataDir

Backup = Annotated[
    Path | None,
    typer.Option(
        "--into", help="Folder of the backups.", metavar="DIR",
        show_default="CHRONICCARE_BACKUP_DIR",
    ),
]  # fmt: skip


def backup(
    data_dir: DataDir = None,
    into: Backup = None,
    keep: Annotated[int, typer.Option(min=1, help="Backups kept; older ones are removed.")] = 7,
) -> None:
    """Copy the embedded PostgreSQL while it runs, and check the copy."""
    from chroniccare.commands import backup as command
    from chroniccare.commands import servers

    for line in command.take(servers.data_dir(data_dir), into, keep=keep):
        typer.echo(line)


def restore(
    source: Annotated[Path, typer.Option("--from", help="Folder of the backups.", metavar="DIR")],
    data_dir: DataDir = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Instant to go back to, such as 2026-12-01T09:00:00-05:00; else the last."
        ),
    ] = None,
) -> None:
    """Make a new data directory as the clinic was at a chosen second."""
    from chroniccare.commands import backup as command
    from chroniccare.commands import servers

    for line in command.restore(servers.data_dir(data_dir), source, to):
        typer.echo(line)
