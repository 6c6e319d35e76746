"""What goes into a text and what comes out of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from chroniccare.notifications.attachment import Attachment

Asks = Literal["visit", "doses"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the texts speak of; instants show a local time, with its offset.

    Attributes:
        starts_at: when what it is about begins: the visit, the dose, the last day of a supply.
        now: when it is written: a day far from it is shown with its year. None: never.
        facility_phone: in E.164.
        provider_name: as it is recorded, perhaps with a title or a degree.
        credentials: the provider's degrees, such as `MD`.
        until: when an offer ends.
        link: where an offer, or a visit, can be answered.
        join: where a video visit is.
        reply: about what an answer by text is asked for; None: for none.
        is_copy: it goes to somebody who helps the patient, and says so first.
        opt_out: it has to say how such messages end: nobody asked for it.
        medication: the name of a drug, or of several; for email alone.
        medicines: how many different ones it is about; 0: that is not known.
        named: the patient wants their names in every message.
    """

    starts_at: datetime | None = None
    first_name: str | None = None
    facility_name: str | None = None
    facility_phone: str | None = None
    provider_name: str | None = None
    until: datetime | None = None
    link: str | None = None
    join: str | None = None
    reply: Asks | None = None
    medication: str | None = None
    medicines: int = 0
    named: bool = False
    credentials: tuple[str, ...] = ()
    now: datetime | None = None
    opt_out: bool = False
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A text before anything is put into it; only email has a subject and perhaps HTML."""

    text: str
    subject: str | None = None
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A rendered message; only email has a subject, HTML and perhaps a calendar entry.

    Attributes:
        locale: the language tag of the template it was made from.
        version_id: that version of the clinic's own template; None: the built-in text.
        segments: parts that an SMS is charged as; 0 for anything else.
        unsubscribe: where the recipient of an email ends such emails, or nothing.
    """

    body: str
    subject: str | None = None
    html: str | None = None
    calendar: Attachment | None = None
    locale: str | None = None
    version_id: UUID | None = None
    segments: int = 0
    unsubscribe: str = ""
