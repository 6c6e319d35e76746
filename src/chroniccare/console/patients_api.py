"""/console/patients: find a patient, in the bar as somebody types or as a list."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from chroniccare.console import calls, desk, pages, routes

router = routes.router()

Text = Annotated[str, Query(max_length=200)]
_FOUND = 8


@router.get("/patients")
async def search(
    request: Request, name: Text = "", mrn: Text = "", born: Text = "", cursor: Text = ""
) -> Response:
    """Show who is found by name, MRN or birth date; without them everybody by last name."""
    asked = {"name": name.strip(), "mrn": mrn.strip(), "date_of_birth": born}
    error = None
    found: dict[str, Any] = {"items": [], "next_cursor": None}
    try:
        found = await calls.get(
            request, "/patients", cursor=cursor or None, limit=50,
            **{key: value for key, value in asked.items() if value},
        )  # fmt: skip
    except calls.Refused as refused:
        error = refused
    return pages.page(
        request, "patients.html", status=error.status if error else 200, error=error,
        found=found["items"], cursor=found["next_cursor"], name=name, mrn=mrn, born=born,
        books=desk.may(request, "appointments:write"),
    )  # fmt: skip


@router.get("/patients/found")
async def found(request: Request, name: Text = "", to: Text = "") -> Response:
    """Answer the part of a page that lists whom the letters so far find.

    `to` is where a patient leads: `book` to their free times, `waitlist` to their entry, else to
    their chart.
    """
    items: list[Any] = []
    if name.strip():
        page = await calls.get(request, "/patients", name=name.strip(), limit=_FOUND)
        items = page["items"]
    return pages.page(request, "patients_found.html", found=items, name=name.strip(), to=to)
