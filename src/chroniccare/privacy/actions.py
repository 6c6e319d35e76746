"""Exports of everything about a patient, as a job that is kept with what it came to."""

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging, wire
from chroniccare.core.errors import NotFound
from chroniccare.core.ids import new_id
from chroniccare.platform import sealing
from chroniccare.platform.opening import opened
from chroniccare.platform.postgres import Tx
from chroniccare.privacy import queries

ENTITY = "privacy_job"
_BUNDLE = sealing.Column("privacy_jobs.bundle", "record")
_KEPT = timedelta(days=7)
"""How long an export can be fetched: it is a second copy of all there is about somebody."""


async def export(tx: Tx, patient_id: UUID, *, reason: str) -> queries.Job:
    """Put together everything about a patient, also one who was removed.

    Raises:
        NotFound: no such patient.
    """
    await check_patient(tx, patient_id)
    await tx.plan_afresh()
    parts = await tx.all(queries.BUNDLE, patient_id)
    tables = await opened(tx, lambda keyring: _clear(parts, keyring))
    bundle = wire.dumps({"patient_id": patient_id, "exported_at": tx.now, "tables": tables})
    report = {
        "rows": {name: len(rows) for name, rows in tables.items()},
        "bytes": len(bundle),
        "sha256": hashlib.sha256(bundle).hexdigest(),
    }
    job = await write(
        tx, "export", patient_id, reason=reason, report=report, bundle=bundle, until=tx.now + _KEPT
    )
    await record(
        tx, action="export", entity_type="patient", entity_id=patient_id,
        after={"job_id": job.id, "reason": reason, **report},
    )  # fmt: skip
    return job


def _clear(parts: list[queries.Part], keyring: sealing.Keyring) -> dict[str, Any]:
    """Return the rows by table, sealed fields in clear."""
    return {
        part.name: [keyring.opened_row(queries.OPENS.get(part.name, ()), row) for row in part.rows]
        for part in parts
        if part.rows
    }


async def check_patient(tx: Tx, patient_id: UUID) -> None:
    """Check that there is a patient, or was one.

    Raises:
        NotFound: there never was.
    """
    if not await tx.value(queries.PATIENT_EXISTS, patient_id):
        raise NotFound("No such patient.")


async def get(tx: Tx, job_id: UUID) -> queries.Job:
    """Return one job.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    job = await tx.one(queries.GET, job_id)
    if job is None:
        raise NotFound("No such job.")
    return job


async def bundle(tx: Tx, job: queries.Job) -> bytes:
    """Return what a job exported, as JSON.

    Raises:
        NotFound: it exported nothing, its time is over, or the patient was erased.
    """
    found: bytes | None = await tx.value(queries.GET_BUNDLE, job.id, tx.now)
    if found is None:
        raise NotFound("This job has nothing to fetch, or no longer.")
    if not sealing.is_sealed_bytes(found):  # from before the tenant had keys
        return found
    return await opened(tx, lambda keyring: keyring.unseal(_BUNDLE, job.id, found))


async def listed(
    tx: Tx, *, filters: list[Any], cursor: str | None, limit: int
) -> paging.Page[queries.Job]:
    """Return one page of jobs, the latest first; `filters` are patient and kind, each or None."""
    after = paging.decode(cursor, "privacy", filters, [datetime.fromisoformat, UUID])
    await tx.plan_afresh()
    rows = await tx.all(queries.LIST, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing="privacy", filters=filters, key=lambda row: [row.created_at, row.id]
    )


async def tidy(tx: Tx) -> int:
    """Forget exports whose time is over; return how many."""
    return await tx.run(queries.FORGET_BUNDLES, tx.now)


async def write(
    tx: Tx, kind: str, patient_id: UUID | None, *, reason: str, report: dict[str, Any],
    bundle: bytes | None = None, until: datetime | None = None,
) -> queries.Job:  # fmt: skip
    """Keep what was done, with its report."""
    job_id = new_id()
    if bundle is not None:
        bundle = (await tx.keyring()).seal(_BUNDLE, job_id, bundle)
    job = await tx.one(
        queries.INSERT, job_id, tx.caller.tenant_id, kind, patient_id, reason, report, bundle,
        until, tx.now,
    )  # fmt: skip
    if job is None:
        raise NotFound
    return job
