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
    """What the texts speak of; instants show the clinic's local time, with its offset.

    `until` is when an offer ends, `link` where it, or a visit, can be answered, `join` where a
    video visit is; `reply` asks for an answer by text.
    """

    starts_at: datetime
    first_name: str | None = None
    facility_name: str | None = None
    provider_name: str | None = None
    until: datetime | None = None
    link: str | None = None
    join: str | None = None
    reply: bool = False


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
    "waitlist_offer": {
        "en": ("A time is free on {day}", "a time{at} is free for you: {when}.{until}"),
        "es": ("Hay una hora libre el {day}", "hay una hora libre{at}: {when}.{until}"),
    },
}
_UNTIL = {"en": " We keep it until {until}.", "es": " Guardada hasta: {until}."}
_GREETING = {
    "en": ("Hello {name},", "Hello,"),
    "es": ("Hola {name}:", "Hola:"),
}
_AT = {"en": " at {place}", "es": " en {place}"}
_WITH = {"en": "You will see {provider}.", "es": "Le atiende {provider}."}
_JOIN = {"en": "Join by video: {link}", "es": "Entre por video: {link}"}
_CHANGES = {
    "en": "If you need another time, please call the clinic.",
    "es": "Si necesita otra hora, llame a la clínica.",
}
_TAKE_IT = {
    "en": ("To take it, please call us.", "To take it: {link} or call us."),
    "es": ("Para aceptarla, llame por favor.", "Para aceptarla: {link} o llame."),
}
_ANSWER = {"en": "To confirm or change: {link}", "es": "Para confirmar o cambiar: {link}"}
_REPLY = {
    "en": "Reply 1 to confirm, 2 to change.",
    "es": "Responda 1 para confirmar, 2 para cambiar.",
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
    closing = (_CHANGES if channel == "email" else _CHANGES_SMS)[language]
    if kind != "waitlist_offer" and facts.link is not None:
        answer = _ANSWER[language].format(link=facts.link)
        closing = f"{answer}\n{closing}" if channel == "email" else answer
    elif channel == "sms" and facts.reply:
        closing = _REPLY[language]
    if kind == "waitlist_offer":
        closing = _TAKE_IT[language][facts.link is not None].format(link=facts.link)
    if channel == "email":
        return _email(subject, sentence, closing, language, facts)
    line = _line(
        sentence, language, facts, place=_cut(facts.facility_name, _SMS_PLACE),
        weekday=language == "en",
    )  # fmt: skip
    name = _cut(facts.first_name, _SMS_NAME)
    joining = [_JOIN[language].format(link=facts.join)] if facts.join else []
    return Text(" ".join([_greeting(name, language), line, *joining, closing]))


def sentence_of(kind: str, language: str, facts: Facts) -> str:
    """Return what a message of `kind` says, as a sentence by itself."""
    _, sentence = _TEXTS[kind][language]
    line = _line(sentence, language, facts, place=facts.facility_name, weekday=True)
    return line[0].upper() + line[1:]


def _line(sentence: str, language: str, facts: Facts, *, place: str | None, weekday: bool) -> str:
    until = facts.until
    kept = ""
    if until is not None and until.date() == facts.starts_at.date():
        kept = _UNTIL[language].format(until=_time(until))
    elif until is not None:
        kept = _UNTIL[language].format(until=_when(until, language, weekday=False))
    return sentence.format(
        when=_when(facts.starts_at, language, weekday=weekday),
        at=_AT[language].format(place=place) if place else "",
        until=kept,
    )


def _email(subject: str, sentence: str, closing: str, language: str, facts: Facts) -> Text:
    provider = facts.provider_name
    line = _line(sentence, language, facts, place=facts.facility_name, weekday=True)
    paragraphs = [
        _greeting(facts.first_name, language),
        line[0].upper() + line[1:],
        _WITH[language].format(provider=provider) if provider else "",
        _JOIN[language].format(link=facts.join) if facts.join else "",
        closing,
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
    return f"{day}, {_time(at)}"


def when_of(at: datetime, language: str) -> str:
    """Return date, time and zone of a local time, as in a text message."""
    return _when(at, language, weekday=language == "en")


def _time(at: datetime) -> str:
    hour, half = at.hour % 12 or 12, "AM" if at.hour < 12 else "PM"  # noqa: PLR2004  noon
    return f"{hour}:{at.minute:02} {half} {_zone(at)}"


def _zone(at: datetime) -> str:
    # Zones without letters call themselves +03; a fixed offset calls itself UTC-05:00.
    name = at.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name
