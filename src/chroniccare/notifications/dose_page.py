"""The page behind the link in a reminder of doses: each medicine, and whether it was taken.

It asks for the patient's date of birth first. Opening it changes nothing, because mail scanners
open every link; only the buttons, which post, are a report. No script, nothing from elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from chroniccare.core import signed
from chroniccare.notifications import birth_date, page
from chroniccare.notifications.templates import words
from chroniccare.settings import Settings, address, values_of

Who = Literal["patient", "caregiver"]
Step = Literal["taken", "skipped"]
DOSE = "dose"
"""Which one a button is about; without it, all of the reminder."""

# The purpose tells whom the message went to, so that a report has the right source.
_PURPOSES: dict[Who, bytes] = {
    "patient": b"chroniccare doses, version 1\0",
    "caregiver": b"chroniccare doses of another, version 1\0",
}
_TEXTS = {
    "en": {
        "title": "Your medicine",
        "due": "Planned for {when}",
        "taken": "I took it",
        "skipped": "I did not take it",
        "all": "I took all of them",
        "noted_taken": "Noted: taken.",
        "noted_skipped": "Noted: not taken.",
        "thanks": "Thank you. It is noted.",
        "over": "This reminder is over. If something is to be corrected, please call the clinic.",
    },
    "es": {
        "title": "Su medicina",
        "due": "Prevista para: {when}",
        "taken": "La tomé",
        "skipped": "No la tomé",
        "all": "Las tomé todas",
        "noted_taken": "Anotado: tomada.",
        "noted_skipped": "Anotado: no tomada.",
        "thanks": "Gracias. Queda anotado.",
        "over": "Este aviso ya no vale. Si hay algo que corregir, llame a la clínica.",
    },
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A dose as the page shows it: `due_at` on the patient's clock.

    `noted` is what was said of it, if anything; `choices` are what can be said now.
    """

    id: UUID
    name: str
    due_at: datetime
    noted: Step | None
    choices: Sequence[Step]


def link(
    settings: Settings, tenant_id: UUID, bundle_id: UUID, due_at: datetime, *, who: Who
) -> str:
    """Return the address at which the doses of a reminder are marked; `due_at` is UTC."""
    pepper = values_of(settings, "key_pepper")
    return (
        f"{address(settings)}/doses/"
        f"{signed.dated_token(_PURPOSES[who], tenant_id, bundle_id, due_at, pepper)}"
    )


def opened(token: str, pepper: str) -> tuple[UUID, UUID, datetime, Who] | None:
    """Return the tenant, the bundle, when it was due and whom it was told, if we made it."""
    for who, purpose in _PURPOSES.items():
        found = signed.opened_dated(purpose, token, pepper)
        if found is not None:
            return (*found, who)
    return None


def ask(language: str, token: str, *, why: str = "") -> bytes:
    """Return the page that asks for the date of birth; see `birth_date.ask`."""
    return birth_date.ask(language, _TEXTS[language]["title"], f"/doses/{token}", why=why)


def over(language: str) -> bytes:
    """Return the page of a reminder that can be answered no more: it says nothing but that."""
    texts = _TEXTS[language]
    return page.render(language, texts["title"], [texts["over"]])


def render(
    language: str, token: str, doses: Sequence[Shown], *, proof: str, now: datetime, thanks: bool
) -> bytes:
    """Return the page of the doses, after a report with `thanks`.

    `language` is one of templates.rules.LANGUAGES; `proof` is what the buttons send back.
    """
    texts, sends = _TEXTS[language], {birth_date.PROOF: proof}
    still = [one for one in doses if one.noted is None and "taken" in one.choices]
    every = []
    if len(still) > 1:
        every = [page.Button(f"/doses/{token}/taken", texts["all"], first=True, sends=sends)]
    parts = [
        page.Part(
            one.name,
            [texts["due"].format(when=words.when(one.due_at, language, now=now))],
            [
                page.Button(
                    f"/doses/{token}/{step}", texts[step],
                    first=step == "taken" and not every and one.noted is None,
                    sends=sends | {DOSE: str(one.id)}, about=one.name,
                )
                for step in one.choices
            ],
            done="" if one.noted is None else texts[f"noted_{one.noted}"],
        )
        for one in doses
    ]  # fmt: skip
    return page.render(
        language, texts["title"], [], every, done=texts["thanks"] if thanks else "", parts=parts
    )
