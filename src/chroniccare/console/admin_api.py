"""/console/admin: staff and their roles."""

from typing import Any
from uuid import UUID

from fastapi import Request, Response

from chroniccare.console import calls, forms, pages, routes

router = routes.router()

_STAFF = "/console/admin/staff"


@router.get("/admin")
async def administration() -> Response:
    """Go to the first part."""
    return pages.done(_STAFF)


@router.get("/admin/staff")
async def list_staff(request: Request) -> Response:
    """Show who works here, the active ones first."""
    listed = await calls.everything(request, "/staff")
    listed.sort(key=lambda one: not one["is_active"])
    return pages.page(request, "admin_staff.html", people=listed)


@router.get("/admin/staff/new")
async def new_person(request: Request) -> Response:
    """Show an empty form."""
    return _person(request, {"role": "front_desk", "is_active": True}, None)


@router.get("/admin/staff/{staff_id}")
async def person(request: Request, staff_id: UUID) -> Response:
    """Show one member of staff, to be changed."""
    return _person(request, await calls.get(request, f"/staff/{staff_id}"), None)


@router.post("/admin/staff")
async def add_person(request: Request) -> Response:
    """Add somebody, and go on to give them a password."""
    form = await forms.read(request)
    body = _body(form)
    try:
        made = await calls.call(request, "POST", "/staff", body, once=form.once)
    except calls.Refused as error:
        return _person(request, body, error)
    return pages.done(f"{_STAFF}/{made.data['id']}", "saved")


@router.post("/admin/staff/{staff_id}")
async def change_person(request: Request, staff_id: UUID) -> Response:
    """Replace what is known of somebody; a new role holds within a second."""
    form = await forms.read(request)
    body, place = _body(form), f"/staff/{staff_id}"
    try:
        await calls.call(request, "PUT", place, body, version=form.version)
    except calls.Refused as error:
        now = await calls.get(request, place)
        return _person(request, {**now, **body}, error, now=error.differing(now, body))
    return pages.done(_STAFF, "saved")


@router.post("/admin/staff/{staff_id}/password")
async def give_password(request: Request, staff_id: UUID) -> Response:
    """Give them a password for once, and show it once."""
    form = await forms.read(request)
    body = {"remove_second_factor": form.checked("remove_second_factor")}
    place = f"/staff/{staff_id}"
    given = await calls.call(request, "POST", f"{place}/password", body, once=form.once)
    person = await calls.get(request, place)
    return _person(request, person, None, password=given.data["password"] or "")


def _body(form: forms.Form) -> dict[str, Any]:
    return {
        "email": form.text("email"), "display_name": form.text("display_name"),
        "role": form.text("role"), "issuer": form.some("issuer"), "subject": form.some("subject"),
        "is_active": form.checked("is_active"),
    }  # fmt: skip


def _person(
    request: Request,
    person: dict[str, Any],
    error: calls.Refused | None,
    *,
    now: dict[str, Any] | None = None,
    password: str | None = None,
) -> Response:
    status = 200 if error is None else error.status
    return pages.page(
        request, "admin_person.html", status=status, person=person, error=error, now=now or {},
        password=password,
    )  # fmt: skip
