"""Doses of patients and medications, and the times of a day that they are anchored to."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Day
from chroniccare.core.paging import DEFAULT_LIMIT, Page
from chroniccare.medications.doses import actions, queries, schemas
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
    page,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1", tags=["medications"], route_class=KeyFirst)

MedicationsRead = Annotated[Caller, Security(authorise, scopes=["medications:read"])]
MedicationsWrite = Annotated[Caller, Security(authorise, scopes=["medications:write"])]
FromDate = Annotated[
    Day | None, Query(description="First local day; today unless told, or 13 days before the last.")
]
ToDate = Annotated[Day | None, Query(description="Last local day; 13 days later unless told.")]
State = Annotated[
    schemas.State | None, Query(description="Only in this state; unless told, all but cancelled.")
]


@router.get(
    "/patients/{patient_id}/doses",
    summary="List a patient's doses",
    response_model=Listed[schemas.Dose],
    responses=errors(404, 422),
)
async def list_patient_doses(
    patient_id: UUID,
    caller: MedicationsRead,
    from_date: FromDate = None,
    to_date: ToDate = None,
    state: State = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of the doses of all medications, the earliest first."""
    async with begin(caller) as tx:
        found = await actions.of_patient(
            tx, patient_id, first=from_date, last=to_date, state=state, cursor=cursor, limit=limit
        )
    return await _listed(caller, found)


@router.get(
    "/medications/{medication_id}/doses",
    summary="List a medication's doses",
    response_model=Listed[schemas.Dose],
    responses=errors(404, 422),
)
async def list_medication_doses(
    medication_id: UUID,
    caller: MedicationsRead,
    from_date: FromDate = None,
    to_date: ToDate = None,
    state: State = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of the doses of one medication, the earliest first."""
    async with begin(caller) as tx:
        found = await actions.of_medication(
            tx, medication_id, first=from_date, last=to_date, state=state, cursor=cursor,
            limit=limit,
        )  # fmt: skip
    return await _listed(caller, found)


@router.post(
    "/patients/{patient_id}/doses/set-aside",
    summary="Set a patient's doses aside",
    response_model=Data[schemas.DosesSetAside],
    responses=errors(404, 409, 413, 422),
)
async def set_doses_aside(
    patient_id: UUID,
    body: schemas.SetAside,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say that somebody else gives what a patient takes for a while; no plan brings it back."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            count = await actions.set_aside(tx, patient_id, body)
            return Reply(200, wire.dumps({"count": count}))

        return await post(tx, request, idempotency_key, work)


async def _listed(caller: Caller, found: Page[queries.Dose]) -> Response:
    seen = [dose.id for dose in found.items]
    await note_read(caller, entity_type="dose", seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/dosing-times",
    summary="Read the clinic's dosing times",
    response_model=Data[schemas.DosingTimes],
    responses=errors(),
)
async def read_clinic_times(caller: MedicationsRead) -> Response:
    """Answer when the events of a day are, for patients who have set nothing else."""
    async with begin(caller) as tx:
        found = await actions.clinic_times(tx)
    return answer(caller, wire.dumps(found), etag=found["version"])


@router.put(
    "/dosing-times",
    summary="Replace the clinic's dosing times",
    response_model=Data[schemas.DosingTimes],
    responses=errors(409, 412, 413, 422),
)
async def update_clinic_times(
    body: schemas.DosingTimesWrite, caller: MedicationsWrite, if_match: IfMatch = None
) -> Response:
    """Replace them; the doses to come of the clinic's patients follow within a minute."""
    async with begin(caller) as tx:
        before = await actions.clinic_times_locked(tx)
        check_version(if_match, before["version"])
        changed = await actions.put_clinic_times(tx, before, body)
    return answer(caller, wire.dumps(changed), etag=changed["version"])


@router.get(
    "/patients/{patient_id}/dosing-times",
    summary="Read a patient's dosing times",
    response_model=Data[schemas.DosingTimes],
    responses=errors(404),
)
async def read_patient_times(patient_id: UUID, caller: MedicationsRead) -> Response:
    """Answer what the patient has set, and what holds."""
    async with begin(caller) as tx:
        found = await actions.patient_times(tx, patient_id)
    await note_read(caller, entity_type="patient", seen=[patient_id], action="read_dosing_times")
    return answer(caller, wire.dumps(found), etag=found["version"])


@router.put(
    "/patients/{patient_id}/dosing-times",
    summary="Replace a patient's dosing times",
    response_model=Data[schemas.DosingTimes],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_patient_times(
    patient_id: UUID,
    body: schemas.DosingTimesWrite,
    caller: MedicationsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace them and move the doses to come; what is past stays."""
    async with begin(caller) as tx:
        before = await actions.patient_times_locked(tx, patient_id)
        check_version(if_match, before["version"])
        changed = await actions.put_patient_times(tx, patient_id, before, body)
    return answer(caller, wire.dumps(changed), etag=changed["version"])
