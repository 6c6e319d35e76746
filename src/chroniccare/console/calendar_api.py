"""/console/calendar: a day or a week by provider, room or facility, as a drawing and as a list."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from chroniccare.console import calendar, calls, desk, pages, routes
from chroniccare.console.session import current
from chroniccare.core.time import zone as named

router = routes.router()

Text = Annotated[str, Query(max_length=60)]
_MOST = 1000
"""Visits on one page; where there are more, it says so."""
_SEATS = "%(done)s of %(all)s seats"


@router.get("/calendar")
async def show(
    request: Request,
    view: Literal["day", "week"] = "day",
    by: Literal["provider", "room", "facility"] = "provider",
    day: Text = "",
    facility_id: Text = "",
    provider_id: Text = "",
) -> Response:
    """Show who is where and when; a visit that is dragged is moved on its own page.

    A group session stands for its seats, and is moved by the form of its own page alone.
    """
    clinic = await desk.clinic(request)
    place = clinic.place(facility_id)
    zone = named(place["timezone"] if place else "UTC")
    asked = desk.day_or_today(day, zone)
    first = asked - timedelta(days=asked.weekday()) if view == "week" else asked
    days = 7 if view == "week" else 1
    rooms: list[dict[str, Any]] = []
    visits: list[dict[str, Any]] = []
    sessions: list[dict[str, Any]] = []
    if place is not None:
        asked_for: dict[str, Any] = {
            "facility_id": None if by == "facility" else place["id"],
            "provider_id": provider_id or None, "from_": desk.midnight(first, zone),
            "to": desk.midnight(first + timedelta(days=days), zone), "most": _MOST,
        }  # fmt: skip
        rooms, visits, sessions = await asyncio.gather(
            _rooms(request, place["id"]) if by == "room" else asyncio.sleep(0, []),
            calls.everything(request, "/appointments", **asked_for),
            calls.everything(request, "/group-sessions", status="scheduled", **asked_for),
        )
    cut = max(len(visits), len(sessions)) >= _MOST
    visits = calendar.without_seats(visits, sessions)
    patients = await desk.patients(request, (one["patient_id"] for one in visits))
    words = pages.catalogue(current(request).locale)
    rows = calendar.rows(
        request, [*visits, *sessions], patients, clinic, rooms,
        seats=words.get(_SEATS, _SEATS),
    )  # fmt: skip
    without = words.get("No room", "No room")
    columns = calendar.columns(by, rows, clinic, rooms, without=without)
    query = {
        "view": view, "by": by, "day": asked.isoformat(),
        "facility_id": place["id"] if place else "", "provider_id": provider_id,
    }  # fmt: skip
    step = timedelta(days=days)
    return pages.page(
        request, "calendar.html", zone=zone, place=place, cut=cut, clinic=clinic, query=query,
        first=first, last=first + step - timedelta(days=1),
        lists=calendar.lists(view, by, rows, columns),
        drawing=calendar.drawing(
            query, rows, columns, edits=desk.may(request, "appointments:write")
        ),
        before=(asked - step).isoformat(), after=(asked + step).isoformat(),
    )  # fmt: skip


async def _rooms(request: Request, facility_id: str) -> list[dict[str, Any]]:
    return await calls.everything(
        request, "/resources", kind="room", facility_id=facility_id, is_active=True
    )
