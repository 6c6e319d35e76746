"""/console/account: one's own password, second factor, sessions, language and look."""

from io import BytesIO
from typing import Any
from uuid import UUID

import segno
from fastapi import Request, Response

from chroniccare.console import forms, pages, routes
from chroniccare.console.session import current, keep, token_of
from chroniccare.core.errors import Problem, RateLimited
from chroniccare.platform.postgres import begin, database
from chroniccare.staff.accounts import actions, queries
from chroniccare.staff.sessions import actions as sessions

router = routes.router()

_THEMES = ("auto", "light", "dark")


def _session(request: Request) -> sessions.Session:
    found: Any = current(request)
    assert isinstance(found, sessions.Session)  # noqa: S101  what `app.state.sessions` opens
    return found


@router.get("/account")
async def account(request: Request) -> Response:
    """Show how one signs in, where one is signed in, and what can be changed."""
    session = _session(request)
    async with begin(session.caller) as tx:
        state = await actions.state(tx, session.staff_id)
        listed = await sessions.listed(tx, session.staff_id)
    needed = database().settings.second_factor == "required"
    return pages.page(
        request, "account.html", session=session, state=state, listed=listed, needed=needed
    )


@router.get("/account/password")
async def password_page(request: Request) -> Response:
    """Show where to change one's password."""
    return pages.page(request, "account_password.html", session=_session(request), error=None)


@router.post("/account/password")
async def change_password(request: Request) -> Response:
    """Change one's password; every other session of one's own ends."""
    session, form = _session(request), await forms.read(request)
    try:
        fresh = await actions.change_password(
            session, token_of(request), old=form.text("old_password"),
            new=form.text("new_password"),
        )  # fmt: skip
    except Problem as error:
        return _again(request, "account_password.html", error)
    return keep(pages.done("/console/account", "saved"), fresh)


@router.get("/account/factor")
async def factor_page(request: Request) -> Response:
    """Show where to set up a second factor, or to remove it."""
    return await _factor(request, None)


@router.post("/account/factor")
async def begin_factor(request: Request) -> Response:
    """Show a new secret for an authenticator, as a QR code and as text, once."""
    session, form = _session(request), await forms.read(request)
    try:
        enrolment = await actions.begin_factor(session, password=form.some("password"))
    except Problem as error:
        return await _factor(request, error)
    return pages.page(
        request, "account_factor_code.html", words=_in_fours(enrolment.secret),
        picture=_picture(enrolment.address), error=None,
    )  # fmt: skip


@router.post("/account/factor/confirm")
async def confirm_factor(request: Request) -> Response:
    """Take the authenticator's first code; show the recovery codes, once."""
    session, form = _session(request), await forms.read(request)
    try:
        fresh, codes = await actions.confirm_factor(
            session, token_of(request), code=form.text("code")
        )
    except Problem as error:
        return pages.page(
            request, "account_factor_code.html", status=error.status, words="", picture="",
            error=error,
        )  # fmt: skip
    request.state.session = await sessions.opened(fresh, now=database().clock(), seen=False)
    return keep(pages.page(request, "account_recovery.html", codes=codes), fresh)


@router.post("/account/factor/remove")
async def remove_factor(request: Request) -> Response:
    """Remove the second factor, with one of its codes."""
    session, form = _session(request), await forms.read(request)
    try:
        fresh = await actions.remove_factor(session, token_of(request), code=form.text("code"))
    except Problem as error:
        return await _factor(request, error)
    return keep(pages.done("/console/account", "removed"), fresh)


@router.post("/account/sessions/end-others")
async def end_others(request: Request) -> Response:
    """Sign out everywhere but here."""
    session = _session(request)
    async with begin(session.caller) as tx:
        ended = await sessions.end_others(tx, session.staff_id, but=session.id)
    return pages.done("/console/account", "ended" if ended else "nothing")


@router.post("/account/sessions/{session_id}/end")
async def end_one(request: Request, session_id: UUID) -> Response:
    """Sign out of one session of one's own."""
    session = _session(request)
    async with begin(session.caller) as tx:
        await sessions.end(tx, session.staff_id, session_id)
    return pages.done("/console/account", "ended")


@router.post("/account/look")
async def look(request: Request) -> Response:
    """Keep language and look; what is neither stays as it was."""
    session, form = _session(request), await forms.read(request)
    locale, theme = form.text("locale"), form.text("theme")
    async with begin(session.caller) as tx:
        await sessions.prefer(
            tx, session, locale=locale if locale in pages.LANGUAGES else session.locale,
            theme=theme if theme in _THEMES else session.theme,
        )  # fmt: skip
    sessions.forget(token_of(request))
    return pages.done("/console/account", "saved")


async def _factor(request: Request, error: Problem | None) -> Response:
    session = _session(request)
    async with begin(session.caller) as tx:
        state: queries.State | None = await actions.state(tx, session.staff_id)
    status = 200 if error is None else error.status
    return pages.page(
        request, "account_factor.html", status=status, session=session, state=state, error=error,
        needed=database().settings.second_factor == "required",
    )  # fmt: skip


def _again(request: Request, template: str, error: Problem) -> Response:
    answer = pages.page(
        request, template, status=error.status, session=_session(request), error=error
    )
    if isinstance(error, RateLimited):
        answer.headers["retry-after"] = str(error.retry_after or 1)
    return answer


def _picture(text: str) -> str:
    """Return a QR code as an SVG element without styles, dark on light in either look."""
    drawn = BytesIO()
    segno.make(text, error="m").save(
        drawn, kind="svg", scale=5, border=3, dark="#000", light="#fff", xmldecl=False,
        svgns=True, nl=False, omitsize=False,
    )  # fmt: skip
    return drawn.getvalue().decode()


def _in_fours(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
