"""Replies on paper: what one says, which message it answers, and what follows. No I/O, no clock."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic_core import PydanticCustomError

from chroniccare.core.fields import phone_to_e164
from chroniccare.notifications.inbound.keywords import (
    COURTESIES,
    NO_SIGNS,
    STOP_BEGINNINGS,
    THANKS_SIGNS,
    WORDS,
    YES_SIGNS,
    Intent,
)
from chroniccare.notifications.inbound.rules_doses import DosePrompt, meant_doses

MOST_KEPT = 2000
"""Characters of a reply that are kept; the longest text a phone sends has 1,530."""
_MOST_READ = 160
_APOSTROPHES = "'’ʼ`´"  # noqa: RUF001  those that phones write
_NO_ACCENT = str.maketrans({"đ": "d", "ø": "o", "ł": "l"})

CODES = "ABDEFG"
"""Letters that tell prompts apart; C is a yes by itself."""
MOST_CHOICES = 4
"""More do not fit a message that can be read."""
_CODED = re.compile(r"([12]) ?([abdefg])|([abdefg]) ?([12])")
_ID = re.compile(r"[\x21-\x7e]{1,200}")
STOPS = frozenset({"stop", "stop_unsure"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says; `code` names one of several prompts, `digit` is a bare 1 or 2.

    The intent of a bare code is `unknown`: it is that of what was asked about.
    """

    intent: Intent
    code: str | None = None
    digit: int | None = None


# --- words --------------------------------------------------------------------------------------


def normalise(text: str) -> str:
    """Return the words of `text`: small letters and digits, one space between them."""
    kept: list[str] = []
    for character in unicodedata.normalize("NFKC", text).casefold():
        category = unicodedata.category(character)
        if category == "Nd":
            kept.append(str(unicodedata.digit(character)))
        elif category[0] in "LNM" and category != "Me" and not _is_variation(character):
            kept.append(character)
        elif character not in _APOSTROPHES and category not in {"Me", "Cf", "Mn"}:
            kept.append(" ")
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def _is_variation(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f"


def _plain(words: str) -> str:
    """Return normalised words without accents."""
    apart = unicodedata.normalize("NFD", words.translate(_NO_ACCENT))
    return "".join(one for one in apart if unicodedata.category(one) != "Mn")


def _dictionary() -> tuple[dict[str, set[Intent]], dict[str, dict[str, set[Intent]]]]:
    """Return what each phrase means as written, and without accents by language."""
    written: dict[str, set[Intent]] = {}
    plain: dict[str, dict[str, set[Intent]]] = {}
    for language, intents in WORDS.items():
        for intent, phrases in intents.items():
            for phrase in phrases:
                words = normalise(phrase)
                written.setdefault(words, set()).add(intent)
                plain.setdefault(_plain(words), {}).setdefault(language, set()).add(intent)
    return written, plain


_WRITTEN, _PLAIN = _dictionary()
_POLITE = sorted({_plain(normalise(one)) for one in COURTESIES}, key=len, reverse=True)
_BEGINNINGS = tuple(_plain(normalise(one)) + " " for one in STOP_BEGINNINGS)


def classify(text: str, language: str | None = None) -> Reading:
    """Return what a reply says as a whole; `language` (BCP 47) helps where words collide.

    Not the sense of a sentence: what is not one of the known phrases is `unknown`, for staff.
    """
    if len(text) > 4 * _MOST_READ:
        return Reading("unknown")
    words = normalise(text)
    if not words:
        return Reading(_sign(text))
    if len(set(words.split())) == 1:  # STOP STOP STOP
        words = words.split()[0]
    coded = _coded(words)
    if coded is not None:
        return coded
    digit_alone = int(words) if words in {"1", "2"} else None
    intent = _intent(words, (language or "").partition("-")[0])
    if {intent, _sign(text)} == {"confirm", "no"}:
        return Reading("unknown")  # the sign says the opposite
    return Reading(intent, None, digit_alone)


def _coded(words: str) -> Reading | None:
    """Return what a letter says, with a digit or by itself; None for anything else."""
    coded = _CODED.fullmatch(words)
    if coded is not None:
        digit, letter = int(coded[1] or coded[4]), (coded[2] or coded[3]).upper()
        return Reading("confirm" if digit == 1 else "change", letter, digit)
    if len(words) == 1 and words.upper() in CODES:
        return Reading("unknown", words.upper())
    return None


def _sign(text: str) -> Intent:
    """Return what signs without words say: all of one kind, or nothing."""
    signs = {one for one in text if unicodedata.category(one) == "So"}
    for intent, known in (("confirm", YES_SIGNS), ("no", NO_SIGNS), ("thanks", THANKS_SIGNS)):
        if signs and signs <= known:
            return intent  # type: ignore[return-value]  # of the tuple above
    return "unknown"


def _intent(words: str, language: str) -> Intent:
    for form in (words, _without_courtesies(words)):
        found = _known(form, language)
        if found != "unknown":
            return found
    if _plain(words).startswith(_BEGINNINGS):
        return "stop"
    return "unknown"


def _known(words: str, language: str) -> Intent:
    written = _WRITTEN.get(words, set())
    if len(written) == 1 and _plain(words) != words:
        return next(iter(written))  # the accents say which
    by_language = _PLAIN.get(_plain(words), {})
    everywhere: set[Intent] = set().union(*by_language.values()) if by_language else set()
    for meanings in (everywhere, by_language.get(language, set())):
        if len(meanings) == 1:
            return next(iter(meanings))
    return "unknown"


def _without_courtesies(words: str) -> str:
    """Return `words` without courtesies at either end; nothing, if they are nothing else."""
    changed = True
    while changed:
        changed = False
        for polite in _POLITE:
            plain, gap = _plain(words), "" if not polite.isascii() else " "
            if len(plain) != len(words):  # a letter that is two: leave it
                return words
            if plain.endswith(gap + polite):
                words, changed = words[: -len(gap + polite)].strip(), True
            elif plain.startswith(polite + gap):
                words, changed = words[len(polite + gap) :].strip(), True
    return words


# --- which message it answers -------------------------------------------------------------------

RECENT = timedelta(days=7)
ASKED_FOR = timedelta(hours=24)
"""How long a question of ours which visit was meant can be answered by a letter."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A visit, or a time that is offered, that the number was written to about.

    `told_start` is when the last message said that it is, `starts_at` when it is now; `offer_id`
    stands for an offer that is open.
    """

    appointment_id: UUID
    patient_id: UUID
    offer_id: UUID | None
    told_start: datetime
    starts_at: datetime
    status: str
    held_until: datetime | None
    asked_at: datetime

    def is_open(self, now: datetime) -> bool:
        """Return whether a yes or a no can still change something."""
        if self.starts_at <= now:
            return False
        if self.status == "held":
            return self.offer_id is not None and self.held_until is not None \
                and self.held_until > now  # fmt: skip
        return self.status in {"scheduled", "confirmed"}

    @property
    def moved(self) -> bool:
        """Return whether it is no longer at the time that the patient was told."""
        return self.told_start != self.starts_at


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of ours which one was meant: the choices by code, and what they are about.

    `latest`: the number has written nothing since.
    """

    intent: Intent
    choices: dict[str, UUID]
    at: datetime
    latest: bool = True


Outcome = Literal[
    "confirming", "accepting", "declining", "change_asked", "asked", "outdated", "nothing_open",
    "stopped", "stopped_unsure", "started", "helped", "noted", "unread", "taking", "skipping",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a reply, about `prompt` or `dose`; or a question which of all is meant."""

    outcome: Outcome
    prompt: Prompt | None = None
    choices: tuple[Prompt, ...] = ()
    dose: DosePrompt | None = None


_AT_ONCE: dict[Intent, Outcome] = {
    "stop": "stopped",
    "stop_unsure": "stopped_unsure",
    "start": "started",
    "help": "helped",
    "thanks": "noted",
}
_OF_DOSES: dict[Intent, Outcome] = {"taken": "taking", "skip": "skipping"}


def meant(prompts: Sequence[Prompt], now: datetime) -> list[Prompt]:
    """Return the open prompts a reply may be about, by start: those of the last days, else all."""
    still = sorted((one for one in prompts if one.is_open(now)), key=_by_start)
    recent = [one for one in still if one.asked_at > now - RECENT]
    return recent or still


def _by_start(prompt: Prompt) -> tuple[datetime, UUID]:
    return prompt.starts_at, prompt.appointment_id


def decide(
    reading: Reading, prompts: Sequence[Prompt], asked: Asked | None, *, now: datetime,
    doses: Sequence[DosePrompt] = (),
) -> Decision:  # fmt: skip
    """Return what follows from a reply; `asked` is our last question to the number, if any."""
    if reading.intent in _AT_ONCE:
        return Decision(_AT_ONCE[reading.intent])
    if reading.intent in _OF_DOSES:
        return _about_doses(_OF_DOSES[reading.intent], meant_doses(doses))
    if asked is not None and asked.at <= now - ASKED_FOR:
        asked = None
    if reading.code is not None:
        return _chosen(reading, prompts, asked, now=now)
    if reading.intent == "unknown":
        return Decision("unread")
    dose = meant_doses([one for one in doses if one.is_open])
    if reading.intent == "confirm" and dose is not None:
        return _taken_or_coming(meant(prompts, now), dose, asked)
    return _whichever(reading, prompts, asked, now=now)


def _about_doses(outcome: Outcome, dose: DosePrompt | Literal["several"] | None) -> Decision:
    if dose == "several":
        return Decision("unread")
    return Decision("noted") if dose is None else Decision(outcome, dose=dose)


def _taken_or_coming(
    visits: Sequence[Prompt], dose: DosePrompt | Literal["several"], asked: Asked | None
) -> Decision:
    """Return what follows from a yes to a number that was reminded of doses, too."""
    if not visits:
        return _about_doses("taking", dose)
    once_more = asked is not None and asked.latest
    if dose == "several" or once_more or len(visits) > MOST_CHOICES:
        return Decision("unread")
    return Decision("asked", choices=tuple(visits), dose=dose)


def _whichever(
    reading: Reading, prompts: Sequence[Prompt], asked: Asked | None, *, now: datetime
) -> Decision:
    """Return what follows from a yes or a no that does not say to what."""
    found = meant(prompts, now)
    if len(found) == 1:
        return _about(found[0], reading)
    if not found:
        return _nothing_open(prompts, reading, now)
    if (asked is not None and asked.latest) or len(found) > MOST_CHOICES:
        return Decision("unread")  # asking the same once more is no help
    return Decision("asked", choices=tuple(found))


def _chosen(
    reading: Reading, prompts: Sequence[Prompt], asked: Asked | None, *, now: datetime
) -> Decision:
    if asked is None or reading.code not in asked.choices:
        return Decision("unread")
    wanted = asked.choices[reading.code]
    found = next((one for one in prompts if one.appointment_id == wanted), None)
    if found is None or not found.is_open(now):
        return Decision("outdated", found)
    if reading.intent == "unknown":
        reading = replace(reading, intent=asked.intent)
    return _about(found, reading)


def _about(prompt: Prompt, reading: Reading) -> Decision:
    if reading.intent == "confirm":
        if prompt.moved:
            return Decision("outdated", prompt)
        return Decision("accepting" if prompt.status == "held" else "confirming", prompt)
    if prompt.status == "held" and (reading.intent == "no" or reading.digit is not None):
        return Decision("declining", prompt)
    return Decision("change_asked", prompt)


def _nothing_open(prompts: Sequence[Prompt], reading: Reading, now: datetime) -> Decision:
    last = max(prompts, key=lambda one: one.asked_at, default=None)
    if last is not None and last.asked_at > now - RECENT:
        return Decision("outdated", last)
    return Decision("change_asked" if reading.intent == "change" else "nothing_open")


def codes(prompts: Sequence[Prompt]) -> dict[str, UUID]:
    """Return a letter for each prompt."""
    return {code: one.appointment_id for code, one in zip(CODES, prompts, strict=False)}


# --- whose it is --------------------------------------------------------------------------------


def clinics(
    intent: Intent, *, named: UUID | None, wrote: dict[UUID, datetime], only: UUID | None
) -> list[UUID]:
    """Return the clinics that a reply goes to.

    `named` sent the message that it answers, `wrote` has when each clinic last wrote to the number,
    and `only` is the one clinic there is. A stop, and a start, are for all that wrote: the patient
    sees one sender. Anything else is for one: who is named, else who wrote last.
    """
    if intent in STOPS or intent == "start":
        found = {*wrote, *([named] if named else [])} or ({only} if only else set())
        return sorted(found)
    if named is not None:
        return [named]
    if wrote:
        return [max(wrote, key=lambda one: (wrote[one], one))]
    return [only] if only else []


def number(text: str) -> str | None:
    """Return a number as E.164; None for short codes, names and whatever else is no number."""
    try:
        return phone_to_e164(text)
    except PydanticCustomError:
        return None


def is_id(value: object) -> bool:
    """Return whether `value` can be a provider's id."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def kept_text(text: str) -> tuple[str, bool]:
    """Return what is kept of a reply, and whether some of it was cut off.

    PostgreSQL stores no NUL, and other control characters have no business in a text message.
    """
    clean = "".join(
        one if one in "\n\t" or unicodedata.category(one) not in {"Cc", "Cs"} else " "
        for one in text[: MOST_KEPT + 1]
    )
    return clean[:MOST_KEPT], len(text) > MOST_KEPT
