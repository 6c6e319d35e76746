"""/api/v1/patients/{patient_id}/medications and /api/v1/medications/{medication_id}."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.medications import actions, lifecycle, schemas
from chroniccare.medications.actions import Shown
from chroniccare.medications.interacting import asked, drug_in
from chroniccare.medications.interactions import service
from chroniccare.medications.queries import Medication
from chroniccare.platform.postgres import Tx, begin
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

router = APIRouter(prefix="/api/v1", tags=["medications"], route_class=KeyFirst)

MedicationsRead = Annotated[Caller, Security(authorise, scopes=["medications:read"])]
MedicationsWrite = Annotated[Caller, Security(authorise, scopes=["medications:write"])]
SEEN_AGAIN = partial(replayed, entity_type=actions.ENTITY)
_BELOW = "/api/v1/medications"


@router.get(
    "/patients/{patient_id}/medications",
    summary="List a patient's medications",
    response_model=Listed[schemas.Medication],
    responses=errors(404),
)
async def list_medications(
    patient_id: UUID,
    caller: MedicationsRead,
    status: Annotated[
        schemas.Status | None, Query(description="Only in this state; all unless told.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the newest first; every prescription in it is noted in the audit as seen."""
    data = await actions.listed(caller, patient_id, status=status, cursor=cursor, limit=limit)
    return answer(caller, data)


@router.post(
    "/patients/{patient_id}/medications",
    status_code=201,
    summary="Prescribe a medication",
    response_model=Data[schemas.Medication],
    responses=errors(404, 409, 413, 422),
)
async def create_medication(
    patient_id: UUID,
    body: schemas.MedicationCreate,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write a prescription and plan its doses; 409 when a finding speaks against it."""
    advice = await service.ask(
        caller, patient_id=patient_id, provider_id=body.prescribing_provider_id, drug=drug_in(body)
    )
    return await create(
        caller, request, idempotency_key,
        lambda tx: actions.create(tx, patient_id, body, advice=advice),
        replayed=SEEN_AGAIN, below=_BELOW,
    )  # fmt: skip


@router.get(
    "/medications/{medication_id}",
    summary="Read a medication",
    response_model=Data[schemas.Medication],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_medication(
    medication_id: UUID, request: Request, caller: MedicationsRead
) -> Response:
    """Answer one prescription with its ETag; the read is written to the audit first."""
    found = await actions.read(caller, medication_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.put(
    "/medications/{medication_id}",
    summary="Change a medication",
    response_model=Data[schemas.Medication],
    responses=errors(404, 409, 412, 413, 422),
)
async def change_medication(
    medication_id: UUID,
    body: schemas.MedicationChange,
    caller: MedicationsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace a prescription; a change of how it is taken begins the next regimen."""
    advice = await asked(caller, medication_id, body)
    async with begin(caller) as tx:
        medication = await actions.get_locked(tx, medication_id)
        check_version(if_match, medication.version)
        changed = await actions.change(tx, medication, body, advice=advice)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/medications/{medication_id}",
    summary="Stop a medication",
    response_model=Data[schemas.Medication],
    responses=errors(404, 409, 412, 413),
)
async def stop_medication(
    medication_id: UUID, body: schemas.Stop, caller: MedicationsWrite, if_match: IfMatch = None
) -> Response:
    """Stop a prescription with a reason; its row stays, and its doses are no longer planned."""
    async with begin(caller) as tx:
        medication = await actions.get_locked(tx, medication_id)
        check_version(if_match, medication.version)
        stopped = await lifecycle.stop(tx, medication, reason=body.reason)
    return answer(caller, wire.dumps(stopped), etag=stopped.version)


@router.get(
    "/medications/{medication_id}/regimens",
    summary="List how a medication was and is taken",
    response_model=Listed[schemas.Regimen],
    responses=errors(404),
)
async def list_regimens(
    medication_id: UUID,
    caller: MedicationsRead,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of regimens, the newest first; the read is written to the audit first."""
    found = await actions.regimens(caller, medication_id, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/medications/{medication_id}/activate",
    summary="Activate a draft",
    response_model=Data[schemas.Medication],
    responses=errors(404, 409, 412, 413, 422),
)
async def activate_medication(
    medication_id: UUID,
    body: schemas.Activation,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Let a draft be taken from now on; it is checked once more."""
    advice = await asked(caller, medication_id)

    def act(tx: Tx, medication: Medication) -> Awaitable[Shown]:
        return lifecycle.activate(tx, medication, override=body.override, advice=advice)

    return await _taken(caller, request, medication_id, act, key=idempotency_key, if_match=if_match)


@router.post(
    "/medications/{medication_id}/hold",
    summary="Put a medication on hold",
    response_model=Data[schemas.Medication],
    responses=errors(404, 409, 412, 413, 422),
)
async def hold_medication(
    medication_id: UUID,
    body: schemas.Hold,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Pause a prescription until a local day, or until it is resumed."""

    def act(tx: Tx, medication: Medication) -> Awaitable[Shown]:
        return lifecycle.hold(tx, medication, until=body.hold_until)

    return await _taken(caller, request, medication_id, act, key=idempotency_key, if_match=if_match)


@router.post(
    "/medications/{medication_id}/resume",
    summary="Resume a medication",
    response_model=Data[schemas.Medication],
    responses=errors(404, 409, 412, 422),
)
async def resume_medication(
    medication_id: UUID,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Let what was on hold be taken again; it is checked once more."""
    return await _taken(
        caller, request, medication_id, lifecycle.resume, key=idempotency_key, if_match=if_match
    )


@router.post(
    "/medications/{medication_id}/complete",
    summary="Complete a medication",
    response_model=Data[schemas.Medication],
    responses=errors(404, 409, 412, 422),
)
async def complete_medication(
    medication_id: UUID,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Note that a prescription has been taken to its end."""
    return await _taken(
        caller, request, medication_id, lifecycle.complete, key=idempotency_key, if_match=if_match
    )


_Act = Callable[[Tx, Medication], Awaitable[Shown]]


async def _taken(
    caller: Caller,
    request: Request,
    medication_id: UUID,
    act: _Act,
    *,
    key: str | None,
    if_match: str | None,
) -> Response:
    """Answer a step once, with the prescription as it is then and its ETag."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            medication = await actions.get_locked(tx, medication_id)
            check_version(if_match, medication.version)
            changed = await act(tx, medication)
            headers = {"etag": f'"{changed.version}"', "location": f"{_BELOW}/{medication_id}"}
            return Reply(200, wire.dumps(changed), headers)

        return await post(tx, request, key, work, replayed=SEEN_AGAIN)
