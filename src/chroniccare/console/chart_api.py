"""/console/patients/{patient_id}: a patient's chart, part by part."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from chroniccare.console import calls, chart, pages, people, routes, series
from chroniccare.console.session import current
from chroniccare.core.time import to_local, zone
from chroniccare.platform.postgres import database

router = routes.router()
AT = "/patients/{patient_id:uuid}"
_PAGE = 50


async def _if(request: Request, scope: str, found: Awaitable[Any], otherwise: Any) -> Any:
    """Return what `found` brings where the role may read it."""
    if scope in current(request).caller.scopes:
        return await found
    close = getattr(found, "close", None)
    if close is not None:  # a coroutine that nobody awaits would be complained of
        close()
    return otherwise


async def patient_of(request: Request, patient_id: UUID) -> dict[str, Any]:
    """Return the patient; the read is audited."""
    found: dict[str, Any] = await calls.get(request, f"/patients/{patient_id}")
    return found


def page_of(
    request: Request, part: str, patient: dict[str, Any], *, status: int = 200, **context: Any
) -> Response:
    """Return one part of the chart."""
    home = zone(patient["time_zone"])
    today = to_local(database().clock(), home).date()
    return pages.page(
        request, f"chart_{part}.html", status=status, part=part, patient=patient, zone=home,
        home=home, age=chart.age(patient["date_of_birth"], today),
        phones=chart.points(patient, "phone"), emails=chart.points(patient, "email"), **context,
    )  # fmt: skip


async def _places(request: Request, visits: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the names and zones that visits are shown with."""
    providers, facilities = await asyncio.gather(
        people.providers(request, (one["provider_id"] for one in visits)),
        people.facilities(request),
    )
    return {"providers": providers, "facilities": facilities}


@router.get(AT)
async def overview(request: Request, patient_id: UUID) -> Response:
    """Show who this is, what comes next, and what happened."""
    now = database().clock()
    at = f"/patients/{patient_id}"
    nothing: dict[str, Any] = {"items": []}
    patient, coming, past, messages, medicines, readings, tasks, care, allergies = (
        await asyncio.gather(
            patient_of(request, patient_id),
            _if(request, "appointments:read",
                calls.get(request, f"{at}/appointments", from_=now.isoformat(), limit=5), nothing),
            _if(request, "appointments:read",
                calls.get(request, f"{at}/appointments", to=now.isoformat(),
                          from_=(now - timedelta(days=400)).isoformat(), limit=200), nothing),
            _if(request, "notifications:read",
                calls.get(request, f"{at}/notifications", limit=30), nothing),
            _if(request, "medications:read",
                calls.get(request, f"{at}/medications", limit=30), nothing),
            _if(request, "records:read", calls.get(request, f"{at}/readings", limit=20), nothing),
            _if(request, "tasks:read",
                calls.get(request, "/tasks", patient_id=patient_id, limit=10), nothing),
            calls.get(request, f"{at}/providers"),
            _if(request, "medications:read",
                calls.get(request, f"{at}/allergies", limit=20), nothing),
        )
    )  # fmt: skip
    visits = coming["items"] + past["items"]
    places = await _places(request, visits + care["items"])
    events = chart.timeline(
        visits=past["items"][-30:], messages=_past(messages["items"]),
        medicines=medicines["items"], readings=readings["items"],
    )  # fmt: skip
    return page_of(
        request, "timeline", patient, coming=coming["items"], events=events, tasks=tasks["items"],
        care=care["items"], allergies=allergies["items"], **places,
    )  # fmt: skip


def _past(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    waiting = {"pending", "held", "queued", "cancelled", "superseded"}
    return [one for one in messages if one["delivery_status"] not in waiting]


@router.get(f"{AT}/visits")
async def visits(request: Request, patient_id: UUID, cursor: str | None = None) -> Response:
    """List the visits, the latest years in one page."""
    at = f"/patients/{patient_id}"
    patient, found, recurring = await asyncio.gather(
        patient_of(request, patient_id),
        calls.get(request, f"{at}/appointments", cursor=cursor, limit=200),
        calls.get(request, f"{at}/series", limit=_PAGE),
    )
    shown = found["items"][::-1]
    of_series = [(one, series.rule(one["recurrence_pattern"])) for one in recurring["items"]]
    return page_of(
        request, "visits", patient, visits=shown, series=of_series[::-1], next=found["next_cursor"],
        **await _places(request, shown),
    )  # fmt: skip


@router.get(f"{AT}/medicines")
async def medicines(request: Request, patient_id: UUID) -> Response:
    """Show the prescriptions, how they were taken, and which doses were missed."""
    patient = await patient_of(request, patient_id)
    today = to_local(database().clock(), zone(patient["time_zone"])).date()
    first = (today - timedelta(days=29)).isoformat()
    at = f"/patients/{patient_id}"
    found, report, missed = await asyncio.gather(
        calls.get(request, f"{at}/medications", limit=100),
        calls.get(request, f"{at}/medications/adherence",
                  from_=(today - timedelta(days=89)).isoformat(), interval="week"),
        calls.get(request, f"{at}/doses", from_date=first, to_date=today.isoformat(),
                  state="missed", limit=200),
    )  # fmt: skip
    return page_of(
        request, "medicines", patient, medicines=found["items"], report=report,
        series=chart.adherence_chart(report), missed=missed["items"][::-1],
        of_medicine={one["medication_id"]: one for one in report["medications"]},
    )  # fmt: skip


@router.get(f"{AT}/messages")
async def messages(request: Request, patient_id: UUID, cursor: str | None = None) -> Response:
    """List the messages, the latest first."""
    patient, found = await asyncio.gather(
        patient_of(request, patient_id),
        calls.get(request, f"/patients/{patient_id}/notifications", cursor=cursor, limit=_PAGE),
    )
    return page_of(request, "messages", patient, messages=found["items"], next=found["next_cursor"])


@router.get(f"{AT}/messages/{{notification_id:uuid}}")
async def why(request: Request, patient_id: UUID, notification_id: UUID) -> Response:
    """Explain one message step by step."""
    patient, story, message = await asyncio.gather(
        patient_of(request, patient_id),
        calls.get(request, f"/notifications/{notification_id}/timeline"),
        calls.get(request, f"/notifications/{notification_id}"),
    )
    return page_of(request, "why", patient, story=story, message=message)


@router.get(f"{AT}/readings")
async def readings(request: Request, patient_id: UUID) -> Response:
    """Draw what the patient measured at home in half a year."""
    since = database().clock() - timedelta(days=183)
    patient, found = await asyncio.gather(
        patient_of(request, patient_id),
        calls.everything(
            request, f"/patients/{patient_id}/readings", most=600, from_=since.isoformat()
        ),
    )
    charts = chart.reading_charts(found, zone(patient["time_zone"]))
    return page_of(request, "readings", patient, charts=charts)


@router.get(f"{AT}/access")
async def access(request: Request, patient_id: UUID, cursor: str | None = None) -> Response:
    """Show who read or changed what of this chart."""
    patient, found, staff = await asyncio.gather(
        patient_of(request, patient_id),
        calls.get(request, f"/patients/{patient_id}/access-report", cursor=cursor, limit=100),
        _if(request, "staff:read", calls.everything(request, "/staff"), []),
    )
    names = {one["id"]: one["display_name"] for one in staff}
    return page_of(
        request,
        "access",
        patient,
        entries=chart.accesses(found["items"]),
        next=found["next_cursor"],
        names=names,
    )
