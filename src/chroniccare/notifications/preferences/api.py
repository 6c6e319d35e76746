"""/api/v1/patients/{patient_id}/notification-preferences."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security

from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.notifications.preferences import actions, schemas
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import (
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    answer,
    authorise,
    check_version,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(
    prefix="/api/v1/patients/{patient_id}/notification-preferences",
    tags=["notifications"],
    route_class=KeyFirst,
)

PatientsRead = Annotated[Caller, Security(authorise, scopes=["patients:read"])]
PatientsWrite = Annotated[Caller, Security(authorise, scopes=["patients:write"])]


@router.get(
    "",
    summary="Read notification preferences",
    response_model=Data[schemas.Preferences],
    responses=errors(404),
)
async def read_preferences(patient_id: UUID, caller: PatientsRead) -> Response:
    """Answer what the patient chose and, by category and channel, whether a message may go out."""
    async with begin(caller) as tx:
        found = await actions.shown(tx, patient_id)
    await note_read(caller, entity_type="patient", seen=[patient_id], action="read_preferences")
    return answer(caller, wire.dumps(found), etag=found["version"])


@router.put(
    "",
    summary="Replace notification preferences",
    response_model=Data[schemas.Preferences],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_preferences(
    patient_id: UUID,
    body: schemas.PreferencesWrite,
    caller: PatientsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace them; messages that wait follow what stands here when they are due."""
    async with begin(caller) as tx:
        stored = await actions.locked(tx, patient_id)
        check_version(if_match, stored.version)
        changed = await actions.replace(tx, stored, body)
    return answer(caller, wire.dumps(changed), etag=changed["version"])


@router.post(
    "/resubscribe",
    summary="Resubscribe a patient",
    response_model=Data[schemas.Preferences],
    responses=errors(404, 409, 413, 422),
)
async def resubscribe_patient(
    patient_id: UUID,
    body: schemas.ResubscribeWrite,
    request: Request,
    caller: PatientsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take the patient's addresses off the opt-out list of a channel, because they asked for it."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            return Reply(200, wire.dumps(await actions.resubscribe(tx, patient_id, body)))

        return await post(tx, request, idempotency_key, work)
