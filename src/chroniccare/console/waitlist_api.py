"""/console/waitlist: who waits, what is free for them, what they were offered."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import book, calls, desk, forms, pages, routes
from chroniccare.core.errors import NotFound

router = routes.router()

Text = Annotated[str, Query(max_length=200)]
_HERE = "/console/waitlist"
_NOTICE = 45
"""Minutes from now to what can be offered; what starts earlier is booked on the phone."""
_ENTRIES = (
    "patient_id", "provider_id", "facility_id", "appointment_type", "earliest", "latest",
    "starts_from", "starts_before", "priority", "notes", "due_on", "duration_minutes", "days",
)  # fmt: skip


@router.get("/waitlist")
async def show(
    request: Request, patient_id: Text = "", status: Text = "", cursor: Text = ""
) -> Response:
    """Show who waits, the next in line first; with a patient, the form that adds them."""
    return await _page(request, patient_id, status, cursor)


@router.post("/waitlist")
async def add(request: Request) -> Response:
    """Put a patient on the list."""
    form = await forms.read(request)
    try:
        made = await calls.call(
            request, "POST", "/waitlist",
            {name: one for name, one in _entered(form).items() if one is not None},
            once=form.once,
        )  # fmt: skip
    except calls.Refused as error:
        entries = _entered(form)
        return await _page(request, form.text("patient_id"), "", "", entries=entries, error=error)
    return pages.done(f"{_HERE}/{made.data['id']}", "saved")


@router.get("/waitlist/{entry_id}")
async def look(request: Request, entry_id: UUID) -> Response:
    """Show one entry: what is free and fits, and what was offered before."""
    return await _entry(request, entry_id)


@router.get("/waitlist/{entry_id}/edit")
async def edit(request: Request, entry_id: UUID) -> Response:
    """Show what a patient waits for, to be changed."""
    return await _edit(request, entry_id)


@router.post("/waitlist/{entry_id}/edit")
async def change(request: Request, entry_id: UUID) -> Response:
    """Replace what a patient waits for; who waits, and for which visit to move up, stays."""
    form = await forms.read(request)
    entry = await calls.get(request, f"/waitlist/{entry_id}")
    kept = {name: entry[name] for name in ("patient_id", "appointment_id")}
    body = {**_entered(form), "priority": form.text("priority", "normal"), **kept}
    try:
        await calls.call(request, "PUT", f"/waitlist/{entry_id}", body, version=form.version)
    except calls.Refused as error:
        return await _edit(request, entry_id, entries=body, error=error)
    return pages.done(f"{_HERE}/{entry_id}", "saved")


@router.post("/waitlist/{entry_id}/offer")
async def offer(request: Request, entry_id: UUID) -> Response:
    """Hold a free time for the patient and tell them."""
    form = await forms.read(request)
    body = {
        "provider_id": form.text("provider_id"), "facility_id": form.text("facility_id"),
        "scheduled_start": form.text("start"), "duration_minutes": form.number("minutes"),
        "appointment_type": form.some("appointment_type"),
        "notify_patient": form.text("act") != "phone",
    }  # fmt: skip
    try:
        await calls.call(request, "POST", f"/waitlist/{entry_id}/offers", body, once=form.once)
    except calls.Refused as error:
        return await _entry(request, entry_id, error=error)
    return pages.done(f"{_HERE}/{entry_id}", "offered")


@router.post("/waitlist/{entry_id}/offers/{offer_id}/{answer}")
async def settle(request: Request, entry_id: UUID, offer_id: UUID, answer: str) -> Response:
    """Note what the patient said to an offer."""
    if answer not in {"accept", "decline"}:
        raise NotFound("There is no such page.")
    form = await forms.read(request)
    try:
        await calls.call(
            request, "POST", f"/waitlist/offers/{offer_id}/{answer}", once=form.once
        )  # fmt: skip
    except calls.Refused as error:
        return await _entry(request, entry_id, error=error)
    return pages.done(f"{_HERE}/{entry_id}", "booked" if answer == "accept" else "recorded")


@router.post("/waitlist/{entry_id}/remove")
async def remove(request: Request, entry_id: UUID) -> Response:
    """Take a patient off the list; an open offer is withdrawn."""
    form = await forms.read(request)
    try:
        await calls.call(request, "DELETE", f"/waitlist/{entry_id}", version=form.version)
    except calls.Refused as error:
        return await _entry(request, entry_id, error=error)
    return pages.done(_HERE, "removed")


def _entered(form: forms.Form) -> dict[str, Any]:
    told: dict[str, Any] = {name: form.some(name) for name in _ENTRIES}
    return {
        **told, "duration_minutes": form.number("duration_minutes"), "days": form.all("days"),
    }  # fmt: skip


async def _edit(
    request: Request,
    entry_id: UUID,
    *,
    entries: dict[str, Any] | None = None,
    error: calls.Refused | None = None,
) -> Response:
    entry, clinic = await asyncio.gather(
        calls.get(request, f"/waitlist/{entry_id}"), desk.clinic(request)
    )
    patients = await desk.patients(request, [entry["patient_id"]])
    return pages.page(
        request, "waitlist_edit.html", status=error.status if error else 200, error=error,
        entry=entry, entries={**entry, **(entries or {})}, clinic=clinic, names=clinic.names(),
        who=desk.person(patients.get(entry["patient_id"])),
        now=error.differing(entry, entries or {}) if error else {},
    )  # fmt: skip


async def _page(
    request: Request,
    patient_id: str,
    status: str,
    cursor: str,
    *,
    entries: dict[str, Any] | None = None,
    error: calls.Refused | None = None,
) -> Response:
    found = await calls.get(
        request, "/waitlist", status=status or None, cursor=cursor or None, limit=50
    )
    ids = [one["patient_id"] for one in found["items"]] + ([patient_id] if patient_id else [])
    clinic, patients = await asyncio.gather(desk.clinic(request), desk.patients(request, ids))
    return pages.page(
        request, "waitlist.html", status=error.status if error else 200, error=error,
        waiting=found["items"], cursor=found["next_cursor"], clinic=clinic, names=clinic.names(),
        patients={key: desk.person(one) for key, one in patients.items()}, wanted=status,
        adding=patients.get(patient_id), entries=dict.fromkeys(_ENTRIES, "") | (entries or {}),
        writes=desk.may(request, "appointments:write"),
    )  # fmt: skip


async def _entry(
    request: Request, entry_id: UUID, *, error: calls.Refused | None = None
) -> Response:
    entry = await calls.get(request, f"/waitlist/{entry_id}")
    clinic, patients, offers, times = await asyncio.gather(
        desk.clinic(request),
        desk.patients(request, [entry["patient_id"]]),
        calls.everything(request, f"/waitlist/{entry_id}/offers", most=50),
        _times(request, entry),
    )
    return pages.page(
        request, "waitlist_entry.html", status=error.status if error else 200, error=error,
        entry=entry, clinic=clinic, names=clinic.names(),
        who=desk.person(patients.get(entry["patient_id"])),
        zones=clinic.zones(), offers=offers, times=times, kinds=clinic.choices("kinds"),
        writes=desk.may(request, "appointments:write"),
    )  # fmt: skip


async def _times(request: Request, entry: dict[str, Any]) -> list[dict[str, Any]]:
    if entry["status"] != "waiting":
        return []
    found = await calls.get(request, f"/waitlist/{entry['id']}/times")
    asked = {"patient_id": entry["patient_id"], "priority": entry["priority"]}
    asked["appointment_type"] = entry["appointment_type"] or "follow_up"
    soon = [desk.minutes_since(one["start"]) or 0 for one in found["slots"]]
    first = next((at for at, ago in enumerate(soon) if ago <= -_NOTICE), None)
    return [
        {**one, "soon": soon[at] > -_NOTICE, "first": at == first, "href": book.way(one, asked)}
        for at, one in enumerate(found["slots"])
    ]
