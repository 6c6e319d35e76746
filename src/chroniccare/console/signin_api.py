"""/console/sign-in and /console/sign-out: the only pages of the console without a session."""

import re
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from chroniccare.console import forms, pages, routes
from chroniccare.console.session import cookie_name, is_tls, keep, let_go, token_of
from chroniccare.core.errors import (
    Forbidden,
    NotFound,
    Problem,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from chroniccare.platform.postgres import begin, database
from chroniccare.staff.accounts import elsewhere
from chroniccare.staff.accounts.signing_in import Reception, Started, Typed
from chroniccare.staff.sessions import actions as sessions
from chroniccare.staff.sessions.actions import Place, Session

public = APIRouter(prefix="/console", include_in_schema=False)
router = routes.router()

_KEPT = "kept."
_NEXT = re.compile(r"/console(/[A-Za-z0-9._~%/-]*)?(\?[A-Za-z0-9._~%&=+:,-]*)?")
_HOME = "/console/today"
_YEAR_S = 31_536_000
_REFUSALS = (Unauthenticated, RateLimited, Forbidden, Unavailable)
_WRONG = "Clinic, email address or password is not right."
_WRONG_CODE = "This code is not right, or has been used. Wait for the next one."
_NOT_ELSEWHERE = "Your organisation did not sign you in, or nobody here is known by it."
_TOO_OFTEN = "Too many wrong attempts. Please wait before you try again: seconds left"


@public.get("/sign-in")
async def sign_in_page(
    request: Request, next_: Annotated[str, Query(alias="next")] = "", clinic: str = ""
) -> Response:
    """Show where to sign in; `next` is where to go on afterwards."""
    return pages.door(request, action=_local(next_), clinic=clinic[:63])


@public.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Take clinic, email address and password."""
    form = await forms.read(request)
    typed = Typed(form.text("clinic"), form.text("email"), form.text("password"))
    try:
        _check_origin(request)
        started = await _reception(request).sign_in(typed, place(request))
    except _REFUSALS as error:
        answer = pages.door(
            request, status=error.status, action=_local(form.text("next")), kept=_kept(form),
            wrong=_said(error, _WRONG), clinic=typed.clinic, email=typed.email,
            owner=form.text(forms.OWNER),
        )  # fmt: skip
        return _with_wait(answer, error)
    await _leave(request)
    answer = await _go_on(request, form, started)
    answer.set_cookie(
        pages.CLINIC, typed.clinic.strip().lower(), max_age=_YEAR_S, path="/console/sign-in",
        secure=is_tls(), httponly=True, samesite="lax",
    )  # fmt: skip
    return answer


@public.get("/sign-in/code")
async def code_page() -> Response:
    """Begin anew: the page of the second step is shown by the first alone."""
    return pages.done("/console/sign-in")


@public.post("/sign-in/code")
async def code(request: Request) -> Response:
    """Take a code of the authenticator, or a recovery code."""
    form = await forms.read(request)
    token = token_of(request)
    try:
        _check_origin(request)
        started = await _reception(request).second_step(token, form.text("code"), place(request))
    except _REFUSALS as error:
        answer = _ask_code(request, form, error.status, _said(error, _WRONG_CODE))
        return _with_wait(answer, error)
    return await _go_on(request, form, started)


@public.get("/sign-in/with/{number}")
async def sign_in_elsewhere(
    request: Request,
    number: int,
    next_: Annotated[str, Query(alias="next")] = "",
    clinic: str = "",
) -> Response:
    """Send the browser to one of the issuers of OpenID Connect at which staff sign in."""
    issuer = _elsewhere(request).listed(number)
    away = elsewhere.begun(database().settings, issuer, clinic=clinic[:63], back=_local(next_))
    answer = RedirectResponse(away.url, 303, headers=pages.HEADERS)
    answer.set_cookie(
        f"{cookie_name()}-away", away.kept, max_age=elsewhere.LASTS_S, path="/", secure=is_tls(),
        httponly=True, samesite="lax",
    )  # fmt: skip
    return answer


@public.get("/sign-in/from")
async def signed_in_elsewhere(request: Request, code: str = "", state: str = "") -> Response:
    """Take what an issuer's redirect brings: a code, for which we ask who it is."""
    name = f"{cookie_name()}-away"
    try:
        back, started = await _elsewhere(request).finished(
            request.cookies.get(name, ""), code=code, state=state, place=place(request)
        )
    except (Unauthenticated, Unavailable) as error:
        answer = pages.door(request, status=error.status, wrong=_NOT_ELSEWHERE)
    else:
        await _leave(request)
        answer = keep(pages.done(back or _HOME), started.token)
    answer.delete_cookie(name, path="/", secure=is_tls(), httponly=True, samesite="lax")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    await _leave(request)
    return let_go(pages.done("/console/sign-in?said=signed_out"))


def place(request: Request) -> Place:
    """Return where a request comes from."""
    return Place(
        request.client.host if request.client else None,
        request.headers.get("user-agent", ""),
        request.scope.get("chroniccare.request_id", ""),
    )


async def _leave(request: Request) -> None:
    """End the session that the browser holds, if it holds one."""
    token = token_of(request)
    found: Session | None = await sessions.opened(
        token, now=database().clock(), request_id=place(request).request_id, seen=False
    )
    if found is not None:
        with suppress(NotFound):  # ended elsewhere, a moment ago
            async with begin(found.caller) as tx:
                await sessions.end(tx, found.staff_id, found.id)
        sessions.forget(token)


async def _go_on(request: Request, form: forms.Form, started: Started) -> Response:
    """Return the next step, where somebody was going, or the form that was on its way.

    It is handed to whoever has filled it in alone; anybody else begins at home.
    """
    if started.needs == "code":
        return keep(_ask_code(request, form, 200, ""), started.token)
    kept, action = _kept(form), _local(form.text("next"))
    if not kept:
        return keep(pages.done(action or _HOME), started.token)
    session = await sessions.opened(started.token, now=database().clock())
    if session is None or session.needs or not pages.is_of(form, session.caller):
        return keep(pages.done(_HOME), started.token)
    request.state.session = session
    answer = pages.page(request, "resume.html", action=action, kept=kept)
    return keep(answer, started.token)


def _ask_code(request: Request, form: forms.Form, status: int, wrong: str) -> Response:
    request.state.session = None
    return pages.page(
        request, "signin_code.html", status=status, action=_local(form.text("next")),
        kept=_kept(form), wrong=wrong, owner=form.text(forms.OWNER),
    )  # fmt: skip


def _kept(form: forms.Form) -> list[tuple[str, str]]:
    return [
        (name.removeprefix(_KEPT), one)
        for name, values in form.values.items() if name.startswith(_KEPT)
        for one in values
    ]  # fmt: skip


def _local(path: str) -> str:
    """Return an address of the console as it is; of any other one nothing is left."""
    return path if _NEXT.fullmatch(path) and "//" not in path and ".." not in path else ""


def _said(error: Problem, wrong: str) -> str:
    if isinstance(error, RateLimited):
        return f"{_TOO_OFTEN}|{error.retry_after or 1}"
    return wrong if isinstance(error, Unauthenticated) else error.message


def _with_wait(answer: Response, error: Problem) -> Response:
    if error.retry_after is not None:
        answer.headers["retry-after"] = str(error.retry_after)
    return answer


def _check_origin(request: Request) -> None:
    """Refuse a form that another site has sent: it would sign somebody in as somebody else.

    Raises:
        NotFromHere: it has.
    """
    if request.headers.get("sec-fetch-site", "") not in routes.OURS:
        raise routes.NotFromHere


def _elsewhere(request: Request) -> elsewhere.Elsewhere:
    found: elsewhere.Elsewhere = request.app.state.issuers
    return found


def _reception(request: Request) -> Reception:
    found: Reception = request.app.state.reception
    return found
