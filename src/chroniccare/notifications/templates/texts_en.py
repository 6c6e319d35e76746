"""The built-in texts in English: type -> what an SMS says, and what an email does."""

from chroniccare.notifications.templates.text import Source

_NAME = "{% if first_name %} {{ first_name }}{% endif %}"
_AT = "{% if clinic %} at {{ clinic }}{% endif %}"
_FROM = "{% if clinic %} from {{ clinic }}{% endif %}"
_CLINIC = "{{ clinic | default('the clinic') }}"
_JOIN = "{% if join_link %} Join by video: {{ join_link }}{% endif %}"
_QUESTIONS = " Questions? Please call us."
_ANSWER = (
    "{% if link %} To confirm or change: {{ link }}{% elif reply %} {{ reply }}{% else %}"
    f"{_QUESTIONS}{{% endif %}}"
)
_KEPT = "{% if offer_until %} We keep it until {{ offer_until }}.{% endif %}"
_NAMES = "{% if names %} ({{ names }}){% endif %}"
_DOSES = f"{{{{ time }}}} medicine{{% if medicines %}}s ({{{{ medicines }}}}){{% endif %}}{_NAMES}"
_REPLY = "{% if link %} To answer: {{ link }}{% elif reply %} {{ reply }}{% endif %}"

# Each paragraph by itself; one that renders to nothing is left out.
_HELLO = f"Hello{_NAME},"
_WITH = "{% if provider %}You will see {{ provider }}.{% endif %}"
_JOINING = "{% if join_link %}Join by video: {{ join_link }}{% endif %}"
_ANSWERING = "{% if link %}To confirm or change: {{ link }}{% endif %}"
_CHANGES = "If you need another time, please call the clinic."
_QUESTION = "If you have a question, please call the clinic."
_AUTOMATIC = "This message was sent automatically; replies are not read."
_NEXT = _JOINING, _ANSWERING, _CHANGES


def _email(subject: str, *paragraphs: str) -> Source:
    return Source("\n\n".join([_HELLO, *paragraphs, _AUTOMATIC]), subject)


def _short(sentence: str) -> Source:
    return Source(f"Hello{_NAME}, {sentence}")


OFFER = f"A time{_AT} is free for you: {{{{ when }}}}.{_KEPT}"
"""What the page of an offer says."""
VISIT = f"We expect you{_AT}: {{{{ when }}}}."
"""What the page of a visit says."""

TEXTS: dict[str, tuple[Source, Source]] = {
    "appointment_confirmation": (
        _short(f"your visit{_AT} is booked for {{{{ when }}}}.{_JOIN}{_ANSWER}"),
        _email(
            "Your visit on {{ date }}",
            f"Your visit{_AT} is booked for {{{{ when }}}}.", _WITH, *_NEXT,
        ),
    ),
    "appointment_reminder": (
        _short(f"this is a reminder of your visit{_AT}: {{{{ when }}}}.{_JOIN}{_ANSWER}"),
        _email(
            "Reminder: your visit on {{ date }}",
            f"This is a reminder of your visit{_AT}: {{{{ when }}}}.", _WITH, *_NEXT,
        ),
    ),
    "appointment_rescheduled": (
        _short(f"your visit{_AT} has changed: it is now on {{{{ when }}}}.{_JOIN}{_ANSWER}"),
        _email(
            "Your visit is now on {{ date }}",
            f"Your visit{_AT} has changed: it is now on {{{{ when }}}}.", _WITH, *_NEXT,
        ),
    ),
    "appointment_cancelled": (
        _short(f"your visit{_AT} on {{{{ when }}}} will not take place.{_QUESTIONS}"),
        _email(
            "Your visit on {{ date }}",
            f"Your visit{_AT} on {{{{ when }}}} will not take place.", _CHANGES,
        ),
    ),
    "waitlist_offer": (
        _short(
            f"a time{_AT} is free for you: {{{{ when }}}}.{_KEPT}"
            " To take it{% if link %}: {{ link }} or call us.{% else %}, please call us.{% endif %}"
        ),
        _email(
            "A time is free on {{ date }}",
            OFFER, _WITH,
            "To take it{% if link %}: {{ link }} or call us.{% else %}, please call us.{% endif %}",
        ),
    ),
    "medication_reminder": (
        _short(f"a reminder{_FROM}: it is time for your {_DOSES}.{_REPLY}"),
        _email(
            "Your reminder for {{ time }}",
            f"This is a reminder{_FROM}: it is time for your {_DOSES}.",
            "{% if link %}To say that you took it, or did not: {{ link }}{% endif %}",
            _QUESTION,
        ),
    ),
    "refill_reminder": (
        _short(
            f"your supply of medicine{_NAMES}{_FROM} should last until {{{{ date }}}}."
            " To renew it, please call us."
        ),
        _email(
            "Time to renew your supply",
            f"Your supply of medicine{_NAMES}{_FROM} should last until {{{{ date }}}}.",
            "To renew it, please call the clinic.",
        ),
    ),
    "low_adherence": (
        _short(
            "how are you getting on with your care plan? We are here to help:"
            f" please call {_CLINIC}."
        ),
        _email(
            "How are you getting on?",
            "How are you getting on with your care plan? If something makes it hard to follow, we"
            " are here to help.",
            f"Please call {_CLINIC}"
            "{% if provider %} and ask for {{ provider }}{% endif %}.",
        ),
    ),
    "recall": (
        _short(f"it is time to book your next visit{_AT}. Please call us."),
        _email(
            "Time for your next visit",
            f"It is time to book your next visit{_AT}"
            "{% if provider %} with {{ provider }}{% endif %}.",
            "Please call the clinic to find a time that suits you.",
        ),
    ),
}  # fmt: skip
