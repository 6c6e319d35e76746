"""/console/series/{id}: visits that come back, changed and cancelled together."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from chroniccare.console import calls, desk, forms, pages, routes, series
from chroniccare.core.time import zone as named

router = routes.router()


@router.get("/series/{series_id}")
async def show(request: Request, series_id: UUID, visit: UUID | None = None) -> Response:
    """Show a series with its visits; with one of them, the forms begin with it."""
    return await _page(request, series_id, {"visit": str(visit or "")})


@router.post("/series/{series_id}/change")
async def change(request: Request, series_id: UUID) -> Response:
    """Say what would become of every visit; what was looked at is changed."""
    form = await forms.read(request)
    body, at = series.change(form), f"/appointments/series/{series_id}"
    entries = {name: form.text(name) for name in ("visit", *series.CHANGES)}
    acts, told, seen = form.text("act") != "check", None, form.text("seen")
    try:
        try:
            told, seen = await _looked(request, "POST", at, f"{at}/edit", body, form)
        except calls.Refused:
            if not acts:
                raise  # else it may have been sent twice, which the key of the form knows
        if told is not None and (not acts or seen != form.text("seen")):
            again = acts and bool(form.text("seen"))
            return await _page(request, series_id, entries, preview=told, seen=seen, again=again)
        answer = await calls.call(
            request, "POST", f"{at}/edit", {**body, "dry_run": False},
            version=form.version, once=form.once,
        )  # fmt: skip
    except calls.Refused as error:
        return await _page(request, series_id, entries, error=error, preview=error.data)
    return pages.done(f"/console/series/{answer.data['series']['id']}", "saved")


@router.post("/series/{series_id}/cancel")
async def cancel(request: Request, series_id: UUID) -> Response:
    """Say which visits would be cancelled; what was looked at is cancelled."""
    form = await forms.read(request)
    body, at = series.cancellation(form), f"/appointments/series/{series_id}"
    entries = {**body, "visit": form.text("visit")}
    acts = form.text("act") != "check"
    try:
        told, seen = await _looked(request, "DELETE", at, at, body, form)
        if not acts or seen != form.text("seen"):
            again = acts and bool(form.text("seen"))
            return await _page(request, series_id, entries, going=told, seen=seen, again=again)
        await calls.call(request, "DELETE", at, {**body, "dry_run": False}, version=form.version)
    except calls.Refused as error:
        return await _page(request, series_id, entries, error=error)
    return pages.done(f"/console/series/{series_id}", "cancelled")


async def _looked(
    request: Request, method: str, series_at: str, path: str, body: dict[str, Any],
    form: forms.Form,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Return what would become of the visits now, and the mark of that.

    The version of a series says nothing of a visit that was moved by itself.
    """
    answer, found = await asyncio.gather(
        calls.call(request, method, path, {**body, "dry_run": True}, version=form.version),
        calls.get(request, series_at),
    )
    rows = series.planned(found, answer.data["occurrences"])
    return answer.data, series.seen(body, rows)


async def _page(
    request: Request,
    series_id: UUID,
    entries: dict[str, Any],
    *,
    error: calls.Refused | None = None,
    preview: dict[str, Any] | None = None,
    going: dict[str, Any] | None = None,
    seen: str = "",
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
        coming=coming, entries={**blank, **entries}, seen=seen, going=going, preview=preview,
        again=again,
        planned=series.planned(found, (preview or going or {}).get("occurrences", [])),
        open=bool(coming) and desk.may(request, "appointments:write"),
    )  # fmt: skip
