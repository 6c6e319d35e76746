"""/console/admin/clinic: facilities, providers, kinds of visit, rooms and equipment."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, desk, forms, pages, records, routes
from chroniccare.core.errors import NotFound

router = routes.router()

_HOME = "/console/admin/clinic"


def _kind(name: str) -> records.Kind:
    if name not in records.KINDS:
        raise NotFound("There is no such page.")
    return records.KINDS[name]


@router.get("/admin/clinic/{kind}")
async def show(
    request: Request, kind: str, cursor: Annotated[str | None, Query(max_length=400)] = None
) -> Response:
    """List the records of one kind."""
    scope = _kind(kind).scope
    found, facilities = await asyncio.gather(
        calls.get(request, f"/{kind}", cursor=cursor, limit=50), _facilities(request)
    )
    following = found["next_cursor"]
    return pages.page(
        request, "records.html", kind=kind, found=found["items"],
        places={one["id"]: one["name"] for one in facilities},
        more=f"{_HOME}/{kind}?cursor={following}" if following else "",
        writes=desk.may(request, f"{scope}:write"),
    )  # fmt: skip


@router.get("/admin/clinic/{kind}/new")
async def new(request: Request, kind: str) -> Response:
    """Show an empty form."""
    return await _form(request, kind, _kind(kind).blank)


@router.post("/admin/clinic/{kind}")
async def add(request: Request, kind: str) -> Response:
    """Add a record."""
    form = await forms.read(request)
    body = _kind(kind).body(form, {})
    try:
        await calls.call(request, "POST", f"/{kind}", body, once=form.once)
    except calls.Refused as error:
        return await _form(request, kind, body, error=error, form=form)
    return pages.done(f"{_HOME}/{kind}", "saved")


@router.get("/admin/clinic/{kind}/{record_id}")
async def look(request: Request, kind: str, record_id: UUID) -> Response:
    """Show one record, to be changed."""
    _kind(kind)
    return await _form(request, kind, await calls.get(request, f"/{kind}/{record_id}"))


@router.post("/admin/clinic/{kind}/{record_id}")
async def change(request: Request, kind: str, record_id: UUID) -> Response:
    """Replace a record, unless that strands visits of which nobody has said what is to be.

    What was said is of those that were listed: where there are others by now, it is asked again.
    """
    form = await forms.read(request)
    at, chosen = f"/{kind}/{record_id}", form.some("stranded")
    stranded: list[dict[str, Any]] = []
    now = await calls.get(request, at)
    body = _kind(kind).body(form, now)
    try:
        if _kind(kind).strands:
            tried = await calls.call(
                request, "PUT", at, body, query={"dry_run": "true"}, version=form.version
            )
            stranded = (tried.data or {}).get("stranded") or []
        listed = " ".join(one["appointment_id"] for one in stranded)
        if not stranded or (chosen and form.text("listed") == listed):
            query = {"stranded": chosen} if chosen else {}
            await calls.call(request, "PUT", at, body, query=query, version=form.version)
            return pages.done(f"{_HOME}/{kind}", "saved")
    except calls.Refused as error:
        return await _form(request, kind, {**now, **body}, error=error, form=form, now=now)
    return await _form(request, kind, {**now, **body}, form=form, stranded=stranded)


@router.post("/admin/clinic/{kind}/{record_id}/remove")
async def remove(request: Request, kind: str, record_id: UUID) -> Response:
    """Take a record away; what was booked with it is kept."""
    form, at = await forms.read(request), f"/{kind}/{record_id}"
    _kind(kind)
    try:
        await calls.call(request, "DELETE", at, version=form.version)
    except calls.Refused as error:
        return await _form(request, kind, await calls.get(request, at), error=error)
    return pages.done(f"{_HOME}/{kind}", "removed")


async def _facilities(request: Request) -> list[Any]:
    if not desk.may(request, "facilities:read"):
        return []
    return await calls.everything(request, "/facilities")


async def _form(
    request: Request,
    kind: str,
    record: dict[str, Any],
    *,
    error: calls.Refused | None = None,
    form: forms.Form | None = None,
    now: dict[str, Any] | None = None,
    stranded: list[dict[str, Any]] | None = None,
) -> Response:
    facilities = await _facilities(request)
    entered = {name: values[0] for name, values in (form.values if form else {}).items()}
    filled = {**records.shown({**_kind(kind).blank, **record}), "keep_visits": False}
    texts = {name: one for name, one in entered.items() if isinstance(filled.get(name), str)}
    zones = {one["id"]: one["timezone"] for one in facilities}
    status = error.status if error else 409 if stranded else 200
    return pages.page(
        request, "record.html", status=status, kind=kind, error=error, stranded=stranded or [],
        record={**filled, **texts},
        faults=records.faults(error.fields) if error else {},
        now=error.differing(now, _plain(record)) if error and now else {},
        places=[(one["id"], one["name"]) for one in facilities], zones=zones,
        writes=desk.may(request, f"{_kind(kind).scope}:write"),
        kept=[(name, one) for name, several in (form.values if form else {}).items()
              for one in several if name not in {forms.CSRF, forms.OWNER}],
    )  # fmt: skip


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a page can say in a word."""
    return {name: one for name, one in record.items() if isinstance(one, (str, int))}
