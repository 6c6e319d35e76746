"""The page behind `List-Unsubscribe` in an email: what ends, and a button (RFC 8058).

Opening it changes nothing, because mail scanners open every link; only what posts is an answer: the
button, or the mail program's own. It names the kind of messages, and nobody.
"""

from uuid import UUID

from chroniccare.core import signed
from chroniccare.notifications import page
from chroniccare.notifications.rules_categories import Category
from chroniccare.settings import Settings, address, values_of

PATH = "/unsubscribe"
_PURPOSE = b"chroniccare unsubscribe, version 1\0"
_TITLE = {"en": "Emails from your clinic", "es": "Correos de su clínica"}
_BUTTON = {"en": "No more of these emails", "es": "No quiero más de estos correos"}
_ASKED = {
    "en": "You receive emails about {}. Other messages and your care do not change.",
    "es": "Recibe correos sobre {}. Los demás mensajes y su atención no cambian.",
}
_DONE = {
    "en": "Done. You will receive no more emails about {}. The clinic can turn them on again.",
    "es": "Listo. No recibirá más correos sobre {}. La clínica puede activarlos de nuevo.",
}
_ABOUT: dict[str, dict[Category, str]] = {
    "en": {
        "appointments": "your visits",
        "waitlist": "earlier times for a visit",
        "medications": "taking your medicine",
        "refills": "refills",
        "adherence": "how you are doing with your medicine",
        "recalls": "visits that are due",
    },
    "es": {
        "appointments": "sus citas",
        "waitlist": "horas más tempranas para una cita",
        "medications": "la toma de sus medicinas",
        "refills": "resurtidos",
        "adherence": "cómo le va con sus medicinas",
        "recalls": "citas que le tocan",
    },
}


def link(settings: Settings, tenant_id: UUID, notification_id: UUID) -> str:
    """Return the address at which the recipient of a message ends such emails.

    It goes into a header alone, never into a text that may be passed on. RFC 8058 wants https: if
    clients reach us in clear text, there is none.
    """
    base = address(settings)
    if not base.startswith("https:"):
        return ""
    token = signed.token(_PURPOSE, tenant_id, notification_id, values_of(settings, "key_pepper"))
    return f"{base}{PATH}/{token}"


def opened(token: str, pepper: str) -> tuple[UUID, UUID] | None:
    """Return the tenant and the message that the secret part of an address names."""
    return signed.opened(_PURPOSE, token, pepper)


def render(language: str, category: Category, token: str, *, ended: bool) -> bytes:
    """Return the page; `language` is one of templates.rules.LANGUAGES."""
    about = _ABOUT[language][category]
    if ended:
        return page.render(language, _TITLE[language], [], done=_DONE[language].format(about))
    button = page.Button(f"{PATH}/{token}", _BUTTON[language], first=True)
    return page.render(language, _TITLE[language], [_ASKED[language].format(about)], [button])
