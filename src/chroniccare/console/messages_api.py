"""/console/messages and /console/failed: what became of messages, and sending them after all."""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, forms, messages, pages, people, routes
from chroniccare.console.session import current
from chroniccare.platform.postgres import database

router = routes.router()
_COUNTS = "/notifications/delivery-status"
_PAGE = 50
_MANY = 500
"""Messages that one replay looks at, in one transaction; whoever wants more goes on."""


@router.get("/messages")
async def figures(
    request: Request, span: Annotated[str, Query(pattern="^(day|week|month)$")] = "day"
) -> Response:
    """Show what became of messages of late, by channel, kind and hour, and what they cost."""
    now = database().clock()
    since = {"from_": (now - messages.SPANS[span]).isoformat(), "to": now.isoformat()}
    reads_spend = "spend:read" in current(request).caller.scopes
    channels, kinds, hours, queue, drivers = await asyncio.gather(
        calls.get(request, _COUNTS, group_by="channel", **since),
        calls.get(request, _COUNTS, group_by="notification_type", **since),
        calls.get(request, _COUNTS, group_by="hour", **since),
        calls.get(request, "/notifications/queue"),
        calls.get(request, "/notifications/drivers"),
    )
    spend, days = None, None
    if reads_spend:
        first = (now - messages.SPANS[span]).date().isoformat()
        spend, days = await asyncio.gather(
            calls.get(request, "/spend", months=1),
            calls.get(request, "/spend/entries", from_=first),
        )
    return pages.page(
        request, "messages.html", span=span, channels=channels["groups"], kinds=kinds["groups"],
        hours=messages.hours(hours["groups"]), time_zone=hours["time_zone"], queue=queue,
        totals=messages.totals(channels["groups"]), drivers=drivers["drivers"], spend=spend,
        days=days,
    )  # fmt: skip


@router.get("/failed")
async def failed(
    request: Request,
    cause: str | None = None,
    channel: str | None = None,
    cursor: str | None = None,
    done: Annotated[int | None, Query(ge=0)] = None,
    left: Annotated[int | None, Query(ge=0)] = None,
    further: str = "",
) -> Response:
    """Show what reached nobody by cause, and of one page whether it would go out now.

    `further`: where a replay of many goes on, which had not looked at all of them.
    """
    return await _failed(
        request, cause=cause, channel=channel, cursor=cursor, counts=(done, left), further=further
    )


async def _failed(
    request: Request, *, cause: str | None = None, channel: str | None = None,
    cursor: str | None = None, counts: tuple[int | None, int | None] = (None, None),
    error: calls.Refused | None = None, further: str = "",
) -> Response:  # fmt: skip
    chosen = {"cause": cause or None, "channel": channel or None, "cursor": cursor, "limit": _PAGE}
    groups, found, checked, zone = await asyncio.gather(
        calls.get(request, "/notifications/failed", limit=1),
        calls.get(request, "/notifications/failed", **chosen),
        calls.get(request, "/notifications/failed/check", **chosen),
        people.clinic_zone(request),
    )
    named = await people.patients(request, (one["patient_id"] for one in found["items"]))
    return pages.page(
        request, "failed.html", status=error.status if error else 200, groups=groups["groups"],
        items=found["items"], next=found["next_cursor"], cause=cause or "", channel=channel or "",
        verdicts={one["id"]: one for one in checked["results"]}, patients=named, error=error,
        would=checked["requeued"], counts=counts, zone=zone,
        further=further,
    )  # fmt: skip


@router.post("/failed/replay")
async def replay_many(request: Request) -> Response:
    """Put back what of a cause and channel can be sent, `_MANY` at once, from `cursor` on."""
    form = await forms.read(request)
    cause, channel = form.some("cause"), form.some("channel")
    body = {"cause": cause, "channel": channel, "cursor": form.some("cursor"), "limit": _MANY}
    try:
        answer = await calls.call(
            request, "POST", "/notifications/failed/replay", body, once=form.once
        )
    except calls.Refused as error:
        return await _failed(request, cause=cause, channel=channel, error=error)
    put = answer.data
    said = {"done": put["requeued"], "left": put["refused"]}
    if put["next_cursor"]:
        said |= {"cause": cause or "", "channel": channel or "", "further": put["next_cursor"]}
    return pages.done(f"/console/failed?{urlencode(said)}", "replayed")


@router.post("/failed/{notification_id:uuid}/replay")
async def replay_one(request: Request, notification_id: UUID) -> Response:
    """Put one message back; the reason stands on the page if it would not be sent."""
    form = await forms.read(request)
    try:
        await calls.call(
            request, "POST", f"/notifications/{notification_id}/replay", once=form.once
        )
    except calls.Refused as error:
        return await _failed(
            request, cause=form.some("cause"), channel=form.some("channel"), error=error
        )
    return pages.done(_back(form), "replayed")


def _back(form: forms.Form) -> str:
    """Return where the form was, if that is a page of the console."""
    back = form.text("back")
    return back if back.startswith("/console/") and "//" not in back else "/console/failed"


@router.get("/failed/{notification_id:uuid}")
async def look(request: Request, notification_id: UUID) -> Response:
    """Explain one message that reached nobody, and show what such a message says."""
    message, story = await asyncio.gather(
        calls.get(request, f"/notifications/{notification_id}"),
        calls.get(request, f"/notifications/{notification_id}/timeline"),
    )
    named = await people.patients(request, [message["patient_id"]])
    patient = named.get(message["patient_id"] or "")
    return pages.page(
        request, "failed_one.html", message=message, story=story, patient=patient,
        example=await _example(request, message, patient["language"] if patient else "en"),
    )  # fmt: skip


async def _example(request: Request, message: dict[str, Any], language: str) -> Any:
    """Return such a message with the values of an example, None where none can be shown."""
    body = {name: message[name] for name in ("notification_type", "channel")}
    try:
        answer = await calls.call(
            request, "POST", "/templates/preview", body | {"locale": language}
        )
    except calls.Refused:  # the role may not, or a type that has no text of its own
        return None
    return answer.data
