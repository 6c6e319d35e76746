"""What the pages behind links share with the web server: what was sent, and how it is answered."""

from fastapi import Request, Response

from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound, RateLimited
from chroniccare.notifications import page
from chroniccare.tenancy.caller import Authority


async def fields(request: Request) -> dict[str, str]:
    """Return the fields of the request's form, blanks at both ends taken off; the last of each."""
    form = await request.form()
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}


async def take(request: Request, caller: Caller, *, per_second: float, burst: int) -> None:
    """Take a token from the bucket of the link that calls.

    Raises:
        RateLimited: it is empty.
    """
    authority: Authority = request.app.state.authority
    allowance = await authority.take(caller, per_second=per_second, burst=burst)
    request.scope["chroniccare.allowance"] = allowance
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.wait_s)


def html(body: bytes, *, status: int = 200) -> Response:
    """Return the answer that holds a page."""
    return Response(body, status, headers=page.HEADERS, media_type="text/html; charset=utf-8")


def lost(error: NotFound) -> Response:
    """Return the page of a link behind which there is nothing: none of ours, or not any more."""
    body = page.unknown() if error.status == NotFound.status else page.gone()
    return html(body, status=error.status)


def wait(error: RateLimited) -> Response:
    """Return the page of who must wait, with how many seconds in `Retry-After`."""
    answer = html(page.busy(), status=error.status)
    answer.headers["retry-after"] = str(error.retry_after)
    return answer
