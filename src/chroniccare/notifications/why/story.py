"""The story of one message in words. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.time import to_local, zone
from chroniccare.notifications.receipts.rules import TOLD_BY
from chroniccare.notifications.why.queries import Attempt, Change, Receipt, Subject

REASONS = {
    "no_consent": "the patient does not consent to this channel",
    "no_contact_point": "there is no address to write to",
    "opted_out": "every address is on the opt-out list",
    "category_off": "the recipient does not want messages of this kind",
    "channel_not_wanted": "the recipient does not want this channel for it",
    "care_over": "the medication is not taken any more, or adherence is well again",
    "goes_to_proxy": "a related person receives it in the patient's place",
    "proxy_inactive": "the related person does not receive messages now",
    "budget": "the month's limit of SMS is reached",
    "country_limit": "the day's limit of SMS to that country is reached",
    "country_not_allowed": "SMS to that country are not allowed",
    "no_channel_left": "no channel of the plan was left",
    "cannot_be_made": "the message could not be made from what is stored",
    "patient_inactive": "the patient is removed, inactive or has died",
    "quiet_hours": "quiet hours last until it has lost its point",
    "too_late": "it had lost its point by then",
    "visit_moved": "the visit has another time or provider now",
    "visit_cancelled": "the visit is cancelled",
    "visit_completed": "the visit is over",
    "visit_no_show": "the visit is over",
    "doses_changed": "no dose is due then any more",
    "doses_settled": "the doses were taken, skipped or given up",
    "doses_moved": "the doses are due at another time now",
    "supply_changed": "another fill counts now",
    "medication_on_hold": "the medication is on hold",
    "medication_stopped": "the medication was stopped",
    "medication_completed": "the medication is over",
    "medication_as_needed": "the medication is taken as needed",
    "accepted_late": "an earlier attempt had been accepted already",
    "provider_down": "no driver of this channel answers now",
    "sender_rate": "its sender may send no more parts just now",
    "not_delivered_in_time": "it was not delivered within the time of its plan",
    "timeout": "the provider did not answer in time",
    "driver_failed": "the call broke off",
}
_STATES = {
    "queued": ("taken_up", "A worker took it up"),
    "unknown": ("in_doubt", "Nobody knows whether the provider has it; it is not sent again"),
    "accepted": ("accepted", "The provider has it; whether it arrives is not known yet"),
    "delivered": ("delivered", "It arrived"),
    "undelivered": ("undelivered", "The provider could not deliver it"),
    "unconfirmed": ("unconfirmed", "The provider took it and never said whether it arrived"),
    "failed": ("failed", "It failed for good"),
    "suppressed": ("suppressed", "It was not sent"),
    "expired": ("expired", "It was not sent any more"),
    "cancelled": ("cancelled", "It was given up"),
    "superseded": ("superseded", "A newer message takes its place"),
}
_TOLD_LATER = frozenset({"delivered", "undelivered", "unconfirmed"})
_ANSWERS = {
    "delivered": "delivered it",
    "accepted": "accepted it",
    "rejected": "refused it for good",
    "transient": "refused it for now",
    "unknown": "gave no answer that can be trusted",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a message; `text` is the code and the other fields in words."""

    at: datetime
    code: str
    text: str
    status: str | None = None
    channel: str | None = None
    reason: str | None = None
    until: datetime | None = None
    attempt_id: UUID | None = None
    attempt: int | None = None
    driver: str | None = None
    by: str | None = None


def story(
    subject: Subject, changes: Sequence[Change], attempts: Sequence[Attempt],
    receipts: Sequence[Receipt],
) -> list[Event]:  # fmt: skip
    """Return every step in the order in which it happened.

    The changes of state are in order already. An attempt begins after the change to `sending` that
    made it, and its answer stands before the change that it caused.
    """
    events: list[Event] = []
    sendings = [change.at for change in changes if change.to_status == "sending"][1:]
    waiting = list(enumerate(attempts, 1))
    for change in changes:
        events += _explained(subject, change)
        if change.to_status != "sending":
            continue
        following = sendings.pop(0) if sendings else None
        # One attempt may be taken up by several workers, so there are at most as many.
        if waiting and (
            following is None
            or waiting[0][1].started_at < following
            or len(waiting) > len(sendings) + 1
        ):
            events.append(_begun(*waiting.pop(0)))
    events += [_begun(number, attempt) for number, attempt in waiting]
    for number, attempt in enumerate(attempts, 1):
        if attempt.finished_at is not None:
            _insert(events, _answered(number, attempt, attempt.finished_at))
    numbers = {attempt.id: number for number, attempt in enumerate(attempts, 1)}
    for receipt in receipts:
        _insert(events, _told(numbers[receipt.attempt_id], receipt))
    return events


def _insert(events: list[Event], event: Event) -> None:
    """Put `event` behind what is known of its attempt and all that happened before it."""
    place = max(i for i, one in enumerate(events) if one.attempt_id == event.attempt_id) + 1
    while place < len(events) and events[place].at < event.at:
        place += 1
    events.insert(place, event)


def _explained(subject: Subject, change: Change) -> list[Event]:
    details = change.details or {}
    skipped: dict[str, str] = details.get("skipped") or {}
    passed = [
        Event(
            change.at, "channel_skipped", f"Passed over {channel}: {_because(reason)}.",
            channel=channel, reason=reason,
        )
        for channel, reason in skipped.items()
    ]  # fmt: skip
    return [*passed, _stood(subject, change, details)]


def _stood(subject: Subject, change: Change, details: dict[str, Any]) -> Event:
    status, until = change.to_status, change.next_attempt_at
    code, text = _STATES.get(status, (status, f"It is {status}"))
    by = details["replay"].get("by") if "replay" in details else None
    reason = change.reason
    if status == "sending":
        code, text = "sending", f"To be sent by {change.channel}: nothing speaks against it"
    elif status == "held":
        # What it noted last says for what it waits; a reason of before may still stand there.
        code, reason = "held", (details.get("held") or {}).get("for") or reason or "quiet_hours"
        text = f"Held until {_local(until, subject.time_zone)}: " + (
            "quiet hours where the recipient lives" if reason == "quiet_hours" else _because(reason)
        )
    elif status == "pending" and change.from_status == "accepted":
        when = _local(until, subject.time_zone)
        code, text = "next_channel", f"To be sent by {change.channel} as well, {when}"
    elif status == "pending":
        code, text = _pending(subject, change, replayed=by is not None)
    elif change.from_status is None and status == "queued":
        code, text = "planned", "Planned, to be sent at once"
    if reason is not None and (status not in {"held", "pending"} or code == "next_channel"):
        text += f": {_because(reason)}"
    return Event(
        change.at, code, f"{text}.", status=status, channel=change.channel, reason=reason,
        until=until if status in {"pending", "held"} else None, by=by,
    )  # fmt: skip


def _pending(subject: Subject, change: Change, *, replayed: bool) -> tuple[str, str]:
    when = _local(change.next_attempt_at, subject.time_zone)
    if replayed:
        return "replayed", f"Put back by staff, to be looked at afresh: {when}"
    if change.from_status == "cancelled":
        return "restored", f"Wanted again: the visit stands after all; due {when}"
    if change.from_status == "sending":
        return "retry", f"To be tried again by {change.channel}: {when}"
    if change.from_status is not None:
        return "released", f"Given back by the worker that had it; due {when}"
    if change.next_attempt_at == subject.scheduled_send_time:
        return "planned", f"Planned for {when}"
    paper = _local(subject.scheduled_send_time, subject.time_zone)
    return "planned", f"Planned for {when}: {paper} would fall into quiet hours"


def _begun(number: int, attempt: Attempt) -> Event:
    code = "attempt_prepared" if attempt.status == "prepared" else "attempt_begun"
    text = f"Attempt {number}: {attempt.driver}, by {attempt.channel}{_said(attempt)}."
    return Event(
        attempt.started_at, code, text, channel=attempt.channel, attempt_id=attempt.id,
        attempt=number, driver=attempt.driver,
    )  # fmt: skip


def _said(attempt: Attempt) -> str:
    """Return which text it was; attempts made before this was kept do not say."""
    if attempt.template_locale is None:
        return ""
    if attempt.template_number is None:
        return f", in the built-in text ({attempt.template_locale})"
    return f", in the clinic's text ({attempt.template_locale}, version {attempt.template_number})"


def _answered(number: int, attempt: Attempt, at: datetime) -> Event:
    answer = _answer(attempt)
    said = _ANSWERS.get(answer, f"answered {answer}")
    text = f"Attempt {number}: {attempt.driver} {said}"
    if attempt.error_code is not None:
        text += f" ({attempt.error_code})"
    return Event(
        at, f"attempt_{answer}", f"{text}.", channel=attempt.channel,
        reason=attempt.error_code, attempt_id=attempt.id, attempt=number, driver=attempt.driver,
    )  # fmt: skip


def _answer(attempt: Attempt) -> str:
    """Return what the provider answered: what it told later has changed the attempt since."""
    if attempt.driver not in TOLD_BY or attempt.status not in _TOLD_LATER:
        return attempt.status
    return "accepted" if attempt.error_code is None else "unknown"


def _told(number: int, receipt: Receipt) -> Event:
    text = f"Attempt {number}: {receipt.driver} reported {receipt.status}."
    return Event(
        receipt.received_at, "receipt", text, reason=receipt.status,
        attempt_id=receipt.attempt_id, attempt=number, driver=receipt.driver,
    )  # fmt: skip


def _because(reason: str) -> str:
    return REASONS.get(reason, reason)


def _local(at: datetime, name: str | None) -> str:
    home = name or "UTC"
    return f"{to_local(at, zone(home)):%Y-%m-%d %H:%M} ({home})"
