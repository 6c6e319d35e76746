"""What providers tell afterwards, in their own shapes, and how that goes wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

import orjson

from chroniccare.simulator.ledger import Service

log = logging.getLogger(__name__)

TOPIC = "arn:aws:sns:us-east-1:123456789012:chroniccare-events"
_ACCOUNT = "123456789012"

Order = Literal["late", "early", "lost", "reversed", "duplicate"]
"""`late`: after the answer, as they should; `early`: before it; `lost`: not at all; `reversed`:
the last first; `duplicate`: each twice."""
ORDERS: tuple[Order, ...] = ("late", "early", "lost", "reversed", "duplicate")


@dataclass(frozen=True, slots=True)
class Sent:
    """The message that receipts are about; `outcome` is how it ends."""

    service: Service
    attempt: str
    to: str
    message_id: str
    at_ms: int
    outcome: Literal["delivered", "undelivered", "bounced", "complained"] = "delivered"


Tell = Callable[[Service, dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Receipts:
    """Makes the receipts of each message and hands them to `tell`, if there is one.

    Attributes:
        orders: share of messages, 0 to 1, whose receipts come in another order than `late`.
        script: orders of the next messages, before `orders` counts.
        delay_ms: how long after the answer each receipt comes.
        told: every receipt that was handed out, in order.
    """

    tell: Tell | None = None
    orders: dict[Order, float] = field(default_factory=dict)
    script: list[Order] = field(default_factory=list)
    seed: int = 0
    delay_ms: int = 0
    told: list[tuple[Service, dict[str, Any]]] = field(default_factory=list)
    waiting: set[asyncio.Task[None]] = field(default_factory=set)
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  receipts that can be repeated

    async def about(self, sent: Sent) -> None:
        """Hand out the receipts of one message, or see to it; called before the answer."""
        order = self._order()
        events = shapes(sent)
        if order == "lost":
            return
        if order == "reversed":
            events.reverse()
        if order == "duplicate":
            events = [event for event in events for _ in range(2)]
        if order == "early":
            await self._hand_out(sent.service, events, 0)
            return
        task = asyncio.create_task(self._hand_out(sent.service, events, self.delay_ms))
        self.waiting.add(task)
        task.add_done_callback(self.waiting.discard)

    async def finished(self) -> None:
        """Wait until every receipt was handed out."""
        while self.waiting:
            await asyncio.wait(tuple(self.waiting))

    async def close(self) -> None:
        """Hand out nothing more."""
        for task in tuple(self.waiting):
            task.cancel()
        if self.waiting:
            await asyncio.wait(tuple(self.waiting))

    def _order(self) -> Order:
        if self.script:
            return self.script.pop(0)
        drawn = self.random.random() if self.orders else 1.0
        for order, chance in self.orders.items():
            drawn -= chance
            if drawn < 0:
                return order
        return "late"

    async def _hand_out(
        self, service: Service, events: list[dict[str, Any]], delay_ms: int
    ) -> None:
        for event in events:
            await asyncio.sleep(delay_ms / 1000)
            self.told.append((service, event))
            if self.tell is not None:
                try:
                    await self.tell(service, event)
                except Exception as error:  # noqa: BLE001  a listener's fault is not ours
                    log.warning("receipt not taken", extra={"kind": type(error).__name__})


def shapes(sent: Sent) -> list[dict[str, Any]]:
    """Return the receipts of a message in the order in which they should come."""
    if sent.service == "aws":
        last = "TEXT_DELIVERED" if sent.outcome == "delivered" else "TEXT_UNREACHABLE"
        kinds = ("TEXT_PENDING", "TEXT_SENT", last)
        return [eum(sent, kind, sent.at_ms + n) for n, kind in enumerate(kinds)]
    if sent.service == "ses":
        last = {"bounced": "Bounce", "complained": "Complaint"}.get(sent.outcome, "Delivery")
        return [ses(sent, kind, sent.at_ms + n) for n, kind in enumerate(("Send", last))]
    if sent.service == "http":
        last = {"bounced": "bounced_hard"}.get(sent.outcome, sent.outcome)
        return [gateway(sent, state, sent.at_ms + n) for n, state in enumerate(("accepted", last))]
    if sent.service == "sns":
        return [sns_log(sent)]
    return []  # SMTP and devices tell nothing


def _instant(at_ms: int) -> str:
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def eum(sent: Sent, kind: str, at_ms: int) -> dict[str, Any]:
    """Return an event of End User Messaging; `context` is what the call said."""
    status = kind.removeprefix("TEXT_")
    return {
        "eventType": kind,
        "eventVersion": "1.0",
        "eventTimestamp": at_ms,
        "isFinal": status in {"DELIVERED", "UNREACHABLE"},
        "originationPhoneNumber": "+12065550100",
        "destinationPhoneNumber": sent.to,
        "isoCountryCode": "US",
        "messageId": sent.message_id,
        "messageRequestTimestamp": sent.at_ms,
        "messageEncoding": "GSM",
        "messageType": "TRANSACTIONAL",
        "messageStatus": status,
        "messageStatusDescription": "simulated",
        "context": {"attempt": sent.attempt},
        "totalMessageParts": 1,
        "totalMessagePrice": 0.00581,
        "totalCarrierFee": 0.003,
    }


def ses(sent: Sent, kind: str, at_ms: int) -> dict[str, Any]:
    """Return an event of SES; `mail.tags` holds what the call said."""
    event: dict[str, Any] = {
        "eventType": kind,
        "mail": {
            "timestamp": _instant(sent.at_ms),
            "messageId": sent.message_id,
            "source": "noreply@example.com",
            "sendingAccountId": _ACCOUNT,
            "destination": [sent.to],
            "headersTruncated": False,
            "tags": {"ses:configuration-set": ["chroniccare"], "attempt": [sent.attempt]},
        },
    }
    details: dict[str, dict[str, Any]] = {
        "Send": {},
        "Delivery": {
            "timestamp": _instant(at_ms),
            "recipients": [sent.to],
            "processingTimeMillis": 500,
            "smtpResponse": "250 OK",
        },
        "Bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": sent.to, "action": "failed", "status": "5.1.1"}],
            "timestamp": _instant(at_ms),
            "feedbackId": f"feedback-{sent.message_id}",
        },
        "Complaint": {
            "complainedRecipients": [{"emailAddress": sent.to}],
            "timestamp": _instant(at_ms),
            "feedbackId": f"feedback-{sent.message_id}",
            "complaintFeedbackType": "abuse",
        },
    }
    return {**event, kind.lower(): details[kind]}


def sns_log(sent: Sent) -> dict[str, Any]:
    """Return what SNS writes to CloudWatch Logs about a number; it echoes nothing of ours."""
    delivered = sent.outcome == "delivered"
    return {
        "notification": {"messageId": sent.message_id, "timestamp": _instant(sent.at_ms)},
        "delivery": {
            "numberOfMessageParts": 1,
            "destination": sent.to,
            "priceInUSD": 0.00645,
            "smsType": "Transactional",
            "providerResponse": "Message has been accepted by phone"
            if delivered
            else "Phone is currently unreachable/unavailable",
            "dwellTimeMs": 599,
        },
        "status": "SUCCESS" if delivered else "FAILURE",
    }


def gateway(sent: Sent, state: str, at_ms: int) -> dict[str, Any]:
    """Return what a gateway of a site's own tells."""
    return {
        "reference": sent.attempt,
        "message_id": sent.message_id,
        "status": state,
        "occurred_at": _instant(at_ms),
    }


def through_sns(event: dict[str, Any], *, at_ms: int, topic: str = TOPIC) -> dict[str, Any]:
    """Return the event as an SNS topic posts it, without a valid signature.

    The id follows from the event: a repeated event is a repeated notification.
    """
    text = orjson.dumps(event).decode()
    return {
        "Type": "Notification",
        "MessageId": str(uuid5(NAMESPACE_URL, text)),
        "TopicArn": topic,
        "Message": text,
        "Timestamp": _instant(at_ms),
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    }
