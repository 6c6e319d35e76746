"""/api/v1/staff/{id}/password."""

from functools import partial
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.platform.postgres import begin
from chroniccare.staff.accounts import actions, schemas
from chroniccare.tenancy.api import IdempotencyKey, KeyFirst, authorise, post
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/staff", tags=["staff"], route_class=KeyFirst)

StaffWrite = Annotated[Caller, Security(authorise, scopes=["staff:write"])]


@router.post(
    "/{staff_id}/password",
    summary="Give a member of staff a password",
    response_model=Data[schemas.PasswordGiven],
    responses=errors(404, 409, 413, 422),
)
async def give_password(
    staff_id: UUID,
    body: schemas.PasswordReset,
    request: Request,
    caller: StaffWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Sign them out everywhere; with the password they sign in once, and choose their own."""
    password, kept = await actions.new_password()
    made: list[str] = []
    async with begin(caller) as tx:

        async def work() -> Reply:
            given = await actions.put_password(
                tx, staff_id, kept, factor_too=body.remove_second_factor
            )
            made.append(password)
            return Reply(200, wire.dumps(given))

        return await post(tx, request, idempotency_key, work, shown=partial(_told, made))


def _told(made: list[str], reply: Reply) -> bytes:
    """Return the answer with the password in it, which is kept nowhere."""
    return wire.dumps({**orjson.loads(reply.data), "password": made[0] if made else None})
