"""Days, times, zones and names as the texts show them."""

# ruff: noqa: RUF001  punctuation of Chinese
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import phonenumbers

_DAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre",
        "octubre", "noviembre", "diciembre",
    ),
}  # fmt: skip
_NOON = 12
_FAR = timedelta(days=300)
"""From here on, a day without its year could be taken for the wrong one."""

_TITLE = re.compile(
    r"^(dr|dra|doctor|doctora|prof|professor|profesor|profesora)(\.\s*|\s+|$)", re.IGNORECASE
)
_LAST = re.compile(r"([\s,]+)([^\s,]+)[\s,]*$")
_TITLES = {"dr": "Dr.", "dra": "Dra.", "doctor": "Dr.", "doctora": "Dra."}
_DOCTORS = frozenset({"MD", "DO", "MBBS", "MBCHB", "MBBCH", "DPM", "DDS", "DMD", "OD"})
_DEGREES = _DOCTORS | {
    "PHD", "PHARMD", "PSYD", "DNP", "NP", "APRN", "FNP", "PA", "RN", "LPN", "CRNP", "CNM", "DC",
    "DPT", "PT", "OT", "RD", "RDN", "LCSW", "LMFT", "LPC", "CDE", "CDCES", "FNP-C", "PA-C",
    "FNP-BC", "MPH", "MBA", "MS", "MSN", "BSN", "FACP", "FACC", "FAAFP",
}  # fmt: skip
_NOBODY = frozenset(
    {
        "", "-", "your doctor", "the doctor", "your provider", "provider", "doctor", "su doctor",
        "su doctora", "su médico", "unknown", "n/a", "na", "tbd", "none", "null", "staff",
    }
)  # fmt: skip


REPLY = {
    "visit": {
        "en": "Reply 1 to confirm, 2 to change.",
        "es": "Responda 1 para confirmar, 2 para cambiar.",
        "fr": "Répondez 1 pour confirmer, 2 pour changer.",
        "pt": "Responda 1 para confirmar, 2 para mudar.",
        "de": "Antworten Sie 1 zum Bestätigen, 2 zum Ändern.",
        "zh": "确认请回复 1，更改请回复 2。",
        "vi": "Trả lời 1 để xác nhận, 2 để đổi.",
        "ht": "Reponn 1 pou konfime, 2 pou chanje.",
    },
    "doses": {
        "en": "Reply TAKEN or SKIP.",
        "es": "Responda TOMADO u OMITIR.",
        "fr": "Répondez PRIS ou SAUTÉ.",
        "pt": "Responda TOMEI ou PULEI.",
        "de": "Antworten Sie GENOMMEN oder AUSGELASSEN.",
        "zh": "已服药请回复“已服”，未服请回复“跳过”。",
        "vi": "Trả lời ĐÃ UỐNG hoặc BỎ QUA.",
        "ht": "Reponn MWEN PRAN L oswa SOTE.",
    },
}
"""How to answer, by what is asked."""
STOP = {
    "en": "Reply STOP for no more texts.",
    "es": "Responda STOP para no recibir más.",
    "fr": "Répondez STOP pour ne plus en recevoir.",
    "pt": "Responda STOP para não receber mais.",
    "de": "Antworten Sie STOP für keine weiteren SMS.",
    "zh": "不想再收到短信，请回复 STOP。",
    "vi": "Trả lời STOP để không nhận tin nữa.",
    "ht": "Reponn STOP pou pa resevwa ankò.",
}
"""How texts that nobody asked for end; a clinic's own never hold the word."""
STOP_BY_EMAIL = {
    "en": "If you want no more messages like this one, please tell the clinic.",
    "es": "Si no quiere más mensajes como este, dígaselo a la clínica.",
    "fr": "Si vous ne voulez plus de tels messages, dites-le à la clinique.",
    "pt": "Se não quiser mais mensagens como esta, avise a clínica.",
    "de": "Wenn Sie keine solchen Nachrichten mehr möchten, sagen Sie es bitte der Praxis.",
    "zh": "如果您不想再收到此类信息，请告知诊所。",
    "vi": "Nếu không muốn nhận tin như thế này nữa, xin báo phòng khám.",
    "ht": "Si w pa vle resevwa mesaj konsa ankò, tanpri di klinik la sa.",
}

HELPING = {
    "en": "You get this because you help {name}.",
    "es": "Recibe esto porque ayuda a {name}.",
    "fr": "Vous recevez ceci car vous aidez {name}.",
    "pt": "Recebe isto porque ajuda {name}.",
    "de": "Sie erhalten dies, weil Sie {name} helfen.",
    "zh": "您收到此信息，因为您在帮助 {name}。",
    "vi": "Bạn nhận tin này vì bạn giúp {name}.",
    "ht": "W resevwa sa paske w ap ede {name}.",
}
"""What stands before the patient's message where somebody who helps them gets it."""
HELPING_SOMEBODY = {
    "en": "You get this because you help somebody in our care.",
    "es": "Recibe esto porque ayuda a alguien que atendemos.",
    "fr": "Vous recevez ceci car vous aidez une personne que nous suivons.",
    "pt": "Recebe isto porque ajuda alguém que acompanhamos.",
    "de": "Sie erhalten dies, weil Sie jemandem helfen, den wir betreuen.",
    "zh": "您收到此信息，因为您在帮助我们的一位患者。",
    "vi": "Bạn nhận tin này vì bạn giúp một người chúng tôi chăm sóc.",
    "ht": "W resevwa sa paske w ap ede yon moun n ap swiv.",
}
"""The same where there is no room for a name."""


def helping(first_name: str | None, language: str) -> str:
    """Return why somebody who helps a patient is written to."""
    if first_name is None:
        return said(HELPING_SOMEBODY, language)
    return said(HELPING, language).replace("{name}", first_name)


def said(texts: Mapping[str, str], language: str) -> str:
    """Return a text of ours in `language`, whichever a clinic writes in; else English."""
    return texts.get(language, texts["en"])


def phone(number: str | None) -> str | None:
    """Return a number in E.164 as it is read: `+1 415-555-0100`; None for none."""
    if number is None:
        return None
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def date(at: datetime, language: str, *, now: datetime | None = None) -> str:
    """Return the day: `Tue, Mar 3`, `martes 3 de marzo`; in any other language ISO 8601.

    Its year stands there when it is far from `now`.
    """
    far = now is not None and abs(at - now) > _FAR
    if language == "en":
        shown = f"{_DAYS['en'][at.weekday()]}, {_MONTHS['en'][at.month - 1]} {at.day}"
        return f"{shown}, {at.year}" if far else shown
    if language == "es":
        shown = f"{_DAYS['es'][at.weekday()]} {at.day} de {_MONTHS['es'][at.month - 1]}"
        return f"{shown} de {at.year}" if far else shown
    return at.date().isoformat()


def time(at: datetime, language: str) -> str:
    """Return the time of day and its zone: `9:30 AM EST`; in other languages `09:30 EST`."""
    if language not in _DAYS:
        return f"{at:%H:%M} {_zone(at)}"
    half = "AM" if at.hour < _NOON else "PM"
    return f"{at.hour % _NOON or _NOON}:{at.minute:02} {half} {_zone(at)}"


def when(at: datetime, language: str, *, now: datetime | None = None) -> str:
    """Return day and time: `Tue, Mar 3 at 9:30 AM EST`, `martes 3 de marzo a las 9:30 AM EST`."""
    joined = {"en": " at ", "es": " a la " if at.hour % _NOON == 1 else " a las "}
    return f"{date(at, language, now=now)}{joined.get(language, ' ')}{time(at, language)}"


def until(end: datetime, at: datetime | None, language: str, *, now: datetime | None = None) -> str:
    """Return when something ends: the time alone if that is the day of `at`."""
    if at is not None and end.date() == at.date():
        return time(end, language)
    return when(end, language, now=now)


def _zone(at: datetime) -> str:
    # Zones without letters call themselves +03; a fixed offset calls itself UTC-05:00.
    name = at.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name


def provider(name: str | None, credentials: tuple[str, ...], language: str) -> str | None:
    """Return how a provider is called: with one title or else one degree; None for nobody.

    `Dr.` is said once, whatever was recorded, and not beside `MD`. In English a physician's degree
    becomes the title; in Spanish that would need to know whether it is `Dr.` or `Dra.`. What only
    stands for a name, such as `your doctor`, is nobody.
    """
    title, bare = _title(" ".join((name or "").split()))
    bare, own = _degrees(bare)
    if bare.casefold() in _NOBODY:
        return None
    degrees = [*own, *(one.strip() for one in credentials if _key(one) in _DEGREES)]
    if title is None and language == "en" and any(_key(one) in _DOCTORS for one in degrees):
        title = "Dr."
    if title is not None:
        return f"{title} {bare}"
    return f"{bare}, {degrees[0]}" if degrees else bare


def _title(name: str) -> tuple[str | None, str]:
    if name.casefold() in _NOBODY:
        return None, ""
    found: str | None = None
    while match := _TITLE.match(name):
        found = found or _TITLES.get(match[1].lower(), "Prof.")
        name = name[match.end() :]
    return found, name


def _degrees(name: str) -> tuple[str, list[str]]:
    found: list[str] = []
    while match := _LAST.search(name):
        # Without a comma only what is written in capitals: `An Do` is a name.
        sure = "," in match[1] or match[2].replace(".", "").isupper()
        if not sure or _key(match[2]) not in _DEGREES:
            break
        name, found = name[: match.start()], [match[2], *found]
    return name.strip(" ,"), found


def _key(degree: str) -> str:
    return degree.replace(".", "").strip().upper()


def cut(text: str | None, length: int) -> str | None:
    """Return `text` in at most `length` characters, three of them dots if it was longer."""
    return text if text is None or len(text) <= length else text[: length - 3].rstrip() + "..."
