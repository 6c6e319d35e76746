"""Who is signed in at this browser."""

from typing import Any, Protocol

from fastapi import Request, Response

from chroniccare.core.caller import Caller
from chroniccare.platform.postgres import database
from chroniccare.settings import address

COOKIE = "__Host-chroniccare"
"""A browser takes such a cookie over TLS alone, and never from a subdomain."""
COOKIE_IN_CLEAR = "chroniccare"
"""Its name where the console is served over http, on one machine."""


class Session(Protocol):
    """What `staff.sessions` says of a token; see there."""

    caller: Caller
    display_name: str
    csrf: str
    locale: str
    theme: str
    needs: str


_BY_ITSELF = frozenset({"/console/live"})
"""What an open page asks for by itself: nobody need be there, so a session is not kept alive."""
_REFRESHES = "x-by-itself"
"""Header of a page that asks for itself again because something has changed."""


def cookie_name() -> str:
    """Return what the cookie is called here; one of the other name is nobody's."""
    return COOKIE if is_tls() else COOKIE_IN_CLEAR


def token_of(request: Request) -> str:
    """Return the token that the browser holds, of a session that may be over; empty: none."""
    return request.cookies.get(cookie_name(), "")


def keep(answer: Response, token: str) -> Response:
    """Have the browser hold a token until it is closed."""
    answer.set_cookie(
        cookie_name(), token, path="/", secure=is_tls(), httponly=True, samesite="lax"
    )
    return answer


def let_go(answer: Response) -> Response:
    """Have the browser hold no token, and no page from before."""
    answer.delete_cookie(cookie_name(), path="/", secure=is_tls(), httponly=True, samesite="lax")
    answer.headers["clear-site-data"] = '"cache"'
    return answer


def is_tls() -> bool:
    """Return whether browsers reach the console over TLS."""
    return address(database().settings).startswith("https:")


async def signed_in(request: Request) -> Session | None:
    """Return the session behind the request's cookie, None without one that holds."""
    token = token_of(request)
    if not token:
        return None
    sessions: Any = request.app.state.sessions
    client = request.client
    found: Session | None = await sessions.opened(
        token, now=database().clock(), address=client.host if client else None,
        seen=not _is_by_itself(request),
        request_id=request.scope.get("chroniccare.request_id", ""),
    )  # fmt: skip
    return found


def _is_by_itself(request: Request) -> bool:
    return request.url.path in _BY_ITSELF or (
        request.method == "GET" and _REFRESHES in request.headers
    )


def current(request: Request) -> Session:
    """Return the session of this request, which `routes.Page` has put there."""
    session: Session = request.state.session
    return session
