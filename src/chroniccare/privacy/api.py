"""/api/v1/patients/{patient_id}/export and /api/v1/privacy-jobs."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller, at_request
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.privacy import actions, erasing, schemas
from chroniccare.tenancy.api import (
    Cursor,
    IdempotencyKey,
    KeyFirst,
    Limit,
    answer,
    authorise,
    page,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1", tags=["privacy"], route_class=KeyFirst)

PrivacyRead = Annotated[Caller, Security(authorise, scopes=["privacy:read"])]
PrivacyWrite = Annotated[Caller, Security(authorise, scopes=["privacy:write"])]
JOBS = f"{router.prefix}/privacy-jobs"

_replayed = partial(replayed, entity_type=actions.ENTITY)


@router.post(
    "/patients/{patient_id}/export",
    status_code=201,
    summary="Export everything about a patient",
    response_model=Data[schemas.Job],
    responses=errors(404, 409, 413, 422),
)
async def export_patient(
    patient_id: UUID,
    body: schemas.Request,
    request: Request,
    caller: PrivacyWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put everything about a patient together; its `Location` is the job.

    The bundle is fetched from the job for seven days. A patient who was removed can be exported.
    """
    async with begin(at_request(caller)) as tx:

        async def work() -> Reply:
            job = await actions.export(tx, patient_id, reason=body.reason)
            return Reply(201, wire.dumps(job), {"location": f"{JOBS}/{job.id}"})

        return await post(tx, request, idempotency_key, work, replayed=_replayed)


@router.post(
    "/patients/{patient_id}/erase",
    status_code=201,
    summary="Erase a patient",
    response_model=Data[schemas.Job],
    responses=errors(404, 409, 413, 422),
)
async def erase_patient(
    patient_id: UUID,
    body: schemas.Request,
    request: Request,
    caller: PrivacyWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Overwrite what names the patient, for good; its `Location` is the job.

    Visits to come are cancelled and messages are not sent. The audit is kept. Under a legal hold it
    answers 409.
    """
    async with begin(at_request(caller)) as tx:

        async def work() -> Reply:
            job = await erasing.erase(tx, patient_id, reason=body.reason)
            return Reply(201, wire.dumps(job), {"location": f"{JOBS}/{job.id}"})

        return await post(tx, request, idempotency_key, work, replayed=_replayed)


@router.get(
    "/patients/{patient_id}/legal-hold",
    summary="Read the legal hold on a patient",
    response_model=Data[schemas.Hold],
    responses=errors(404),
)
async def read_hold(patient_id: UUID, caller: PrivacyRead) -> Response:
    """Answer why the patient's data must be kept; 404 when nothing says so."""
    async with begin(caller) as tx:
        found = await erasing.held(tx, patient_id)
    await note_read(caller, entity_type="patient", seen=[patient_id], action="read_hold")
    return answer(caller, wire.dumps(found))


@router.put(
    "/patients/{patient_id}/legal-hold",
    summary="Place a legal hold on a patient",
    response_model=Data[schemas.Hold],
    responses=errors(404, 413, 422),
)
async def place_hold(patient_id: UUID, body: schemas.Request, caller: PrivacyWrite) -> Response:
    """Forbid erasing the patient until the hold is lifted; a second one replaces the reason."""
    async with begin(caller) as tx:
        placed = await erasing.hold(tx, patient_id, reason=body.reason)
    return answer(caller, wire.dumps(placed))


@router.delete(
    "/patients/{patient_id}/legal-hold",
    summary="Lift the legal hold on a patient",
    response_model=Data[None],
    responses=errors(404),
)
async def lift_hold(patient_id: UUID, caller: PrivacyWrite) -> Response:
    """Allow erasing the patient again; who lifted it is in the audit."""
    async with begin(caller) as tx:
        await erasing.lift(tx, patient_id)
    return answer(caller, b"null")


@router.get(
    "/privacy-jobs",
    summary="List exports, erasures and what was kept long enough",
    response_model=Listed[schemas.Job],
    responses=errors(),
)
async def list_privacy_jobs(
    caller: PrivacyRead,
    patient_id: Annotated[UUID | None, Query(description="Of this patient.")] = None,
    kind: Annotated[schemas.Kind | None, Query(description="Of this kind.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the latest first."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, filters=[patient_id, kind], cursor=cursor, limit=limit)
    seen = [job.id for job in found.items]
    await note_read(caller, entity_type=actions.ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/privacy-jobs/{job_id}",
    summary="Read an export or erasure",
    response_model=Data[schemas.Job],
    responses=errors(404),
)
async def read_privacy_job(job_id: UUID, caller: PrivacyRead) -> Response:
    """Answer one job with its report."""
    async with begin(caller) as tx:
        job = await actions.get(tx, job_id)
    await note_read(caller, entity_type=actions.ENTITY, seen=[job_id])
    return answer(caller, wire.dumps(job))


@router.get(
    "/privacy-jobs/{job_id}/bundle",
    summary="Fetch what was exported",
    response_model=Data[schemas.Bundle],
    responses=errors(404),
)
async def read_bundle(job_id: UUID, caller: PrivacyRead) -> Response:
    """Answer everything about the patient as JSON; it is noted as a read of the patient."""
    async with begin(caller) as tx:
        job = await actions.get(tx, job_id)
        data = await actions.bundle(tx, job)
    seen = [job.patient_id] if job.patient_id else []
    asked = at_request(caller)
    await note_read(asked, entity_type="patient", seen=seen, action="read_export")
    return answer(caller, data)
