"""/console/admin/settings: the rules that a clinic sets for itself, on one page."""

import asyncio
from typing import Any

from fastapi import Request, Response

from chroniccare.console import calls, desk, forms, pages, records, routes, settings
from chroniccare.core.errors import NotFound

router = routes.router()


@router.get("/admin/settings")
async def show(request: Request) -> Response:
    """Show every group that the role may read."""
    return await _page(request)


@router.post("/admin/settings/{name}")
async def change(request: Request, name: str) -> Response:
    """Replace the settings of one group."""
    if name not in settings.GROUPS:
        raise NotFound("There is no such page.")
    group, form = settings.GROUPS[name], await forms.read(request)
    body = group.body(form, await calls.get(request, group.path))
    try:
        await calls.call(request, "PUT", group.path, body, version=form.version)
    except calls.Refused as error:
        return await _page(request, refused=name, error=error, entered=body, form=form)
    return pages.done("/console/admin/settings", "saved")


async def _page(
    request: Request,
    *,
    refused: str = "",
    error: calls.Refused | None = None,
    entered: dict[str, Any] | None = None,
    form: forms.Form | None = None,
) -> Response:
    read = [name for name, one in settings.GROUPS.items() if desk.may(request, f"{one.scope}:read")]
    found = await asyncio.gather(*(calls.get(request, settings.GROUPS[name].path) for name in read))
    groups: dict[str, dict[str, Any]] = dict(zip(read, found, strict=True))
    now = error.differing(groups[refused], entered or {}) if error else {}
    countries = settings.lines(groups.get("costs", {}).get("countries"))
    if refused in groups:
        groups[refused] = {**groups[refused], **(entered or {})}
    return pages.page(
        request, "admin_settings.html", status=error.status if error else 200, groups=groups,
        refused=refused, error=error, now=now,
        faults=records.faults(error.fields) if error else {},
        countries=form.text("countries") if form and refused == "costs" else countries,
        writes={name: desk.may(request, f"{settings.GROUPS[name].scope}:write") for name in read},
    )  # fmt: skip
