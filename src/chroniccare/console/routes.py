"""What every page of the console passes: the session, the token of a form, the page of an error."""

import hmac
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from chroniccare.console import forms, pages
from chroniccare.console.session import Session, signed_in
from chroniccare.core.errors import Forbidden, NotFound, Problem, RateLimited
from chroniccare.tenancy.caller import Authority

log = logging.getLogger(__name__)
_READS = frozenset({"GET", "HEAD"})
_FIRST = {"password": "/console/account/password", "factor": "/console/account/factor"}
"""Where somebody goes who must do something before anything else."""
_LETS = {"password": "/console/account/password", "factor": "/console/account/"}
"""What is let through until then: a second factor does not stand for a password of one's own."""
_ALWAYS = ("/console/sign-out", "/console/live")
OURS = frozenset({"", "none", "same-origin"})


class NotFromHere(Forbidden):
    """A form was not sent by a page of this session's."""

    code = "FORM_TOKEN"
    message = "This form is too old or comes from elsewhere. Please open the page again."


class Page(APIRoute):
    """A route of the console: somebody is signed in, and a change comes from one of our pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind the session."""
        handler = super().get_route_handler()

        async def page(request: Request) -> Response:
            session = await signed_in(request)
            if session is None:
                return await pages.sign_in(request)
            request.state.session = session
            try:
                await _check(request, session)
                first = _FIRST.get(session.needs)
                if first and not request.url.path.startswith((_LETS[session.needs], *_ALWAYS)):
                    return pages.done(first)
                return await handler(request)
            except NotFromHere as error:
                return await _too_old(request, session, error)
            except HTTPException:  # no such page: as elsewhere
                raise
            except Exception as error:  # noqa: BLE001  a page says that there was a fault
                return pages.problem(request, _shown(request, error))

        return page


def _shown(request: Request, error: Exception) -> Problem:
    """Return what the page says of `error`: of a fault of ours nothing of what it was."""
    if isinstance(error, RequestValidationError):  # an id that is none, a date that is none
        return NotFound("There is no such page.")
    if isinstance(error, Problem):
        return error
    known = {"requestId": request.scope.get("chroniccare.request_id")}
    log.error("unhandled", exc_info=error, extra=known)
    return Problem()


async def _check(request: Request, session: Session) -> None:
    authority: Authority = request.app.state.authority
    allowance = await authority.take(session.caller)
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.wait_s)
    if request.method in _READS:
        return
    if request.headers.get("sec-fetch-site", "") not in OURS:
        raise NotFromHere
    sent = request.headers.get("x-csrf-token") or (await forms.read(request)).text(forms.CSRF)
    if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
        raise NotFromHere


async def _too_old(request: Request, session: Session, error: NotFromHere) -> Response:
    """Hand back what the same person has entered in a page of an earlier session of theirs."""
    if pages.is_part(request):
        return pages.page(request, "part.html", status=error.status, error=error)
    form = await forms.read(request)
    kept = pages.entries(request, form)
    is_theirs = request.headers.get("sec-fetch-site") == "same-origin" and pages.is_of(
        form, session.caller
    )
    if not kept or not is_theirs or session.needs:
        return pages.problem(request, error)
    return pages.page(
        request, "resume.html", status=error.status, action=request.url.path, kept=kept
    )


def router() -> APIRouter:
    """Return a router for one screen."""
    return APIRouter(prefix="/console", include_in_schema=False, route_class=Page)
