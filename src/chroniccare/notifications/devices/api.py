"""/api/v1/patients/{patient_id}/devices."""

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
from chroniccare.notifications.devices import actions, schemas
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
    prefix="/api/v1/patients/{patient_id}/devices", tags=["patients"], route_class=KeyFirst
)

PatientsRead = Annotated[Caller, Security(authorise, scopes=["patients:read"])]
PatientsWrite = Annotated[Caller, Security(authorise, scopes=["patients:write"])]

_replayed = partial(replayed, entity_type=actions.ENTITY)


@router.get(
    "/{device_id}",
    summary="Read a device",
    response_model=Data[schemas.Device],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_device(
    patient_id: UUID, device_id: UUID, request: Request, caller: PatientsRead
) -> Response:
    """Answer one device with its ETag, without its token."""
    async with begin(caller) as tx:
        found = await actions.get(tx, patient_id, device_id)
    await note_read(caller, entity_type=actions.ENTITY, seen=[device_id])
    return record(caller, request, wire.dumps(found), version=found.version)


@router.get(
    "",
    summary="List a patient's devices",
    response_model=Listed[schemas.Device],
    responses=errors(404),
)
async def list_devices(
    patient_id: UUID, caller: PatientsRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
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
    summary="Register a device",
    response_model=Data[schemas.Device],
    responses=errors(404, 409, 413, 422),
)
async def register_device(
    patient_id: UUID,
    body: schemas.DeviceWrite,
    request: Request,
    caller: PatientsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Register a device for push messages; a token that is known names its device again."""
    return await create(
        caller, request, idempotency_key, lambda tx: actions.register(tx, patient_id, body),
        replayed=_replayed,
    )  # fmt: skip


@router.put(
    "/{device_id}",
    summary="Replace a device",
    response_model=Data[schemas.Device],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_device(
    patient_id: UUID,
    device_id: UUID,
    body: schemas.DeviceWrite,
    caller: PatientsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace the token, when the push service gave the app another one, and what is known."""
    async with begin(caller) as tx:
        device = await actions.get_locked(tx, patient_id, device_id)
        check_version(if_match, device.version)
        changed = await actions.update(tx, device, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/{device_id}",
    summary="Remove a device",
    response_model=Data[None],
    responses=errors(404, 412),
)
async def delete_device(
    patient_id: UUID, device_id: UUID, caller: PatientsWrite, if_match: IfMatch = None
) -> Response:
    """Remove it: nothing more is sent there, and its token is forgotten."""
    async with begin(caller) as tx:
        device = await actions.get_locked(tx, patient_id, device_id)
        check_version(if_match, device.version)
        await actions.remove(tx, device)
    return answer(caller, b"null")
