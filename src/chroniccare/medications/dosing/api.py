"""/api/v1/medications/sig: sig text read, and nothing written."""

from typing import Annotated

from fastapi import APIRouter, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.medications.dosing import reading, schemas
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import IdempotencyKey, KeyFirst, authorise, post
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/medications", tags=["medications"], route_class=KeyFirst)

MedicationsWrite = Annotated[Caller, Security(authorise, scopes=["medications:write"])]


@router.post(
    "/sig",
    summary="Read a sig text",
    response_model=Data[schemas.SigRead],
    responses=errors(409, 413, 422),
)
async def read_sig(
    body: schemas.SigWrite,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answer what a text says in FHIR and in words, or 422 with what is not understood."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            return Reply(200, wire.dumps(reading.read_sig(body)), {})

        return await post(tx, request, idempotency_key, work)
