"""What stands in the files of the database: tables, indexes, log."""

from contextlib import suppress
from pathlib import Path

from chroniccare.platform.owner import owner_connection


async def data_directory(database_url: str) -> Path:
    """Return the folder of the server's files, written up to this moment."""
    async with owner_connection(database_url) as owner:
        await owner.execute("CHECKPOINT")
        return Path(await owner.fetchval("SHOW data_directory"))


def names_of(folder: Path, needle: bytes) -> list[str]:
    """Return the files below `folder` that contain `needle`, as a server may be changing them."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):
            if needle in path.read_bytes():
                found.append(str(path.relative_to(folder)))
    return found
