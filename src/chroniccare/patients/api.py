"""/api/v1/patients."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Day, Line, Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.patients import actions, schemas
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tenancy.api import (
    CONDITIONAL,
    Cursor,
    IdempotencyKey,
    Ids,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    authorise,
    check_version,
    create,
    page,
    post,
    record,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/patients", tags=["patients"], route_class=KeyFirst)

PatientsRead = Annotated[Caller, Security(authorise, scopes=["patients:read"])]
PatientsWrite = Annotated[Caller, Security(authorise, scopes=["patients:write"])]


_replayed = partial(replayed, entity_type="patient")


@router.get(
    "/{patient_id}",
    summary="Read a patient",
    response_model=Data[schemas.Patient],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_patient(patient_id: UUID, request: Request, caller: PatientsRead) -> Response:
    """Answer one patient with its ETag; the read is written to the audit first."""
    found = await actions.rendered(caller, patient_id)
    return record(caller, request, found.data, version=found.version)


@router.get(
    "",
    summary="List and search patients",
    response_model=Listed[schemas.Patient],
    responses=errors(),
)
async def list_patients(
    caller: PatientsRead,
    id_: Ids = None,
    name: Annotated[
        Line | None,
        Query(description="Words that begin a name; one typing error a word is forgiven."),
    ] = None,
    mrn: Annotated[Word | None, Query(description="Exact MRN.")] = None,
    date_of_birth: Annotated[Day | None, Query(description="Exact birth date.")] = None,
    treatment_status: Annotated[
        schemas.TreatmentStatus | None, Query(description="Where treatment stands.")
    ] = None,
    primary_provider_id: Annotated[
        UUID | None, Query(description="Patients whose primary provider this is.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by last name; every patient in it is noted in the audit as seen."""
    filters = [mrn, date_of_birth, treatment_status, primary_provider_id, id_ or None]
    data = await actions.listed(caller, filters=filters, name=name, cursor=cursor, limit=limit)
    return answer(caller, data)


@router.post(
    "",
    status_code=201,
    summary="Register a patient",
    response_model=Data[schemas.PatientWritten],
    responses=errors(409, 413, 422),
)
async def create_patient(
    body: schemas.PatientWrite,
    request: Request,
    caller: PatientsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Register a patient; the MRN must be free."""

    async def made(tx: Tx) -> actions.Written:
        return actions.written(await actions.create(tx, body))

    return await create(caller, request, idempotency_key, made, replayed=_replayed)


@router.put(
    "/{patient_id}",
    summary="Replace a patient",
    response_model=Data[schemas.PatientWritten],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_patient(
    patient_id: UUID, body: schemas.PatientWrite, caller: PatientsWrite, if_match: IfMatch = None
) -> Response:
    """Replace every field; with If-Match only if nobody changed the record since."""
    async with begin(caller) as tx:
        patient = await actions.get_locked(tx, patient_id)
        check_version(if_match, patient.version)
        changed = await actions.update(tx, patient, body)
    return answer(caller, wire.dumps(actions.written(changed)), etag=changed.version)


@router.delete(
    "/{patient_id}",
    summary="Remove a patient",
    response_model=Data[None],
    responses=errors(404, 409, 412),
)
async def delete_patient(
    patient_id: UUID, caller: PatientsWrite, if_match: IfMatch = None
) -> Response:
    """Remove a patient softly: the record is kept, but no longer found."""
    async with begin(caller) as tx:
        patient = await actions.get_locked(tx, patient_id)
        check_version(if_match, patient.version)
        await actions.delete(tx, patient)
    return answer(caller, b"null")


@router.get(
    "/{patient_id}/providers",
    summary="List a patient's providers",
    response_model=Listed[schemas.Assignment],
    responses=errors(404),
)
async def list_assignments(
    patient_id: UUID,
    caller: PatientsRead,
    include_ended: Annotated[bool, Query(description="Include assignments that ended.")] = False,  # noqa: FBT002  a query parameter
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of who cares for the patient, the oldest assignment first."""
    async with begin(caller) as tx:
        found = await actions.assignments(
            tx, patient_id, include_ended=include_ended, cursor=cursor, limit=limit
        )
    await note_read(caller, entity_type="patient", seen=[patient_id], action="read_providers")
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/{patient_id}/providers",
    status_code=201,
    summary="Assign a provider to a patient",
    response_model=Data[schemas.Assignment],
    responses=errors(404, 409, 413, 422),
)
async def assign_provider(
    patient_id: UUID,
    body: schemas.AssignmentWrite,
    request: Request,
    caller: PatientsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Assign a provider; a new primary provider takes over from the old one."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            made = await actions.assign(tx, patient_id, body)
            location = f"{router.prefix}/{patient_id}"  # where what it shows belongs
            return Reply(201, wire.dumps(made), {"location": location})

        return await post(tx, request, idempotency_key, work, replayed=_replayed)


@router.delete(
    "/{patient_id}/providers/{provider_id}",
    summary="End a provider's assignment",
    response_model=Data[None],
    responses=errors(404),
)
async def unassign_provider(patient_id: UUID, provider_id: UUID, caller: PatientsWrite) -> Response:
    """End the assignment; it stays in the history."""
    async with begin(caller) as tx:
        await actions.unassign(tx, patient_id, provider_id)
    return answer(caller, b"null")
