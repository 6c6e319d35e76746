"""/api/v1/medications/{medication_id}/fills and /supply: what was dispensed, how long it lasts."""

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
from chroniccare.medications.fills import actions, schemas
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import (
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
)

router = APIRouter(
    prefix="/api/v1/medications/{medication_id}", tags=["medications"], route_class=KeyFirst
)

MedicationsRead = Annotated[Caller, Security(authorise, scopes=["medications:read"])]
MedicationsWrite = Annotated[Caller, Security(authorise, scopes=["medications:write"])]

_AGAIN = partial(replayed, entity_type=actions.ENTITY)


@router.post(
    "/fills",
    status_code=201,
    summary="Record a fill",
    response_model=Data[schemas.Fill],
    responses=errors(404, 409, 413, 422),
)
async def record_fill(
    medication_id: UUID,
    body: schemas.FillWrite,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Record what was dispensed; refills, supply and reminders follow."""
    return await create(
        caller, request, idempotency_key, lambda tx: actions.add(tx, medication_id, body),
        replayed=_AGAIN,
    )  # fmt: skip


@router.get(
    "/fills", summary="List fills", response_model=Listed[schemas.Fill], responses=errors(404)
)
async def list_fills(
    medication_id: UUID,
    caller: MedicationsRead,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the latest day first, those taken back as well; audited."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, medication_id, cursor=cursor, limit=limit)
    seen = [fill.id for fill in found.items]
    await note_read(caller, entity_type=actions.ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/fills/{fill_id}",
    summary="Read a fill",
    response_model=Data[schemas.Fill],
    responses=errors(404),
)
async def read_fill(medication_id: UUID, fill_id: UUID, caller: MedicationsRead) -> Response:
    """Answer one fill with its ETag; audited."""
    async with begin(caller) as tx:
        found = await actions.get(tx, medication_id, fill_id)
    await note_read(caller, entity_type=actions.ENTITY, seen=[fill_id])
    return answer(caller, wire.dumps(found), etag=found.version)


@router.delete(
    "/fills/{fill_id}",
    summary="Take back a fill",
    response_model=Data[schemas.Fill],
    responses=errors(404, 409, 412),
)
async def void_fill(
    medication_id: UUID, fill_id: UUID, caller: MedicationsWrite, if_match: IfMatch = None
) -> Response:
    """Void a fill that was entered by mistake; it stays to be seen and counts no more."""
    async with begin(caller) as tx:
        fill = await actions.get(tx, medication_id, fill_id, lock=True)
        check_version(if_match, fill.version)
        voided = await actions.void(tx, medication_id, fill)
    return answer(caller, wire.dumps(voided), etag=voided.version)


@router.get(
    "/supply",
    summary="Read a supply",
    response_model=Data[schemas.Supply],
    responses=errors(404),
)
async def read_supply(medication_id: UUID, caller: MedicationsRead) -> Response:
    """Answer until when the medication lasts by what was dispensed; audited."""
    async with begin(caller) as tx:
        found = await actions.supply(tx, medication_id)
    await note_read(caller, entity_type="medication", seen=[medication_id], action="read_supply")
    return answer(caller, wire.dumps(found))
