"""/console/patients: find a patient, in the bar as somebody types or as a list.

What is looked for is sent as a form: names, MRNs and birth dates stand in no address.
"""

import re
from typing import Annotated, Any

from fastapi import Query, Request, Response

from chroniccare.console import calls, desk, forms, pages, routes

router = routes.router()

Text = Annotated[str, Query(max_length=200)]
_FOUND = 8
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@router.get("/patients")
@router.post("/patients")
async def search(request: Request) -> Response:
    """Show who is found by name, MRN or birth date; without them everybody by last name."""
    form = await forms.read(request)
    name, mrn, born = form.text("name"), form.text("mrn"), form.text("born")
    asked = {"name": name, "mrn": mrn, "date_of_birth": born}
    error = None
    found: dict[str, Any] = {"items": [], "next_cursor": None}
    try:
        found = await calls.get(
            request, "/patients", cursor=form.some("cursor"), limit=50,
            **{key: value for key, value in asked.items() if value},
        )  # fmt: skip
    except calls.Refused as refused:
        error = refused
    return pages.page(
        request, "patients.html", status=error.status if error else 200, error=error,
        found=found["items"], cursor=found["next_cursor"], name=name, mrn=mrn, born=born,
        books=desk.may(request, "appointments:write"),
    )  # fmt: skip


@router.post("/patients/found")
async def found(request: Request, to: Text = "") -> Response:
    """Answer the part of a page that lists whom the letters so far find.

    `to` is where a patient leads: `book` to their free times, `waitlist` to their entry, the id of
    a group session to a seat in it, else to their chart.
    """
    items: list[Any] = []
    name = (await forms.read(request)).text("name")
    if name:
        page = await calls.get(request, "/patients", name=name, limit=_FOUND)
        items = page["items"]
    is_session = _ID.fullmatch(to) is not None
    return pages.page(
        request, "patients_found.html", found=items, name=name, to=to, is_session=is_session
    )
