"""Files of exports on disk: frames, each sealed with the clinic's key for its place in its file.

    4 bytes    length of what follows, big-endian
    the rest   100 resources at most as NDJSON, sealed

`[directory]/[tenant]/[export]/[file]`, each folder for the owner alone. Who has the disk has
nothing to read, but of a clinic that has no keys, whose frames are in clear.
"""

import os
import struct
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from uuid import UUID

from chroniccare.platform.sealing import Column, Keyring, is_sealed_bytes

_LENGTH = struct.Struct(">I")
_COLUMN = Column("fhir_export_files.frame", "record")


def folder(directory: str, tenant_id: UUID, export_id: UUID) -> Path:
    """Return where the files of an export are."""
    return Path(directory) / str(tenant_id) / str(export_id)


def sealed(keys: Keyring, file_id: UUID, frame: int, lines: bytes) -> bytes:
    """Return one frame sealed."""
    return keys.seal(_COLUMN, f"{file_id}:{frame}", lines)


def unsealed(keys: Keyring, file_id: UUID, frame: int, data: bytes) -> bytes:
    """Return the lines of one frame.

    Raises:
        Unreadable: it is of another place, altered, or its key is destroyed; or it is in clear,
            and the clinic has keys.
    """
    if not keys.ciphers and not is_sealed_bytes(data):
        return data
    return keys.unseal(_COLUMN, f"{file_id}:{frame}", data)


def make(directory: str, tenant_id: UUID, export_id: UUID) -> None:
    """Make the folder of an export, unless it is there."""
    path = folder(directory, tenant_id, export_id)
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)


def folders(directory: str, tenant_id: UUID) -> list[UUID]:
    """Return of which exports there are folders."""
    found: list[UUID] = []
    with suppress(FileNotFoundError):
        for one in (Path(directory) / str(tenant_id)).iterdir():
            with suppress(ValueError):
                found.append(UUID(one.name))
    return found


def append(path: Path, offset: int, frame: bytes) -> int:
    """Write a frame at `offset`, durably, and return where the next one goes.

    What stands there is of a try that was not written down.

    Raises:
        OSError: the disk is full, or the export is gone.
    """
    number = os.open(path, os.O_RDWR | (os.O_CREAT if offset == 0 else 0), 0o600)
    with os.fdopen(number, "r+b") as file:
        file.seek(offset)
        file.write(_LENGTH.pack(len(frame)))
        file.write(frame)
        file.truncate()
        file.flush()
        os.fsync(number)
        return file.tell()


def read(path: Path, offset: int) -> tuple[bytes, int]:
    """Return the frame at `offset`, and where the next one is.

    Raises:
        OSError: the file is gone.
    """
    with path.open("rb") as file:
        file.seek(offset)
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        return file.read(length), file.tell()


def remove(directory: str, tenant_id: UUID, export_id: UUID) -> None:
    """Remove the folder of an export.

    Raises:
        OSError: something of it is left.
    """
    with suppress(FileNotFoundError):
        rmtree(folder(directory, tenant_id, export_id))
