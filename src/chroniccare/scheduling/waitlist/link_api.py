"""/offers/{token}, where the patient who has the link answers an offer."""

from fastapi import APIRouter, Request, Response

from chroniccare.core.errors import RateLimited
from chroniccare.notifications.birth_date import PROOF, NotProved
from chroniccare.notifications.page_api import fields, html, lost, take, wait
from chroniccare.scheduling.waitlist import links

public = APIRouter(prefix="/offers", include_in_schema=False)


@public.api_route("/{token}", methods=["GET", "HEAD"])
async def ask_for_offer(token: str, request: Request) -> Response:
    """Answer the page that asks for the date of birth; whoever opens it, a scanner, learns nothing.

    It changes nothing either.
    """
    try:
        return html(await links.question(await _link(token, request)))
    except links.NoOffer as error:
        return lost(error)
    except RateLimited as error:
        return wait(error)


@public.post("/{token}")
async def open_offer(token: str, request: Request) -> Response:
    """Answer the page of the offer to who gives the date of birth; 422 to another date."""
    try:
        link = await _link(token, request)
        try:
            proof = await links.prove(link, request.app.state.doorkeeper, await fields(request))
            return html(await links.page(link, proof))
        except NotProved as error:
            return html(await links.question(link, why=error.why), status=error.status)
    except links.NoOffer as error:
        return lost(error)
    except RateLimited as error:
        return wait(error)


@public.post("/{token}/{step}")
async def answer_offer(token: str, step: links.Step, request: Request) -> Response:
    """Take the patient's answer; 409 when the offer is over."""
    try:
        link, proof = await _link(token, request), (await fields(request)).get(PROOF, "")
        try:
            taken = await links.answer(link, step, proof)
            body = await links.page(link, proof, refused=not taken)
            return html(body, status=200 if taken else 409)
        except NotProved as error:
            return html(await links.question(link, why=error.why), status=error.status)
    except links.NoOffer as error:
        return lost(error)
    except RateLimited as error:
        return wait(error)


async def _link(token: str, request: Request) -> links.Link:
    """Return the link behind the address, with a token taken from its bucket.

    Raises:
        NoOffer: we gave out no such address.
        RateLimited: the bucket is empty.
    """
    link = links.opened(
        token, request.app.state.authority.pepper,
        request_id=request.scope["chroniccare.request_id"],
        ip_address=request.client.host if request.client else None,
    )  # fmt: skip
    await take(request, link.caller, per_second=links.PER_SECOND, burst=links.BURST)
    return link
