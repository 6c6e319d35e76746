"""What an operator may change about what is kept: a part of `settings.Settings`."""

from typing import Annotated

from pydantic import BaseModel, Field


class KeepingSettings(BaseModel):
    """Backups."""

    backup_dir: Annotated[
        str,
        Field(
            description="Folder, on another disk, for backups of the embedded PostgreSQL and its "
            "log, so that `restore` can go back to any second. Empty: none are kept."
        ),
    ] = ""
