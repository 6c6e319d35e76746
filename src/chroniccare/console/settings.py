"""What a clinic sets for itself, group by group, as its page shows and sends it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chroniccare.console import records
from chroniccare.console.forms import Form, whole

_AMOUNT = re.compile(r"\d{1,9}([.,]\d{1,6})?")
_BOOKING = (
    "cancel_notice_minutes", "reschedule_notice_minutes", "max_reschedules", "overbooking_lanes",
    "waitlist_offer_minutes", "recall_return_days",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """One group of settings.

    Attributes:
        path: where the API has it.
        scope: its scopes without `:read` and `:write`.
        body: makes what the API takes of a form and the settings as they are.
    """

    path: str
    scope: str
    body: Callable[[Form, dict[str, Any]], dict[str, Any]]


def _texts(form: Form, now: dict[str, Any]) -> dict[str, Any]:
    del now
    return {
        "default_locale": form.text("default_locale"), "max_segments": form.number("max_segments"),
        "plain_letters": form.checked("plain_letters"), "four_eyes": form.checked("four_eyes"),
        "asks": form.some("asks"),
    }  # fmt: skip


def _booking(form: Form, now: dict[str, Any]) -> dict[str, Any]:
    del now
    return {
        **{name: form.number(name) for name in _BOOKING},
        "calendar_details": form.checked("calendar_details"),
    }


def _costs(form: Form, now: dict[str, Any]) -> dict[str, Any]:
    return {
        "monthly_segments": form.number("monthly_segments"),
        "monthly_amount": _amount(form.text("monthly_amount")),
        "currency": form.text("currency"), "alert_percent": form.number("alert_percent"),
        "daily_segments": form.number("daily_segments"),
        "segment_price": _amount(form.text("segment_price")),
        "countries": _countries(form.text("countries"), now.get("countries") or []) or None,
    }  # fmt: skip


def _amount(text: str) -> float | str | None:
    """Return an amount; what is none is returned as it is, for the API to refuse."""
    return float(text.replace(",", ".")) if _AMOUNT.fullmatch(text) else text or None


def _countries(text: str, now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return countries with their daily limits; a price of their own that one has stays."""
    prices = {one["country"]: one["segment_price"] for one in now}
    rows = (one.partition(" ") for one in records.some(text))
    return [
        {
            "country": code, "daily_segments": whole(most.strip()),
            "segment_price": prices.get(code),
        }
        for code, _, most in rows
    ]  # fmt: skip


GROUPS = {
    "texts": Group("/message-policy", "templates", _texts),
    "booking": Group("/scheduling-policy", "scheduling", _booking),
    "costs": Group("/spend/limits", "spend", _costs),
}


def lines(countries: list[dict[str, Any]] | None) -> str:
    """Return countries as the lines of a form."""
    return "\n".join(
        f"{one['country']} {'' if one['daily_segments'] is None else one['daily_segments']}".strip()
        for one in countries or []
    )
