"""Where the files of a clinic's exports are: a directory, or a bucket of S3.

In a bucket each frame is an object, `[prefix]/[tenant]/[export]/[file]/[frame]`: nothing there can
be written on at its end, and what is written again replaces what a try left behind.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from chroniccare.fhir.exports import files
from chroniccare.fhir.exports.queries import File
from chroniccare.platform.aws_error import AwsError
from chroniccare.platform.bucket import Bucket, is_bucket
from chroniccare.settings import Settings

_HOUR_MIN = 60


class StoreError(OSError):
    """Something cannot be read or removed; the message is a word of ours or of AWS's."""


class Store(Protocol):
    """The exports of one clinic."""

    async def make(self, export_id: UUID) -> None:
        """Make a place for an export, unless there is one."""
        ...

    async def listed(self, now: datetime) -> list[UUID]:
        """Return of which exports something is there, if this is a moment to look."""
        ...

    async def append(self, export_id: UUID, file: File, frame: bytes) -> int:
        """Write a frame, durably, behind those of a file; return how much the file has then.

        Raises:
            OSError: it cannot be written.
            Unavailable: it is not known whether it is.
        """
        ...

    def read(self, export_id: UUID, file: File) -> AsyncIterator[bytes]:
        """Yield the frames of a file.

        Raises:
            OSError: one is gone.
        """
        ...

    async def remove(self, export_id: UUID) -> None:
        """Remove an export.

        Raises:
            OSError: something is left.
        """
        ...


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory that API and workers share."""

    path: str
    tenant_id: UUID

    async def make(self, export_id: UUID) -> None:
        """Make its folder."""
        await asyncio.to_thread(files.make, self.path, self.tenant_id, export_id)

    async def listed(self, now: datetime) -> list[UUID]:
        """Return the folders."""
        del now
        return await asyncio.to_thread(files.folders, self.path, self.tenant_id)

    async def append(self, export_id: UUID, file: File, frame: bytes) -> int:
        """Write a frame at the end of what is finished of the file."""
        return await asyncio.to_thread(files.append, self._of(export_id, file), file.stored, frame)

    async def read(self, export_id: UUID, file: File) -> AsyncIterator[bytes]:
        """Yield the frames of a file."""
        path, offset = self._of(export_id, file), 0
        for _ in range(file.frames):
            data, offset = await asyncio.to_thread(files.read, path, offset)
            yield data

    async def remove(self, export_id: UUID) -> None:
        """Remove its folder."""
        await asyncio.to_thread(files.remove, self.path, self.tenant_id, export_id)

    def _of(self, export_id: UUID, file: File) -> Path:
        return files.folder(self.path, self.tenant_id, export_id) / str(file.id)


@dataclass(frozen=True, slots=True)
class Objects:
    """A bucket."""

    bucket: Bucket
    tenant_id: UUID

    async def make(self, export_id: UUID) -> None:
        """Do nothing: a bucket has no folders."""

    async def listed(self, now: datetime) -> list[UUID]:
        """Return of which exports there are objects: once an hour, for each list is paid for."""
        found: list[UUID] = []
        if now.minute != self.tenant_id.int % _HOUR_MIN:
            return found
        for name in await self.bucket.folders(f"{self.tenant_id}/"):
            with suppress(ValueError):
                found.append(UUID(name))
        return found

    async def append(self, export_id: UUID, file: File, frame: bytes) -> int:
        """Write a frame as an object."""
        try:
            await self.bucket.put(self._key(export_id, file, file.frames), frame)
        except AwsError as error:
            raise StoreError(str(error)) from None
        return file.stored + len(frame)

    async def read(self, export_id: UUID, file: File) -> AsyncIterator[bytes]:
        """Yield the frames of a file."""
        for number in range(file.frames):
            data = await self.bucket.get(self._key(export_id, file, number))
            if data is None:
                raise StoreError("a frame is not there")
            yield data

    async def remove(self, export_id: UUID) -> None:
        """Remove its objects."""
        try:
            await self.bucket.remove(f"{self.tenant_id}/{export_id}/")
        except AwsError as error:
            raise StoreError(str(error)) from None

    def _key(self, export_id: UUID, file: File, number: int) -> str:
        return f"{self.tenant_id}/{export_id}/{file.id}/{number:08}"


@asynccontextmanager
async def opened(settings: Settings, tenant_id: UUID) -> AsyncIterator[Store]:
    """Give the exports of a clinic for as long as they are needed."""
    if not is_bucket(settings.fhir_export_dir):
        yield Directory(settings.fhir_export_dir, tenant_id)
        return
    bucket = Bucket.at(settings.fhir_export_dir, settings)
    try:
        yield Objects(bucket, tenant_id)
    finally:
        await bucket.close()
