"""/console/series/{id}: visits that come back, changed and cancelled together."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from chroniccare.console import calls, desk, forms, pages, routes, series
from chroniccare.core.time import zone as named
from chroniccare.scheduling.series.previews import PreviewChanged

router = routes.router()


@router.get("/series/{series_id}")
async def show(request: Request, series_id: UUID, visit: UUID | None = None) -> Response:
    """Show a series with its visits; with one of them, the forms begin with it."""
    return await _page(request, series_id, {"visit": str(visit or "")})


@router.post("/series/{series_id}/change")
async def change(request: Request, series_id: UUID) -> Response:
    """Say what would become of every visit; what was looked at is changed."""
    form = await forms.read(request)
    body, at = series.change(form), f"/appointments/series/{series_id}/edit"
    entries = {name: form.text(name) for name in ("visit", *series.CHANGES)}
    try:
        told = await _shown(request, "POST", at, body, form)
        if told.is_done:
            return pages.done(f"/console/series/{told.data['series']['id']}", "saved")
        return await _page(request, series_id, entries, preview=told.data, again=told.again)
    except calls.Refused as error:
        return await _page(request, series_id, entries, error=error, preview=error.data)


@router.post("/series/{series_id}/cancel")
async def cancel(request: Request, series_id: UUID) -> Response:
    """Say which visits would be cancelled; what was looked at is cancelled."""
    form = await forms.read(request)
    body, at = series.cancellation(form), f"/appointments/series/{series_id}"
    entries = {**body, "visit": form.text("visit")}
    try:
        told = await _shown(request, "DELETE", at, body, form)
        if told.is_done:
            return pages.done(f"/console/series/{series_id}", "cancelled")
        return await _page(request, series_id, entries, going=told.data, again=told.again)
    except calls.Refused as error:
        return await _page(request, series_id, entries, error=error)


@dataclass(frozen=True, slots=True)
class _Told:
    """What the API says of a change: that it is done, or what it would do.

    Attributes:
        again: something else was looked at before.
    """

    data: dict[str, Any]
    is_done: bool = False
    again: bool = False


async def _shown(
    request: Request, method: str, path: str, body: dict[str, Any], form: forms.Form
) -> _Told:
    """Do what was looked at, and nothing else; say what would be done where that is not it.

    The API compares, with the visits locked: the version of a series says nothing of a visit that
    was moved by itself. A change that was sent twice is answered by its key before that; a
    cancellation has none, and the second one hears that the series is another by now.
    """
    seen = form.text("act") != "check" and form.some("seen")
    if seen:
        try:
            done = await calls.call(
                request, method, path, {**body, "preview": seen}, version=form.version,
                once=form.once,
            )  # fmt: skip
        except calls.Refused as error:
            if error.code != PreviewChanged.code:
                raise
        else:
            return _Told(done.data, is_done=True)
    looked = await calls.call(request, method, path, {**body, "dry_run": True})
    return _Told(looked.data, again=bool(seen))


async def _page(
    request: Request,
    series_id: UUID,
    entries: dict[str, Any],
    *,
    error: calls.Refused | None = None,
    preview: dict[str, Any] | None = None,
    going: dict[str, Any] | None = None,
    again: bool = False,
) -> Response:
    found, clinic = await asyncio.gather(
        calls.get(request, f"/appointments/series/{series_id}"), desk.clinic(request)
    )
    patients = await desk.patients(request, [found["patient_id"]])
    coming = series.coming(found)
    status = error.status if error else calls.CONFLICT if again else 200
    blank = {
        **dict.fromkeys(series.CHANGES, ""), "cancellation_reason": "", "notify_patient": True
    }  # fmt: skip
    return pages.page(
        request, "series.html", status=status, error=error, series=found,
        patient=patients.get(found["patient_id"]), clinic=clinic, names=clinic.names(),
        zone=named(found["time_zone"]), rule=series.rule(found["recurrence_pattern"]),
        coming=coming, entries={**blank, **entries}, going=going, preview=preview, again=again,
        planned=series.planned(found, (preview or going or {}).get("occurrences", [])),
        open=bool(coming) and desk.may(request, "appointments:write"),
    )  # fmt: skip
