"""What a message is about, as a patient may choose: every type belongs to exactly one category."""

from typing import Literal, get_args

Category = Literal["appointments", "waitlist", "medications", "refills", "adherence", "recalls"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

INVITING: Category = "recalls"
"""Nobody asked for these: they invite, so the law of some countries takes them for advertising."""

DUE_ON_TIME: Category = "medications"
"""What it is about has a time that the patient agreed to."""

ANSWERS: Literal["answers"] = "answers"
"""What answers a patient's own message: no choice of theirs, and by the way that they came."""
Topic = Category | Literal["answers"]

_OF: dict[str, Category] = {
    "appointment_confirmation": "appointments",
    "appointment_rescheduled": "appointments",
    "appointment_reminder": "appointments",
    "appointment_cancelled": "appointments",
    "waitlist_offer": "waitlist",
    "medication_reminder": "medications",
    "refill_reminder": "refills",
    "low_adherence": "adherence",
    "recall": "recalls",
}
TYPES = tuple(_OF)


def is_known(notification_type: str) -> bool:
    """Return whether we know what a type of message is about."""
    return notification_type in _OF or notification_type.startswith("reply_")


def category_of(notification_type: str) -> Topic:
    """Return the category of a type of message.

    Raises:
        KeyError: no such type; the message fails alone, and a test compares with the templates.
    """
    return ANSWERS if notification_type.startswith("reply_") else _OF[notification_type]
