"""What the pages behind links share: a small document, its style, and what a browser may do.

No script and nothing from elsewhere: a patient's link tells no third party that it was opened.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape

_STYLE = (
    ":root{color-scheme:light dark;--ink:#1c2b33;--soft:#5b6b73;--page:#eef2f4;--card:#fff;"
    "--line:#c9d3d8;--main:#0b6170;--bad:#9c2a1c}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf0;--soft:#a3b1b8;--page:#11191d;"
    "--card:#1b262b;--line:#3a4a52;--main:#5cc3d1;"
    "--bad:#ff9d8f}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;"
    "background:var(--page);color:var(--ink);font:1.125rem/1.5 system-ui,sans-serif}"
    "main{width:100%;max-width:28rem;padding:1.75rem;background:var(--card);"
    "border:1px solid var(--line);border-radius:.75rem}"
    "h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25}"
    "p{margin:0 0 1rem;overflow-wrap:anywhere}p:last-child{margin-bottom:0}"
    ".done{font-weight:600}"
    "form{margin:.75rem 0 0}p+form{margin-top:1.5rem}"
    "button{width:100%;min-height:3rem;padding:.625rem 1rem;font:inherit;font-weight:600;"
    "color:var(--main);background:none;border:2px solid var(--main);border-radius:.5rem;"
    "cursor:pointer}"
    "button.first{color:var(--card);background:var(--main)}"
    "button:focus-visible,input:focus-visible{outline:3px solid var(--ink);outline-offset:2px}"
    "fieldset{margin:0;padding:0;border:0}legend{padding:0;margin-bottom:1rem}"
    ".row{display:flex;gap:.75rem;margin-bottom:1.5rem}label{flex:2;font-weight:600}"
    "label.long{flex:3}"
    "input{display:block;width:100%;min-height:3rem;margin-top:.25rem;padding:.5rem .75rem;"
    "font:inherit;color:inherit;background:var(--page);border:2px solid var(--soft);"
    "border-radius:.5rem}"
    ".wrong{padding-left:.75rem;border-left:.25rem solid var(--bad);color:var(--bad);"
    "font-weight:600}"
    "section{margin-top:1.5rem;padding-top:1.25rem;border-top:1px solid var(--line)}"
    "h2{margin:0 0 .25rem;font-size:1.125rem}.soft{color:var(--soft)}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

_SHORT = 2

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_HASH}';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
"""Sent with every page; the address is a key, so it is kept and passed on nowhere."""


@dataclass(frozen=True, slots=True)
class Button:
    """A choice: where it posts to, what it says, and whether it is the one most will want.

    `sends` are values that go with it; `about` names what it is for, where the same choice stands
    on the page more than once.
    """

    action: str
    text: str
    first: bool = False
    sends: Mapping[str, str] = field(default_factory=dict)
    about: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A number to be typed: `longest` digits, `known_as` what a browser may know it by."""

    name: str
    label: str
    longest: int
    known_as: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be typed first; `wrong` says why it is asked again."""

    action: str
    asks: str
    fields: Sequence[Field]
    button: str
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One of several things on a page, with what was noted of it and its own choices."""

    title: str
    said: Sequence[str]
    buttons: Sequence[Button] = ()
    done: str = ""


def render(
    language: str,
    title: str,
    said: Sequence[str],
    buttons: Sequence[Button] = (),
    *,
    done: str = "",
    question: Question | None = None,
    parts: Sequence[Part] = (),
) -> bytes:
    """Return a page: `done` is what has just come to pass, `said` what else there is to say."""
    lines = [f'<p class="done" role="status">{escape(done)}</p>'] if done else []
    lines += [f"<p>{escape(one)}</p>" for one in said]
    lines += map(_button, buttons)
    if question is not None:
        lines.append(_question(question))
    lines += map(_part, parts)
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{''.join(lines)}</main></body></html>"
    ).encode()


def _button(button: Button) -> str:
    kind = ' class="first"' if button.first else ""
    if button.about:
        kind += f' aria-label="{escape(f"{button.text}: {button.about}")}"'
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in button.sends.items()
    )
    return (
        f'<form method="post" action="{escape(button.action)}">{hidden}'
        f"<button{kind}>{escape(button.text)}</button></form>"
    )


def _question(question: Question) -> str:
    wrong, described = "", ""
    if question.wrong:
        wrong = f'<p class="wrong" role="alert" id="wrong">{escape(question.wrong)}</p>'
        described = ' aria-describedby="wrong"'
    fields = "".join(
        f'<label class="{"long" if one.longest > _SHORT else ""}">{escape(one.label)}'
        f'<input name="{one.name}" inputmode="numeric" autocomplete="{one.known_as}"'
        f' maxlength="{one.longest}" pattern="[0-9]*" required></label>'
        for one in question.fields
    )
    return (
        f'{wrong}<form method="post" action="{escape(question.action)}"><fieldset{described}>'
        f'<legend>{escape(question.asks)}</legend><div class="row">{fields}</div></fieldset>'
        f'<button class="first">{escape(question.button)}</button></form>'
    )


def _part(part: Part) -> str:
    done = f'<p class="done">{escape(part.done)}</p>' if part.done else ""
    said = "".join(f'<p class="soft">{escape(one)}</p>' for one in part.said)
    buttons = "".join(map(_button, part.buttons))
    return f"<section><h2>{escape(part.title)}</h2>{said}{done}{buttons}</section>"


def unknown() -> bytes:
    """Return the page of an address that is none of ours, in both languages."""
    return render(
        "en",
        "This link does not work",
        [
            "Please open the link in our message once more, whole, or call the clinic.",
            "Este enlace no funciona. Ábralo entero desde nuestro mensaje o llame a la clínica.",
        ],
    )


def gone() -> bytes:
    """Return the page of a link of ours behind which there is nothing left, in both languages."""
    return render(
        "en",
        "This link is no longer in use",
        [
            "Please call the clinic if you have a question.",
            "Este enlace ya no se usa. Si tiene alguna pregunta, llame a la clínica.",
        ],
    )


def busy() -> bytes:
    """Return the page of a link that was tried too often, in both languages."""
    return render(
        "en",
        "Please wait",
        [
            "There were too many tries. Please try again later, or call the clinic.",
            "Demasiados intentos. Pruebe más tarde o llame a la clínica.",
        ],
    )
