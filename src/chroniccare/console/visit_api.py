"""/console/visits/{id}: one visit, to be moved, cancelled, taken a step further."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, desk, forms, pages, routes, visit
from chroniccare.core.time import zone as named

router = routes.router()

Text = Annotated[str, Query(max_length=60)]


@router.get("/visits/{visit_id}")
async def show(
    request: Request, visit_id: UUID, start: Text = "", provider_id: Text = "", day: Text = "",
    clock: Text = "", minutes: Text = "", room_id: Text = "", instead_of: Text = "",
) -> Response:  # fmt: skip
    """Show a visit; with another time, also what stands against moving it there.

    The time is an instant in `start`, or a day and a clock of the facility; `room_id` takes the
    place of the room `instead_of`.
    """
    entries = {
        "start": start, "provider_id": provider_id, "day": day, "clock": clock,
        "duration_minutes": minutes, "room_id": room_id, "instead_of": instead_of,
    }  # fmt: skip
    return await _page(request, visit_id, entries)


@router.post("/visits/{visit_id}/move")
async def move(request: Request, visit_id: UUID) -> Response:
    """Move a visit; with `check`, say only what stands in its way."""
    form = await forms.read(request)
    names = (
        "day", "clock", "provider_id", "duration_minutes", "reschedule_reason", "room_id",
        "instead_of",
    )  # fmt: skip
    entries = {name: form.text(name) for name in names}
    if form.text("act") == "check":
        return await _page(request, visit_id, entries)
    body = {
        "resource_ids": await _resources(request, visit_id, entries),
        "scheduled_start": desk.instant(entries["day"], entries["clock"], form.text("zone")),
        "duration_minutes": form.number("duration_minutes"),
        "provider_id": form.some("provider_id"),
        "reschedule_reason": form.some("reschedule_reason"),
    }  # fmt: skip
    try:
        await calls.call(
            request, "POST", f"/appointments/{visit_id}/reschedule", body,
            version=form.version, once=form.once,
        )  # fmt: skip
    except calls.Refused as error:
        return await _page(request, visit_id, entries, error=error)
    return pages.done(f"/console/visits/{visit_id}", "moved")


@router.post("/visits/{visit_id}/cancel")
async def cancel(request: Request, visit_id: UUID) -> Response:
    """Cancel a visit with a reason."""
    form = await forms.read(request)
    body = {
        "cancellation_reason": form.text("cancellation_reason"),
        "notify_patient": form.checked("notify_patient"),
    }  # fmt: skip
    try:
        await calls.call(
            request, "DELETE", f"/appointments/{visit_id}", body, version=form.version
        )  # fmt: skip
    except calls.Refused as error:
        return await _page(request, visit_id, body, error=error)
    return pages.done(f"/console/visits/{visit_id}", "cancelled")


async def _page(
    request: Request,
    visit_id: UUID,
    entries: dict[str, Any],
    *,
    error: calls.Refused | None = None,
) -> Response:
    found = await calls.get(request, f"/appointments/{visit_id}")
    clinic, rooms = await asyncio.gather(
        desk.clinic(request), _rooms(request, found["facility_id"])
    )
    place = next((one for one in clinic.facilities if one["id"] == found["facility_id"]), None)
    zone = place["timezone"] if place else "UTC"
    patient = (await desk.patients(request, [found["patient_id"]])).get(found["patient_id"])
    entries = visit.filled(found, entries, zone)
    wanted = visit.wanted(found, entries, zone)
    return pages.page(
        request, "visit.html", status=error.status if error else 200, error=error, visit=found,
        place=place, patient=patient, clinic=clinic, names=clinic.names(), zone=named(zone),
        entries=entries, steps=desk.steps(request, found), past=visit.past(found),
        wanted=wanted, rooms=rooms,
        room_choices=[(key, one["name"]) for key, one in rooms.items()],
        clashes=await _clashes(request, found, wanted, rooms.get(entries["room_id"]))
        if wanted else [],
        open=visit.can_change(found) and desk.may(request, "appointments:write"),
        others=(error.data or {}).get("alternatives", []) if error else [],
    )  # fmt: skip


async def _resources(request: Request, visit_id: UUID, entries: dict[str, str]) -> list[str] | None:
    if not entries["room_id"]:
        return None
    found = await calls.get(request, f"/appointments/{visit_id}")
    rooms = await _rooms(request, found["facility_id"])
    return visit.named(found, rooms, entries["room_id"], entries["instead_of"])


async def _rooms(request: Request, facility_id: str) -> dict[str, dict[str, Any]]:
    """Return the rooms in service at a facility by id, where the role reads them."""
    if not desk.may(request, "scheduling:read"):
        return {}
    found = await calls.everything(
        request, "/resources", kind="room", facility_id=facility_id, is_active=True
    )
    return {one["id"]: one for one in found}


async def _clashes(
    request: Request,
    found: dict[str, Any],
    wanted: dict[str, Any],
    room: dict[str, Any] | None,
) -> list[dict[str, Any]]:
    """Return what lies where a visit is wanted: of the provider, the patient and the room.

    A provider may lead a session at any facility. A seat takes what its session takes, once.
    """
    start, end = wanted["start"], wanted["end"]
    around = {"from_": (start - timedelta(days=1)).isoformat(), "to": end.isoformat()}
    several = [
        calls.everything(request, "/appointments", provider_id=wanted["provider_id"], **around),
        calls.everything(request, "/appointments", patient_id=found["patient_id"], **around),
        calls.everything(request, "/group-sessions", status="scheduled", **around),
    ]
    if room is not None:
        several.append(calls.everything(request, "/appointments", resource_id=room["id"], **around))
    provider, patient, groups, *of_room = await asyncio.gather(*several)
    near = {"patient": patient, "provider": [], "group": [], "room": []}
    near["provider"] = _seatless(provider)
    near["group"] = [
        one for one in groups
        if wanted["provider_id"] in {one["provider_id"], *one["additional_provider_ids"]}
    ]  # fmt: skip
    if room is not None:
        led = [one for one in groups if room["id"] in one["resource_ids"]]
        near["room"] = [*_seatless(of_room[0]), *led]
    return visit.clashes(found, near, start, end, room=room)


def _seatless(visits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in visits if one["group_session_id"] is None]
