"""/console/templates: the texts that patients get, looked at while they are written."""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, forms, pages, routes
from chroniccare.console.session import current

router = routes.router()

_HOME = "/console/templates"
_Word = Annotated[str, Query(max_length=64)]


@router.get("/templates")
async def list_templates(request: Request) -> Response:
    """Show every text that there is: built in, or the clinic's own."""
    types, own = await asyncio.gather(
        calls.get(request, "/templates/types"), calls.everything(request, "/templates")
    )
    return pages.page(request, "texts.html", types=types["types"], own=own)


@router.get("/templates/text")
async def text(request: Request, type_: Annotated[str, Query(alias="type")], channel: _Word,
               locale: _Word) -> Response:  # fmt: skip
    """Show one text with its versions, to be written anew."""
    return await _text(request, {"type": type_, "channel": channel, "locale": locale}, None)


@router.post("/templates/text")
async def write(request: Request) -> Response:
    """Write a version, or only look at what it would say."""
    form = await forms.read(request)
    which, source = _which(form), _source(form)
    if form.checked("look"):
        return await _text(request, which, None, entered=source)
    body = source | {"note": form.some("note")}
    # What the page has shown, not what there is by now: the same form asks for the same.
    template_id = form.id("template")
    try:
        if template_id is None:
            kind = {"notification_type": which["type"], "channel": which["channel"],
                    "locale": which["locale"]}  # fmt: skip
            await calls.call(request, "POST", "/templates", body | kind, once=form.once)
        else:
            place = f"/templates/{template_id}/versions"
            await calls.call(request, "POST", place, body, once=form.once)
    except calls.Refused as error:
        return await _text(request, which, error, entered=body)
    return pages.done(_place(which), "saved")


@router.post("/templates/preview")
async def preview(request: Request) -> Response:
    """Return what a patient would read; htmx puts it beside the text while that is written."""
    form = await forms.read(request)
    seen, error = await _preview(request, _which(form), _source(form))
    return pages.page(request, "text_preview.html", seen=seen, error=error)


@router.post("/templates/{template_id}/versions/{version_id}/activate")
async def activate(request: Request, template_id: UUID, version_id: UUID) -> Response:
    """Have a version sent from now on."""
    form = await forms.read(request)
    place = f"/templates/{template_id}/versions/{version_id}/activate"
    return await _switch(request, form, place)


@router.post("/templates/{template_id}/deactivate")
async def deactivate(request: Request, template_id: UUID) -> Response:
    """Have the built-in text sent from now on."""
    form = await forms.read(request)
    return await _switch(request, form, f"/templates/{template_id}/deactivate")


async def _switch(request: Request, form: forms.Form, place: str) -> Response:
    try:
        await calls.call(request, "POST", place, version=form.version, once=form.once)
    except calls.Refused as error:
        return await _text(request, _which(form), error)
    return pages.done(_place(_which(form)), "saved")


def _which(form: forms.Form) -> dict[str, str]:
    return {name: form.text(name) for name in ("type", "channel", "locale")}


def _source(form: forms.Form) -> dict[str, Any]:
    return {"text": form.text("text"), "subject": form.some("subject"), "html": form.some("html")}


def _place(which: dict[str, str]) -> str:
    return f"{_HOME}/text?{urlencode(which)}"


async def _own(request: Request, which: dict[str, str]) -> dict[str, Any] | None:
    """Return the clinic's own template for this type, channel and locale, if there is one."""
    found = await calls.get(
        request, "/templates", notification_type=which["type"], channel=which["channel"],
        locale=which["locale"],
    )  # fmt: skip
    return found["items"][0] if found["items"] else None


async def _preview(
    request: Request, which: dict[str, str], source: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, calls.Refused | None]:
    """Return what would be read: of `source`, or what is sent now."""
    if "templates:write" not in current(request).caller.scopes:
        return None, None
    body = {"notification_type": which["type"], "channel": which["channel"],
            "locale": which["locale"], "source": source}  # fmt: skip
    try:
        return (await calls.call(request, "POST", "/templates/preview", body)).data, None
    except calls.Refused as error:
        return None, error


async def _text(
    request: Request, which: dict[str, str], error: calls.Refused | None, *,
    entered: dict[str, Any] | None = None,
) -> Response:  # fmt: skip
    own, types = await asyncio.gather(_own(request, which), calls.get(request, "/templates/types"))
    versions = await calls.everything(request, f"/templates/{own['id']}/versions") if own else []
    source = entered
    if source is None and versions:
        source = next((one for one in versions if one["is_active"]), versions[0])
    seen, problem = await _preview(request, which, entered and {
        name: entered[name] for name in ("text", "subject", "html")
    })  # fmt: skip
    if source is None and seen is not None:
        source = seen["source"]
    people = {}
    if "staff:read" in current(request).caller.scopes:
        listed = await calls.everything(request, "/staff")
        people = {one["id"]: one["display_name"] for one in listed}
    kind = next((one for one in types["types"] if one["notification_type"] == which["type"]), None)
    shown = next((one for one in (kind or {"channels": []})["channels"]
                  if one["channel"] == which["channel"]), None)  # fmt: skip
    return pages.page(
        request, "text.html", status=error.status if error else 200, which=which, own=own,
        versions=versions, source=source or {}, seen=seen, problem=problem, error=error,
        people=people, variables=(shown or {"variables": []})["variables"],
        note=(entered or {}).get("note"),
    )  # fmt: skip
