"""/offers/{token}, where the patient who has the link answers an offer."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from chroniccare.core.caller import Caller
from chroniccare.core.errors import RateLimited
from chroniccare.notifications import page
from chroniccare.scheduling.waitlist import links
from chroniccare.tenancy.caller import Authority

public = APIRouter(prefix="/offers", include_in_schema=False)


@public.api_route("/{token}", methods=["GET", "HEAD"])
async def show_offer(token: str, request: Request) -> Response:
    """Answer the page of the offer; whoever opens it, and be it a scanner, changes nothing."""
    try:
        return _html(await links.page(await _holder(token, request), token))
    except links.NoOffer:
        return _html(page.unknown(), status=404)


@public.post("/{token}/{step}")
async def answer_offer(
    token: str, step: Literal["accept", "decline"], request: Request
) -> Response:
    """Take the patient's answer; 409 when the offer is over."""
    try:
        caller = await _holder(token, request)
        taken = await links.answer(caller, step)
        body = await links.page(caller, token, refused=not taken)
    except links.NoOffer:
        return _html(page.unknown(), status=404)
    return _html(body, status=200 if taken else 409)


async def _holder(token: str, request: Request) -> Caller:
    """Return the offer that the address names, with a token taken from its bucket.

    Raises:
        RateLimited: the bucket is empty.
    """
    authority: Authority = request.app.state.authority
    caller = links.holder(
        token, authority.pepper, request_id=request.scope["chroniccare.request_id"],
        ip_address=request.client.host if request.client else None,
    )  # fmt: skip
    allowance = await authority.take(caller, per_second=links.PER_SECOND, burst=links.BURST)
    request.scope["chroniccare.allowance"] = allowance
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.wait_s)
    return caller


def _html(body: bytes, *, status: int = 200) -> Response:
    return Response(body, status, headers=page.HEADERS, media_type="text/html; charset=utf-8")
