"""A copy of the audit elsewhere: to CloudWatch Logs, to a file, or, if nothing is set, nowhere.

It follows the seals, clinic by clinic, in their order. At least once: a worker that dies between
the copy and its record copies again; `seq` and `id` tell a repetition.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from random import SystemRandom
from uuid import UUID

from chroniccare.audit import queries_copies
from chroniccare.audit.places import CopyError, Place
from chroniccare.audit.queries_copies import Copied
from chroniccare.core.caller import system
from chroniccare.core.errors import Unavailable
from chroniccare.core.wire import dumps
from chroniccare.platform.postgres import begin
from chroniccare.settings import Settings
from chroniccare.tenancy.actions import list_tenants

log = logging.getLogger(__name__)

BATCH = 500
"""Rows at once: at less than 2 KB each, what CloudWatch takes in one request."""
LEASE = timedelta(seconds=60)
_PAUSE_S = 5.0
_LONGEST_S = 300.0
_FILE, _CLOUDWATCH = "file:", "cloudwatch:"
_jitter = SystemRandom().random


class FilePlace:
    """A file to which rows are only ever appended, for its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def put(self, tenant_id: UUID, rows: list[bytes], at: datetime) -> None:
        """Append rows, and wait until they are on the disk."""
        del tenant_id, at
        try:
            await asyncio.to_thread(self._append, b"".join(row + b"\n" for row in rows))
        except OSError as error:
            raise CopyError(f"file: {error.strerror}") from None

    def _append(self, lines: bytes) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                file.write(b"\n")  # a line that was torn must not spoil the next one
            file.write(lines)
            file.flush()
            os.fsync(descriptor)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Place]:
    """Open the place that `audit_copy` names; it must name one."""
    where = settings.audit_copy
    if where.startswith(_FILE):
        yield FilePlace(Path(where.removeprefix(_FILE)))
        return
    from chroniccare.audit.places_cloudwatch import LogGroup

    place = LogGroup.at(where.removeprefix(_CLOUDWATCH), settings.aws_endpoint_url)
    try:
        yield place
    finally:
        await place.close()


async def run(settings: Settings, *, stop: asyncio.Event) -> None:
    """Copy until `stop`; after a failure again, later and later, five minutes apart at most."""
    failures = 0
    async with opened(settings) as place:
        while not stop.is_set():
            try:
                await sweep(place, stop)
                failures, pause = 0, _PAUSE_S
            except (CopyError, Unavailable) as error:
                failures += 1
                pause = pause_after(failures, _jitter())
                code = getattr(error, "code", "")
                log.warning("audit is not copied", extra={"code": code, "failures": failures})
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)


def pause_after(failures: int, jitter: float) -> float:
    """Return the seconds until the next try: half to all of 5, 10, 20, up to 300."""
    return min(_PAUSE_S * 2.0 ** min(failures - 1, 10), _LONGEST_S) * (0.5 + jitter / 2)


async def sweep(place: Place, stop: asyncio.Event | None = None) -> int:
    """Copy what every clinic has; return how many rows that were.

    Raises:
        CopyError: those of a clinic were not taken; the others had their turn.
    """
    count, failed = 0, None
    for tenant in await list_tenants():
        copied = BATCH
        while copied == BATCH and not (stop is not None and stop.is_set()):
            try:
                copied = await copy(place, tenant.id)
            except CopyError as error:
                failed, copied = error, 0
            count += copied
    if failed is not None:
        raise failed
    return count


async def copy_to_the_end(place: Place, tenant_id: UUID) -> bool:
    """Copy all that is sealed of a clinic; False if somebody else is at it.

    Raises:
        CopyError: it was not taken.
    """
    while await copy(place, tenant_id) == BATCH:
        pass
    async with begin(system(tenant_id, job="audit-copies")) as tx:
        return not await tx.value(queries_copies.BEHIND)


async def copy(place: Place, tenant_id: UUID) -> int:
    """Copy the next rows of a clinic, unless somebody else does; return how many.

    Raises:
        CopyError: they were not taken.
    """
    caller = system(tenant_id, job="audit-copies")
    async with begin(caller) as tx:
        until = tx.now + LEASE
        seq = await tx.value(queries_copies.TAKE, tenant_id, tx.now, until)
        if seq is None:
            return 0
        rows = await tx.all(queries_copies.NEXT, seq, BATCH)
        now = tx.now
    last = rows[-1].seq if rows else seq
    try:
        # No transaction is open: the place may take seconds to answer.
        if rows:
            await place.put(tenant_id, [shown(tenant_id, row) for row in rows], now)
    except BaseException:
        await _done(tenant_id, seq, seq, until)
        raise
    await _done(tenant_id, seq, last, until)
    return len(rows)


async def _done(tenant_id: UUID, seq: int, last: int, until: datetime) -> None:
    async with begin(system(tenant_id, job="audit-copies")) as tx:
        await tx.run(queries_copies.DONE, seq, last, until, tx.now)


def shown(tenant_id: UUID, row: Copied) -> bytes:
    """Return what stands in a copy of a row: ids, names and times, and its seal."""
    fields = {name: value for name, value in asdict(row).items() if value is not None}
    if row.user_type not in {None, "system"} and not _is_uuid(row.request_id):
        fields.pop("request_id", None)  # a client chose it, and it may say anything
    return dumps({"tenant": tenant_id, **fields, "hash": row.hash.hex()})


def _is_uuid(text: str | None) -> bool:
    try:
        return text is not None and str(UUID(text)) == text
    except ValueError:
        return False
