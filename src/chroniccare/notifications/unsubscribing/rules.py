"""What is left of a patient's wishes when they want no more email of one kind. Pure."""

from collections.abc import Mapping
from typing import Any

from chroniccare.notifications import rules
from chroniccare.notifications.preferences.rules import choices
from chroniccare.notifications.rules_categories import Category


def has_ended(stored: Mapping[str, Any], own: list[str], category: Category) -> bool:
    """Say whether no email of `category` is wanted; `stored` is `notification_preferences`.

    `own` are the channels that they chose for everything.
    """
    choice = choices(stored).get(category)
    if choice is not None and not choice.enabled:
        return True
    wished = list(choice.channels if choice is not None else ()) or own
    return bool(wished) and "email" not in wished


def ended(stored: Mapping[str, Any], own: list[str], category: Category) -> dict[str, Any]:
    """Return `stored` without email for `category`; other channels stay, in their order.

    If there is none, the category is off.
    """
    choice = choices(stored).get(category)
    wished = list(choice.channels if choice is not None else ()) or own
    left = [one for one in rules.wanted_channels(wished) if one != "email"]
    kept = dict(stored.get("categories") or {})
    return {**stored, "categories": {**kept, category: {"enabled": bool(left), "channels": left}}}
