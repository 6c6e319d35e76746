"""What a patient reads: built-in texts in English and Spanish.

As little health information as the purpose needs: first name, clinic, local date and time. The
provider's name stands in email alone, a speciality or diagnosis nowhere. No SMS holds a word that
carriers take as an opt-out (CANCEL, STOP, END, ...) or asks for a reply that nobody would read.
"""

from dataclasses import dataclass
from datetime import datetime
from html import escape

from chroniccare.notifications.ics import Attachment

LANGUAGES = ("en", "es")
_DAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "es": ("lun", "mar", "mié", "jue", "vie", "sáb", "dom"),
}
_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
}
_SMS_NAME = 30
_SMS_PLACE = 60


@dataclass(frozen=True, slots=True)
class Facts:
    """What the texts speak of; `starts_at` shows the clinic's local time, with its offset."""

    starts_at: datetime
    first_name: str | None = None
    facility_name: str | None = None
    provider_name: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A rendered message; only email has a subject, HTML and perhaps a calendar entry."""

    body: str
    subject: str | None = None
    html: str | None = None
    calendar: Attachment | None = None


# Kind -> language -> (subject, sentence). `{at}` is " at <clinic>" or nothing.
_TEXTS: dict[str, dict[str, tuple[str, str]]] = {
    "appointment_confirmation": {
        "en": ("Your visit on {day}", "your visit{at} is booked for {when}."),
        "es": ("Su cita del {day}", "su cita{at} queda reservada para el {when}."),
    },
    "appointment_rescheduled": {
        "en": ("Your visit has moved to {day}", "your visit{at} has moved: it is now on {when}."),
        "es": ("Su cita cambia al {day}", "su cita{at} ha cambiado: ahora es el {when}."),
    },
    "appointment_reminder": {
        "en": ("Reminder: your visit on {day}", "this is a reminder of your visit{at}: {when}."),
        "es": ("Recordatorio: su cita del {day}", "le recordamos su cita{at}: {when}."),
    },
    "appointment_cancelled": {
        "en": ("Your visit on {day}", "your visit{at} on {when} will not take place."),
        "es": ("Su cita del {day}", "su cita{at} del {when} no va a tener lugar."),
    },
}
_GREETING = {
    "en": ("Hello {name},", "Hello,"),
    "es": ("Hola {name}:", "Hola:"),
}
_AT = {"en": " at {place}", "es": " en {place}"}
_WITH = {"en": "You will see {provider}.", "es": "Le atiende {provider}."}
_CHANGES = {
    "en": "If you need another time, please call the clinic.",
    "es": "Si necesita otra hora, llame a la clínica.",
}
_CHANGES_SMS = {"en": "Questions? Please call us.", "es": "Para cambios, llame por favor."}
_AUTOMATIC = {
    "en": "This message was sent automatically; replies are not read.",
    "es": "Este mensaje es automático; no se leen las respuestas.",
}

KINDS = tuple(_TEXTS)


def language_of(tag: str | None) -> str:
    """Return the language of LANGUAGES that serves the BCP 47 tag best."""
    base = (tag or "").partition("-")[0]
    return base if base in LANGUAGES else LANGUAGES[0]


def render(kind: str, channel: str, language: str, facts: Facts) -> Text:
    """Return the text of `kind` (one of KINDS) for a channel in a language of LANGUAGES."""
    subject, sentence = _TEXTS[kind][language]
    if channel == "email":
        return _email(subject, sentence, language, facts)
    place = _cut(facts.facility_name, _SMS_PLACE)
    name = _cut(facts.first_name, _SMS_NAME)
    line = sentence.format(
        when=_when(facts.starts_at, language, weekday=language == "en"),
        at=_AT[language].format(place=place) if place else "",
    )
    return Text(" ".join([_greeting(name, language), line, _CHANGES_SMS[language]]))


def _email(subject: str, sentence: str, language: str, facts: Facts) -> Text:
    place, provider = facts.facility_name, facts.provider_name
    line = sentence.format(
        when=_when(facts.starts_at, language, weekday=True),
        at=_AT[language].format(place=place) if place else "",
    )
    paragraphs = [
        _greeting(facts.first_name, language),
        line[0].upper() + line[1:],
        _WITH[language].format(provider=provider) if provider else "",
        _CHANGES[language],
        _AUTOMATIC[language],
    ]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    html = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    return Text(
        body="\n\n".join(paragraphs) + "\n",
        subject=subject.format(day=_day(facts.starts_at, language)),
        html=f'<!doctype html><html lang="{language}"><body>{html}</body></html>',
    )


def _greeting(name: str | None, language: str) -> str:
    named, plain = _GREETING[language]
    return named.format(name=name) if name else plain


def _cut(text: str | None, length: int) -> str | None:
    return text if text is None or len(text) <= length else text[: length - 3].rstrip() + "..."


def _day(at: datetime, language: str) -> str:
    return f"{at.day} {_MONTHS[language][at.month - 1]} {at.year}"


def _when(at: datetime, language: str, *, weekday: bool) -> str:
    """Return date, time and zone, such as `Tue 3 Nov 2026, 9:30 AM EST`."""
    day = _day(at, language)
    if weekday:
        day = f"{_DAYS[language][at.weekday()]} {day}"
    hour, half = at.hour % 12 or 12, "AM" if at.hour < 12 else "PM"  # noqa: PLR2004  noon
    return f"{day}, {hour}:{at.minute:02} {half} {_zone(at)}"


def _zone(at: datetime) -> str:
    # Zones without letters call themselves +03; a fixed offset calls itself UTC-05:00.
    name = at.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name
