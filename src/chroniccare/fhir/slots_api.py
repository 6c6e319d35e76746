"""/fhir/Slot, listed before api.py's router, whose `/{kind}/...` would take its paths."""

from fastapi import APIRouter, Request, Response

from chroniccare.fhir import slot_overrides, slots
from chroniccare.fhir.answers_api import (
    answered,
    caller_of,
    check_format,
    check_media,
    form_of,
    is_strict,
    pairs_of,
)
from chroniccare.tenancy.api import KeyFirst

router = APIRouter(
    prefix="/fhir/Slot", tags=["fhir"], route_class=KeyFirst, include_in_schema=False
)


@router.api_route("", methods=["GET", "HEAD"])
async def search_slots(request: Request) -> Response:
    """Answer one page of a search for Slots."""
    check_format(request)
    pairs, strict = pairs_of(request), is_strict(request)
    return answered(request, await slots.search(caller_of(request), pairs, strict=strict))


@router.post("/_search")
async def search_slots_by_form(request: Request) -> Response:
    """Answer a search whose parameters are in the body."""
    check_format(request)
    pairs, strict = await form_of(request), is_strict(request)
    return answered(request, await slots.search(caller_of(request), pairs, strict=strict))


@router.api_route("/{resource_id}", methods=["GET", "HEAD"])
async def read_slot(resource_id: str, request: Request) -> Response:
    """Answer one Slot, as it is at this moment."""
    check_format(request)
    return answered(request, await slots.read(caller_of(request), resource_id))


@router.post("")
async def create_slot(request: Request) -> Response:
    """Make a time free, or set it aside; 200 when it is so already."""
    check_format(request)
    check_media(request)
    made, is_new = await slot_overrides.create(caller_of(request), await request.body())
    return answered(request, made, 201 if is_new else 200)


@router.put("/{resource_id}")
async def update_slot(resource_id: str, request: Request) -> Response:
    """Have a Slot be free, or set aside."""
    check_format(request)
    check_media(request)
    body = await request.body()
    return answered(request, await slot_overrides.update(caller_of(request), resource_id, body))
