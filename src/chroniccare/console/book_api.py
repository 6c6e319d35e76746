"""/console/book: find a free time across providers, and book it, hold it or repeat it."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from chroniccare.console import book, calls, desk, forms, pages, routes
from chroniccare.console.session import current
from chroniccare.core.time import zone as named

router = routes.router()

Text = Annotated[str, Query(max_length=200)]
_FIRST = 60


@router.get("/book")
@router.post("/book")
async def find(
    request: Request, patient_id: Text = "", provider_id: Text = "", facility_id: Text = "",
    appointment_type: Text = "", duration_minutes: Text = "", priority: Text = "",
    from_date: Text = "",
) -> Response:  # fmt: skip
    """Show the 60 earliest free times of a week; from each, one more page books it.

    The name of a patient who is looked for is sent as a form: it stands in no address.
    """
    name = (await forms.read(request)).text("name")
    clinic = await desk.clinic(request)
    kinds = clinic.choices("kinds")
    asked = {
        "patient_id": patient_id, "provider_id": provider_id, "facility_id": facility_id,
        "appointment_type": appointment_type or (kinds[0][0] if kinds else "follow_up"),
        "duration_minutes": duration_minutes, "priority": priority, "from_date": from_date,
    }  # fmt: skip
    error, slots, patient, found = None, [], None, []
    try:
        wanted = {key: value for key, value in asked.items() if value}
        answer = await calls.get(request, "/appointments/availability", first=_FIRST, **wanted)
        slots = answer["slots"]
    except calls.Refused as refused:
        error = refused
    if patient_id:
        patient = (await desk.patients(request, [patient_id])).get(patient_id)
    elif name:
        page = await calls.get(request, "/patients", name=name, limit=20)
        found = page["items"]
    return pages.page(
        request, "book.html", status=error.status if error else 200, error=error, clinic=clinic,
        asked=asked, patient=patient, found=found, name=name,
        days=book.by_day(request, slots, asked, clinic.names()),
        more=len(slots) == _FIRST, earlier=book.shifted(asked, slots, -7),
        later=book.following(asked, slots) if len(slots) == _FIRST
        else book.shifted(asked, slots, 7),
    )  # fmt: skip


@router.get("/book/slot")
async def look(
    request: Request, patient_id: Text, provider_id: Text, facility_id: Text, start: Text,
    appointment_type: Text = "follow_up", duration_minutes: Text = "30", priority: Text = "",
) -> Response:  # fmt: skip
    """Show what is about to be booked."""
    entries = {
        "patient_id": patient_id, "provider_id": provider_id, "facility_id": facility_id,
        "scheduled_start": start, "appointment_type": appointment_type,
        "duration_minutes": duration_minutes, "priority": priority or "normal",
    }  # fmt: skip
    return await _slot(request, entries)


@router.post("/book/slot")
async def decide(request: Request) -> Response:
    """Book the time, hold it, or say every date of a series first and then book that."""
    form = await forms.read(request)
    act = form.text("act", "book")
    entries = {name: form.text(name) for name in book.ENTRIES}
    preview = None
    try:
        if act in {"preview", "series"}:
            clinic = await desk.clinic(request)
            zone = clinic.zones().get(entries["facility_id"], "UTC")
            answer = await calls.call(
                request, "POST", "/appointments/batch",
                book.series_body(form, zone, dry_run=act == "preview"),
                once=form.once if act == "series" else None,
            )  # fmt: skip
            if act == "series":
                booked = [
                    one["appointment_id"]
                    for one in answer.data["occurrences"]
                    if one["appointment_id"]
                ]
                return pages.done(f"/console/visits/{booked[0]}", "booked")
            preview = answer.data
        else:
            answer = await calls.call(
                request, "POST", "/appointments", book.body(form, hold=act == "hold"),
                once=form.once,
            )  # fmt: skip
            return pages.done(
                f"/console/visits/{answer.data['id']}", "saved" if act == "hold" else "booked"
            )
    except calls.Refused as error:
        return await _slot(request, entries, error=error)
    return await _slot(request, entries, preview=preview)


async def _slot(
    request: Request, entries: dict[str, str], *, error: calls.Refused | None = None,
    preview: dict[str, Any] | None = None,
) -> Response:  # fmt: skip
    clinic = await desk.clinic(request)
    patient = (await desk.patients(request, [entries["patient_id"]])).get(entries["patient_id"])
    place = next((one for one in clinic.facilities if one["id"] == entries["facility_id"]), None)
    zone = place["timezone"] if place else "UTC"
    return pages.page(
        request, "book_slot.html", status=error.status if error else 200, error=error,
        entries={**dict.fromkeys(book.ENTRIES, ""), **entries}, patient=patient,
        names=clinic.names(), place=place, zone=named(zone), preview=preview,
        when=desk.spelled(entries["scheduled_start"], zone, current(request).locale),
        others=book.alternatives(request, error, entries, clinic.names()),
    )  # fmt: skip
