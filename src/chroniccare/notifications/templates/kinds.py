"""The types of messages, the variables that each may use, and what stands for them in examples."""

from dataclasses import dataclass

CHANNELS = ("sms", "email", "push")
PARTS = ("subject", "text", "html")
MOST = {"subject": 300, "text": 10_000, "html": 50_000}
"""Characters of a source."""
MOST_SHORT = 1600
"""The same of the text of an SMS or a push message."""


@dataclass(frozen=True, slots=True)
class Variable:
    """Something that a template may show.

    Attributes:
        optional: there may be none; it then prints nothing, and `{% if %}` takes it for false.
        email_only: says more about a patient than a lock screen may show.
    """

    name: str
    meaning: str
    example: str
    optional: bool = False
    email_only: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of message; `variables` are all that any of its channels may use."""

    name: str
    meaning: str
    variables: tuple[str, ...]


VARIABLES = {
    variable.name: variable
    for variable in (
        Variable("first_name", "The patient's first name.", "Maria", optional=True),
        Variable("clinic", "The name of the facility.", "Riverside Clinic", optional=True),
        Variable(
            "clinic_phone", "The telephone number of the facility.", "+1 415-555-0100",
            optional=True,
        ),
        Variable("when", "Day and time.", "Tue, Mar 3 at 9:30 AM EST"),
        Variable("date", "The day.", "Tue, Mar 3"),
        Variable("time", "The time, with its zone.", "9:30 AM EST"),
        Variable(
            "provider", "The provider, with one title or degree.", "Dr. Aisha Rahman",
            optional=True, email_only=True,
        ),
        Variable(
            "join_link", "Where a video visit is joined.", "https://video.example.com/r/7",
            optional=True,
        ),
        Variable(
            "offer_until", "Until when a time is kept; the day only if it is another one.",
            "1:05 PM EST", optional=True,
        ),
        Variable(
            "link", "Where the patient answers.", "https://clinic.example/offers/Zm9v",
            optional=True,
        ),
        Variable(
            "reply", "How to answer by text, where the clinic asks for it.",
            "Reply 1 to confirm, 2 to change.", optional=True,
        ),
        Variable(
            "medication", "The name of the drug.", "Metformin 500 mg", optional=True,
            email_only=True,
        ),
        Variable(
            "medicines", "How many medicines, where there are several.", "3", optional=True
        ),
        Variable(
            "names", "The names of the drugs, where the patient wants them in every message.",
            "Metformin 500 mg", optional=True,
        ),
    )
}  # fmt: skip

_VISIT = ("first_name", "clinic", "clinic_phone", "when", "date", "time", "provider")
_OPEN = (*_VISIT, "join_link", "link", "reply")
KINDS = {
    kind.name: kind
    for kind in (
        Kind("appointment_confirmation", "A visit is booked.", _OPEN),
        Kind("appointment_reminder", "A visit is near.", _OPEN),
        Kind("appointment_rescheduled", "A visit has another time, end, place or provider.", _OPEN),
        Kind("appointment_cancelled", "A visit will not take place.", _VISIT),
        Kind(
            "waitlist_offer", "A time is free for somebody who waits.",
            (*_VISIT, "offer_until", "link"),
        ),
        Kind(
            "medication_reminder", "A dose is due; when, date and time are the dose's.",
            (
                "first_name", "clinic", "clinic_phone", "when", "date", "time", "medication",
                "medicines", "names", "link", "reply",
            ),
        ),
        Kind(
            "refill_reminder", "A supply ends; date is its last day.",
            ("first_name", "clinic", "clinic_phone", "date", "medication", "names"),
        ),
        Kind(
            "low_adherence", "Doses were missed; goes to the patient, with no figures.",
            ("first_name", "clinic", "clinic_phone", "provider"),
        ),
        Kind(
            "recall", "A visit is due and none is booked.",
            ("first_name", "clinic", "clinic_phone", "provider"),
        ),
    )
}  # fmt: skip
ABOUT_VISITS = tuple(name for name in KINDS if name.startswith("appointment_"))


def allowed(kind: str, channel: str, part: str) -> tuple[str, ...]:
    """Return the names of the variables that a part of a template may use.

    A subject shows on lock screens like an SMS, so it may say no more. A type that is not there
    has none.
    """
    private = channel == "email" and part != "subject"
    return tuple(
        name
        for name in (KINDS[kind].variables if kind in KINDS else ())
        if private or not VARIABLES[name].email_only
    )
