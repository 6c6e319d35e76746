"""/console/patients/{patient_id}/contact and /preferences: what may be changed in a chart."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from chroniccare.console import calls, chart, forms, pages, routes
from chroniccare.console.chart_api import AT, page_of, patient_of
from chroniccare.console.session import current
from chroniccare.notifications.schemas import CHANNELS
from chroniccare.tenancy.masks import hidden

router = routes.router()


@router.get(f"{AT}/contact")
async def contact(request: Request, patient_id: UUID) -> Response:
    """Show the contact data as a form."""
    patient = await patient_of(request, patient_id)
    return page_of(
        request, "contact", patient, given=chart.contact_fields(patient), error=None,
        seen=patient["version"],
    )  # fmt: skip


@router.post(f"{AT}/contact")
async def save_contact(request: Request, patient_id: UUID) -> Response:
    """Write the contact data unless somebody else has changed the record meanwhile."""
    form, patient = await asyncio.gather(forms.read(request), patient_of(request, patient_id))
    given = {name: form.text(name) for name in chart.contact_fields(patient)}
    try:
        await calls.call(
            request, "PUT", f"/patients/{patient_id}",
            chart.with_contact(patient, given, hidden(current(request).caller, "PUT", "patients")),
            version=form.version,
        )  # fmt: skip
    except calls.Refused as error:
        _rename(error, lambda path: chart.contact_field(path, given))
        return page_of(
            request, "contact", patient, status=error.status, given=given, error=error,
            seen=patient["version"],
        )  # fmt: skip
    return pages.done(f"/console/patients/{patient_id}/contact", "saved")


@router.get(f"{AT}/preferences")
async def preferences(request: Request, patient_id: UUID) -> Response:
    """Show what the patient wants, what follows from it, and the form."""
    return await _preferences(request, patient_id, None, None)


@router.post(f"{AT}/preferences")
async def save_preferences(request: Request, patient_id: UUID) -> Response:
    """Write what the patient wants."""
    form = await forms.read(request)
    at = f"/patients/{patient_id}/notification-preferences"
    shown = await calls.get(request, at)
    given = {
        "channels": form.all("channel"),
        "consents": {name: form.text(f"consent_{name}") for name in CHANNELS},
        "categories": form.all("category"),
        "quiet_start": form.text("quiet_start"),
        "quiet_end": form.text("quiet_end"),
        "drug_names": form.checked("drug_names"),
    }
    try:
        body = chart.preferences_body(shown, given)
        await calls.call(request, "PUT", at, body, version=form.version)
    except calls.Refused as error:
        _rename(error, chart.preferences_field)
        return await _preferences(request, patient_id, given, error)
    return pages.done(f"/console/patients/{patient_id}/preferences", "saved")


@router.post(f"{AT}/preferences/resubscribe")
async def resubscribe(request: Request, patient_id: UUID) -> Response:
    """Take the patient's addresses off the opt-out list of a channel."""
    form = await forms.read(request)
    body = {"channel": form.text("channel"), "because": form.text("because")}
    at = f"/patients/{patient_id}/notification-preferences/resubscribe"
    try:
        await calls.call(request, "POST", at, body, once=form.once)
    except calls.Refused as error:
        return await _preferences(request, patient_id, None, error)
    return pages.done(f"/console/patients/{patient_id}/preferences", "saved")


def _rename(error: calls.Refused, name: Callable[[str], str]) -> None:
    """Have an error name the fields of the form, so that it stands beside them."""
    error.details = [replace(one, field=name(one.field)) for one in error.details or []]


async def _preferences(
    request: Request, patient_id: UUID, given: dict[str, Any] | None, error: calls.Refused | None
) -> Response:
    patient, shown = await asyncio.gather(
        patient_of(request, patient_id),
        calls.get(request, f"/patients/{patient_id}/notification-preferences"),
    )
    return page_of(
        request, "preferences", patient, status=error.status if error else 200, shown=shown,
        given=given or chart.preferences_fields(shown), error=error,
    )  # fmt: skip
