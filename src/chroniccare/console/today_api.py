"""/console/today: the day's visits by where they stand, and their next step."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, desk, forms, pages, routes, today
from chroniccare.core.errors import NotFound
from chroniccare.core.time import zone as named

router = routes.router()

Id = Annotated[str, Query(pattern="^([0-9a-f-]{36})?$")]


@router.get("/today")
async def show(request: Request, facility_id: Id = "", provider_id: Id = "") -> Response:
    """Show the visits of today at one facility, of all its providers or of one."""
    return await _page(request, facility_id, provider_id)


@router.post("/visits/{visit_id}/step/{step}")
async def take(request: Request, visit_id: UUID, step: str) -> Response:
    """Take a step with a visit, from the day's page or from the visit's own."""
    if step not in desk.STEPS:
        raise NotFound("There is no such page.")
    form = await forms.read(request)
    path, said = desk.STEPS[step]
    back = f"/console/visits/{visit_id}"
    if form.text("from") == "today":
        back = (
            f"/console/today?facility_id={form.text('facility_id')}"
            f"&provider_id={form.text('provider_id')}"
        )
    try:
        await calls.call(
            request, "POST", f"/appointments/{visit_id}/{path}",
            version=form.version, once=form.once,
        )  # fmt: skip
    except calls.Refused as error:
        if form.text("from") != "today":
            raise
        return await _page(request, form.text("facility_id"), form.text("provider_id"), error=error)
    return pages.done(back, said)


async def _page(
    request: Request, facility_id: str, provider_id: str, *, error: calls.Refused | None = None
) -> Response:
    clinic = await desk.clinic(request)
    place = clinic.place(facility_id)
    visits: list[dict[str, Any]] = []
    zone = named(place["timezone"] if place else "UTC")
    if place is not None:
        visits = await calls.everything(
            request, "/appointments", facility_id=place["id"], provider_id=provider_id or None,
            from_=desk.midnight(desk.today(zone), zone), to=desk.midnight(desk.after(zone), zone),
        )  # fmt: skip
    patients = await desk.patients(request, (one["patient_id"] for one in visits))
    board = today.board(request, visits, patients, clinic.names(), place)
    return pages.page(
        request, "today.html", status=error.status if error else 200, board=board, clinic=clinic,
        place=place, provider_id=provider_id, day=desk.today(zone), error=error, zone=zone,
    )  # fmt: skip
