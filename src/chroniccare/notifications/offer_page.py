"""The page behind the link in an offer: what is kept, until when, and two buttons.

It asks for the patient's date of birth first. It names the clinic and the time, and nobody. Opening
it changes nothing, because mail scanners open every link; only the buttons, which post, are an
answer. No script, nothing from elsewhere.
"""

from datetime import datetime
from uuid import UUID

from chroniccare.core import signed
from chroniccare.notifications import birth_date, page
from chroniccare.notifications.templates.making import sentence_of_offer, sentence_of_visit
from chroniccare.notifications.templates.text import Facts
from chroniccare.settings import Settings, address, values_of

_PURPOSE = b"chroniccare waitlist offer, version 1\0"
ASKED = frozenset({"open", "accepted"})
"""Outcomes whose page tells a time, and so asks for the date of birth."""
_TEXTS = {
    "en": {
        "title": "A free time",
        "accepted": "Thank you. The time is yours.",
        "declined": "Thank you. The time is free for somebody else.",
        "over": "This offer is over. Please call the clinic if you still need a time.",
        "yes": "Yes, I will come",
        "no": "No, thank you",
    },
    "es": {
        "title": "Una hora libre",
        "accepted": "Gracias. La hora es suya.",
        "declined": "Gracias. La hora queda libre para otra persona.",
        "over": "Esta oferta ya no vale. Llame a la clínica si aún necesita una hora.",
        "yes": "Sí, iré",
        "no": "No, gracias",
    },
}


def link(settings: Settings, tenant_id: UUID, offer_id: UUID) -> str:
    """Return the address at which the patient answers an offer."""
    secret = signed.token(_PURPOSE, tenant_id, offer_id, values_of(settings, "key_pepper"))
    return f"{address(settings)}/offers/{secret}"


def opened(token: str, pepper: str) -> tuple[UUID, UUID] | None:
    """Return the tenant and the offer that the secret part of an address names."""
    return signed.opened(_PURPOSE, token, pepper)


def ask(language: str, token: str, *, why: str = "") -> bytes:
    """Return the page that asks for the date of birth; see `birth_date.ask`."""
    return birth_date.ask(language, _TEXTS[language]["title"], f"/offers/{token}", why=why)


def over(language: str, outcome: str = "over") -> bytes:
    """Return the page of an offer that was declined or is over: it says nothing but that."""
    texts = _TEXTS[language]
    return page.render(language, texts["title"], [texts.get(outcome, texts["over"])])


def render(
    language: str, outcome: str, token: str, *, proof: str, starts_at: datetime, until: datetime,
    place: str,
) -> bytes:  # fmt: skip
    """Return the page of an offer whose outcome is one of ASKED.

    Instants show the clinic's local time; `language` is one of the built-in texts'; `proof` is what
    the buttons send back.
    """
    texts = _TEXTS[language]
    if outcome == "open":
        facts, sends = Facts(starts_at, facility_name=place, until=until), {birth_date.PROOF: proof}
        buttons = [
            page.Button(f"/offers/{token}/accept", texts["yes"], first=True, sends=sends),
            page.Button(f"/offers/{token}/decline", texts["no"], sends=sends),
        ]
        return page.render(language, texts["title"], [sentence_of_offer(language, facts)], buttons)
    said = [sentence_of_visit(language, Facts(starts_at, facility_name=place))]
    return page.render(language, texts["title"], said, done=texts["accepted"])
