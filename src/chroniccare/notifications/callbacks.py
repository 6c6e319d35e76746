"""Who calls us back: Amazon, by its certificate, or a gateway, by our secret.

Receipts and replies come by the same two ways and are checked by the same code; what is in them is
theirs to read.
"""

import asyncio
import binascii
import hmac
import logging
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from chroniccare.core.errors import FieldError, Forbidden, Invalid, Unauthenticated, Unavailable
from chroniccare.notifications.receipts import rules, rules_events
from chroniccare.platform.crypto import BadCertificate, public_key, signed_by
from chroniccare.platform.fetch import FetchError, fetch
from chroniccare.platform.postgres import database

log = logging.getLogger(__name__)

_MOST_KEYS = 32

Body = TypeVar("Body", bound=BaseModel)


class NotGenuine(Unauthenticated):
    """The signature is not that of whoever may tell us, or it is too old."""

    code = "NOT_GENUINE"
    message = "The signature is missing, forged or too old."


class NotOurTopic(Forbidden):
    """Genuine or not, nobody asked for it."""

    code = "NOT_OUR_TOPIC"
    message = "Messages of this topic are not taken: see docs/settings.md."


class NotSetUp(Forbidden):
    """There is no secret with which a gateway could sign."""

    code = "NOT_SET_UP"
    message = "Callbacks of a gateway are not taken: see CHRONICCARE_RECEIPTS_SECRET."


@dataclass(slots=True)
class Keys:
    """Keys of the certificates that were fetched, for the life of the process."""

    known: dict[str, Any] = field(default_factory=dict)
    fetching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    async def get(self, url: str) -> Any:
        """Return the key of the certificate at `url`, which must be of a trusted host.

        Raises:
            NotGenuine: there is no such certificate.
            Unavailable: it cannot be fetched just now.
        """
        if url in self.known:
            return self.known[url]
        async with self.fetching:
            if url not in self.known:
                try:
                    key = public_key(await fetch(url))
                except BadCertificate:
                    raise NotGenuine from None
                except FetchError as error:
                    raise (NotGenuine if error.refused else Unavailable) from None
                if len(self.known) >= _MOST_KEYS:
                    self.known.clear()
                self.known[url] = key
        return self.known[url]


_keys = Keys()


async def of_sns(body: bytes, topics: frozenset[str]) -> str | None:
    """Return what a message of SNS holds, of one of `topics`; see docs/receipts.md.

    None: it confirmed our subscription, or ended it.

    Raises:
        Invalid: it is not such a message.
        NotOurTopic: of a topic that is not ours.
        NotGenuine: not signed by Amazon, or older than a day.
        Unavailable: the certificate cannot be fetched, or the database is away: SNS tries again.
    """
    envelope = _document(body)
    topic = envelope.get("TopicArn")
    if not isinstance(topic, str) or topic not in topics:
        raise NotOurTopic
    simulator = database().settings.sns_simulator_url
    await _check_sns(envelope, simulator)
    if envelope["Type"] == "Notification":
        return str(envelope["Message"])
    if envelope["Type"] == "SubscriptionConfirmation":
        await _subscribe(envelope["SubscribeURL"], simulator)
    else:
        log.warning("a topic was unsubscribed: nothing more will be heard from it")
    return None


async def _subscribe(url: str, simulator: str) -> None:
    if not rules.of_aws(url, simulator):
        raise NotGenuine
    try:
        await fetch(url)
    except FetchError:
        raise Unavailable from None
    log.info("subscribed to a topic")


async def _check_sns(envelope: dict[str, Any], simulator: str) -> None:
    text, url = rules.signed_text(envelope), envelope.get("SigningCertURL")
    version = envelope.get("SignatureVersion")
    at = rules_events.as_instant(envelope.get("Timestamp"))
    if text is None or version not in {"1", "2"} or at is None:
        raise Invalid.field("body", "is not a message of SNS", "sns")
    if not isinstance(url, str) or not rules.of_aws(url, simulator):
        raise NotGenuine
    try:
        signature = b64decode(str(envelope.get("Signature")), validate=True)
    except (binascii.Error, ValueError):
        raise NotGenuine from None
    if not signed_by(await _keys.get(url), signature, text, version=version):
        raise NotGenuine
    _check_age(at, rules.SNS_TOLERANCE)


def _check_age(at: datetime, tolerance: timedelta) -> None:
    now = database().clock()
    if not now - tolerance <= at <= now + rules.HTTP_TOLERANCE:
        raise NotGenuine


def of_gateway(body: bytes, shape: type[Body], *, timestamp: str, signature: str) -> Body:
    """Return what a gateway of our own says, as `shape`.

    Raises:
        NotSetUp: no secret is set.
        NotGenuine: not signed with it, or more than five minutes from now.
        Invalid: signed, but not as `shape` says.
    """
    secret = database().settings.receipts_secret.get_secret_value()
    if not secret:
        raise NotSetUp
    wanted = rules.http_signature(secret, timestamp, body)
    if not hmac.compare_digest(wanted.encode(), signature.encode()):
        raise NotGenuine
    at = rules_events.as_unix(timestamp)
    if at is None:
        raise NotGenuine
    _check_age(at, rules.HTTP_TOLERANCE)
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        details = [
            FieldError(".".join(map(str, one["loc"])) or "body", one["msg"], one["type"])
            for one in found
        ]
        raise Invalid(details=details) from None


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid.field("body", "is not valid JSON", "json") from None
    if not isinstance(found, dict):
        raise Invalid.field("body", "must be an object", "json")
    return found
