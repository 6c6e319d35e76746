"""Pages: templates, languages, times, and what a browser may do with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import orjson
from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from chroniccare.console import forms, said
from chroniccare.console.navigation import SCREENS, Screen
from chroniccare.console.session import Session, current, token_of
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Problem
from chroniccare.core.time import to_local
from chroniccare.core.time import zone as named
from chroniccare.notifications.templates import words
from chroniccare.platform.postgres import database
from chroniccare.staff.sessions.actions import csrf_of, owner_of

LANGUAGES = ("en", "es")
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; object-src 'none'",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""Sent with every page: nothing from elsewhere, nothing inline, and nothing that is kept."""
CLINIC = "chroniccare-clinic"
"""Cookie with the subdomain of the clinic that somebody last signed in to here."""
Kept = Sequence[tuple[str, str]]
"""Names and values of the fields of a form."""
_UNKEPT = frozenset({forms.CSRF, forms.OWNER, "password", "old_password", "new_password", "code"})
_ACCOUNT = "/console/account/"
"""Nothing that is entered below it is kept."""
_SEARCHED = frozenset({"name", "mrn", "born"})
"""What searches ask for, which stands in no address."""


@dataclass(frozen=True, slots=True)
class Here:
    """What every template knows of the request."""

    path: str
    session: Session | None
    language: str
    zone: ZoneInfo
    now: datetime

    @property
    def seconds_left(self) -> int:
        """Return after how long an open page is covered unless something is done; 0: never."""
        until = getattr(self.session, "idle_until", None)
        if self.session is None or until is None:
            return 0
        return max(1, int((until - self.now).total_seconds()))


@lru_cache
def catalogue(language: str) -> dict[str, str]:
    """Return what each English text is called in `language`."""
    if language == "en":
        return {}
    found: dict[str, str] = orjson.loads(
        files("chroniccare.console").joinpath(f"words_{language}.json").read_bytes()
    )
    return found


@lru_cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("chroniccare.console"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    texts = catalogue(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]  # of the extension
        lambda text: texts.get(text, text),
        lambda one, many, count: texts.get(
            one if count == 1 else many, one if count == 1 else many
        ),
        newstyle=True,
    )
    made.globals.update(
        asset=asset,
        language=language,
        once=forms.new_once,
        has_words=said.has_words,
        code=lambda kind, name: said.code(kind, name, language),
        codes=lambda kind, chosen="": said.choices(kind, language, chosen),
        named=lambda kind: {name: said.code(kind, name, language) for name in said.table()[kind]},
    )
    made.filters.update(
        said=lambda text: texts.get(text) or said.reason(text, language),
        at=lambda value, zone: _when(value, zone, language),
        clock=lambda value, zone: words.time(_local(value, zone), language),
        day=lambda value, zone=None: _day(value, zone, language),
        iso=lambda value, zone: _local(value, zone).strftime("%Y-%m-%dT%H:%M"),
    )
    return made


def _instant(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _local(value: str | datetime, zone: ZoneInfo | str) -> datetime:
    return to_local(_instant(value), named(zone) if isinstance(zone, str) else zone)


def _when(value: str | datetime, zone: ZoneInfo | str, language: str) -> str:
    at = _local(value, zone)
    now = to_local(database().clock(), at.tzinfo)  # type: ignore[arg-type]  # a ZoneInfo
    return f"{words.date(at, language, now=now)}, {words.time(at, language)}"


def _day(value: str | date, zone: ZoneInfo | str | None, language: str) -> str:
    """Return a day: of an instant in `zone`, or a date as it is."""
    if zone is not None:
        at = _local(value, zone)  # type: ignore[arg-type]  # an instant, when there is a zone
    else:
        of = value if isinstance(value, date) else date.fromisoformat(value)
        at = datetime(of.year, of.month, of.day)  # noqa: DTZ001  a day as it is written, nowhere
    return words.date(at, language, now=None) + f" {at.year}"


@lru_cache
def asset(name: str) -> str:
    """Return the address of a static file; it changes with the file, so browsers may keep it."""
    found = files("chroniccare.console").joinpath("static").joinpath(name)
    if not found.is_file():  # the step that fetches scripts of others has not run
        return ""
    return f"/console/static/{sha256(found.read_bytes()).hexdigest()[:16]}/{name}"


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """Return the page that `template` makes of `context`, in the language of who is signed in.

    A template extends `base.html`. It knows `here`, `screens`, `csrf`, `owner`, `said` and its
    `context`.
    """
    session: Session | None = getattr(request.state, "session", None)
    language = session.locale if session else _accepted(request)
    here = Here(
        path=request.url.path, session=session, language=language,
        zone=context.pop("zone", None) or named("UTC"), now=database().clock(),
    )  # fmt: skip
    context.setdefault("owner", owner_of(session.caller) if session else "")
    made = _environment(language).get_template(template)
    text = made.render(
        here=here, screens=_screens(session), csrf=session.csrf if session else "",
        said=request.query_params.get("said", ""), **context,
    )  # fmt: skip
    return HTMLResponse(text, status, headers=HEADERS)


def _accepted(request: Request) -> str:
    wanted = request.headers.get("accept-language", "").lower()
    return "es" if wanted.startswith("es") else "en"


def _screens(session: Session | None) -> Iterable[Screen]:
    scopes = session.caller.scopes if session else frozenset()
    return [one for one in SCREENS if one.scope in scopes]


def done(path: str, said: str = "") -> Response:
    """Return the way to the next page after a change; `said` is one of `base.html`'s sentences."""
    joined = "&" if "?" in path else "?"
    return RedirectResponse(f"{path}{joined}said={said}" if said else path, 303, headers=HEADERS)


def problem(request: Request, error: Problem) -> Response:
    """Return the page of an error."""
    current(request)
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    answer = page(request, "problem.html", status=error.status, error=error)
    answer.headers.update(headers)
    return answer


async def sign_in(request: Request) -> Response:
    """Return the way to sign in, for a request without a session.

    A form that was on its way is kept in the page and sent on after signing in, if it is one of the
    session that the browser held: else a page of somebody else could have it sent. It says whose it
    is, and nobody else is handed it.
    """
    if request.url.path == "/console/live":
        return Response(status_code=204)  # which ends an EventSource
    if request.method in {"GET", "HEAD"}:
        query = urlencode([
            one for one in parse_qsl(request.url.query, keep_blank_values=True)
            if one[0] not in _SEARCHED
        ])  # fmt: skip
        back = request.url.path + (f"?{query}" if query else "")
        return RedirectResponse(
            f"/console/sign-in?{urlencode({'next': back})}", 303, headers=HEADERS
        )
    if is_part(request):
        return page(request, "part.html", status=401, error=None)
    form = await forms.read(request)
    ours = csrf_of(token_of(request))
    is_ours = bool(ours) and compare_digest(form.text(forms.CSRF).encode(), ours.encode())
    kept = entries(request, form) if is_ours else []
    return door(
        request, status=401, action=request.url.path if kept else "", kept=kept,
        owner=form.text(forms.OWNER),
    )  # fmt: skip


def is_part(request: Request) -> bool:
    """Return whether the answer to a form is put into the page that is open."""
    return "hx-request" in request.headers


def entries(request: Request, form: forms.Form) -> Kept:
    """Return what may be handed back of a form that could not be taken: no password, no code."""
    if request.url.path.startswith(_ACCOUNT):
        return []
    return [
        (name, one) for name, all_ in form.values.items() for one in all_ if name not in _UNKEPT
    ]


def is_of(form: forms.Form, caller: Caller) -> bool:
    """Return whether a form was shown to whoever acts now, be it in another session."""
    return compare_digest(form.text(forms.OWNER).encode(), owner_of(caller).encode())


def door(
    request: Request, *, status: int = 200, action: str = "", kept: Kept = (), wrong: str = "",
    clinic: str = "", email: str = "", owner: str = "",
) -> Response:  # fmt: skip
    """Return the page on which somebody signs in.

    Attributes:
        action: where they go on.
        kept: fields of a form that was on its way there.
        owner: whose they are.
    """
    request.state.session = None
    return page(
        request, "signin.html", status=status, action=action, kept=kept, wrong=wrong, email=email,
        owner=owner,
        clinic=clinic or request.cookies.get(CLINIC, ""),
        issuers=request.app.state.issuers.names, asked=clinic,
    )  # fmt: skip
