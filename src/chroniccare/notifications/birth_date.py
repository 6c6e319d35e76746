"""The birth date that a patient's link asks for before its page says anything of the patient.

A link is opened by whoever reads the message: a shared telephone, a forwarded email. The right date
makes a proof that the page's own buttons send back: it stands in no address, cookie or row, belongs
to one link, and ends after `LASTS`. Dates of birth are few, so tries are counted by patient,
whichever of their links is used and from wherever, and wrong ones by address as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from chroniccare.audit.reads import read_log
from chroniccare.core import signed
from chroniccare.core.caller import Caller
from chroniccare.core.errors import RateLimited, Unprocessable
from chroniccare.notifications import page
from chroniccare.platform.cache import LocalBucket, cache
from chroniccare.platform.redis_connection import CacheAway
from chroniccare.settings import Settings
from chroniccare.tenancy.caller import Authority
from chroniccare.tenancy.guesses import Guesses

LASTS = timedelta(minutes=15)
TRIES = 6
"""Of one patient's date, right or wrong, at once; then one every `_AGAIN_S` seconds."""
_AGAIN_S = 7200
_MOST = 10_000
_PURPOSE = b"chroniccare birth date, version 1\0"
PROOF = "proof"
_PARTS = ("year", "month", "day")
_TEXTS = {
    "en": {
        "ask": "To protect your privacy: what is the patient's date of birth?",
        "day": "Day",
        "month": "Month",
        "year": "Year",
        "go": "Continue",
        "wrong": "This is not the date that we have. Please try again, or call the clinic.",
        "again": "Some time has passed. Please enter the date once more.",
    },
    "es": {
        "ask": "Para proteger sus datos: ¿cuál es la fecha de nacimiento del paciente?",
        "day": "Día",
        "month": "Mes",
        "year": "Año",
        "go": "Continuar",
        "wrong": "No es la fecha que tenemos. Pruebe otra vez o llame a la clínica.",
        "again": "Ha pasado un tiempo. Escriba la fecha otra vez, por favor.",
    },
}
_ORDER = {"en": ("month", "day", "year"), "es": ("day", "month", "year")}
"""As dates are written; each field has its label, so that no order can be misread."""


class NotProved(Unprocessable):
    """Not the patient's date of birth, or no date; `why` is a key of the page's texts."""

    message = "Not the date of birth."

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


@dataclass(frozen=True, slots=True)
class Door:
    """One link whose page is behind the birth date: who calls, what it is about, its secret."""

    caller: Caller
    record_id: UUID
    token: str
    pepper: str = field(repr=False)


@dataclass(slots=True)
class Doorkeeper:
    """Counts the dates that are tried; one a process.

    `addresses` counts wrong ones by where they come from.
    """

    addresses: Guesses
    local: LocalBucket = field(default_factory=LocalBucket)

    async def open(
        self, door: Door, given: Mapping[str, str], *, patient_id: UUID, born: date, now: datetime
    ) -> str:
        """Return the proof that the patient's date of birth was given.

        Raises:
            NotProved: it is another date, or none; a wrong one is audited.
            RateLimited: too many were tried, and this one was not looked at.
        """
        address = door.caller.ip_address
        self.addresses.check(address)
        said = said_date(given)
        if said is None:
            raise NotProved("wrong")  # told apart by its form alone: nothing is learnt by it
        # Taken before the dates are compared: tries that come at once are counted one by one.
        await self._take(f"births:{door.caller.tenant_id}:{patient_id}")
        if said == born:
            return _proof(door, now + LASTS)
        await read_log().record(
            door.caller, entity_type="patient", seen=[patient_id], action="read", outcome="refused"
        )
        await self.addresses.note(address)
        raise NotProved("wrong")

    async def _take(self, key: str) -> None:
        rate = 1 / _AGAIN_S
        try:
            allowance = await cache().take(key, per_second=rate, burst=TRIES)
        except CacheAway:
            if len(self.local.tokens) >= _MOST:
                self.local.tokens.clear()
            allowance = self.local.take(key, per_second=rate, burst=TRIES)
        if not allowance.allowed:
            raise RateLimited(retry_after=allowance.wait_s)


def check(door: Door, proof: str, *, now: datetime) -> None:
    """Refuse an answer that comes without the date of birth.

    Raises:
        NotProved: `proof` was not made for this link, or is too old.
    """
    opened = signed.opened_dated(_purpose(door), proof, door.pepper)
    if opened is None or opened[2] <= now:
        raise NotProved("again")


def _proof(door: Door, until: datetime) -> str:
    return signed.dated_token(
        _purpose(door), door.caller.tenant_id, door.record_id, until, door.pepper
    )


def _purpose(door: Door) -> bytes:
    return _PURPOSE + door.token.encode()


def said_date(given: Mapping[str, str]) -> date | None:
    """Return the date in the fields `year`, `month` and `day`; None: there is none."""
    parts = [given.get(name, "") for name in _PARTS]
    if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts):  # noqa: PLR2004  a year's
        return None
    try:
        return date(*map(int, parts))
    except ValueError:
        return None


def ask(language: str, title: str, path: str, *, why: str = "") -> bytes:
    """Return the page that asks; `why` it asks again: "wrong", "again" or nothing."""
    texts = _TEXTS[language]
    fields = [
        page.Field(name, texts[name], 4 if name == "year" else 2, f"bday-{name}")
        for name in _ORDER[language]
    ]
    question = page.Question(path, texts["ask"], fields, texts["go"], texts.get(why, ""))
    return page.render(language, title, [], question=question)


def doorkeeper(_authority: Authority, settings: Settings) -> Doorkeeper:
    """Return what counts the dates of one process; it stands in `app.state.doorkeeper`."""
    return Doorkeeper(Guesses(settings.wrong_passwords_per_minute, of="births:"))
