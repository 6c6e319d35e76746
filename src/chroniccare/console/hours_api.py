"""/console/availability: weekly hours, time off and closed days, with whom a change would strand.

A form is first tried (`dry_run`). Where it strands visits, the page lists them and asks what is to
become of them; nothing is saved before somebody has chosen.
"""

import asyncio
from typing import Any, Literal
from uuid import UUID

from fastapi import Request, Response

from chroniccare.console import calls, desk, forms, hours, pages, routes
from chroniccare.core.time import to_local, zone
from chroniccare.platform.postgres import database

router = routes.router()

_HOME = "/console/availability"
_STALE = 412
Owner = Literal["providers", "facilities"]


@router.get("/availability")
async def choose(request: Request) -> Response:
    """Show whose hours can be changed."""
    providers, facilities = await asyncio.gather(
        calls.everything(request, "/providers"), calls.everything(request, "/facilities")
    )
    return pages.page(request, "hours.html", providers=providers, facilities=facilities)


@router.get("/availability/{owner}/{owner_id}")
async def show(request: Request, owner: Owner, owner_id: UUID) -> Response:
    """Show the hours of a provider or the closed days of a facility."""
    return await _page(request, owner, owner_id)


@router.post("/availability/providers/{owner_id}/week")
async def change_week(request: Request, owner_id: UUID) -> Response:
    """Replace the weekly hours of a provider."""
    form = await forms.read(request)
    rules = hours.rules(form)
    place = f"/providers/{owner_id}/availability"
    return await _change(
        request, form, ("providers", owner_id), ("PUT", place, {"rules": rules}), rules=rules
    )


@router.post("/availability/{owner}/{owner_id}/exceptions")
async def add_exception(request: Request, owner: Owner, owner_id: UUID) -> Response:
    """Add time off, a closed day or extra hours."""
    form = await forms.read(request)
    body = hours.exception(form, of_provider=owner == "providers")
    return await _change(
        request, form, (owner, owner_id), ("POST", f"/{owner}/{owner_id}/exceptions", body)
    )


@router.post("/availability/{owner}/{owner_id}/exceptions/{exception_id}/remove")
async def remove_exception(
    request: Request, owner: Owner, owner_id: UUID, exception_id: UUID
) -> Response:
    """Remove an exception: the week holds again."""
    form = await forms.read(request)
    place = f"/{owner}/{owner_id}/exceptions/{exception_id}"
    return await _change(request, form, (owner, owner_id), ("DELETE", place, None))


@router.post("/availability/facilities/{owner_id}/holidays")
async def close_on_holidays(request: Request, owner_id: UUID) -> Response:
    """Close a facility on the public holidays of a country."""
    form = await forms.read(request)
    body = {name: form.some(name) for name in ("country", "subdivision", "from_date", "to_date")}
    place = f"/facilities/{owner_id}/holidays"
    return await _change(request, form, ("facilities", owner_id), ("POST", place, body))


async def _change(
    request: Request,
    form: forms.Form,
    whose: tuple[Owner, UUID],
    call: tuple[str, str, Any],
    *,
    rules: list[dict[str, Any]] | None = None,
) -> Response:
    """Try a change, and make it unless it strands visits of which nobody has said what is to be."""
    method, place, body = call
    choice = form.some("stranded")
    stranded: list[dict[str, Any]] = []
    try:
        if choice is None:
            tried = await calls.call(
                request, method, place, body, query={"dry_run": "true"}, version=form.version
            )
            stranded = (tried.data or {}).get("stranded") or []
        if not stranded:
            await calls.call(
                request, method, place, body, query={"stranded": choice}, version=form.version,
                once=form.once if method == "POST" else None,
            )  # fmt: skip
            return pages.done(f"{_HOME}/{whose[0]}/{whose[1]}", "saved")
    except calls.Refused as error:
        return await _page(request, *whose, error=error, rules=rules, form=form)
    return await _page(request, *whose, stranded=stranded, rules=rules, form=form)


async def _page(
    request: Request,
    owner: Owner,
    owner_id: UUID,
    *,
    error: calls.Refused | None = None,
    stranded: list[dict[str, Any]] | None = None,
    rules: list[dict[str, Any]] | None = None,
    form: forms.Form | None = None,
) -> Response:
    facilities, who, exceptions = await asyncio.gather(
        calls.everything(request, "/facilities"),
        calls.get(request, f"/{owner}/{owner_id}"),
        calls.everything(
            request, f"/{owner}/{owner_id}/exceptions", most=200, from_date=_today()
        ),
    )  # fmt: skip
    now: list[dict[str, Any]] = []
    if owner == "providers" and (rules is None or (error and error.status == _STALE)):
        now = (await calls.get(request, f"/providers/{owner_id}/availability"))["rules"]
    visits = await _visits(request, stranded or [])
    patients = await desk.patients(request, (one["patient_id"] for one in visits.values()))
    status = error.status if error else 409 if stranded else 200
    return pages.page(
        request, "hours_of.html", status=status, owner=owner, who=who, exceptions=exceptions,
        facilities={one["id"]: one for one in facilities},
        places=[(one["id"], one["name"]) for one in facilities], today=_today(), error=error,
        rules=now if rules is None else rules,
        now=now if error and rules is not None else [], stranded=stranded or [], visits=visits,
        patients={key: desk.person(one) for key, one in patients.items()}, entered=form,
        again=_again(request, form) if stranded else None,
    )  # fmt: skip


async def _visits(request: Request, stranded: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the visits that would be stranded by id, as far as the caller reads visits."""
    if not stranded or not desk.may(request, "appointments:read"):
        return {}
    wanted = {one["appointment_id"] for one in stranded}
    providers = {one["provider_id"] for one in stranded}
    listed = await calls.everything(
        request, "/appointments", provider_id=providers.pop() if len(providers) == 1 else None,
        from_=min(one["scheduled_start"] for one in stranded),
        to=max(one["scheduled_end"] for one in stranded),
    )  # fmt: skip
    return {one["id"]: one for one in listed if one["id"] in wanted}


def _again(request: Request, form: forms.Form | None) -> dict[str, Any]:
    """Return what the form held and where it went, to be sent once more with the choice."""
    values = form.values if form else {}
    kept = [(name, one) for name, all_ in values.items() for one in all_ if name != forms.CSRF]
    return {"path": request.url.path, "kept": kept}


def _today() -> str:
    return to_local(database().clock(), zone("UTC")).date().isoformat()
