"""What providers' events say: End User Messaging, SES, SNS delivery logs. No I/O, no clock.

Each is read leniently: an event that is none of ours, or that says nothing of a delivery, is no
receipt. Nothing of it is kept but ids, codes and the time.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chroniccare.notifications.receipts.rules import Kind, Receipt, event_id

_TEXTS: dict[str, Kind] = {
    "TEXT_DELIVERED": "delivered",
    # The carrier has it; the phone may never.
    "TEXT_SUCCESSFUL": "accepted",
    "TEXT_SENT": "accepted",
    "TEXT_QUEUED": "accepted",
    "TEXT_PENDING": "accepted",
    # After 72 hours without a word from the carrier: AWS does not know, and neither do we.
    "TEXT_UNKNOWN": "delayed",
    "TEXT_INVALID": "bounced_hard",
    "TEXT_INVALID_MESSAGE": "rejected",
    "TEXT_PROTECT_BLOCKED": "rejected",
    "TEXT_SPAM": "rejected",
    "TEXT_BLOCKED": "undelivered",
    "TEXT_CARRIER_BLOCKED": "undelivered",
    "TEXT_CARRIER_UNREACHABLE": "undelivered",
    "TEXT_UNREACHABLE": "undelivered",
    "TEXT_TTL_EXPIRED": "undelivered",
}
_MAIL: dict[str, Kind] = {
    "send": "accepted",
    "delivery": "delivered",
    "bounce": "bounced_soft",
    "complaint": "complained",
    "reject": "rejected",
    "renderingfailure": "rejected",
    "deliverydelay": "delayed",
    "subscription": "opted_out",
}
_SNS_SAYS: tuple[tuple[str, Kind, str], ...] = (
    ("opted out", "opted_out", "opted_out"),
    ("invalid phone", "bounced_hard", "invalid_number"),
    ("blocked as spam", "rejected", "spam"),
    ("no quota left", "rejected", "quota"),
    ("blocked", "undelivered", "blocked"),
    ("unreachable", "undelivered", "unreachable"),
    ("unavailable", "undelivered", "unreachable"),
)
_CODE = re.compile(r"[^A-Za-z0-9_.:-]+")
_MOST_PARTS = 255
_MOST_PRICE = 1000
"""USD of one message: beyond that it is a mistake, which is not believed."""
_ID = re.compile(r"^[\x21-\x7e]{1,200}$")


def read(event: Any) -> Receipt | None:
    """Return the receipt in an event of AWS, as it is or in EventBridge's envelope, if any."""
    if not isinstance(event, Mapping):
        return None
    detail = event.get("detail")
    if isinstance(detail, Mapping) and "detail-type" in event:
        event = detail
    if isinstance(event.get("mail"), Mapping):
        return _mail(event, event["mail"])
    if isinstance(event.get("notification"), Mapping) and isinstance(event.get("status"), str):
        return _log(event, event["notification"])
    if str(event.get("eventType")) in _TEXTS:
        return _text(event)
    return None


def _text(event: Mapping[str, Any]) -> Receipt | None:
    name, context = str(event["eventType"]), _map(event.get("context"))
    kind = _TEXTS[name]
    if event.get("isFinal") is False and kind not in {"delivered", "accepted"}:
        kind = "delayed"  # the carrier goes on trying
    attempt, provider = as_uuid(context.get("attempt")), as_id(event.get("messageId"))
    if attempt is None and provider is None:
        return None
    key = event_id(provider, name, event.get("eventTimestamp"))
    return Receipt(
        "aws", kind, key, attempt, provider, as_code(event.get("messageStatus")),
        _millis(event.get("eventTimestamp")), *_bill(event),
    )  # fmt: skip


def _bill(event: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return segments and millionths of a USD; what is said before the end may be said too early.

    The carriers' fee is charged beside the price.
    """
    if event.get("isFinal") is not True:
        return None, None
    price, fee = _micros(event.get("totalMessagePrice")), _micros(event.get("totalCarrierFee"))
    return _parts(event.get("totalMessageParts")), None if price is None else price + (fee or 0)


def _mail(event: Mapping[str, Any], mail: Mapping[str, Any]) -> Receipt | None:
    name = str(event.get("eventType") or event.get("notificationType") or "")
    kind = _MAIL.get(name.replace(" ", "").lower())
    tags = _map(mail.get("tags")).get("attempt")
    attempt = as_uuid(tags[0] if isinstance(tags, list) and tags else tags)
    provider = as_id(mail.get("messageId"))
    if kind is None or (attempt is None and provider is None):
        return None
    part = _map(event.get({"deliverydelay": "deliveryDelay"}.get(name.lower(), name.lower())))
    kind, code = _mail_says(kind, part)
    if name == "Subscription" and not _map(part.get("newTopicPreferences")).get("unsubscribeAll"):
        return None
    at = part.get("timestamp") or mail.get("timestamp")
    key = event_id(provider, name, part.get("feedbackId") or at)
    return Receipt("ses", kind, key, attempt, provider, code, as_instant(at))


def _mail_says(kind: Kind, part: Mapping[str, Any]) -> tuple[Kind, str | None]:
    if kind == "bounced_soft":
        code = as_code(f"{part.get('bounceType')}.{part.get('bounceSubType')}")
        return ("bounced_hard" if part.get("bounceType") == "Permanent" else kind), code
    if kind == "complained":
        sub_type = part.get("complaintSubType")
        # SES did not even try: somebody complained before.
        suppressed = sub_type == "OnAccountSuppressionList"
        code = as_code(sub_type or part.get("complaintFeedbackType"))
        return ("opted_out" if suppressed else kind), code
    return kind, as_code(part.get("delayType") or part.get("reason") or part.get("errorMessage"))


def _log(event: Mapping[str, Any], notification: Mapping[str, Any]) -> Receipt | None:
    """Read a line of SNS's delivery log, which names the message by SNS's own id alone."""
    provider = as_id(notification.get("messageId"))
    if provider is None:
        return None
    says = str(_map(event.get("delivery")).get("providerResponse")).lower()
    kind: Kind = "undelivered"
    code = None
    if event["status"] == "SUCCESS":
        # `accepted by phone carrier` and `accepted by phone` are both a success to SNS.
        kind = "delivered" if says.endswith("by phone") else "accepted"
    else:
        found = [(kind, code) for text, kind, code in _SNS_SAYS if text in says]
        kind, code = found[0] if found else ("undelivered", "failed")
    at = as_instant(notification.get("timestamp"))
    told = _map(event.get("delivery"))
    return Receipt(
        "sns", kind, event_id(provider, event["status"]), None, provider, code, at,
        _parts(told.get("numberOfMessageParts")), _micros(told.get("priceInUSD")),
    )  # fmt: skip


def _parts(value: Any) -> int | None:
    plain = isinstance(value, int) and not isinstance(value, bool)
    return value if plain and 0 < value <= _MOST_PARTS else None


def _micros(value: Any) -> int | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return round(value * 1_000_000) if plain and 0 <= value <= _MOST_PRICE else None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def as_uuid(value: Any) -> UUID | None:
    """Return the id that `value` writes, if it does."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def as_id(value: Any) -> str | None:
    """Return a provider's id: up to 200 visible characters."""
    return value if isinstance(value, str) and _ID.match(value) else None


def as_code(value: Any) -> str | None:
    """Return a provider's word without anything that could be text or an address."""
    if not isinstance(value, str) or "@" in value or re.search(r"\d{5}", value):
        return None
    return _CODE.sub("_", value).strip("_")[:64] or None


def as_instant(value: Any) -> datetime | None:
    """Return the instant that `value` writes; without a zone it is UTC, as in AWS's logs."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return _utc(at)


def _utc(at: datetime) -> datetime | None:
    if at.tzinfo is None:
        at = datetime(at.year, at.month, at.day, at.hour, at.minute, at.second, tzinfo=UTC)
    return at if 2000 <= at.year < 2100 else None  # noqa: PLR2004  what no clock of theirs says


def as_unix(value: str) -> datetime | None:
    """Return the instant of a Unix time in seconds."""
    return _millis(int(value) * 1000) if re.fullmatch(r"[0-9]{1,12}", value) else None


def _millis(value: Any) -> datetime | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return _utc(datetime.fromtimestamp(value / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return None
