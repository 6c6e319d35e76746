"""/api/v1/appointments/{appointment_id}/...: the steps of a visit's life, and their undo."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from fastapi import APIRouter, Request, Response

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import actions, lifecycle, moving, schemas
from chroniccare.scheduling.api import SEEN_AGAIN, AppointmentsWrite
from chroniccare.scheduling.queries import Appointment
from chroniccare.scheduling.rules import Step
from chroniccare.scheduling.slots.actions import offering
from chroniccare.scheduling.telling import shown
from chroniccare.tenancy.api import IdempotencyKey, IfMatch, KeyFirst, check_version, post
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(
    prefix="/api/v1/appointments/{appointment_id}", tags=["appointments"], route_class=KeyFirst
)
_ERRORS = errors(404, 409, 412, 422)


@router.post(
    "/book",
    summary="Book a held appointment",
    response_model=Data[schemas.Appointment],
    responses=_ERRORS,
)
async def book_held(
    appointment_id: UUID,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Turn a hold that has not lapsed into a booking, and plan its messages."""
    return await _taken(
        caller, request, appointment_id, lifecycle.take_up, key=idempotency_key, if_match=if_match
    )


@router.post(
    "/reschedule",
    summary="Reschedule an appointment",
    response_model=Data[schemas.Appointment],
    responses=errors(404, 409, 412, 413, 422),
)
async def reschedule_appointment(
    appointment_id: UUID,
    body: schemas.Reschedule,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Move a visit; it keeps its id and history, and the patient is told. 409 offers free times."""

    async def act(tx: Tx, visit: Appointment) -> Appointment:
        return await moving.reschedule(
            tx, visit, start=body.scheduled_start, minutes=body.duration_minutes,
            provider_id=body.provider_id, facility_id=body.facility_id,
            resource_ids=body.resource_ids, reason=body.reschedule_reason, override=body.override,
        )  # fmt: skip

    async with offering(caller):
        return await _taken(
            caller, request, appointment_id, act, key=idempotency_key, if_match=if_match
        )


@router.post(
    "/confirm",
    summary="Confirm an appointment",
    response_model=Data[schemas.Appointment],
    responses=_ERRORS,
)
async def confirm_appointment(
    appointment_id: UUID,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Note that the patient has said to come; its reminders are sent all the same."""
    return await _taken(
        caller, request, appointment_id, _step("confirm"), key=idempotency_key, if_match=if_match
    )


@router.post(
    "/checkin",
    summary="Check a patient in",
    response_model=Data[schemas.Appointment],
    responses=_ERRORS,
)
async def check_in(
    appointment_id: UUID,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Note that the patient is here: from 12 hours before the start to 12 hours after the end."""
    return await _taken(
        caller, request, appointment_id, _step("check_in"), key=idempotency_key, if_match=if_match
    )


@router.post(
    "/start",
    summary="Begin an appointment",
    response_model=Data[schemas.Appointment],
    responses=_ERRORS,
)
async def start_appointment(
    appointment_id: UUID,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Note that the provider sees the patient now."""
    return await _taken(
        caller, request, appointment_id, _step("start"), key=idempotency_key, if_match=if_match
    )


@router.post(
    "/complete",
    summary="Complete an appointment",
    response_model=Data[schemas.Appointment],
    responses=_ERRORS,
)
async def complete_appointment(
    appointment_id: UUID,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Note that the visit is over; messages still waiting are given up."""
    return await _taken(
        caller, request, appointment_id, _step("complete"), key=idempotency_key, if_match=if_match
    )


@router.post(
    "/no-show",
    summary="Mark a no-show",
    response_model=Data[schemas.Appointment],
    responses=_ERRORS,
)
async def mark_no_show(
    appointment_id: UUID,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Note that nobody came, once the start has passed; the time of the visit is free again."""
    return await _taken(
        caller, request, appointment_id, _step("no_show"), key=idempotency_key, if_match=if_match
    )


@router.post(
    "/undo",
    summary="Undo the last step",
    response_model=Data[schemas.Appointment],
    responses=_ERRORS,
)
async def undo_step(
    appointment_id: UUID,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Take back check-in, start, completion or no-show, within 15 minutes unless set."""
    return await _taken(
        caller, request, appointment_id, lifecycle.undo, key=idempotency_key, if_match=if_match
    )


_Act = Callable[[Tx, Appointment], Awaitable[Appointment]]


def _step(step: Step) -> _Act:
    return lambda tx, visit: lifecycle.advance(tx, visit, step)


async def _taken(
    caller: Caller,
    request: Request,
    appointment_id: UUID,
    act: _Act,
    *,
    key: str | None,
    if_match: str | None,
) -> Response:
    """Answer a step once, with the visit as it is then and its ETag."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            visit = await actions.get_locked(tx, appointment_id)
            check_version(if_match, visit.version)
            changed = await act(tx, visit)
            headers = {
                "etag": f'"{changed.version}"',
                "location": f"/api/v1/appointments/{appointment_id}",
            }
            return Reply(200, wire.dumps(shown(caller, changed)), headers)

        return await post(tx, request, key, work, replayed=SEEN_AGAIN)
