"""Receipts on paper: what makes one genuine, and what it changes. No I/O, no clock."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

Kind = Literal[
    "accepted",
    "delayed",
    "undelivered",
    "rejected",
    "bounced_soft",
    "bounced_hard",
    "opted_out",
    "delivered",
    "complained",
]

PROOF = frozenset({"delivered", "complained"})
"""The recipient had it: a complaint is made about something that arrived."""
REFUSAL = frozenset({"undelivered", "rejected", "bounced_soft", "bounced_hard", "opted_out"})
SUPPRESSING = frozenset({"bounced_hard", "complained", "opted_out"})
"""Nothing more is sent to the address."""

TOLD_BY = ("aws", "ses", "sns", "http")
"""Drivers whose provider tells what became of a message; the partial index names them too."""

HTTP_TOLERANCE = timedelta(minutes=5)
SNS_TOLERANCE = timedelta(hours=24)
"""SNS repeats what it could not hand over for an hour at most, and a redrive takes longer."""

_OUT_OF_HANDS = frozenset({"pending", "held", "queued"})
"""States in which nobody is on the wire for the row."""
REFUSED = frozenset({"rejected", "undelivered"})
"""States of an attempt of which it is known that it does not arrive."""
_UNSURE = frozenset({"unknown", "needs_staff"})
_IMPROVABLE = _OUT_OF_HANDS | _UNSURE | {"sending", "accepted", "unconfirmed", "failed"}
"""Only these become `delivered`; what was cancelled or has expired stays so."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One event of a provider; `attempt_id` is our echo, `provider_id` the provider's own id.

    `segments` and `micros` (millionths of its money) are what it charges, where it says so.

    `event_id` is the same whenever, and by whichever way, the same event comes again. `code` is
    the provider's word for it, letters and digits only. No address, no text.
    """

    driver: str
    kind: Kind
    event_id: str
    attempt_id: UUID | None
    provider_id: str | None
    code: str | None
    occurred_at: datetime | None
    segments: int | None = None
    micros: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A message and one attempt of it, as they stand; `last`: no later attempt was begun.

    `hoped`: an earlier attempt was accepted, and may still arrive. `coming`: a later one is
    prepared, and not begun. `beyond`: a later one was accepted. `left`: the
    message has gone on from it for good: it was not delivered in time, or a later attempt was
    refused, or went by another channel.
    """

    status: str
    channel: str
    plan: tuple[str, ...]
    reason: str | None
    attempt_status: str
    attempt_channel: str
    last: bool = True
    hoped: bool = False
    coming: bool = False
    beyond: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """The receipt cannot be applied while the call is on the wire: look again in a moment."""


def follow(now: Standing, kind: Kind, code: str | None) -> Standing | Later:
    """Return how message and attempt stand after a receipt of `kind`.

    What is proved stays proved: `delivered` is never left, and a refusal never follows it, so any
    order of the same receipts ends the same.
    """
    if kind in PROOF:
        return _proved(now)
    if now.attempt_status == "delivered":
        return now
    if kind in REFUSAL:
        return _refused(now, code or kind)
    return _echoed(now)


def _proved(now: Standing) -> Standing:
    then = replace(now, attempt_status="delivered")
    if now.status not in _IMPROVABLE:
        return then
    return replace(then, status="delivered", reason=None, **_back(now))


def _back(now: Standing) -> dict[str, Any]:
    """Return channel and plan as they were for the attempt, which another may have followed."""
    rest = [channel for channel in now.plan if channel != now.attempt_channel]
    return {"channel": now.attempt_channel, "plan": (now.attempt_channel, *rest)}


def _refused(now: Standing, code: str) -> Standing | Later:
    if now.status == "sending" and now.last:
        return Later()
    if now.attempt_status == "rejected":
        return now  # known before: what follows has been decided
    then = replace(now, attempt_status="undelivered")
    ours = now.status == "accepted" and now.channel == now.attempt_channel
    # Of two on one channel the message may stand on the first: its echo was the only one.
    alone = ours and not (now.hoped or now.beyond)
    if now.attempt_status == "undelivered" or not (now.last or alone):
        return then
    if now.status in _OUT_OF_HANDS and now.channel != now.attempt_channel:
        rest = tuple(channel for channel in now.plan if channel != now.attempt_channel)
        return replace(then, plan=rest)
    # Due here again: now it is known that this is no use.
    if now.status == "accepted" or now.status in _UNSURE | _OUT_OF_HANDS:
        return _next(then, code)
    return then


def _next(then: Standing, code: str) -> Standing:
    rest = tuple(channel for channel in then.plan if channel != then.attempt_channel)
    if rest:
        return replace(then, status="pending", channel=rest[0], plan=rest, reason=None)
    return replace(then, status="unconfirmed" if then.hoped else "failed", reason=code)


def _echoed(now: Standing) -> Standing | Later:
    """The provider has it: a doubt ends, and what was to follow from the doubt does not."""
    if now.attempt_status not in {"in_flight", "unknown", "transient"}:
        return now
    stands = now.last or not now.left
    if stands and not now.last and now.status == "sending" and not now.coming:
        return Later()  # a later attempt is on the wire: what it hears decides what is left to end
    then = replace(now, attempt_status="accepted")
    # What was to be sent again and is not on the wire yet: the last look before it finds this.
    beaten = now.coming and now.status == "sending"
    if stands and (beaten or now.status in _UNSURE or now.status in _OUT_OF_HANDS):
        return replace(then, status="accepted", reason=None, **_back(now))
    return then


# --- doubt --------------------------------------------------------------------------------------

RESENT = frozenset({"medication_reminder", "refill_reminder"})
"""Missing one is worse than getting it twice."""
SENSITIVE = frozenset({"low_adherence", "care_message"})
"""Getting one twice is worse than waiting for somebody to look."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message of which nobody knows whether it left; `doubts` counts such attempts of it.

    `taken`: an earlier attempt on its channel was accepted, and was not left since.
    """

    notification_type: str
    same_day: bool
    expired: bool
    doubts: int
    standing: Standing
    taken: bool = False


def resolve(doubt: Doubt) -> Standing:
    """Return what becomes of a message in doubt for which no echo came in time.

    Medication and same-day messages are sent once more, sensitive ones wait for staff, all others
    go to the next channel. Where nothing can follow it is `unconfirmed`: it may have arrived.
    """
    now = doubt.standing
    if now.attempt_status in {"accepted", "delivered"}:
        # The echo came while the call was still open, and its worker knew nothing of it.
        return replace(now, status=now.attempt_status, reason=None)
    if doubt.taken:
        return replace(now, status="accepted", reason=None)
    if doubt.expired or doubt.notification_type in SENSITIVE:
        return replace(now, status="unconfirmed" if doubt.expired else "needs_staff")
    urgent = doubt.notification_type in RESENT or doubt.same_day
    if urgent and doubt.doubts == 1:
        return replace(now, status="pending", reason=None)
    rest = tuple(channel for channel in now.plan if channel != now.attempt_channel)
    if rest:
        return replace(now, status="pending", channel=rest[0], plan=rest, reason=None)
    return replace(now, status="unconfirmed")


# --- what makes a callback genuine --------------------------------------------------------------

_AWS_HOST = re.compile(r"^sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]


def of_aws(url: str, own: str = "") -> bool:
    """Return whether `url` is one of Amazon's SNS over https, or begins with our simulator's."""
    if own and url.startswith(f"{own}/"):
        return True
    match = re.match(r"^https://([^/?#]+)/[\x21-\x7e]*$", url)
    return match is not None and bool(_AWS_HOST.match(match[1]))


def signed_text(envelope: Mapping[str, Any]) -> bytes | None:
    """Return what Amazon signs of an SNS message; None when that is not in it."""
    names = _SIGNED.get(str(envelope.get("Type")))
    if names is None:
        return None
    parts: list[str] = []
    for name in names:
        value = envelope.get(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            return None
        parts += (name, value)
    return "".join(f"{part}\n" for part in parts).encode()


def http_signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a gateway's callback: HMAC-SHA256 of `timestamp.body` in hex."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()


def event_id(*parts: object) -> str:
    """Return one id for what names an event."""
    return sha256("\n".join(str(part) for part in parts).encode()).hexdigest()
