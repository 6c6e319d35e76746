"""/fhir/.../$operation, listed before api.py's router, whose `/{kind}/...` would take its paths."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from chroniccare.fhir import checking, everything, matching, responses
from chroniccare.fhir import operations_booking as booking
from chroniccare.fhir.answers_api import (
    answered,
    caller_of,
    check_format,
    check_media,
    check_of,
    pairs_of,
)
from chroniccare.fhir.operations import Given, In, from_query, read
from chroniccare.fhir.operations_find import FIND, find
from chroniccare.scheduling.booking import SlotTaken
from chroniccare.tenancy.api import KeyFirst

router = APIRouter(prefix="/fhir", tags=["fhir"], route_class=KeyFirst, include_in_schema=False)


async def _given(request: Request, known: Mapping[str, In]) -> Given:
    check_format(request)
    body = await request.body()
    if body:
        check_media(request)
    return read(body, known)


@router.api_route("/Appointment/$find", methods=["GET", "HEAD"])
async def find_by_address(request: Request) -> Response:
    """Answer which visits could be booked; IHE ITI-115."""
    check_format(request)
    return answered(request, await find(caller_of(request), from_query(pairs_of(request), FIND)))


@router.post("/Appointment/$find")
async def find_visits(request: Request) -> Response:
    """Answer which visits could be booked; IHE ITI-115."""
    return answered(request, await find(caller_of(request), await _given(request, FIND)))


@router.post("/Appointment/$hold")
async def hold_visit(request: Request) -> Response:
    """Hold what was proposed for 15 minutes; IHE ITI-116."""
    given = await _given(request, booking.HOLD)
    try:
        return answered(request, await booking.hold(caller_of(request), given))
    except SlotTaken as taken:
        return answered(request, booking.not_held(taken), taken.status)


@router.post("/Appointment/$book")
async def book_visit(request: Request) -> Response:
    """Book, change or cancel a visit; IHE ITI-117."""
    given = await _given(request, booking.BOOK)
    return answered(request, await booking.book(caller_of(request), given))


@router.post("/AppointmentResponse")
async def answer_visit(request: Request) -> Response:
    """Do what the patient's answer to a visit means."""
    check_format(request)
    check_media(request)
    body = await request.body()
    return answered(request, await responses.create(caller_of(request), body), 201)


@router.post("/Appointment/{appointment_id}/$reschedule")
async def reschedule_visit(appointment_id: str, request: Request) -> Response:
    """Move a visit; with If-Match only if nobody changed it since."""
    given = await _given(request, booking.RESCHEDULE)
    check = check_of(request)
    moved = await booking.reschedule(caller_of(request), appointment_id, given, check)
    return answered(request, moved)


@router.post("/Appointment/{appointment_id}/$cancel")
async def cancel_visit(appointment_id: str, request: Request) -> Response:
    """Cancel a visit; with If-Match only if nobody changed it since."""
    given = await _given(request, booking.CANCEL)
    check = check_of(request)
    cancelled = await booking.cancel(caller_of(request), appointment_id, given, check)
    return answered(request, cancelled)


@router.api_route("/Patient/{patient_id}/$everything", methods=["GET", "HEAD"])
async def everything_by_address(patient_id: str, request: Request) -> Response:
    """Answer a page of a patient's records."""
    check_format(request)
    given = from_query(pairs_of(request), everything.EVERYTHING)
    return answered(request, await everything.everything(caller_of(request), patient_id, given))


@router.post("/Patient/{patient_id}/$everything")
async def everything_of_patient(patient_id: str, request: Request) -> Response:
    """Answer a page of a patient's records."""
    given = await _given(request, everything.EVERYTHING)
    return answered(request, await everything.everything(caller_of(request), patient_id, given))


@router.post("/Patient/$match")
async def match_patient(request: Request) -> Response:
    """Answer who somebody could be."""
    given = await _given(request, matching.MATCH)
    return answered(request, await matching.match(caller_of(request), given))


@router.post("/{kind}/$validate")
async def validate_resource(kind: str, request: Request) -> Response:
    """Answer everything that is wrong with a resource; nothing is stored."""
    return await _validated(kind, None, request)


@router.post("/{kind}/{resource_id}/$validate")
async def validate_record(kind: str, resource_id: str, request: Request) -> Response:
    """Answer everything that is wrong with a record, or with what would replace it."""
    return await _validated(kind, resource_id, request)


@router.get("/{kind}/{resource_id}/$validate")
async def validate_by_address(kind: str, resource_id: str, request: Request) -> Response:
    """Answer everything that is wrong with a record as it is."""
    return await _validated(kind, resource_id, request)


async def _validated(kind: str, resource_id: str | None, request: Request) -> Response:
    check_format(request)
    body = await request.body()
    if body:
        check_media(request)
    return answered(request, await checking.validate(caller_of(request), kind, resource_id, body))
