"""/doses/{token}, where who has the link of a reminder marks its doses as taken, or as not."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from chroniccare.core.errors import Invalid, RateLimited
from chroniccare.medications.reminders import links
from chroniccare.notifications.birth_date import PROOF, NotProved
from chroniccare.notifications.dose_page import DOSE, Step
from chroniccare.notifications.page_api import fields, html, lost, take, wait

public = APIRouter(prefix="/doses", include_in_schema=False)


@public.api_route("/{token}", methods=["GET", "HEAD"])
async def ask_for_doses(token: str, request: Request) -> Response:
    """Answer the page that asks for the date of birth; whoever opens it, a scanner, learns nothing.

    It changes nothing either.
    """
    try:
        return html(await links.question(await _link(token, request)))
    except links.NoDoses as error:
        return lost(error)
    except RateLimited as error:
        return wait(error)


@public.post("/{token}")
async def open_doses(token: str, request: Request) -> Response:
    """Answer the page of the doses to who gives the date of birth; 422 to another date."""
    try:
        link = await _link(token, request)
        try:
            proof = await links.prove(link, request.app.state.doorkeeper, await fields(request))
            return html(await links.page(link, proof))
        except NotProved as error:
            return html(await links.question(link, why=error.why), status=error.status)
    except links.NoDoses as error:
        return lost(error)
    except RateLimited as error:
        return wait(error)


@public.post("/{token}/{step}")
async def mark_doses(token: str, step: Step, request: Request) -> Response:
    """Take the report; 409 when it cannot be taken any more, and the page as it is now."""
    try:
        link, given = await _link(token, request), await fields(request)
        proof = given.get(PROOF, "")
        try:
            taken = await links.mark(link, step, proof, dose_id=_dose(given.get(DOSE, "")))
            body = await links.page(link, proof, thanks=taken)
            return html(body, status=200 if taken else 409)
        except NotProved as error:
            return html(await links.question(link, why=error.why), status=error.status)
    except links.NoDoses as error:
        return lost(error)
    except RateLimited as error:
        return wait(error)


def _dose(text: str) -> UUID | None:
    """Return the dose that a button is about; None: all of them.

    Raises:
        Invalid: it is no id.
    """
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Invalid.field(DOSE, "must be an id", "uuid") from None


async def _link(token: str, request: Request) -> links.Link:
    """Return the link behind the address, with a token taken from its bucket.

    Raises:
        NoDoses: we gave out no such address.
        RateLimited: the bucket is empty.
    """
    link = links.opened(
        token, request.app.state.authority.pepper,
        request_id=request.scope["chroniccare.request_id"],
        ip_address=request.client.host if request.client else None,
    )  # fmt: skip
    await take(request, link.caller, per_second=links.PER_SECOND, burst=links.BURST)
    return link
