"""/api/v1/patients/{patient_id}/related-persons."""

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
from chroniccare.notifications.preferences.schemas import ResubscribeWrite
from chroniccare.notifications.proxies import actions, schemas
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
    post,
    record,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(
    prefix="/api/v1/patients/{patient_id}/related-persons", tags=["patients"],
    route_class=KeyFirst,
)  # fmt: skip

PatientsRead = Annotated[Caller, Security(authorise, scopes=["patients:read"])]
PatientsWrite = Annotated[Caller, Security(authorise, scopes=["patients:write"])]

_replayed = partial(replayed, entity_type="related_person")


@router.get(
    "/{related_person_id}",
    summary="Read a related person",
    response_model=Data[schemas.RelatedPerson],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_related_person(
    patient_id: UUID, related_person_id: UUID, request: Request, caller: PatientsRead
) -> Response:
    """Answer one related person with their ETag."""
    async with begin(caller) as tx:
        found = await actions.get(tx, patient_id, related_person_id)
    await note_read(caller, entity_type="related_person", seen=[related_person_id])
    return record(caller, request, wire.dumps(found), version=found.version)


@router.get(
    "",
    summary="List a patient's related persons",
    response_model=Listed[schemas.RelatedPerson],
    responses=errors(404),
)
async def list_related_persons(
    patient_id: UUID, caller: PatientsRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the oldest record first."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, patient_id, cursor=cursor, limit=limit)
    seen = [one.id for one in found.items]
    await note_read(caller, entity_type="related_person", seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.post(
    "",
    status_code=201,
    summary="Register a related person",
    response_model=Data[schemas.RelatedPerson],
    responses=errors(404, 409, 413, 422),
)
async def create_related_person(
    patient_id: UUID,
    body: schemas.RelatedPersonWrite,
    request: Request,
    caller: PatientsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Register somebody who receives messages; they receive those that wait already, too."""
    return await create(
        caller, request, idempotency_key, lambda tx: actions.create(tx, patient_id, body),
        replayed=_replayed,
    )  # fmt: skip


@router.put(
    "/{related_person_id}",
    summary="Replace a related person",
    response_model=Data[schemas.RelatedPerson],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_related_person(
    patient_id: UUID,
    related_person_id: UUID,
    body: schemas.RelatedPersonWrite,
    caller: PatientsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace every field; with If-Match only if nobody changed the record since."""
    async with begin(caller) as tx:
        person = await actions.get_locked(tx, patient_id, related_person_id)
        check_version(if_match, person.version)
        changed = await actions.update(tx, person, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/{related_person_id}",
    summary="Remove a related person",
    response_model=Data[None],
    responses=errors(404, 412),
)
async def delete_related_person(
    patient_id: UUID, related_person_id: UUID, caller: PatientsWrite, if_match: IfMatch = None
) -> Response:
    """Remove them: nothing more is sent to them, and how to reach them is forgotten."""
    async with begin(caller) as tx:
        person = await actions.get_locked(tx, patient_id, related_person_id)
        check_version(if_match, person.version)
        await actions.delete(tx, person)
    return answer(caller, b"null")


@router.post(
    "/{related_person_id}/resubscribe",
    summary="Resubscribe a related person",
    response_model=Data[schemas.RelatedPerson],
    responses=errors(404, 409, 413, 422),
)
async def resubscribe_related_person(
    patient_id: UUID,
    related_person_id: UUID,
    body: ResubscribeWrite,
    request: Request,
    caller: PatientsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take their addresses off the opt-out list of a channel, because they asked for it."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            person = await actions.get_locked(tx, patient_id, related_person_id)
            return Reply(200, wire.dumps(await actions.resubscribe(tx, person, body)))

        return await post(tx, request, idempotency_key, work)
