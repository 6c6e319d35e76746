"""What a patient reads in answer to a reply: short, without a name, in English and Spanish.

No word that a carrier takes for an opt-out stands here as a choice; `reply_help` names STOP because
it must say how the messages end.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chroniccare.core.time import to_local, zone
from chroniccare.notifications.templates import rules, words
from chroniccare.notifications.templates.text import Text

# Kind -> language -> text.
_TEXTS: dict[str, dict[str, str]] = {
    "reply_confirmed": {
        "en": "Thank you. Your visit on {when} is confirmed. To change it, reply 2.",
        "es": "Gracias. Su cita del {when} queda confirmada. Para cambiarla, responda 2.",
    },
    "reply_changing": {
        "en": "Thank you. The clinic will contact you about another time. Until then your visit "
        "on {when} stays as it is.",
        "es": "Gracias. La clínica le llamará para buscar otra hora. Hasta entonces su cita del "
        "{when} sigue en pie.",
    },
    "reply_will_call": {
        "en": "Thank you. Someone at the clinic will read your message and contact you.",
        "es": "Gracias. Alguien de la clínica leerá su mensaje y le responderá.",
    },
    "reply_outdated": {
        "en": "That visit has changed since we wrote to you. Please see our latest message or call "
        "the clinic.",
        "es": "Esa cita ha cambiado desde que le escribimos. Vea nuestro último mensaje o llame a "
        "la clínica.",
    },
    "reply_nothing_open": {
        "en": "There is nothing to confirm for this number just now. Questions? Please call the "
        "clinic.",
        "es": "Ahora no hay nada que confirmar para este número. Si tiene dudas, llame a la "
        "clínica.",
    },
    "reply_which": {
        "en": "Which visit? To confirm, reply {codes}. To change one, reply 2 and its letter. "
        "{choices}",
        "es": "¿Qué cita? Para confirmar, responda {codes}. Para cambiar una, responda 2 y su "
        "letra. {choices}",
    },
    "reply_offer_over": {
        "en": "That time is no longer free. We will write when another one is.",
        "es": "Esa hora ya no está libre. Le escribiremos cuando haya otra.",
    },
    "reply_offer_declined": {
        "en": "Thank you. The time is free for somebody else.",
        "es": "Gracias. La hora queda libre para otra persona.",
    },
    "reply_stopped": {
        "en": "{clinic}: you will get no more text messages from us. To get them again, reply "
        "START.",
        "es": "{clinic}: no recibirá más mensajes de texto. Para volver a recibirlos, responda "
        "START.",
    },
    "reply_started": {
        "en": "{clinic}: you will get our text messages again. Reply HELP for help.",
        "es": "{clinic}: volverá a recibir nuestros mensajes. Responda AYUDA para más información.",
    },
    "reply_help": {
        "en": "{clinic}: reminders of your visits. For help, call the clinic. To get no more "
        "texts, reply STOP. Message and data rates may apply.",
        "es": "{clinic}: recordatorios de sus citas. Para ayuda, llame a la clínica. Para no "
        "recibir más, responda STOP. Pueden aplicarse tarifas.",
    },
}
KINDS = frozenset(_TEXTS)
_CLINIC = 40


def render(kind: str, language: str | None, data: Mapping[str, Any]) -> Text:
    """Return the text of `kind` (one of KINDS).

    `data` has `starts_at` (UTC) and `zone` where it speaks of a visit, `choices` where it asks
    which, and `clinic`, the name of the sender.
    """
    spoken = rules.language_of(language)
    fields = {"clinic": _cut(str(data.get("clinic") or "Clinic"))}
    if "starts_at" in data:
        fields["when"] = _when(data, spoken)
    if "choices" in data:
        said = {code: _when(one, spoken) for code, one in data["choices"].items()}
        between = {"en": " or ", "es": " o "}[spoken]
        fields["codes"] = between.join(f"1{code}" for code in said)
        fields["choices"] = " ".join(f"{code}: {when}." for code, when in said.items())
    return Text(_TEXTS[kind][spoken].format(**fields))


def _when(data: Mapping[str, Any], language: str) -> str:
    at = to_local(datetime.fromisoformat(data["starts_at"]), zone(data["zone"]))
    return words.when(at, language)


def _cut(text: str) -> str:
    return text if len(text) <= _CLINIC else text[: _CLINIC - 3].rstrip() + "..."
