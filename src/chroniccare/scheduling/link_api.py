"""/visits/{token}, where the patient who has the link confirms a visit or asks for another time."""

from fastapi import APIRouter, Request, Response

from chroniccare.core.errors import RateLimited
from chroniccare.notifications import page
from chroniccare.scheduling import links
from chroniccare.tenancy.caller import Authority

public = APIRouter(prefix="/visits", include_in_schema=False)


@public.api_route("/{token}", methods=["GET", "HEAD"])
async def show_visit(token: str, request: Request) -> Response:
    """Answer the page of the visit; whoever opens it, and be it a scanner, changes nothing."""
    try:
        return _html(await links.page(await _link(token, request)))
    except links.NoVisit:
        return _html(page.unknown(), status=404)


@public.post("/{token}/{step}")
async def answer_visit(token: str, step: links.Step, request: Request) -> Response:
    """Take the patient's answer; 409 when the visit has changed since they were told of it."""
    try:
        link = await _link(token, request)
        taken = await links.answer(link, step)
        body = await links.page(link, refused=not taken)
    except links.NoVisit:
        return _html(page.unknown(), status=404)
    return _html(body, status=200 if taken else 409)


async def _link(token: str, request: Request) -> links.Link:
    """Return the link behind the address, with a token taken from its bucket.

    Raises:
        RateLimited: the bucket is empty.
    """
    authority: Authority = request.app.state.authority
    link = links.opened(
        token, authority.pepper, request_id=request.scope["chroniccare.request_id"],
        ip_address=request.client.host if request.client else None,
    )  # fmt: skip
    allowance = await authority.take(link.caller, per_second=links.PER_SECOND, burst=links.BURST)
    request.scope["chroniccare.allowance"] = allowance
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.wait_s)
    return link


def _html(body: bytes, *, status: int = 200) -> Response:
    return Response(body, status, headers=page.HEADERS, media_type="text/html; charset=utf-8")
