"""/unsubscribe/{token}, where the recipient of an email ends such emails (RFC 8058)."""

from fastapi import APIRouter, Request, Response

from chroniccare.core.errors import RateLimited
from chroniccare.notifications import page
from chroniccare.notifications.unsubscribe_page import PATH
from chroniccare.notifications.unsubscribing import actions
from chroniccare.tenancy.caller import Authority

public = APIRouter(prefix=PATH, include_in_schema=False)


@public.api_route("/{token}", methods=["GET", "HEAD"])
async def show_emails(token: str, request: Request) -> Response:
    """Answer the page; whoever opens it, and be it a scanner, changes nothing."""
    try:
        return _html(await actions.page(await _link(token, request)))
    except actions.NoMessage:
        return _html(page.unknown(), status=404)


@public.post("/{token}")
async def end_emails(token: str, request: Request) -> Response:
    """End them, whatever the body: a mail program posts `List-Unsubscribe=One-Click`."""
    try:
        link = await _link(token, request)
        await actions.end(link)
        return _html(await actions.page(link))
    except actions.NoMessage:
        return _html(page.unknown(), status=404)


async def _link(token: str, request: Request) -> actions.Link:
    """Return the link behind the address, with a token taken from its bucket.

    Raises:
        RateLimited: the bucket is empty.
    """
    authority: Authority = request.app.state.authority
    link = actions.opened(
        token, authority.pepper, request_id=request.scope["chroniccare.request_id"],
        ip_address=request.client.host if request.client else None,
    )  # fmt: skip
    allowance = await authority.take(
        link.caller, per_second=actions.PER_SECOND, burst=actions.BURST
    )
    request.scope["chroniccare.allowance"] = allowance
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.wait_s)
    return link


def _html(body: bytes, *, status: int = 200) -> Response:
    return Response(body, status, headers=page.HEADERS, media_type="text/html; charset=utf-8")
