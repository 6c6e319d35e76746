"""/api/v1/patients/{patient_id}/medications/check and /api/v1/interaction-sets."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security

from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.medications.interactions import actions, schemas, service
from chroniccare.medications.interactions.checking import Drug, check
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import IdempotencyKey, KeyFirst, answer, authorise, post
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1", tags=["medications"], route_class=KeyFirst)

MedicationsRead = Annotated[Caller, Security(authorise, scopes=["medications:read"])]
MedicationsWrite = Annotated[Caller, Security(authorise, scopes=["medications:write"])]


@router.post(
    "/patients/{patient_id}/medications/check",
    summary="Check a drug without prescribing it",
    response_model=Data[schemas.Check],
    responses=errors(404, 409, 413, 422),
)
async def check_drug(
    patient_id: UUID,
    body: schemas.CheckWrite,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answer what speaks against it: what prescribing it would say, and nothing is written."""
    drug = Drug(body.name, body.generic_name, body.rxnorm_code)
    advice = await service.ask(
        caller, patient_id=patient_id, provider_id=body.prescribing_provider_id, drug=drug
    )
    async with begin(caller) as tx:

        async def work() -> Reply:
            await patients.get(tx, patient_id)
            found = await check(tx, patient_id=patient_id, drug=drug, without=body.without)
            return Reply(200, wire.dumps(service.merged(found, advice)))

        response = await post(tx, request, idempotency_key, work)
    await note_read(caller, entity_type="patient", seen=[patient_id], action="check")
    return response


@router.get(
    "/interaction-sets",
    summary="List what checks look into",
    response_model=Data[schemas.InteractionSets],
    responses=errors(),
)
async def list_interaction_sets(caller: MedicationsRead) -> Response:
    """Answer the built-in set, those that the site has imported, and the classes of allergies."""
    async with begin(caller) as tx:
        found = await actions.listed(tx)
    return answer(caller, wire.dumps(found))
