"""/api/v1/patients/{patient_id}/allergies."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.medications.allergies import actions, schemas
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import (
    CONDITIONAL,
    Cursor,
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    authorise,
    check_version,
    create,
    page,
    record,
)

router = APIRouter(
    prefix="/api/v1/patients/{patient_id}/allergies", tags=["medications"], route_class=KeyFirst
)

MedicationsRead = Annotated[Caller, Security(authorise, scopes=["medications:read"])]
MedicationsWrite = Annotated[Caller, Security(authorise, scopes=["medications:write"])]

_replayed = partial(replayed, entity_type=actions.ENTITY)


@router.get(
    "/{allergy_id}",
    summary="Read an allergy",
    response_model=Data[schemas.Allergy],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_allergy(
    patient_id: UUID, allergy_id: UUID, request: Request, caller: MedicationsRead
) -> Response:
    """Answer one allergy with its ETag."""
    async with begin(caller) as tx:
        found = await actions.get(tx, patient_id, allergy_id)
    await note_read(caller, entity_type=actions.ENTITY, seen=[allergy_id])
    return record(caller, request, wire.dumps(found), version=found.version)


@router.get(
    "",
    summary="List a patient's allergies",
    response_model=Listed[schemas.Allergy],
    responses=errors(404),
)
async def list_allergies(
    patient_id: UUID, caller: MedicationsRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the oldest record first."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, patient_id, cursor=cursor, limit=limit)
    seen = [one.id for one in found.items]
    await note_read(caller, entity_type=actions.ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.post(
    "",
    status_code=201,
    summary="Record an allergy",
    response_model=Data[schemas.Allergy],
    responses=errors(404, 409, 413, 422),
)
async def create_allergy(
    patient_id: UUID,
    body: schemas.AllergyWrite,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Record what the patient is allergic to; what is prescribed later is checked against it."""
    return await create(
        caller, request, idempotency_key, lambda tx: actions.create(tx, patient_id, body),
        replayed=_replayed,
    )  # fmt: skip


@router.put(
    "/{allergy_id}",
    summary="Replace an allergy",
    response_model=Data[schemas.Allergy],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_allergy(
    patient_id: UUID,
    allergy_id: UUID,
    body: schemas.AllergyWrite,
    caller: MedicationsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace every field; with If-Match only if nobody changed the record since."""
    async with begin(caller) as tx:
        allergy = await actions.get_locked(tx, patient_id, allergy_id)
        check_version(if_match, allergy.version)
        changed = await actions.update(tx, allergy, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/{allergy_id}",
    summary="Remove an allergy",
    response_model=Data[None],
    responses=errors(404, 412),
)
async def delete_allergy(
    patient_id: UUID, allergy_id: UUID, caller: MedicationsWrite, if_match: IfMatch = None
) -> Response:
    """Remove it; the audit keeps what it said."""
    async with begin(caller) as tx:
        allergy = await actions.get_locked(tx, patient_id, allergy_id)
        check_version(if_match, allergy.version)
        await actions.delete(tx, allergy)
    return answer(caller, b"null")
