"""Exports: asked for, followed, cancelled and fetched by the program that asked."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound, Problem, RateLimited
from chroniccare.core.ids import new_id
from chroniccare.core.wire import dumps
from chroniccare.fhir.actions import base_of
from chroniccare.fhir.dates import OVERLAP
from chroniccare.fhir.exports import files, queries, stores
from chroniccare.fhir.exports.wanted import Wanted, check_types
from chroniccare.platform import sealing
from chroniccare.platform.opening import opened
from chroniccare.platform.postgres import Tx
from chroniccare.settings import Settings

ENTITY = "fhir_export"
LOOP = "exports"
"""Whose ring means that there is something to export."""
RETRY_S = 5
_DOCUMENT = sealing.Column("fhir_exports.document", "record")


class OneAtATime(RateLimited):
    """An export of the clinic is under way."""

    code = "EXPORT_RUNNING"
    message = "An export of this clinic is under way: wait for it, or cancel it."


class ExportFailed(Problem):
    """The export came to nothing; the operator's log says why."""

    code = "EXPORT_FAILED"
    message = "The export failed; begin another."


async def start(tx: Tx, wanted: Wanted) -> UUID:
    """Begin an export.

    Raises:
        OneAtATime: the clinic has one.
    """
    export_id, caller = new_id(), tx.caller
    await tx.run(queries.LOCK, str(caller.tenant_id))  # no erasure is under way
    text = dumps(wanted.document()).decode()
    document = (await tx.keyring()).sealed(_DOCUMENT, export_id, text)
    made = await tx.run(
        queries.INSERT, export_id, caller.tenant_id, caller.actor_id, caller.actor_type, document,
        tx.now,
    )  # fmt: skip
    if not made:
        raise OneAtATime(retry_after=RETRY_S)
    await record(
        tx, action="create", entity_type=ENTITY, entity_id=export_id,
        after={
            "types": wanted.types, "since": wanted.since, "until": wanted.until,
            "patients": None if wanted.patients is None else len(wanted.patients),
        },
    )  # fmt: skip
    tx.wake(LOOP)
    return export_id


async def get(tx: Tx, text: str) -> queries.Export:
    """Return an export of the caller's.

    Raises:
        NotFound: there is none with this id, it was cancelled, or its time is over.
    """
    try:
        export_id = UUID(text)
    except ValueError:
        raise NotFound from None
    row = await tx.one(queries.GET, export_id, tx.caller.actor_id, tx.now)
    if row is None:
        raise NotFound
    return row


async def document_of(tx: Tx, row: queries.Export) -> dict[str, Any]:
    """Return what was asked for."""
    text: str = await opened(tx, lambda keys: keys.unsealed(_DOCUMENT, row.id, row.document))
    found: dict[str, Any] = orjson.loads(text)
    return found


async def check(tx: Tx, row: queries.Export) -> None:
    """Check that the caller may still read all that is exported.

    Raises:
        Forbidden: the scopes are narrower by now.
    """
    check_types(tx.caller, (await document_of(tx, row))["types"])


def address(base: str, export_id: UUID) -> str:
    """Return where an export is followed."""
    return f"{base}/$export/{export_id}"


async def manifest(tx: Tx, row: queries.Export) -> dict[str, Any]:
    """Return what a finished export came to."""
    document = await document_of(tx, row)
    at = address(base_of(tx), row.id)
    return {
        "transactionTime": row.created_at - OVERLAP,
        "request": document["request"],
        "requiresAccessToken": True,
        "outputFormat": "application/fhir+ndjson",
        "output": [
            {"type": one.type, "url": f"{at}/{one.id}", "count": one.count}
            for one in await tx.all(queries.FILES, row.id)
        ],
        "error": [],
        "outcome": [],
    }


async def cancel(tx: Tx, row: queries.Export) -> None:
    """End an export, or forget one that is done; the worker removes its files."""
    await tx.run(queries.CANCEL, row.id)
    await record(tx, action="delete", entity_type=ENTITY, entity_id=row.id)
    tx.wake(LOOP)


async def fetch(tx: Tx, row: queries.Export, text: str) -> AsyncIterator[bytes]:
    """Return the lines of one file, a frame at a time; that they are fetched is audited.

    Raises:
        NotFound: there is no such file, or the export is not done.
        Forbidden: the caller's scopes, which were wider, do not open its type.
    """
    try:
        file_id = UUID(text)
    except ValueError:
        raise NotFound from None
    file = await tx.one(queries.GET_FILE, row.id, file_id)
    if file is None or row.state != "done":
        raise NotFound
    check_types(tx.caller, [file.type])
    await record(
        tx, action="download", entity_type=ENTITY, entity_id=row.id,
        after={"file": file.id, "type": file.type, "count": file.count},
    )  # fmt: skip
    keys = await tx.keyring(afresh=True)
    return _lines(tx.caller, row.id, file, keys, tx.settings)


async def _lines(
    caller: Caller, export_id: UUID, file: queries.File, keys: sealing.Keyring, settings: Settings
) -> AsyncIterator[bytes]:
    frame = 0
    async with stores.opened(settings, caller.tenant_id) as store:
        async for data in store.read(export_id, file):
            yield files.unsealed(keys, file.id, frame, data)
            frame += 1
