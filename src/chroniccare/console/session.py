"""Who is signed in at this browser."""

from typing import Any, Protocol

from fastapi import Request

from chroniccare.core.caller import Caller
from chroniccare.platform.postgres import database

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


_BY_ITSELF = frozenset({"/console/live"})
"""What an open page asks for by itself: nobody need be there, so a session is not kept alive."""


async def signed_in(request: Request) -> Session | None:
    """Return the session behind the request's cookie, None without one that holds."""
    token = request.cookies.get(COOKIE) or request.cookies.get(COOKIE_IN_CLEAR)
    if not token:
        return None
    sessions: Any = request.app.state.sessions
    client = request.client
    found: Session | None = await sessions.opened(
        token, now=database().clock(), address=client.host if client else None,
        seen=request.url.path not in _BY_ITSELF,
    )  # fmt: skip
    return found


def current(request: Request) -> Session:
    """Return the session of this request, which `routes.Page` has put there."""
    session: Session = request.state.session
    return session
