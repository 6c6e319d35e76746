"""What a message is about, as a patient may choose: every type belongs to exactly one category."""

from typing import Literal, get_args

Category = Literal["appointments", "waitlist", "medications", "refills", "adherence", "recalls"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

INVITING: Category = "recalls"
"""Nobody asked for these: they invite, so the law of some countries takes them for advertising."""

_OF: dict[str, Category] = {
    "appointment_confirmation": "appointments",
    "appointment_rescheduled": "appointments",
    "appointment_reminder": "appointments",
    "appointment_cancelled": "appointments",
    "waitlist_offer": "waitlist",
    "medication_reminder": "medications",
    "refill": "refills",
    "refill_reminder": "refills",
    "medication_refill": "refills",
    "low_adherence": "adherence",
    "adherence_low": "adherence",
    "recall": "recalls",
    "recall_notice": "recalls",
}
TYPES = frozenset(_OF)


def category_of(notification_type: str) -> Category:
    """Return the category of a type of message.

    Raises:
        KeyError: no such type; the message fails alone, and a test compares with the templates.
    """
    return _OF[notification_type]
