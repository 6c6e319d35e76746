"""/console/admin/times and a chart's /times: when the events of a day are that doses go by."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from chroniccare.console import calls, desk, forms, pages, routes
from chroniccare.console.chart_api import AT, page_of, patient_of

router = routes.router()

EVENTS = ("wake", "breakfast", "lunch", "dinner", "bed")
_CLINIC = "/dosing-times"


@router.get("/admin/times")
async def clinic_times(request: Request) -> Response:
    """Show the clinic's times, which hold for whoever has set nothing else."""
    return await _clinic(request)


@router.post("/admin/times")
async def change_clinic_times(request: Request) -> Response:
    """Replace the clinic's times."""
    form = await forms.read(request)
    body = _body(form)
    try:
        await calls.call(request, "PUT", _CLINIC, body, version=form.version)
    except calls.Refused as error:
        return await _clinic(request, entries=body, error=error)
    return pages.done("/console/admin/times", "saved")


@router.get(f"{AT}/times")
async def patient_times(request: Request, patient_id: UUID) -> Response:
    """Show a patient's own times, and what holds."""
    return await _patient(request, patient_id)


@router.post(f"{AT}/times")
async def change_patient_times(request: Request, patient_id: UUID) -> Response:
    """Replace a patient's times; the doses to come follow."""
    form = await forms.read(request)
    body, at = _body(form), f"/patients/{patient_id}{_CLINIC}"
    try:
        await calls.call(request, "PUT", at, body, version=form.version)
    except calls.Refused as error:
        return await _patient(request, patient_id, entries=body, error=error)
    return pages.done(f"/console/patients/{patient_id}/times", "saved")


def _body(form: forms.Form) -> dict[str, Any]:
    return {name: form.some(name) for name in EVENTS}


async def _clinic(
    request: Request,
    *,
    entries: dict[str, Any] | None = None,
    error: calls.Refused | None = None,
) -> Response:
    times = await calls.get(request, _CLINIC)
    return pages.page(
        request, "times.html", status=error.status if error else 200,
        **_shown(request, times, entries, error),
    )  # fmt: skip


async def _patient(
    request: Request,
    patient_id: UUID,
    *,
    entries: dict[str, Any] | None = None,
    error: calls.Refused | None = None,
) -> Response:
    patient, times = await asyncio.gather(
        patient_of(request, patient_id), calls.get(request, f"/patients/{patient_id}{_CLINIC}")
    )
    return page_of(
        request, "times", patient, status=error.status if error else 200,
        **_shown(request, times, entries, error),
    )  # fmt: skip


def _shown(
    request: Request,
    times: dict[str, Any],
    entries: dict[str, Any] | None,
    error: calls.Refused | None,
) -> dict[str, Any]:
    return {
        "times": times, "entries": entries or times["own"], "error": error,
        "now": error.differing(times["own"], entries or {}) if error else {},
        "writes": desk.may(request, "medications:write"),
    }  # fmt: skip
