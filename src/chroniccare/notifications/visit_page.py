"""The page behind the link in a message about a visit: when it is, and two buttons.

It asks for the patient's date of birth first. It names the clinic and the time, and nobody. Opening
it changes nothing, because mail scanners open every link; only the buttons, which post, are an
answer. No script, nothing from elsewhere.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from chroniccare.core import signed
from chroniccare.notifications import birth_date, page
from chroniccare.notifications.templates.making import sentence_of_visit
from chroniccare.notifications.templates.text import Facts
from chroniccare.settings import Settings, address, values_of

State = Literal["scheduled", "confirmed", "changing", "over"]

_PURPOSE = b"chroniccare visit answer, version 1\0"
_TEXTS = {
    "en": {
        "title": "Your visit",
        "confirmed": "Thank you. Your visit is confirmed.",
        "changing": "Thank you. The clinic will contact you about another time. Until then your"
        " visit stays as it is.",
        "over": "This visit has changed or is over. Please see our latest message or call the"
        " clinic.",
        "confirm": "I will come",
        "change": "I need another time",
    },
    "es": {
        "title": "Su cita",
        "confirmed": "Gracias. Su cita queda confirmada.",
        "changing": "Gracias. La clínica le llamará para buscar otra hora. Hasta entonces su cita"
        " sigue en pie.",
        "over": "Esta cita ha cambiado o ya pasó. Vea nuestro último mensaje o llame a la clínica.",
        "confirm": "Iré",
        "change": "Necesito otra hora",
    },
}
_BUTTONS: dict[State, tuple[str, ...]] = {
    "scheduled": ("confirm", "change"),
    "confirmed": ("change",),
    "changing": ("confirm",),
    "over": (),
}


def link(settings: Settings, tenant_id: UUID, appointment_id: UUID, starts_at: datetime) -> str:
    """Return the address at which the patient answers; it holds for the visit at this time alone.

    `starts_at` is UTC.
    """
    pepper = values_of(settings, "key_pepper")
    token = signed.dated_token(_PURPOSE, tenant_id, appointment_id, starts_at, pepper)
    return f"{address(settings)}/visits/{token}"


def opened(token: str, pepper: str) -> tuple[UUID, UUID, datetime] | None:
    """Return the tenant, the visit and its start that the secret part of an address names."""
    return signed.opened_dated(_PURPOSE, token, pepper)


def ask(language: str, token: str, *, why: str = "") -> bytes:
    """Return the page that asks for the date of birth; see `birth_date.ask`."""
    return birth_date.ask(language, _TEXTS[language]["title"], f"/visits/{token}", why=why)


def over(language: str) -> bytes:
    """Return the page of a visit that is over, or not as it was told: it says nothing but that."""
    texts = _TEXTS[language]
    return page.render(language, texts["title"], [texts["over"]])


def render(
    language: str, state: State, token: str, *, proof: str, starts_at: datetime, place: str
) -> bytes:
    """Return the page of a visit that can be answered.

    `starts_at` shows the clinic's local time; `language` is one of templates.rules.LANGUAGES;
    `proof` is what the buttons send back.
    """
    texts = _TEXTS[language]
    said = [sentence_of_visit(language, Facts(starts_at, facility_name=place))]
    buttons = [
        page.Button(
            f"/visits/{token}/{step}", texts[step], first=step == "confirm",
            sends={birth_date.PROOF: proof},
        )
        for step in _BUTTONS[state]
    ]  # fmt: skip
    return page.render(language, texts["title"], said, buttons, done=texts.get(state, ""))
