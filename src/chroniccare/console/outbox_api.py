"""/console/outbox: the messages that patients would have received, as they would see them."""

from html import escape
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, pages, people, routes
from chroniccare.notifications.templates.segments import count

router = routes.router()
_PAGE = 30
_LETTER = {
    **pages.HEADERS,
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox",
}
"""A letter is somebody's text: nothing in it runs, loads or is sent, and it is nobody's origin."""


@router.get("/outbox")
async def kept(
    request: Request,
    channel: Annotated[str, Query(pattern="^(sms|email|push)?$")] = "",
    cursor: str | None = None,
) -> Response:
    """Show one page of the outbox, the latest first."""
    try:
        found = await calls.get(
            request, "/outbox", channel=channel or None, cursor=cursor, limit=_PAGE
        )
    except calls.Refused as error:
        if error.code != "NO_OUTBOX":
            raise
        return pages.page(request, "outbox.html", sent=True, channel="", items=[], next=None,
                          patients={})  # fmt: skip
    named = await people.patients(request, (one["patient_id"] for one in found["items"]))
    return pages.page(
        request, "outbox.html", sent=False, channel=channel, next=found["next_cursor"],
        items=[_shown(one) for one in found["items"]], patients=named,
    )  # fmt: skip


def _shown(message: dict[str, Any]) -> dict[str, Any]:
    return message | {"sms": count(message["body"]) if message["channel"] == "sms" else None}


@router.get("/outbox/{message_id:uuid}/letter")
async def letter(request: Request, message_id: UUID) -> Response:
    """Send an email as its reader would have it, for a frame that may do nothing."""
    message = await calls.get(request, f"/outbox/{message_id}")
    text = message["html"] or f"<!doctype html><body><pre>{escape(message['body'])}</pre></body>"
    return Response(text, media_type="text/html", headers=_LETTER)
