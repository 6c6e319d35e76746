"""/console/groups: sessions for several patients, and the seats in them."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, desk, forms, groups, pages, routes
from chroniccare.core.time import zone as named

router = routes.router()

Text = Annotated[str, Query(max_length=200)]
_HERE = "/console/groups"
_MOST_SEATS = 1000
"""Seats on the page of a session; those that were cancelled are among them."""


@router.get("/groups")
async def show(request: Request, when: Text = "", cursor: Text = "") -> Response:
    """Show the sessions by start: `all`, those from the instant `when`, or those to come."""
    since = None if when == "all" else when or desk.now().isoformat()
    found, clinic = await asyncio.gather(
        calls.get(request, "/group-sessions", from_=since, cursor=cursor or None, limit=50),
        desk.clinic(request),
    )
    return pages.page(
        request, "groups.html", sessions=found["items"], when=when,
        next={"when": when or since, "cursor": found["next_cursor"]}
        if found["next_cursor"] else None,
        names=clinic.names(), zones=clinic.zones(), writes=desk.may(request, "appointments:write"),
    )  # fmt: skip


@router.get("/groups/new")
async def new(request: Request) -> Response:
    """Show an empty form."""
    return await _form(request, {}, None)


@router.post("/groups")
async def plan(request: Request) -> Response:
    """Plan a session."""
    form = await forms.read(request)
    try:
        made = await calls.call(
            request, "POST", "/group-sessions", await _body(request, form, None), once=form.once
        )
    except calls.Refused as error:
        return await _form(request, _entries(form), None, error=error)
    return pages.done(f"{_HERE}/{made.data['id']}", "saved")


@router.get("/groups/{session_id}")
async def look(request: Request, session_id: UUID, patient_id: UUID | None = None) -> Response:
    """Show a session and its seats; with a patient, the form that gives them one."""
    return await _page(request, session_id, {"patient_id": str(patient_id or "")})


@router.get("/groups/{session_id}/edit")
async def edit(request: Request, session_id: UUID) -> Response:
    """Show the form that changes a session."""
    session = await calls.get(request, f"/group-sessions/{session_id}")
    return await _form(request, {}, session)


@router.post("/groups/{session_id}")
async def change(request: Request, session_id: UUID) -> Response:
    """Replace a session; another time moves every seat with it."""
    form = await forms.read(request)
    at = f"/group-sessions/{session_id}"
    session = await calls.get(request, at)
    try:
        await calls.call(
            request, "PUT", at, await _body(request, form, session), version=form.version
        )
    except calls.Refused as error:
        return await _form(request, _entries(form), session, error=error)
    return pages.done(f"{_HERE}/{session_id}", "saved")


@router.post("/groups/{session_id}/cancel")
async def cancel(request: Request, session_id: UUID) -> Response:
    """Cancel a session and every seat in it."""
    return await _cancel(request, session_id, f"/group-sessions/{session_id}")


@router.post("/groups/{session_id}/seats")
async def seat(request: Request, session_id: UUID) -> Response:
    """Give a patient a seat."""
    form = await forms.read(request)
    body = {
        "patient_id": str(form.id("patient_id") or ""), "reason": form.some("reason"),
        "priority": form.text("priority", "normal"),
    }  # fmt: skip
    try:
        await calls.call(
            request, "POST", f"/group-sessions/{session_id}/appointments", body, once=form.once
        )
    except calls.Refused as error:
        return await _page(request, session_id, body, error=error)
    return pages.done(f"{_HERE}/{session_id}", "booked")


@router.post("/groups/{session_id}/seats/{visit_id}/cancel")
async def leave(request: Request, session_id: UUID, visit_id: UUID) -> Response:
    """Cancel one seat, which somebody else can have then."""
    return await _cancel(request, session_id, f"/appointments/{visit_id}", seat=visit_id)


async def _cancel(
    request: Request, session_id: UUID, at: str, *, seat: UUID | None = None
) -> Response:
    form = await forms.read(request)
    body = {
        "cancellation_reason": form.text("cancellation_reason"),
        "notify_patient": form.checked("notify_patient"),
    }  # fmt: skip
    try:
        await calls.call(request, "DELETE", at, body, version=form.version)
    except calls.Refused as error:
        entries = {"seat": str(seat), "seat_reason": body["cancellation_reason"]} if seat else body
        return await _page(request, session_id, entries, error=error)
    return pages.done(f"{_HERE}/{session_id}", "cancelled")


def _entries(form: forms.Form) -> dict[str, str]:
    return {name: form.text(name) for name in groups.ENTRIES}


async def _rooms(request: Request) -> dict[str, dict[str, Any]]:
    found = await calls.everything(request, "/resources", kind="room", is_active=True)
    return {one["id"]: one for one in found}


async def _body(
    request: Request, form: forms.Form, session: dict[str, Any] | None
) -> dict[str, Any]:
    clinic, rooms = await asyncio.gather(desk.clinic(request), _rooms(request))
    zone = clinic.zones().get(form.text("facility_id"), "UTC")
    return groups.body(form, zone, rooms, session)


async def _form(
    request: Request,
    entries: dict[str, Any],
    session: dict[str, Any] | None,
    *,
    error: calls.Refused | None = None,
) -> Response:
    clinic, rooms = await asyncio.gather(desk.clinic(request), _rooms(request))
    zones, names = clinic.zones(), clinic.names()
    zone = zones.get((session or entries).get("facility_id", ""), "UTC")
    filled = groups.entered(session, zone) if session else dict.fromkeys(groups.ENTRIES, "")
    data = (error.data or {}) if error else {}
    return pages.page(
        request, "group_form.html", status=error.status if error else 200, error=error,
        session=session, entries={**filled, **entries}, clinic=clinic, names=names, zones=zones,
        rooms=[
            (one["id"], f"{one['name']} · {names.get(one['facility_id'], desk.NOBODY)}")
            for one in rooms.values()
        ],
        others=data.get("alternatives", []), blocked=data.get("appointment_ids", []),
    )  # fmt: skip


async def _page(
    request: Request,
    session_id: UUID,
    entries: dict[str, Any],
    *,
    error: calls.Refused | None = None,
) -> Response:
    at = f"/group-sessions/{session_id}"
    session, seats, clinic, rooms = await asyncio.gather(
        calls.get(request, at), calls.everything(request, f"{at}/appointments", most=_MOST_SEATS),
        desk.clinic(request), _rooms(request),
    )  # fmt: skip
    asked = entries.get("patient_id")
    ids = [one["patient_id"] for one in seats] + ([asked] if asked else [])
    patients = await desk.patients(request, ids)
    blank = {"reason": "", "priority": "normal", "cancellation_reason": "", "notify_patient": True}
    begun = session["scheduled_start"] <= desk.now().isoformat()[:19]
    return pages.page(
        request, "group.html", status=error.status if error else 200, error=error,
        session=session, zone=named(clinic.zones().get(session["facility_id"], "UTC")),
        seats=sorted(seats, key=lambda one: one["status"] == "cancelled"),
        people={key: desk.person(one) for key, one in patients.items()}, clinic=clinic,
        names=clinic.names(), adding=patients.get(asked or ""), entries={**blank, **entries},
        rooms=[rooms[one]["name"] for one in session["resource_ids"] if one in rooms],
        open=session["status"] == "scheduled" and not begun
        and desk.may(request, "appointments:write"),
    )  # fmt: skip
