"""What the pages behind links share: a small document, its style, and what a browser may do.

No script and nothing from elsewhere: a patient's link tells no third party that it was opened.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

_STYLE = (
    ":root{color-scheme:light dark;--ink:#1c2b33;--soft:#5b6b73;--page:#eef2f4;--card:#fff;"
    "--line:#c9d3d8;--main:#0b6170}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf0;--soft:#a3b1b8;--page:#11191d;"
    "--card:#1b262b;--line:#3a4a52;--main:#5cc3d1}}"
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
    "button:focus-visible{outline:3px solid var(--ink);outline-offset:2px}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_HASH}';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
"""Sent with every page; the address is a key, so it is kept and passed on nowhere."""


@dataclass(frozen=True, slots=True)
class Button:
    """A choice: where it posts to, what it says, and whether it is the one most will want."""

    action: str
    text: str
    first: bool = False


def render(
    language: str,
    title: str,
    said: Sequence[str],
    buttons: Sequence[Button] = (),
    *,
    done: str = "",
) -> bytes:
    """Return a page: `done` is what has just come to pass, `said` what else there is to say."""
    lines = [f'<p class="done" role="status">{escape(done)}</p>'] if done else []
    lines += [f"<p>{escape(one)}</p>" for one in said]
    for button in buttons:
        kind = ' class="first"' if button.first else ""
        lines.append(
            f'<form method="post" action="{escape(button.action)}">'
            f"<button{kind}>{escape(button.text)}</button></form>"
        )
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{''.join(lines)}</main></body></html>"
    ).encode()


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
