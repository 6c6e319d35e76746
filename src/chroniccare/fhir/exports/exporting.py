"""The worker's part: page by page into sealed files, so that whoever takes over goes on.

Each page is read in a transaction of its own, audited, written durably at the end of its file, and
then written down under the fence of the claim. A worker that dies leaves a file whose finished part
counts; the next one begins a file of its own behind the last record that was written down.
"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller, system
from chroniccare.core.errors import Conflict, Unavailable
from chroniccare.core.ids import new_id
from chroniccare.core.wire import dumps
from chroniccare.fhir import composing
from chroniccare.fhir.actions import asked_of, rendered
from chroniccare.fhir.exports import actions, files, queries, stores
from chroniccare.fhir.exports.wanted import narrowed
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.registry import KINDS
from chroniccare.platform.postgres import begin, database

log = logging.getLogger(__name__)

PAGE = 100
"""Records at once: with their largest bodies, still memory for a hundred of them and no more."""
FULL = 64 * 2**20
"""Bytes after which a file is followed by another."""
LEASE = timedelta(seconds=60)
_TURN_S = 20.0
"""How long one clinic's export has the loop, before others have a turn."""


@dataclass(slots=True)
class Job:
    """An export that is ours until its lease ends, and the file that is written."""

    row: queries.Export
    document: dict[str, Any]
    caller: Caller
    place: int
    after: UUID | None
    store: stores.Store
    file: queries.File | None = None


async def run(tenant_id: UUID) -> None:
    """Do what there is to export of a clinic, for twenty seconds, and remove what is over."""
    settings = database().settings
    if not settings.fhir_export_dir:
        return
    async with stores.opened(settings, tenant_id) as store:
        job = await claimed(tenant_id, store)
        if job is not None:
            await _run(job)


async def _run(job: Job) -> None:
    until = time.monotonic() + _TURN_S
    try:
        while job.place < len(job.document["types"]):
            if not await page(job):
                return  # cancelled, or somebody else's by now
            if time.monotonic() > until:
                await _let_go(job)
                return
        await _end(job, "done")
    except (Unavailable, Conflict):
        raise  # its lease ends, and it goes on
    except Exception as error:
        if await _end(job, "failed"):  # else it was cancelled, and its folder removed
            log.exception("export failed", extra={"kind": type(error).__name__})


async def claimed(tenant_id: UUID, store: stores.Store) -> Job | None:
    """Take the clinic's export, unless another worker has it; what is over is removed first.

    Its folder is made while its row is locked, so never behind the back of who removes it.
    """
    there = await store.listed(database().clock())
    async with begin(system(tenant_id, job="exports")) as tx:
        over = await tx.values(queries.OVER, tx.now)
        kept = await tx.values(queries.WITH_FILES, tx.now)
        row = await tx.one(queries.CLAIM, tx.now, tx.now + LEASE)
        document = {} if row is None else await actions.document_of(tx, row)
        if row is not None:
            await store.make(row.id)
    await _remove(tenant_id, store, set(there) - set(kept), over)
    if row is None:
        return None
    caller = Caller(
        tenant_id, row.actor_id, row.actor_type, request_id=str(row.id), purpose="operations"
    )
    return Job(row, document, caller, row.place, row.after_id, store)


async def page(job: Job) -> bool:
    """Export the next records; False: the export is not ours any more."""
    kind = KINDS[job.document["types"][job.place]]
    async with begin(job.caller) as tx:
        asked = await asked_of(tx, zones=True)
        wanted = narrowed(job.caller, kind, job.document, asked, began=job.row.created_at)
        after = None if job.after is None else [job.after]
        order = [(kind.id, "uuid", False)]
        statement = composing.page(kind, asked, wanted, order, after=after, limit=PAGE)
        rows = await tx.all(statement, *asked.arguments)
        keys = await tx.keyring()
    if rows:
        await _written(job, kind, rows, keys)
    is_last = len(rows) < PAGE
    job.place, job.after = (job.place + 1, None) if is_last else (job.place, rows[-1].id)
    async with begin(system(job.caller.tenant_id, job="exports")) as tx:
        is_ours = await tx.run(
            queries.PROGRESS, job.row.id, job.row.fence, job.place, job.after, len(rows),
            tx.now + LEASE,
        )  # fmt: skip
        if is_ours and rows and job.file is not None:
            one = job.file
            await tx.run(
                queries.PUT_FILE, one.id, tx.caller.tenant_id, job.row.id, one.type, one.count,
                one.frames, one.stored,
            )  # fmt: skip
    if job.file is not None and (is_last or job.file.stored >= FULL):
        job.file = None
    return bool(is_ours)


async def _written(job: Job, kind: Kind, rows: list[Any], keys: Any) -> None:
    """Audit the records as seen, and write them at the end of the file."""
    if kind.entity is not None:
        # Of the audit's own entries one for the page: else each export would double it.
        ids = [] if kind.grows else [row.id for row in rows]
        await note_read(job.caller, entity_type=kind.entity, seen=ids, action="export")
    lines = b"".join(dumps(rendered(job.caller, kind, row)) + b"\n" for row in rows)
    one = job.file or queries.File(new_id(), kind.name, 0, 0, 0)
    frame = files.sealed(keys, one.id, one.frames, lines)
    stored = await job.store.append(job.row.id, one, frame)
    job.file = replace(one, count=one.count + len(rows), frames=one.frames + 1, stored=stored)


async def _let_go(job: Job) -> None:
    async with begin(system(job.caller.tenant_id, job="exports")) as tx:
        await tx.run(queries.RELEASE, job.row.id, job.row.fence)
        tx.wake(actions.LOOP)


async def _end(job: Job, state: str) -> bool:
    """Write down how it ended, if it is ours."""
    async with begin(system(job.caller.tenant_id, job="exports")) as tx:
        until = tx.now + timedelta(hours=tx.settings.fhir_export_hours)
        is_ours = await tx.run(queries.END, job.row.id, job.row.fence, state, until)
        if is_ours:
            await record(
                tx, action=state, entity_type=actions.ENTITY, entity_id=job.row.id,
                after={"state": state, "expires_at": until},
            )  # fmt: skip
        if state == "failed":
            tx.wake(actions.LOOP)  # its files go at once
    return bool(is_ours)


async def _remove(
    tenant_id: UUID, store: stores.Store, strays: set[UUID], over: list[UUID]
) -> None:
    """Remove folders, then the rows of exports that are over; a row stays while its folder does."""
    for export_id in strays.union(over):
        try:
            await store.remove(export_id)
        except (OSError, Unavailable) as error:
            log.warning("export not removed", extra={"kind": type(error).__name__})
            over = [one for one in over if one != export_id]
    if not over:
        return
    async with begin(system(tenant_id, job="exports")) as tx:
        await tx.run(queries.FORGET_FILES, over)
        await tx.run(queries.FORGET, over)
