"""/api/v1/group-sessions, and the seats in them."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Instant
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.api import SEEN_AGAIN
from chroniccare.scheduling.groups import actions, schemas, seats
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.schemas import Appointment as AppointmentShown
from chroniccare.scheduling.schemas import Cancellation
from chroniccare.scheduling.slots.actions import offering
from chroniccare.scheduling.telling import shown
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

router = APIRouter(prefix="/api/v1", tags=["group sessions"], route_class=KeyFirst)

AppointmentsRead = Annotated[Caller, Security(authorise, scopes=["appointments:read"])]
AppointmentsWrite = Annotated[Caller, Security(authorise, scopes=["appointments:write"])]

StatusFilter = Annotated[
    Literal["scheduled", "cancelled"] | None, Query(description="Whether it takes place.")
]
From = Annotated[
    Instant | None, Query(alias="from", description="Earliest start: instant with UTC offset.")
]
To = Annotated[
    Instant | None, Query(description="Starts before this instant, given with its UTC offset.")
]


@router.get(
    "/group-sessions/{group_session_id}",
    summary="Read a group session",
    response_model=Data[schemas.GroupSession],
    responses=errors(404),
)
async def read_group_session(group_session_id: UUID, caller: AppointmentsRead) -> Response:
    """Answer one session with its ETag, for If-Match alone: seats are taken without a change."""
    async with begin(caller) as tx:
        found = await actions.get(tx, group_session_id)
    return answer(caller, wire.dumps(found), etag=found.version)


@router.get(
    "/group-sessions",
    summary="List group sessions",
    response_model=Listed[schemas.GroupSession],
    responses=errors(),
)
async def list_group_sessions(
    caller: AppointmentsRead,
    provider_id: Annotated[UUID | None, Query(description="Led or joined by them.")] = None,
    facility_id: Annotated[UUID | None, Query(description="At this facility.")] = None,
    status: StatusFilter = None,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by start."""
    filters = [provider_id, facility_id, status, from_, to]
    async with begin(caller) as tx:
        found = await actions.search(tx, filters=filters, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/group-sessions",
    status_code=201,
    summary="Plan a group session",
    response_model=Data[schemas.GroupSession],
    responses=errors(409, 413, 422),
)
async def create_group_session(
    body: schemas.GroupSessionWrite,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take provider, rooms and equipment like one visit; 409 names who is not free."""
    async with offering(caller):
        return await create(caller, request, idempotency_key, lambda tx: actions.create(tx, body))


@router.put(
    "/group-sessions/{group_session_id}",
    summary="Replace a group session",
    response_model=Data[schemas.GroupSession],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_group_session(
    group_session_id: UUID,
    body: schemas.GroupSessionWrite,
    caller: AppointmentsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace a session; when its time changes, every seat moves with it and patients are told."""
    async with offering(caller), begin(caller) as tx:
        session = await actions.get_locked(tx, group_session_id)
        check_version(if_match, session.version)
        changed = await actions.change(tx, session, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/group-sessions/{group_session_id}",
    summary="Cancel a group session",
    response_model=Data[schemas.GroupSession],
    responses=errors(404, 409, 412, 413),
)
async def cancel_group_session(
    group_session_id: UUID,
    body: Cancellation,
    caller: AppointmentsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Cancel a session and every seat in it, with a reason; the patients are told."""
    async with begin(caller) as tx:
        session = await actions.get_locked(tx, group_session_id)
        check_version(if_match, session.version)
        cancelled = await actions.cancel(
            tx, session, reason=body.cancellation_reason, notify=body.notify_patient,
            override=body.override,
        )  # fmt: skip
    return answer(caller, wire.dumps(cancelled), etag=cancelled.version)


@router.get(
    "/group-sessions/{group_session_id}/appointments",
    summary="List the seats of a group session",
    response_model=Listed[AppointmentShown],
    responses=errors(404),
)
async def list_group_seats(
    group_session_id: UUID,
    caller: AppointmentsRead,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page in the order of booking; every visit in it is noted in the audit as seen."""
    found = await seats.listed(caller, group_session_id, cursor=cursor, limit=limit)
    return page(caller, [shown(caller, visit) for visit in found.items], found.next_cursor)


@router.post(
    "/group-sessions/{group_session_id}/appointments",
    status_code=201,
    summary="Book a seat in a group session",
    response_model=Data[AppointmentShown],
    responses=errors(404, 409, 413, 422),
)
async def book_group_seat(
    group_session_id: UUID,
    body: schemas.SeatWrite,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Give a patient a seat: a visit like any other, which takes the patient's time alone."""

    async def act(tx: Tx) -> Appointment:
        return shown(caller, await seats.book(tx, group_session_id, body))

    return await create(
        caller, request, idempotency_key, act, replayed=SEEN_AGAIN, below="/api/v1/appointments"
    )
