"""/api/v1/appointments, and the lists of appointments under patients and providers."""

from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Instant
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import actions, moving, schemas
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.slots.actions import offering
from chroniccare.scheduling.telling import shown
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
    record,
)

router = APIRouter(prefix="/api/v1", tags=["appointments"], route_class=KeyFirst)

AppointmentsRead = Annotated[Caller, Security(authorise, scopes=["appointments:read"])]
AppointmentsWrite = Annotated[Caller, Security(authorise, scopes=["appointments:write"])]

SEEN_AGAIN = partial(replayed, entity_type="appointment")

StatusFilter = Annotated[schemas.Status | None, Query(description="Where the visit stands.")]
From = Annotated[
    Instant | None, Query(alias="from", description="Earliest start: instant with UTC offset.")
]
To = Annotated[
    Instant | None, Query(description="Starts before this instant, given with its UTC offset.")
]


@router.get(
    "/appointments/{appointment_id}",
    summary="Read an appointment",
    response_model=Data[schemas.Appointment],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_appointment(
    appointment_id: UUID, request: Request, caller: AppointmentsRead
) -> Response:
    """Answer one visit with its ETag; the read is written to the audit first."""
    found = await actions.rendered(caller, appointment_id)
    return record(caller, request, found.data, version=found.version)


@router.get(
    "/appointments",
    summary="List appointments",
    response_model=Listed[schemas.Appointment],
    responses=errors(),
)
async def list_appointments(
    caller: AppointmentsRead,
    patient_id: Annotated[UUID | None, Query(description="Visits of this patient.")] = None,
    provider_id: Annotated[
        UUID | None, Query(description="Visits that this provider leads or joins.")
    ] = None,
    facility_id: Annotated[UUID | None, Query(description="Visits at this facility.")] = None,
    resource_id: Annotated[
        UUID | None, Query(description="Visits that take this room or equipment.")
    ] = None,
    status: StatusFilter = None,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by start; every visit in it is noted in the audit as seen."""
    filters = [patient_id, facility_id, status, from_, to, resource_id, provider_id, None]
    return await _listed(caller, filters, cursor, limit)


@router.get(
    "/patients/{patient_id}/appointments",
    summary="List a patient's appointments",
    response_model=Listed[schemas.Appointment],
    responses=errors(404),
)
async def list_patient_appointments(
    patient_id: UUID,
    caller: AppointmentsRead,
    status: StatusFilter = None,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of the patient's visits by start."""
    filters = [patient_id, None, status, from_, to, None, None, None]
    return await _listed(caller, filters, cursor, limit, of=("patient_id", patient_id))


@router.get(
    "/providers/{provider_id}/appointments",
    summary="List a provider's appointments",
    response_model=Listed[schemas.Appointment],
    responses=errors(404),
)
async def list_provider_appointments(
    provider_id: UUID,
    caller: AppointmentsRead,
    role: Annotated[
        Literal["own", "joined"] | None,
        Query(
            description="`own`: visits with `provider_id` theirs; `joined`: those where they are"
            " among `additional_provider_ids`. Unless told, both."
        ),
    ] = None,
    status: StatusFilter = None,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of the visits that the provider leads or joins, by start."""
    filters = [None, None, status, from_, to, None, provider_id, role]
    return await _listed(caller, filters, cursor, limit, of=("provider_id", provider_id))


@router.post(
    "/appointments",
    status_code=201,
    summary="Book an appointment",
    response_model=Data[schemas.Appointment],
    responses=errors(409, 413, 422),
)
async def book_appointment(
    body: schemas.AppointmentBook,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Book or hold a visit; 409 names who is not free, and offers the three nearest free times."""

    async def act(tx: Tx) -> Appointment:
        return shown(caller, await actions.book(tx, body, hold_minutes=body.hold_minutes))

    async with offering(caller):
        return await create(caller, request, idempotency_key, act, replayed=SEEN_AGAIN)


@router.put(
    "/appointments/{appointment_id}",
    summary="Change an appointment",
    response_model=Data[schemas.Appointment],
    responses=errors(404, 409, 412, 413, 422),
)
async def change_appointment(
    appointment_id: UUID,
    body: schemas.AppointmentWrite,
    caller: AppointmentsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace a visit; when time, provider or place change, its messages are planned anew."""
    async with offering(caller), begin(caller) as tx:
        visit = await actions.get_locked(tx, appointment_id)
        check_version(if_match, visit.version)
        changed = await moving.change(tx, visit, body)
    return answer(caller, wire.dumps(shown(caller, changed)), etag=changed.version)


@router.delete(
    "/appointments/{appointment_id}",
    summary="Cancel an appointment",
    response_model=Data[schemas.Appointment],
    responses=errors(404, 409, 412, 413),
)
async def cancel_appointment(
    appointment_id: UUID,
    body: schemas.Cancellation,
    caller: AppointmentsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Cancel a visit with a reason; its time is free again and its messages are not sent."""
    async with begin(caller) as tx:
        visit = await actions.get_locked(tx, appointment_id)
        check_version(if_match, visit.version)
        cancelled = await actions.cancel(
            tx, visit, reason=body.cancellation_reason, notify=body.notify_patient,
            override=body.override,
        )  # fmt: skip
    return answer(caller, wire.dumps(shown(caller, cancelled)), etag=cancelled.version)


async def _listed(
    caller: Caller,
    filters: list[Any],
    cursor: str | None,
    limit: int,
    *,
    of: tuple[str, UUID] | None = None,
) -> Response:
    data = await actions.listed(caller, filters=filters, cursor=cursor, limit=limit, of=of)
    return answer(caller, data)
